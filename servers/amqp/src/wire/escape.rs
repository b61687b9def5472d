//! JSON inside a JSON string, written in one go, or by itself.

use std::io;

/// Appends what is written, as the content of a JSON string or as it is.
///
/// For the former it expects JSON text as serde_json writes it: control characters are escaped there already, so that
/// only quotation marks and backslashes need escaping again.
pub(super) struct Escaped {
    out: Vec<u8>,
    escapes: bool,
}

impl Escaped {
    /// Appends to `out` as the content of a string.
    pub(super) fn new(out: Vec<u8>) -> Self {
        Escaped { out, escapes: true }
    }

    /// Appends to `out` as it is.
    pub(super) fn plain(out: Vec<u8>) -> Self {
        Escaped { out, escapes: false }
    }

    pub(super) fn into_inner(self) -> Vec<u8> {
        self.out
    }

    /// Appends a JSON string whose content is `text`.
    pub(super) fn string(&mut self, text: &str) -> Result<(), serde_json::Error> {
        serde_json::to_writer(self, text)
    }

    /// Appends a piece of JSON.
    pub(super) fn json(&mut self, text: &str) {
        self.append(text.as_bytes());
    }

    fn append(&mut self, mut text: &[u8]) {
        while self.escapes
            && let Some(at) = text.iter().position(|byte| matches!(byte, b'"' | b'\\'))
        {
            self.out.extend_from_slice(&text[..at]);
            self.out.extend_from_slice(&[b'\\', text[at]]);
            text = &text[at + 1..];
        }
        self.out.extend_from_slice(text);
    }
}

impl io::Write for Escaped {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.append(text);
        Ok(text.len())
    }

    fn write_all(&mut self, text: &[u8]) -> io::Result<()> {
        self.append(text);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
