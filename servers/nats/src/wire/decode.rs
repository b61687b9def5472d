//! Decoding of what a broker sends.

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use serde::Deserialize;

/// The longest line that is read, in bytes. That of INFO lists the addresses of a cluster.
const MAX_LINE_BYTES: usize = 64 << 10;
/// The longest headers that are read, in bytes.
const MAX_HEADER_BYTES: usize = 64 << 10;
/// The longest message that is skipped rather than taken for garbage, in bytes. A broker carries up to 64 MiB.
const MAX_SKIPPED_BYTES: usize = 1 << 30;

/// What ends lines and payloads.
const END: &[u8] = b"\r\n";

/// An operation of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// What the broker says about itself: its first operation, which it may repeat.
    Info(Info),
    /// A message for a subscription.
    Message(Message),
    /// A message beyond the limit, whose payload is skipped. `payload` is empty.
    TooLarge {
        /// The message.
        message: Message,
        /// The size of the payload in bytes.
        bytes: usize,
    },
    /// The broker asks for a PONG.
    Ping,
    /// The answer to a PING.
    Pong,
    /// An operation was carried out; only sent on request.
    Ok,
    /// The broker reports an error, and usually closes the connection.
    Error(String),
}

/// What a broker says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Info {
    /// The version of the broker.
    #[serde(default)]
    pub version: String,
    /// The largest payload that it accepts, in bytes; 0 if it does not say so.
    #[serde(default)]
    pub max_payload: usize,
    /// Whether it accepts headers, with which it can report that a subject has no subscriber.
    #[serde(default)]
    pub headers: bool,
    /// Whether clients must use TLS.
    #[serde(default)]
    pub tls_required: bool,
}

/// A message for a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The subject to which it was published.
    pub subject: Bytes,
    /// The id of the subscription.
    pub subscription: u64,
    /// Where a reply goes, if one is expected.
    pub reply: Option<Bytes>,
    /// The status in the headers, if there is one.
    pub status: Option<u16>,
    /// The payload.
    pub payload: Bytes,
}

/// Why bytes are not operations of a broker. The connection cannot be read any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A line that has no end.
    #[error("a line of more than {MAX_LINE_BYTES} bytes")]
    Line,
    /// A line that is not an operation.
    #[error("not an operation of a NATS broker: {0}")]
    Operation(String),
    /// An operation with other arguments than it has.
    #[error("malformed {0}")]
    Arguments(&'static str),
    /// A length that no broker sends.
    #[error("a message of {0} bytes")]
    Length(usize),
    /// A payload that is longer or shorter than its operation says.
    #[error("a message does not end at its length")]
    End,
}

/// Decodes operations from the bytes of a connection.
#[derive(Clone, Debug)]
pub struct Decoder {
    max_payload: usize,
    /// Bytes that are still to be skipped.
    skipping: usize,
}

impl Decoder {
    /// A decoder that accepts payloads of up to `max_payload` bytes.
    #[must_use]
    pub fn new(max_payload: usize) -> Self {
        Decoder { max_payload, skipping: 0 }
    }

    /// Takes the next operation from the beginning of `inbox`; `None` until all of it has arrived. Memory for a payload is
    /// reserved only within the limit.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn decode(&mut self, inbox: &mut BytesMut) -> Result<Option<Operation>, WireError> {
        let skipped = self.skipping.min(inbox.len());
        inbox.advance(skipped);
        self.skipping -= skipped;
        if self.skipping > 0 {
            return Ok(None);
        }
        let searched = inbox.len().min(MAX_LINE_BYTES);
        let Some(end) = inbox[..searched].iter().position(|byte| *byte == b'\n') else {
            return if searched == MAX_LINE_BYTES { Err(WireError::Line) } else { Ok(None) };
        };
        let line = inbox[..end].trim_ascii_end();
        let (name, arguments) = match line.iter().position(u8::is_ascii_whitespace) {
            Some(at) => (&line[..at], line[at..].trim_ascii_start()),
            None => (line, &[][..]),
        };
        let is = |operation: &str| name.eq_ignore_ascii_case(operation.as_bytes());
        if is("MSG") || is("HMSG") {
            let head = Head::parse(line, name.len(), is("HMSG"))?;
            return self.message(inbox, end + 1, head);
        }
        let operation = if is("PING") {
            Operation::Ping
        } else if is("PONG") {
            Operation::Pong
        } else if is("+OK") {
            Operation::Ok
        } else if is("-ERR") {
            Operation::Error(shown(arguments).trim_matches('\'').to_owned())
        } else if is("INFO") {
            let info = serde_json::from_slice(arguments).map_err(|_| WireError::Arguments("INFO"))?;
            Operation::Info(info)
        } else {
            return Err(WireError::Operation(shown(line)));
        };
        inbox.advance(end + 1);
        Ok(Some(operation))
    }

    /// Takes a message, whose line has `line` bytes, from `inbox`.
    fn message(
        &mut self,
        inbox: &mut BytesMut,
        line: usize,
        head: Head,
    ) -> Result<Option<Operation>, WireError> {
        let Head { headers, total, .. } = head;
        if total > MAX_SKIPPED_BYTES || headers > MAX_HEADER_BYTES {
            return Err(WireError::Length(total));
        }
        let payload = total - headers;
        if payload > self.max_payload {
            let message = head.message(&inbox.split_to(line).freeze());
            self.skipping = total + END.len();
            return Ok(Some(Operation::TooLarge { message, bytes: payload }));
        }
        let whole = line + total + END.len();
        if inbox.len() < whole {
            inbox.reserve(whole - inbox.len());
            return Ok(None);
        }
        if &inbox[line + total..whole] != END {
            return Err(WireError::End);
        }
        let bytes = inbox.split_to(whole).freeze();
        let payload_at = line + headers;
        let status = status(&bytes[line..payload_at]);
        let payload = bytes.slice(payload_at..payload_at + payload);
        Ok(Some(Operation::Message(Message { status, payload, ..head.message(&bytes) })))
    }
}

