//! Reading a body from the bytes that arrive.

use bytes::Bytes;

use super::chunked::ChunkedDecoder;
use super::error::BodyFault;
use super::framing::Framing;
use super::inbox::Inbox;

/// Reads one body from an [`Inbox`].
#[derive(Debug)]
pub struct BodyReader {
    kind: Kind,
    limit: usize,
}

#[derive(Debug)]
enum Kind {
    Length(usize),
    Chunked(Box<ChunkedDecoder>),
    UntilClose,
}

/// How much of a body has arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of it.
    Complete(Bytes),
    /// A part.
    Incomplete {
        /// The number of bytes that have arrived.
        arrived: usize,
        /// The number of bytes that are missing, if it is known.
        missing: Option<usize>,
    },
}

impl BodyReader {
    /// A reader of a body that ends as `framing` says, and has at most `limit` bytes.
    ///
    /// # Errors
    /// [`BodyFault::TooLarge`] for a length above the limit.
    pub fn new(framing: Framing, limit: usize) -> Result<Self, BodyFault> {
        let kind = match framing {
            Framing::None => Kind::Length(0),
            Framing::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= limit => Kind::Length(length),
                _ => return Err(BodyFault::TooLarge(limit)),
            },
            Framing::Chunked => Kind::Chunked(Box::new(ChunkedDecoder::new(limit))),
            Framing::UntilClose => Kind::UntilClose,
        };
        Ok(BodyReader { kind, limit })
    }

    /// A reader of a body that ends with the connection.
    #[must_use]
    pub fn until_close(limit: usize) -> Self {
        BodyReader { kind: Kind::UntilClose, limit }
    }

    /// Reads what has arrived in `inbox`.
    ///
    /// # Errors
    /// [`BodyFault`].
    pub fn read(&mut self, inbox: &mut Inbox) -> Result<Progress, BodyFault> {
        match &mut self.kind {
            Kind::Length(length) if *length <= inbox.len() => Ok(Progress::Complete(inbox.take(*length))),
            Kind::Length(length) => {
                Ok(Progress::Incomplete { arrived: inbox.len(), missing: Some(*length - inbox.len()) })
            }
            Kind::Chunked(decoder) => {
                let used = decoder.decode(inbox.unread());
                inbox.advance(used?);
                Ok(if decoder.is_done() {
                    Progress::Complete(decoder.take_body().freeze())
                } else {
                    Progress::Incomplete { arrived: decoder.body().len(), missing: None }
                })
            }
            Kind::UntilClose if inbox.len() > self.limit => Err(BodyFault::TooLarge(self.limit)),
            Kind::UntilClose => Ok(Progress::Incomplete { arrived: inbox.len(), missing: None }),
        }
    }

    /// The whole body, now that the connection has ended; `None` if its end is missing.
    #[must_use]
    pub fn end(&mut self, inbox: &mut Inbox) -> Option<Bytes> {
        matches!(self.kind, Kind::UntilClose).then(|| self.partial(inbox))
    }

    /// What has arrived of a body of which no more is expected.
    #[must_use]
    pub fn partial(&mut self, inbox: &mut Inbox) -> Bytes {
        match &mut self.kind {
            Kind::Chunked(decoder) => decoder.take_body().freeze(),
            Kind::Length(_) | Kind::UntilClose => inbox.take(inbox.len().min(self.limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in_parts(
        framing: Framing,
        bytes: &[u8],
        part: usize,
    ) -> Result<(Option<Bytes>, Inbox), BodyFault> {
        let (mut reader, mut inbox) = (BodyReader::new(framing, 100)?, Inbox::default());
        let mut body = None;
        for part in bytes.chunks(part) {
            inbox.space(0).extend_from_slice(part);
            if body.is_none()
                && let Progress::Complete(complete) = reader.read(&mut inbox)?
            {
                body = Some(complete);
            }
        }
        Ok((body.or_else(|| reader.end(&mut inbox)), inbox))
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        for part in [1, 3, 100] {
            for (framing, bytes, body, rest) in [
                (Framing::Length(3), "abcrest", Some("abc"), "rest"),
                (Framing::Length(3), "ab", None, "ab"),
                (Framing::Chunked, "3\r\nabc\r\n0\r\n\r\nrest", Some("abc"), "rest"),
                (Framing::Chunked, "3\r\nabc\r\n0\r\n", None, ""),
                (Framing::UntilClose, "abcrest", Some("abcrest"), ""),
            ] {
                let (read, inbox) = read_in_parts(framing, bytes.as_bytes(), part).unwrap();
                let body = body.map(|body| Bytes::from_static(body.as_bytes()));
                assert_eq!((read, inbox.unread()), (body, rest.as_bytes()), "{framing:?} {bytes}");
            }
        }
    }

    #[test]
    fn a_body_above_the_limit_is_refused() {
        let too_large = |framing, bytes: &[u8]| read_in_parts(framing, bytes, 10).err();
        assert_eq!(too_large(Framing::Length(101), b""), Some(BodyFault::TooLarge(100)));
        assert_eq!(too_large(Framing::Length(u64::MAX), b""), Some(BodyFault::TooLarge(100)));
        assert_eq!(too_large(Framing::Length(100), &[7; 100]), None);
        assert_eq!(too_large(Framing::UntilClose, &[7; 101]), Some(BodyFault::TooLarge(100)));
        assert_eq!(too_large(Framing::Chunked, b"65\r\n"), Some(BodyFault::TooLarge(100)));
    }

    #[test]
    fn of_a_body_that_never_ends_the_beginning_can_be_taken() {
        for (framing, bytes, partial) in [
            (Framing::Length(10), "abc", "abc"),
            (Framing::Chunked, "5\r\nabc", "abc"),
            (Framing::UntilClose, "abc", "abc"),
        ] {
            let mut inbox = Inbox::default();
            inbox.space(0).extend_from_slice(bytes.as_bytes());
            let mut reader = BodyReader::new(framing, 100).unwrap();
            reader.read(&mut inbox).unwrap();
            assert_eq!(reader.partial(&mut inbox), partial);
        }
    }
}
