//! Writing JSON, either plainly or as the content of a JSON string.

use std::io;

/// Appends JSON text to a buffer. In escaped form, the text becomes the content of a JSON string.
///
/// Escaping expects JSON as serde_json writes it, in which control characters are escaped already: only quotation marks
/// and backslashes are escaped again.
pub(super) struct JsonWriter {
    out: Vec<u8>,
    escapes: bool,
}

impl JsonWriter {
    /// Appends to `out`, escaped.
    pub(super) fn escaped(out: Vec<u8>) -> Self {
        JsonWriter { out, escapes: true }
    }

    /// Appends to `out`, unescaped.
    pub(super) fn plain(out: Vec<u8>) -> Self {
        JsonWriter { out, escapes: false }
    }

    /// The buffer.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Appends a JSON string with the content `text`.
    pub(super) fn string(&mut self, text: &str) -> Result<(), serde_json::Error> {
        serde_json::to_writer(self, text)
    }

    /// Appends a fragment of JSON text.
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

impl io::Write for JsonWriter {
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