/// The arguments of MSG and HMSG.
struct Head {
    /// Where the subject is in the line.
    subject: Range<usize>,
    subscription: u64,
    reply: Option<Range<usize>>,
    /// Bytes of the headers; 0 without them.
    headers: usize,
    /// Bytes of headers and payload.
    total: usize,
}

/// The most arguments that an operation has.
const MAX_WORDS: usize = 5;

impl Head {
    /// Parses the arguments that begin at `start` of `line`.
    fn parse(line: &[u8], start: usize, has_headers: bool) -> Result<Self, WireError> {
        let malformed = WireError::Arguments(if has_headers { "HMSG" } else { "MSG" });
        let (words, count) = words(line, start).ok_or_else(|| malformed.clone())?;
        let number = |word: &Range<usize>| {
            let digits = str::from_utf8(&line[word.clone()]).ok()?;
            digits.parse::<usize>().ok()
        };
        let read = match (&words[..count], has_headers) {
            ([subject, id, total], false) => (subject, id, None, Some(0), total),
            ([subject, id, reply, total], false) => (subject, id, Some(reply), Some(0), total),
            ([subject, id, headers, total], true) => (subject, id, None, number(headers), total),
            ([subject, id, reply, headers, total], true) => {
                (subject, id, Some(reply), number(headers), total)
            }
            _ => return Err(malformed),
        };
        let (subject, id, reply, headers, total) = read;
        let (Some(id), Some(headers), Some(total)) = (number(id), headers, number(total)) else {
            return Err(malformed);
        };
        if headers > total {
            return Err(malformed);
        }
        Ok(Head { subject: subject.clone(), subscription: id as u64, reply: reply.cloned(), headers, total })
    }

    /// The message without its payload. `bytes` begin with its line.
    fn message(&self, bytes: &Bytes) -> Message {
        Message {
            subject: bytes.slice(self.subject.clone()),
            subscription: self.subscription,
            reply: self.reply.clone().map(|reply| bytes.slice(reply)),
            ..Message::default()
        }
    }
}

/// Where the words of `line` are from `start` on, and their number; `None` if there are more than [`MAX_WORDS`].
fn words(line: &[u8], start: usize) -> Option<([Range<usize>; MAX_WORDS], usize)> {
    let (mut words, mut count, mut at) = ([const { 0..0 }; MAX_WORDS], 0, start);
    while at < line.len() {
        if line[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let end = line[at..].iter().position(u8::is_ascii_whitespace).map_or(line.len(), |len| at + len);
        *words.get_mut(count)? = at..end;
        count += 1;
        at = end;
    }
    Some((words, count))
}

/// The status in the first line of headers, `NATS/1.0 503`.
fn status(headers: &[u8]) -> Option<u16> {
    let line = headers.split(|byte| *byte == b'\r').next()?;
    str::from_utf8(line).ok()?.strip_prefix("NATS/1.0")?.split_ascii_whitespace().next()?.parse().ok()
}

/// The beginning of what a broker sent, for people.
fn shown(bytes: &[u8]) -> String {
    /// The number of bytes that are shown.
    const SHOWN_BYTES: usize = 200;
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES)]).into_owned()
}
