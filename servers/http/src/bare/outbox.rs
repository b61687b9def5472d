//! Writing messages.

use std::future::poll_fn;
use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::time::SystemTime;

use http::{StatusCode, Version};
use net::WRITE_STALL_TIMEOUT;
use tokio::io::AsyncWrite;

use super::wire::Persistence;
use crate::Answer;
use crate::timer::within;

/// The length of a body in bytes up to which it is copied behind its head, so that both are written from one buffer. A longer
/// one is written from where it is.
pub(super) const MAX_COPIED_BYTES: usize = 64 << 10;

/// The largest size in bytes that a buffer keeps for the next message.
const MAX_RETAINED_CAPACITY: usize = 256 << 10;

/// The interim response that lets a client send its body (RFC 9110, section 15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How a response is written, besides its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseForm {
    /// The version of the request, which the response repeats.
    pub(super) version: Version,
    /// Whether the request was a HEAD, so that the body is left out.
    pub(super) is_head: bool,
    /// Whether the connection stays open after the response.
    pub(super) persistence: Persistence,
}

/// Responses that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    date: Date,
}

impl Outbox {
    /// Whether so many bytes wait that they should be written before further ones are added.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() > MAX_COPIED_BYTES
    }

    /// Adds the interim response `100 Continue`.
    pub(super) fn push_continue(&mut self) {
        self.bytes.extend_from_slice(CONTINUE);
    }

    /// Adds the head of a response and a short body. Returns a long one, which must be written after the head.
    pub(super) fn push(&mut self, answer: Answer, form: ResponseForm) -> Option<Vec<u8>> {
        let Answer { status, content_type, fields, body } = answer;
        let out = &mut self.bytes;
        push_status_line(out, form.version, status);
        if let Some(content_type) = content_type {
            push_field(out, "content-type", content_type.as_bytes());
        }
        for (name, value) in &fields {
            push_field(out, name.as_str(), value.as_bytes());
        }
        match (form.persistence, form.version) {
            (Persistence::Close, Version::HTTP_10) | (Persistence::KeepAlive, Version::HTTP_11) => {}
            (Persistence::Close, _) => push_field(out, "connection", b"close"),
            (Persistence::KeepAlive, _) => push_field(out, "connection", b"keep-alive"),
        }
        // RFC 9110, section 8.6: never with 204, and with 304 only the length that a 200 would have.
        if !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            push_length(out, body.len());
        }
        push_field(out, "date", self.date.text());
        out.extend_from_slice(b"\r\n");
        if form.is_head {
            return None;
        }
        if body.len() > MAX_COPIED_BYTES {
            return Some(body);
        }
        out.extend_from_slice(&body);
        None
    }

    /// Writes everything, and `body` after it.
    ///
    /// # Errors
    /// When the peer has left, or accepts nothing for [`WRITE_STALL_TIMEOUT`].
    pub(super) async fn write(&mut self, stream: &mut net::Stream, body: &[u8]) -> io::Result<()> {
        let mut written = 0;
        while written < self.bytes.len() + body.len() {
            let head = self.bytes.get(written..).unwrap_or_default();
            let body = body.get(written.saturating_sub(self.bytes.len())..).unwrap_or_default();
            let stalled =
                |_| io::Error::new(io::ErrorKind::TimedOut, "the client does not read the response");
            written +=
                within(WRITE_STALL_TIMEOUT, write_some(stream, head, body)).await.map_err(stalled)??;
        }
        recycle(&mut self.bytes);
        Ok(())
    }
}

/// Writes as much of `head` and `body` as the peer accepts, with one system call, and returns the number of bytes.
async fn write_some(stream: &mut net::Stream, head: &[u8], body: &[u8]) -> io::Result<usize> {
    let written = poll_fn(|context| {
        let stream = Pin::new(&mut *stream);
        match (head, body) {
            (bytes, []) | ([], bytes) => stream.poll_write(context, bytes),
            (head, body) => stream.poll_write_vectored(context, &[IoSlice::new(head), IoSlice::new(body)]),
        }
    })
    .await?;
    if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) }
}

