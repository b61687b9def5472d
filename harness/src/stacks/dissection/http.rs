//! HTTP/1.1: a first line, headers, a body.

use super::cutter::{Cutter, end_of};
use super::part::{Layer, Part};

/// The parts of a request or a response. `request_line` is the meaning of the first line of a request; `body` cuts the body.
pub(in crate::stacks) fn parts(
    bytes: &[u8],
    request_line: &'static str,
    body: impl FnOnce(&mut Cutter<'_>) -> Option<()>,
) -> Option<Vec<Part>> {
    let mut cutter = Cutter::new(bytes);
    let is_response = bytes.starts_with(b"HTTP/");
    let first =
        if is_response { "status line: version of HTTP, and success or failure" } else { request_line };
    cutter.cut(line_len(bytes)?, Layer::Framing, first)?;
    loop {
        let len = line_len(cutter.rest())?;
        if len == LINE_END.len() {
            cutter.cut(len, Layer::Framing, "blank line: end of the headers")?;
            break;
        }
        let meaning = header(cutter.rest().get(..len)?);
        cutter.cut(len, Layer::Framing, meaning)?;
    }
    body(&mut cutter)?;
    cutter.finish()
}

const LINE_END: &[u8] = b"\r\n";

/// The length of the first line, with its end.
fn line_len(bytes: &[u8]) -> Option<usize> {
    end_of(LINE_END, bytes)
}

/// The meaning of a header.
fn header(line: &[u8]) -> &'static str {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    match name.to_ascii_lowercase().as_slice() {
        b"host" => "header: name and port of the server, since one may have several names",
        b"content-type" => "header: format of the body",
        b"content-length" => "header: length of the body in bytes",
        b"accept" => "header: formats that the client can read",
        b"accept-encoding" => "header: compressions that the client can read",
        b"user-agent" => "header: library of the client",
        b"server" => "header: library of the server",
        b"date" => "header: when the server answered",
        b"connection" => "header: whether the connection stays open",
        _ => "header",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::dissection::cutter::shown;

    fn whole(cutter: &mut Cutter<'_>) -> Option<()> {
        cutter.cut(cutter.rest().len(), Layer::Envelope, "body").map(drop)
    }

    #[test]
    fn a_request_has_a_first_line_headers_and_a_body() {
        let bytes = b"POST /add HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}";
        let parts = parts(bytes, "request line", whole).unwrap();
        let texts: Vec<_> = shown(bytes, &parts).into_iter().map(|(_, text)| text).collect();
        assert_eq!(
            texts,
            ["POST /add HTTP/1.1\\r\\n", "host: h\\r\\n", "content-length: 2\\r\\n", "\\r\\n", "{}"]
        );
        assert_eq!(parts[0].meaning, "request line");
        assert_eq!(parts[2].meaning, "header: length of the body in bytes");
    }

    #[test]
    fn what_is_not_http_has_no_parts() {
        for bytes in [&b""[..], b"\x01\x00", b"POST / HTTP/1.1\r\nhost: h\r\n", b"POST / HTTP/1.1\r\n\r\nx"] {
            assert_eq!(parts(bytes, "request line", |_| Some(())), None, "{}", bytes.escape_ascii());
        }
    }
}
