//! HTTP/2: frames, of which those with data carry the messages of gRPC.

use std::borrow::Cow;

use super::cutter::Cutter;
use super::part::{Layer, Part};

/// What a client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The length of a frame's header.
const HEADER_LEN: usize = 9;

/// The length of what precedes a message of gRPC.
const PREFIX_LEN: usize = 5;

/// The parts of what one end of a connection sends for a call. `message` cuts the message, which must be in one frame.
pub(in crate::stacks) fn parts(
    bytes: &[u8],
    message: impl Fn(&mut Cutter<'_>) -> Option<()>,
) -> Option<Vec<Part>> {
    let mut cutter = Cutter::new(bytes);
    if bytes.starts_with(PREFACE) {
        cutter.cut(PREFACE.len(), Layer::Framing, "preface: the connection speaks HTTP/2")?;
        cutter.end_line();
    }
    let mut messages = 0;
    while !cutter.rest().is_empty() {
        let [a, b, c, kind, flags, ..] = *cutter.rest() else { return None };
        let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let (name, content) = meaning(kind, flags);
        let header = format!("frame header: length, type {name}, flags, number of the stream");
        cutter.cut(HEADER_LEN, Layer::Framing, header)?;
        if kind == DATA && len > 0 {
            cutter.cut_within(len, |within| {
                within.cut(
                    PREFIX_LEN,
                    Layer::Framing,
                    "whether the message is compressed, and its length",
                )?;
                message(within)
            })?;
            messages += 1;
        } else {
            cutter.cut(len, Layer::Framing, content)?;
        }
        cutter.end_line();
    }
    if messages == 1 { cutter.finish() } else { None }
}

const DATA: u8 = 0;

/// The name of a type of frames, and the meaning of their content.
fn meaning(kind: u8, flags: u8) -> (&'static str, Cow<'static, str>) {
    const END_STREAM: u8 = 1;
    let (name, content) = match kind {
        DATA => ("DATA", "data"),
        // Replies end with headers; in a request they are followed by its data.
        1 if flags & END_STREAM != 0 => ("HEADERS", "trailers, compressed by HPACK: status of the call"),
        1 => (
            "HEADERS",
            "headers, compressed by HPACK: path with the method's name, formats, timeout or status",
        ),
        3 => ("RST_STREAM", "why the call is abandoned"),
        4 => ("SETTINGS", "settings of the connection"),
        6 => ("PING", "eight bytes that the other end sends back"),
        7 => ("GOAWAY", "the last stream, and why the connection ends"),
        8 => ("WINDOW_UPDATE", "how many more bytes may be sent"),
        9 => ("CONTINUATION", "more headers"),
        _ => ("unknown", "content of a frame of an unknown type"),
    };
    (name, content.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::dissection::cutter::shown;

    fn frame(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
        let len = u8::try_from(content.len()).unwrap();
        [&[0, 0, len, kind, flags, 0, 0, 0, 1], content].concat()
    }

    fn whole(cutter: &mut Cutter<'_>) -> Option<()> {
        cutter.cut(cutter.rest().len(), Layer::Values, "message").map(drop)
    }

    #[test]
    fn a_request_is_cut_into_its_frames() {
        let bytes =
            [PREFACE.to_vec(), frame(4, 0, b""), frame(1, 4, b"\x83\x86"), frame(0, 1, b"\0\0\0\0\x02ab")]
                .concat();
        let parts = parts(&bytes, whole).unwrap();
        let texts: Vec<_> = shown(&bytes, &parts).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts[2], "\\x00\\x00\\x02\\x01\\x04\\x00\\x00\\x00\\x01");
        assert_eq!(texts[3..], ["\\x83\\x86", &texts[4], "\\x00\\x00\\x00\\x00\\x02", "ab"]);
        assert!(parts[3].meaning.starts_with("headers") && parts[4].meaning.contains("type DATA"));
        assert_eq!(parts.iter().filter(|part| part.ends_line).count(), 4);
        assert_eq!(parts[6].layer, Layer::Values);
    }

    #[test]
    fn a_reply_ends_with_its_status() {
        let bytes = [frame(1, 4, b"\x88"), frame(0, 0, b"\0\0\0\0\x01a"), frame(1, 5, b"\xc0")].concat();
        let parts = parts(&bytes, whole).unwrap();
        assert!(parts.last().unwrap().meaning.contains("status of the call"));
    }

    #[test]
    fn what_is_not_one_message_in_frames_has_no_parts() {
        let message = frame(0, 0, b"\0\0\0\0\x01a");
        for bytes in [
            vec![],
            b"POST / HTTP/1.1\r\n\r\n".to_vec(),
            frame(1, 4, b"\x88"),
            [&message[..], &message].concat(),
            message[..message.len() - 1].to_vec(),
            frame(0, 0, b"\0\0"),
        ] {
            assert_eq!(parts(&bytes, whole), None, "{}", bytes.escape_ascii());
        }
    }
}
