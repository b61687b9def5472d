//! Where the body of a message ends, and whether the connection stays open after it (RFC 9112, sections 6.3 and 9.3).

use http::{StatusCode, Version};

use super::error::HeadError;
use super::field_list::FieldList;

/// Where the body of a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// After this number of bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection. Only responses have such a body.
    UntilClose,
}

/// Whether the sender of a message keeps the connection open after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Further messages may follow.
    KeepAlive,
    /// This is the last message.
    Close,
}

/// The fields of a head that decide about its framing.
#[derive(Debug, Default)]
pub(super) struct FramingFields {
    length: Option<u64>,
    is_chunked: bool,
    asks_to_close: bool,
    asks_to_keep_alive: bool,
    /// Whether there is `expect: 100-continue`.
    pub(super) expects_continue: bool,
}

impl FramingFields {
    /// Reads the fields of a message of this version.
    pub(super) fn read(version: Version, fields: &FieldList<'_>) -> Result<Self, HeadError> {
        let mut read = FramingFields::default();
        let (mut has_length, mut has_coding) = (false, false);
        for (name, value) in fields.iter() {
            // Lengths first: most names differ in them.
            match name.len() {
                14 if name.eq_ignore_ascii_case("content-length") => {
                    let length = parse_length(value).ok_or(HeadError::ContentLength)?;
                    if read.length.is_some_and(|known| known != length) {
                        return Err(HeadError::ContentLength);
                    }
                    read.length = Some(length);
                    has_length = true;
                }
                17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                    if version < Version::HTTP_11 {
                        return Err(HeadError::TransferEncodingIn10);
                    }
                    if has_coding || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                        return Err(HeadError::TransferCoding);
                    }
                    has_coding = true;
                }
                10 if name.eq_ignore_ascii_case("connection") => {
                    for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                        read.asks_to_close |= option.eq_ignore_ascii_case(b"close");
                        read.asks_to_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                    }
                }
                6 if name.eq_ignore_ascii_case("expect") => {
                    let is_continue = value.eq_ignore_ascii_case(b"100-continue");
                    read.expects_continue = is_continue && version >= Version::HTTP_11;
                }
                _ => {}
            }
        }
        if has_length && has_coding {
            return Err(HeadError::TwoLengths);
        }
        read.is_chunked = has_coding;
        Ok(read)
    }

    /// The framing of a request.
    pub(super) fn of_request(&self) -> Framing {
        match self.length {
            _ if self.is_chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::None,
        }
    }

    /// The framing of a response to a request other than HEAD and CONNECT.
    pub(super) fn of_response(&self, status: StatusCode) -> Framing {
        match status {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Framing::None,
            status if status.is_informational() => Framing::None,
            _ => match self.of_request() {
                Framing::None => Framing::UntilClose,
                framing => framing,
            },
        }
    }

    /// Whether the connection stays open after a message of this version.
    pub(super) fn persistence(&self, version: Version) -> Persistence {
        let is_kept = !self.asks_to_close && (version >= Version::HTTP_11 || self.asks_to_keep_alive);
        if is_kept { Persistence::KeepAlive } else { Persistence::Close }
    }
}