/// Empties a buffer, so that it can be used for the next message. Of a large one the memory is freed.
pub(super) fn recycle(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(MAX_RETAINED_CAPACITY);
}

fn push_status_line(out: &mut Vec<u8>, version: Version, status: StatusCode) {
    if (version, status) == (Version::HTTP_11, StatusCode::OK) {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    let version: &[u8] = if version == Version::HTTP_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " };
    for part in
        [version, status.as_str().as_bytes(), b" ", status.canonical_reason().unwrap_or("<none>").as_bytes()]
    {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

/// Adds a field.
pub(super) fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Adds the field `content-length`.
pub(super) fn push_length(out: &mut Vec<u8>, len: usize) {
    push_field(out, "content-length", itoa::Buffer::new().format(len).as_bytes());
}

/// The date of responses, which is formatted once per second.
#[derive(Debug)]
struct Date {
    second: u64,
    text: Vec<u8>,
}

impl Default for Date {
    fn default() -> Self {
        Date { second: u64::MAX, text: Vec::with_capacity(32) }
    }
}

impl Date {
    fn text(&mut self) -> &[u8] {
        let now = SystemTime::now();
        let second = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        if second != self.second {
            self.second = second;
            self.text.clear();
            // Writing to memory does not fail.
            let _ = write!(self.text, "{}", httpdate::HttpDate::from(now));
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header};

    const FORM: ResponseForm =
        ResponseForm { version: Version::HTTP_11, is_head: false, persistence: Persistence::KeepAlive };

    /// The bytes of `answer`, with `DATE` for the date.
    fn written(answer: Answer, form: ResponseForm) -> String {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.push(answer, form), None);
        let text = String::from_utf8(outbox.bytes).unwrap();
        let (before, after) = text.split_once("date: ").unwrap();
        let (date, after) = after.split_once("\r\n").unwrap();
        assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
        format!("{before}date: DATE\r\n{after}")
    }

    #[test]
    fn responses_have_the_bytes_of_the_protocol() {
        let answer = || Answer::new(StatusCode::OK, "application/json", "{}");
        assert_eq!(
            written(answer(), FORM),
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\ndate: DATE\r\n\r\n{}"
        );
        let head = ResponseForm { is_head: true, persistence: Persistence::Close, ..FORM };
        assert_eq!(
            written(answer().with(header::ALLOW, HeaderValue::from_static("GET")), head),
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nallow: GET\r\nconnection: close\r\ncontent-length: 2\r\n\
             date: DATE\r\n\r\n"
        );
        let old = ResponseForm { version: Version::HTTP_10, ..FORM };
        assert_eq!(
            written(Answer::new(StatusCode::NOT_FOUND, "text/plain", "no"), old),
            "HTTP/1.0 404 Not Found\r\ncontent-type: text/plain\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\
             date: DATE\r\n\r\nno"
        );
        let old = ResponseForm { persistence: Persistence::Close, ..old };
        assert_eq!(
            written(Answer::without_body(StatusCode::NO_CONTENT), old),
            "HTTP/1.0 204 No Content\r\ndate: DATE\r\n\r\n"
        );
    }

    #[test]
    fn a_long_body_is_not_copied() {
        let mut outbox = Outbox::default();
        let body = vec![7; MAX_COPIED_BYTES + 1];
        let place = body.as_ptr();
        let left = outbox.push(Answer::new(StatusCode::OK, "text/plain", body), FORM).unwrap();
        assert_eq!((left.as_ptr(), left.len()), (place, MAX_COPIED_BYTES + 1));
        assert!(!outbox.is_full() && outbox.bytes.ends_with(b"\r\n\r\n"));
    }

    #[test]
    fn the_date_is_formatted_again_when_a_second_has_passed() {
        let mut date = Date { second: 0, text: b"old".to_vec() };
        let now = date.text().to_vec();
        assert!(httpdate::parse_http_date(std::str::from_utf8(&now).unwrap()).is_ok());
        date.text = b"kept".to_vec();
        date.second = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 1;
        assert_ne!(date.text(), b"kept");
    }
}
