//! The heads of requests and responses: the start line and the fields.

use http::{StatusCode, Version};

use super::error::HeadError;
use super::field_list::{FieldList, FieldSpace, MAX_HEAD_BYTES};
use super::framing::{Framing, FramingFields, Persistence};

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestLine<'a> {
    /// The method, as it was sent.
    pub method: &'a str,
    /// The target, which is usually a path with a query.
    pub target: &'a str,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The fields.
    pub fields: FieldList<'a>,
    /// Where its body ends.
    pub framing: Framing,
    /// Whether its sender keeps the connection open.
    pub persistence: Persistence,
    /// Whether its sender waits for an interim response before it sends the body.
    pub expects_continue: bool,
}

/// The head of a response.
#[derive(Clone, Copy, Debug)]
pub struct ResponseLine<'a> {
    /// The status.
    pub status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The fields.
    pub fields: FieldList<'a>,
    /// Where its body ends, if the request was neither HEAD nor CONNECT.
    pub framing: Framing,
    /// Whether its sender keeps the connection open.
    pub persistence: Persistence,
}

/// Parses the head of the request that `bytes` begin with. Returns it with its length in bytes; `None` if a part is missing.
/// Empty lines before it are skipped (RFC 9112, section 2.2) and counted to its length.
///
/// # Errors
/// [`HeadError`], also for a head that is incomplete and already longer than the limit.
pub fn parse_request<'s, 'b>(
    bytes: &'b [u8],
    space: &'s mut FieldSpace<'b>,
) -> Result<Option<(RequestLine<'s>, usize)>, HeadError> {
    let mut parsed = httparse::Request::new(&mut []);
    let complete = parsed.parse_with_uninit_headers(limited(bytes), space)?;
    let httparse::Status::Complete(len) = complete else { return incomplete(bytes) };
    let (method, target) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
    let version = version(parsed.version);
    let fields: &[httparse::Header<'_>] = parsed.headers;
    let fields = FieldList(fields);
    let read = FramingFields::read(version, &fields)?;
    let head = RequestLine {
        method,
        target,
        version,
        fields,
        framing: read.of_request(),
        persistence: read.persistence(version),
        expects_continue: read.expects_continue,
    };
    Ok(Some((head, len)))
}

/// Parses the head of the response that `bytes` begin with, like [`parse_request`].
///
/// # Errors
/// [`HeadError`].
pub fn parse_response<'s, 'b>(
    bytes: &'b [u8],
    space: &'s mut FieldSpace<'b>,
) -> Result<Option<(ResponseLine<'s>, usize)>, HeadError> {
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let complete = config.parse_response_with_uninit_headers(&mut parsed, limited(bytes), space)?;
    let httparse::Status::Complete(len) = complete else { return incomplete(bytes) };
    let status = StatusCode::from_u16(parsed.code.unwrap_or_default());
    let status = status.map_err(|_| HeadError::Syntax(httparse::Error::Status))?;
    let version = version(parsed.version);
    let fields: &[httparse::Header<'_>] = parsed.headers;
    let fields = FieldList(fields);
    let read = FramingFields::read(version, &fields)?;
    let (framing, persistence) = (read.of_response(status), read.persistence(version));
    Ok(Some((ResponseLine { status, version, fields, framing, persistence }, len)))
}

/// Whether a head may be complete in `bytes`, of which the first `searched` were not a complete one. A cheap search for an empty
/// line, so that a head that arrives byte by byte is not parsed at each byte.
#[must_use]
pub fn may_be_complete(bytes: &[u8], searched: usize) -> bool {
    if searched == 0 || bytes.len() >= MAX_HEAD_BYTES {
        return true;
    }
    // An empty line may have begun with the last bytes that were searched.
    let new = bytes.get(searched.saturating_sub(3)..).unwrap_or_default();
    let mut lines = new.split(|byte| *byte == b'\n');
    // What precedes the first line feed is not a whole line.
    lines.next();
    let mut lines = lines.peekable();
    while let Some(line) = lines.next() {
        // What follows the last line feed is not a whole line either.
        if lines.peek().is_some() && matches!(line, b"" | b"\r") {
            return true;
        }
    }
    false
}

fn limited(bytes: &[u8]) -> &[u8] {
    bytes.get(..MAX_HEAD_BYTES).unwrap_or(bytes)
}

fn incomplete<T>(bytes: &[u8]) -> Result<Option<T>, HeadError> {
    if bytes.len() >= MAX_HEAD_BYTES { Err(HeadError::TooLong) } else { Ok(None) }
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 }
}

#[cfg(test)]
mod tests {
    use super::super::field_list::{MAX_FIELDS, field_space};
    use super::*;
    use crate::fields::Fields;
    use http::{HeaderName, header};
    use proptest::prelude::*;

    const REQUEST: &[u8] =
        b"POST /add?x=1 HTTP/1.1\r\nHost: h:1\r\ncontent-type:application/json \r\nX-A: 1\r\nx-a: 2\r\n\r\n{}";

    #[test]
    fn a_request_has_a_method_a_target_and_fields() {
        let mut space = field_space();
        let (head, len) = parse_request(REQUEST, &mut space).unwrap().unwrap();
        assert_eq!((head.method, head.target, head.version), ("POST", "/add?x=1", Version::HTTP_11));
        assert_eq!(&REQUEST[len..], b"{}");
        assert_eq!(head.fields.first(header::HOST), Some(&b"h:1"[..]));
        assert_eq!(head.fields.first(header::CONTENT_TYPE), Some(&b"application/json"[..]));
        let tags: Vec<_> = head.fields.values(HeaderName::from_static("x-a")).collect();
        assert_eq!(tags, [b"1", b"2"]);
        assert_eq!(head.fields.iter().count(), 4);
    }

    #[test]
    fn a_response_has_a_status_and_may_lack_a_reason() {
        for text in [
            "HTTP/1.1 404 Not Found\r\na: b\r\n\r\nrest",
            "HTTP/1.1 404\r\n\r\nrest",
            "HTTP/1.0 404 \r\n\r\nrest",
        ] {
            let mut space = field_space();
            let (head, len) = parse_response(text.as_bytes(), &mut space).unwrap().unwrap();
            assert_eq!((head.status, &text[len..]), (StatusCode::NOT_FOUND, "rest"), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_head_is_refused() {
        for text in [
            "\x16\x03\x01\r\n\r\n",
            "POST / HTTP/2.0\r\n\r\n",
            "POST  / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1 \r\n\r\n",
            "POST / HTTP/1.1\r\n folded: 1\r\n\r\n",
            "POST / HTTP/1.1\r\na: 1\r\n\tfolded\r\n\r\n",
            "POST / HTTP/1.1\r\na b: 1\r\n\r\n",
            "POST / HTTP/1.1\r\na: \0\r\n\r\n",
            "POST / HTTP/1.1\r\na: 1\r2\r\n\r\n",
            "POST / HTTP/1.1\r\n: 1\r\n\r\n",
            "P\u{e9}ST / HTTP/1.1\r\n\r\n",
        ] {
            let error = parse_request(text.as_bytes(), &mut field_space()).unwrap_err();
            assert!(matches!(error, HeadError::Syntax(_)), "{text:?}: {error:?}");
            assert_eq!(error.status(), StatusCode::BAD_REQUEST);
        }
        for text in [
            "220 smtp ready\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 099 x\r\n\r\n",
            "HTTP/3 200 OK\r\n\r\n",
        ] {
            assert!(parse_response(text.as_bytes(), &mut field_space()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_head_has_limits() {
        let with_fields = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert!(parse_request(with_fields(MAX_FIELDS).as_bytes(), &mut field_space()).unwrap().is_some());
        let error = parse_request(with_fields(MAX_FIELDS + 1).as_bytes(), &mut field_space()).unwrap_err();
        assert_eq!((error, error.status().as_u16()), (HeadError::TooManyFields, 431));

        let of_length = |len: usize| {
            let (start, end) = ("GET / HTTP/1.1\r\na: ", "\r\n\r\n");
            [start, &"x".repeat(len - start.len() - end.len()), end].concat()
        };
        assert!(parse_request(of_length(MAX_HEAD_BYTES).as_bytes(), &mut field_space()).unwrap().is_some());
        let long = of_length(MAX_HEAD_BYTES + 1);
        let error = parse_request(long.as_bytes(), &mut field_space()).unwrap_err();
        assert_eq!((error, error.status().as_u16()), (HeadError::TooLong, 431));
        // It is refused before its end has arrived.
        assert!(parse_request(&long.as_bytes()[..MAX_HEAD_BYTES - 1], &mut field_space()).unwrap().is_none());
        assert!(parse_request(&long.as_bytes()[..MAX_HEAD_BYTES], &mut field_space()).is_err());
    }

    #[test]
    fn empty_lines_before_a_request_belong_to_it() {
        let mut space = field_space();
        let (head, len) = parse_request(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", &mut space).unwrap().unwrap();
        assert_eq!((head.method, len), ("GET", 22));
    }

    proptest! {
        #[test]
        fn every_part_of_a_head_is_incomplete_and_the_search_misses_no_end(cut in 0..REQUEST.len(), searched in 1..REQUEST.len()) {
            let part = &REQUEST[..cut];
            let is_complete = parse_request(part, &mut field_space()).unwrap().is_some();
            prop_assert_eq!(is_complete, cut >= REQUEST.len() - 2);
            if is_complete && searched < REQUEST.len() - 2 {
                prop_assert!(may_be_complete(part, searched));
            }
        }

        #[test]
        fn more_bytes_do_not_change_a_verdict(
            bytes in "(GET|POST| )( )?/?[ -~]{0,6} ?HTTP/1\\.[01]\r?\n([a-c]{0,2}:? ?[ -~]{0,4}\r?\n){0,3}\r?\n?",
            more in prop::collection::vec(any::<u8>(), 0..5),
        ) {
            let longer = [bytes.as_bytes(), &more].concat();
            let (mut space, mut more_space) = (field_space(), field_space());
            let verdict = parse_request(bytes.as_bytes(), &mut space);
            let again = parse_request(&longer, &mut more_space);
            match verdict {
                Ok(Some((head, len))) => {
                    let (same, same_len) = again.unwrap().unwrap();
                    prop_assert_eq!((head.method, head.target, len), (same.method, same.target, same_len));
                    // The search never hides a complete head.
                    prop_assert!((1..len).all(|searched| may_be_complete(bytes.as_bytes(), searched)));
                }
                Err(error) => prop_assert_eq!(again.err(), Some(error)),
                Ok(None) => {}
            }
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_request(&bytes, &mut field_space());
            let _ = parse_response(&bytes, &mut field_space());
            let with_start = [b"HTTP/1.1 200 OK\r\n", &bytes[..]].concat();
            let _ = parse_response(&with_start, &mut field_space());
        }
    }
}
