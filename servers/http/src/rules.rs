//! Rules of HTTP/1.1 for requests that hyper and axum leave to the application.

use std::sync::OnceLock;

use http::Version;
use http::uri::{PathAndQuery, Uri};

/// Checks `hosts`, the values of the `host` header (RFC 9112, section 3.2): exactly one in HTTP/1.1, at most one in
/// HTTP/1.0, with the value
/// `HOST[:PORT]`, which may be empty. `known` is a value that has been found valid on this connection: clients send the
/// same one with every request.
///
/// # Errors
/// The reason why the request must be answered with status 400.
pub(crate) fn check_host<'a>(
    version: Version,
    mut hosts: impl Iterator<Item = &'a [u8]>,
    known: &OnceLock<Box<[u8]>>,
) -> Result<(), &'static str> {
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if known.get().is_some_and(|known| **known == *host) => Ok(()),
        (Some(host), None) if is_host(host) => {
            // A copy, because a header value shares the memory into which the request was read.
            known.get_or_init(|| host.into());
            Ok(())
        }
        (Some(_), None) => Err("the Host header must be a host and optionally a port"),
        (Some(_), Some(_)) => Err("a request must not have more than one Host header"),
        (None, _) if version < Version::HTTP_11 => Ok(()),
        (None, _) => Err("a request of HTTP/1.1 must have a Host header"),
    }
}

/// Whether `value` is `uri-host [ ":" port ]` (RFC 9110, section 7.2; RFC 3986, section 3.2.2).
fn is_host(value: &[u8]) -> bool {
    let (is_valid, port) = if let Some(rest) = value.strip_prefix(b"[") {
        let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
        let is_literal = |byte: &u8| is_in_name(*byte) || *byte == b':';
        (end > 0 && rest[..end].iter().all(is_literal), &rest[end + 1..])
    } else {
        let end = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
        (value[..end].iter().all(|byte| is_in_name(*byte)), &value[end..])
    };
    is_valid
        && match port {
            [] => true,
            [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
            _ => false,
        }
}

/// Whether a registered name or an IPv4 address may contain `byte`.
fn is_in_name(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'%' | b'!' | b'$' | b'&'..=b',' | b';' | b'=')
}

/// Whether `byte` is unreserved in URLs (RFC 3986, section 2.3), so that it means the same percent-encoded or not.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Decodes percent-encoded unreserved characters in the path of `uri`: `/%61dd` is `/add` (RFC 3986, section 6.2.2.2). A
/// path with a percent sign that begins no escape stays as it is.
pub(crate) fn decode_unreserved(uri: &mut Uri) {
    let Some(mut decoded) = decoded_path(uri.path()) else { return };
    if let Some(query) = uri.query() {
        decoded.push('?');
        decoded.push_str(query);
    }
    // Cannot fail: only characters that a path may contain have changed.
    if let Ok(decoded) = PathAndQuery::try_from(decoded) {
        let mut parts = std::mem::take(uri).into_parts();
        parts.path_and_query = Some(decoded);
        *uri = Uri::from_parts(parts).unwrap_or_default();
    }
}

/// `path` with its unreserved characters decoded; `None` if it has no escapes or malformed ones.
fn decoded_path(path: &str) -> Option<String> {
    // Nearly all paths are short and have no escape. For these, this is faster than a search for the sign.
    if !path.bytes().any(|byte| byte == b'%') {
        return None;
    }
    let (first, escaped) = path.split_once('%')?;
    let mut decoded = first.to_owned();
    for piece in escaped.split('%') {
        let (digits, rest) = piece.split_at_checked(2)?;
        // `from_str_radix` would also accept a sign.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        match u8::from_str_radix(digits, 16).ok().filter(|byte| is_unreserved(*byte)) {
            Some(byte) => decoded.push(char::from(byte)),
            None => {
                decoded.push('%');
                decoded.push_str(digits);
            }
        }
        decoded.push_str(rest);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_of_http_1_1_has_exactly_one_valid_host() {
        let check = |version, values: &[&'static str]| {
            let hosts = || values.iter().map(|value| value.as_bytes());
            let is_valid = check_host(version, hosts(), &OnceLock::new()).is_ok();
            // A value that is known on the connection changes nothing.
            let known = OnceLock::from(Box::<[u8]>::from(*b"h"));
            assert_eq!(check_host(version, hosts(), &known).is_ok(), is_valid, "{values:?}");
            is_valid
        };
        for host in [
            "h",
            "",
            "example.org:80",
            "h:",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80",
            "[fe80::1%25eth0]:1",
            "a%20b",
            "[v1.x]",
        ] {
            assert!(check(Version::HTTP_11, &[host]), "{host}");
            assert!(check(Version::HTTP_10, &[host]), "{host}");
        }
        for host in [
            "u@h", "h/x", "h x", "h?q", "h#f", "h:x", "h:1:2", "[::1", "[::1]x", "[]", "a,b c", "http://h",
            "h\\",
        ] {
            assert!(!check(Version::HTTP_11, &[host]), "{host}");
        }
        assert!(!check(Version::HTTP_11, &[]) && check(Version::HTTP_10, &[]));
        assert!(!check(Version::HTTP_11, &["h", "h"]) && !check(Version::HTTP_10, &["h", "i"]));
    }

    fn decoded(text: &str) -> String {
        let mut uri: Uri = text.parse().unwrap();
        decode_unreserved(&mut uri);
        uri.to_string()
    }

    #[test]
    fn only_unreserved_characters_are_decoded_and_only_in_the_path() {
        for (text, expected) in [
            ("/%61dd", "/add"),
            ("/%61%64%64?x=%61", "/add?x=%61"),
            ("/a%2fb%2Fc", "/a%2fb%2Fc"),
            ("/%", "/%"),
            ("/%6", "/%6"),
            ("/%7E", "/~"),
            ("/%zz%7E", "/%zz%7E"),
            ("/%0%30", "/%0%30"),
            ("/%+1%61", "/%+1%61"),
            ("/%2561", "/%2561"),
            ("/%C3%A9", "/%C3%A9"),
            ("http://h:1/%61dd", "http://h:1/add"),
            ("/%2B%2b+", "/%2B%2b+"),
        ] {
            assert_eq!(decoded(text), expected);
        }
    }

    proptest! {
        #[test]
        fn a_decoded_path_has_the_same_segments(path in "/[a-c%0-9A-F/~]{0,20}") {
            let bytes = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
            let shown = decoded(&path);
            prop_assert_eq!(bytes(&shown), bytes(&path));
            prop_assert_eq!(shown.matches('/').count(), path.matches('/').count());
        }
    }
}