/// The value of `content-length`: digits alone (RFC 9110, section 8.6).
fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |length, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::super::field_list::field_space;
    use super::super::head::{parse_request, parse_response};
    use super::*;

    fn of_request(version: &str, fields: &str) -> Result<(Framing, Persistence), HeadError> {
        let text = format!("POST / HTTP/{version}\r\n{fields}\r\n");
        let mut space = field_space();
        let (line, len) = parse_request(text.as_bytes(), &mut space)?.unwrap();
        assert_eq!(len, text.len());
        Ok((line.framing, line.persistence))
    }

    #[test]
    fn the_body_of_a_request_has_a_length_or_chunks_and_never_both() {
        let framing = |fields: &str| of_request("1.1", fields).map(|(framing, _)| framing);
        for (fields, expected) in [
            ("", Framing::None),
            ("content-length: 0\r\n", Framing::Length(0)),
            ("CONTENT-LENGTH: 007\r\n", Framing::Length(7)),
            ("content-length: 5\r\ncontent-length: 5\r\n", Framing::Length(5)),
            ("content-length: 18446744073709551615\r\n", Framing::Length(u64::MAX)),
            ("transfer-encoding: chunked\r\n", Framing::Chunked),
            ("Transfer-Encoding:\t ChunKed \r\n", Framing::Chunked),
        ] {
            assert_eq!(framing(fields), Ok(expected), "{fields}");
        }
        for (fields, error) in [
            ("content-length: 5\r\ncontent-length: 6\r\n", HeadError::ContentLength),
            ("content-length: 5, 5\r\n", HeadError::ContentLength),
            ("content-length: +5\r\n", HeadError::ContentLength),
            ("content-length: -1\r\n", HeadError::ContentLength),
            ("content-length: 0x5\r\n", HeadError::ContentLength),
            ("content-length:\r\n", HeadError::ContentLength),
            ("content-length: 18446744073709551616\r\n", HeadError::ContentLength),
            ("content-length: 5\r\ntransfer-encoding: chunked\r\n", HeadError::TwoLengths),
            ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", HeadError::TwoLengths),
            ("transfer-encoding: gzip, chunked\r\n", HeadError::TransferCoding),
            ("transfer-encoding: chunked, chunked\r\n", HeadError::TransferCoding),
            ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", HeadError::TransferCoding),
            ("transfer-encoding: identity\r\n", HeadError::TransferCoding),
            ("transfer-encoding: \u{b}chunked\r\n", HeadError::Syntax(httparse::Error::HeaderValue)),
            ("transfer-encoding : chunked\r\n", HeadError::Syntax(httparse::Error::HeaderName)),
        ] {
            assert_eq!(framing(fields), Err(error), "{fields}");
        }
        let old = of_request("1.0", "transfer-encoding: chunked\r\n");
        assert_eq!(old, Err(HeadError::TransferEncodingIn10));
    }

    #[test]
    fn a_connection_stays_open_unless_a_message_says_otherwise() {
        let persistence =
            |version, fields: &str| of_request(version, fields).map(|(_, persistence)| persistence).unwrap();
        for (version, fields, expected) in [
            ("1.1", "", Persistence::KeepAlive),
            ("1.1", "connection: keep-alive\r\n", Persistence::KeepAlive),
            ("1.1", "connection: upgrade, Close\r\n", Persistence::Close),
            ("1.1", "connection: close\r\nconnection: keep-alive\r\n", Persistence::Close),
            ("1.0", "", Persistence::Close),
            ("1.0", "connection: Keep-Alive\r\n", Persistence::KeepAlive),
            ("1.0", "connection: keep-alive, close\r\n", Persistence::Close),
        ] {
            assert_eq!(persistence(version, fields), expected, "{version} {fields}");
        }
    }

    #[test]
    fn a_response_without_a_length_ends_with_the_connection_unless_it_has_no_body() {
        let framing = |status: u16, fields: &str| {
            let text = format!("HTTP/1.1 {status} x\r\n{fields}\r\n");
            parse_response(text.as_bytes(), &mut field_space()).map(|parsed| parsed.unwrap().0.framing)
        };
        for (status, fields, expected) in [
            (200, "", Framing::UntilClose),
            (200, "content-length: 3\r\n", Framing::Length(3)),
            (500, "transfer-encoding: chunked\r\n", Framing::Chunked),
            (100, "", Framing::None),
            (103, "content-length: 3\r\n", Framing::None),
            (204, "content-length: 3\r\n", Framing::None),
            (304, "transfer-encoding: chunked\r\n", Framing::None),
            (205, "content-length: 0\r\n", Framing::Length(0)),
        ] {
            assert_eq!(framing(status, fields), Ok(expected), "{status} {fields}");
        }
        assert_eq!(framing(200, "transfer-encoding: gzip\r\n"), Err(HeadError::TransferCoding));
    }
}
