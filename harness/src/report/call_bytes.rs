//! The bytes of one call of each stack, cut into parts with their meanings.

use schemars::JsonSchema;
use serde::Serialize;

use super::stack::StackKind;
use crate::record::{CapturedCall, CapturedHop, Party, Record, StackFacts};
use crate::stacks::{Layer, Message, Part};

/// Printable characters next to other bytes are shown as text from this number on; fewer are likely to be chance.
const MIN_TEXT: usize = 3;

/// The bytes of one call of a stack.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CallBytes {
    /// The stack.
    pub stack: String,
    /// Its protocol and role.
    #[serde(skip)]
    pub kind: StackKind,
    /// Whether its library is one that most applications use.
    pub is_usual: bool,
    /// The hops in the order of the call.
    pub hops: Vec<HopBytes>,
}

/// The bytes that went one way between two parties.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct HopBytes {
    /// The sender.
    pub from: &'static str,
    /// The receiver.
    pub to: &'static str,
    /// Whether it carries the request, and not the reply.
    pub is_request: bool,
    /// The number of bytes.
    pub bytes: usize,
    /// The parts in the order of the bytes.
    pub parts: Vec<PartBytes>,
}

/// Consecutive bytes with one meaning.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PartBytes {
    /// The purpose; absent where the bytes were not understood.
    pub layer: Option<Layer>,
    /// The number of bytes.
    pub bytes: usize,
    /// The meaning, in half a sentence.
    pub meaning: String,
    /// The bytes, readable.
    pub content: Vec<Run>,
    /// Whether a line or a frame ends with it.
    pub ends_line: bool,
}

/// Consecutive bytes that are shown alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Run {
    /// Printable ASCII.
    Text(String),
    /// The end of a line, as `\r\n` or `\n`.
    LineEnd(&'static str),
    /// Other bytes, two hexadecimal digits each, with spaces between them.
    Hex(String),
}

impl CallBytes {
    /// The calls of `record` whose stacks it knows.
    pub(super) fn all(record: &Record) -> Vec<Self> {
        let of_stack = |captured: &CapturedCall| {
            let facts = record.stacks.iter().find(|facts| facts.name == captured.stack)?;
            Some(CallBytes::new(captured, facts))
        };
        record.captures.iter().filter_map(of_stack).collect()
    }

    fn new(captured: &CapturedCall, facts: &StackFacts) -> Self {
        let kind = StackKind::of(facts);
        CallBytes {
            stack: captured.stack.clone(),
            kind,
            is_usual: kind.is_usual(),
            hops: captured.hops.iter().map(|hop| HopBytes::new(hop, kind)).collect(),
        }
    }
}

impl HopBytes {
    fn new(hop: &CapturedHop, kind: StackKind) -> Self {
        let undivided = || PartBytes {
            layer: None,
            bytes: hop.bytes.len(),
            meaning: "not understood".to_owned(),
            content: runs(&hop.bytes),
            ends_line: false,
        };
        let parts = kind.dissect(hop.leg(), &hop.bytes);
        let is_whole =
            |parts: &Vec<Part>| parts.iter().map(|part| part.len).sum::<usize>() == hop.bytes.len();
        HopBytes {
            from: Party::name(hop.from),
            to: Party::name(hop.to),
            is_request: hop.leg().message == Message::Request,
            bytes: hop.bytes.len(),
            parts: parts
                .filter(is_whole)
                .map_or_else(|| vec![undivided()], |parts| PartBytes::all(&hop.bytes, parts)),
        }
    }
}

impl PartBytes {
    /// `parts` with their bytes, which are all of `bytes`.
    fn all(bytes: &[u8], parts: Vec<Part>) -> Vec<Self> {
        let mut rest = bytes;
        let mut all = Vec::new();
        for part in parts {
            let (bytes, after) = rest.split_at(part.len.min(rest.len()));
            rest = after;
            let content = runs(bytes);
            all.push(PartBytes {
                layer: Some(part.layer),
                bytes: bytes.len(),
                meaning: part.meaning.into_owned(),
                ends_line: part.ends_line || matches!(content.last(), Some(Run::LineEnd(_))),
                content,
            });
        }
        all
    }

    /// The content in one text: bytes that are not printable as hexadecimal digits in ⟨ ⟩.
    pub(super) fn text(&self) -> String {
        let run = |run: &Run| match run {
            Run::Text(text) => text.clone(),
            Run::LineEnd(end) => (*end).to_owned(),
            Run::Hex(digits) => format!("⟨{digits}⟩"),
        };
        self.content.iter().map(run).collect()
    }
}

/// `bytes` as runs of text and of hexadecimal digits. All of it is text if all of it is printable.
fn runs(bytes: &[u8]) -> Vec<Run> {
    let is_printable = |byte: &u8| (b' '..=b'~').contains(byte);
    let is_text = bytes.iter().all(|byte| is_printable(byte) || matches!(byte, b'\r' | b'\n'));
    let mut runs = Vec::new();
    let mut others = Vec::new();
    for run in bytes.chunk_by(|a, b| is_printable(a) == is_printable(b)) {
        let printable = run.first().is_some_and(is_printable);
        if printable && (is_text || run.len() >= MIN_TEXT) {
            hex(&mut runs, &mut others);
            runs.push(Run::Text(String::from_utf8_lossy(run).into_owned()));
        } else if is_text {
            runs.push(Run::LineEnd(if run.starts_with(b"\r") { "\\r\\n" } else { "\\n" }));
        } else {
            others.extend_from_slice(run);
        }
    }
    hex(&mut runs, &mut others);
    runs
}

/// Appends `bytes` as hexadecimal digits, and empties them.
fn hex(runs: &mut Vec<Run>, bytes: &mut Vec<u8>) {
    if !bytes.is_empty() {
        let digits: Vec<_> = bytes.drain(..).map(|byte| format!("{byte:02x}")).collect();
        runs.push(Run::Hex(digits.join(" ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        let content = runs(bytes);
        let (layer, meaning, ends_line) = (None, String::new(), false);
        let part = PartBytes { layer, bytes: bytes.len(), meaning, content, ends_line };
        part.text()
    }

    #[test]
    fn printable_bytes_are_text_and_others_are_hexadecimal() {
        assert_eq!(text(b"2"), "2");
        assert_eq!(text(b"host: h\r\n"), "host: h\\r\\n");
        assert_eq!(text(b"<a>\n"), "<a>\\n");
        assert_eq!(text(b"\x02"), "⟨02⟩");
        assert_eq!(text(b"\x00\x3c\x00\x28"), "⟨00 3c 00 28⟩");
        assert_eq!(text(b"\x09openstack\x00(\x00"), "⟨09⟩openstack⟨00 28 00⟩");
        assert_eq!(text("ä".as_bytes()), "⟨c3 a4⟩");
        assert_eq!(text(b""), "");
    }
}
