//! The errors of calls that are answered with a status other than 200.

use calculator::{CallError, ErrorKind, Remote, printable};
use http::{HeaderValue, StatusCode};

use super::Reply;

/// The maximum number of characters of a response that are repeated in a message.
const MAX_SHOWN_CHARS: usize = 200;

/// The kind of error of a call that is answered with `status` and without an error in the terms of the protocol. It is
/// the same in all protocols.
#[must_use]
pub fn kind_of_status(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 | 403 | 407 => ErrorKind::Internal,
        404 => ErrorKind::UnknownMethod,
        413 => ErrorKind::TooLarge,
        422 => ErrorKind::InvalidArguments,
        // Of a proxy whose server is down or overloaded.
        502..=504 => ErrorKind::Undeliverable,
        // Not the response of an RPC server.
        200..=499 => ErrorKind::Malformed,
        _ => ErrorKind::Internal,
    }
}

/// The kind of error of a call of whose response only the status is known: the rest of the body might have named another
/// kind than that of the status.
fn kind_of_status_alone(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 | 403 | 407 => kind_of_status(status),
        _ => ErrorKind::Undeliverable,
    }
}

/// The error of a call that is answered with a status other than 200 and without an error in the terms of the protocol.
/// The message has the status, the `location` without its query, and the first line of the body.
#[must_use]
pub fn status_error(reply: &Reply) -> CallError {
    let hint = match reply.status.as_u16() {
        401 | 403 => "; does it need other credentials, or a header?",
        404 => "; is the path of the URL right?",
        412 | 415 => "; it may require another Content-Type",
        413 => "; the call exceeds the server's limit",
        502..=504 => "; the server behind it did not receive or answer the call",
        300..=399 => "; redirects are not followed",
        _ => "",
    };
    let remote = Remote { code: Some(reply.status.as_u16().into()), ..Remote::default() };
    let (kind, rest) = if reply.is_complete {
        (kind_of_status(reply.status), "")
    } else {
        (kind_of_status_alone(reply.status), "; the rest of the body did not arrive")
    };
    let message = format!("the server answered with status {}{hint}{}{rest}", reply.status, details(reply));
    CallError::remote(kind, message, remote)
}

/// The status and the [details](details) of a reply that could not be decoded.
pub(super) fn description(reply: &Reply) -> String {
    format!("; status {}{}", reply.status, details(reply))
}

/// The `location` and the first line of the body, as far as there are any, on one line.
fn details(reply: &Reply) -> String {
    let location = reply.location.as_ref().map(|location| format!("; location {}", shown_location(location)));
    let body = first_line(&reply.body).map(|line| format!("; body: {line}"));
    [location, body].into_iter().flatten().collect()
}

/// The first line of `body` that is neither blank nor an XML declaration, shortened.
fn first_line(body: &[u8]) -> Option<String> {
    let line = body
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .map(<[u8]>::trim_ascii)
        .find(|line| !line.is_empty() && !line.starts_with(b"<?xml "))?;
    // A character has at most four bytes.
    let start = line.get(..MAX_SHOWN_CHARS * 4).unwrap_or(line);
    Some(shortened(&String::from_utf8_lossy(start)))
}

/// The text of a `location` header without credentials, query and fragment, which may hold secrets of the request's URL.
fn shown_location(location: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(location.as_bytes());
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let shown = match text.split_once("://") {
        Some((_, rest)) => {
            let path = rest.find('/').map_or("", |at| &rest[at..]);
            let shown = net::redacted(text);
            // If the host cannot be distinguished from a password, what follows may be a part of the password.
            if shown.ends_with('…') { shown } else { shown + path }
        }
        None => text.to_owned(),
    };
    shortened(&shown)
}

/// The beginning of `text`, [printable].
fn shortened(text: &str) -> String {
    calculator::shortened(&printable(text), MAX_SHOWN_CHARS).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, location: Option<&'static str>, body: &'static str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            content_type: None,
            location: location.map(HeaderValue::from_static),
            body: body.into(),
            is_complete: true,
            is_readable: true,
        }
    }

    #[test]
    fn without_the_whole_body_the_kind_does_not_follow_from_the_status() {
        for (status, kind) in
            [(401, ErrorKind::Internal), (404, ErrorKind::Undeliverable), (422, ErrorKind::Undeliverable)]
        {
            let cut = Reply { is_complete: false, ..reply(status, None, "{\"type\":") };
            let error = status_error(&cut);
            assert_eq!(error.kind, kind, "{status}");
            assert!(
                error.message.ends_with("body: {\"type\":; the rest of the body did not arrive"),
                "{}",
                error.message
            );
        }
    }

    #[test]
    fn the_message_has_the_status_the_location_and_the_first_line() {
        for (status, location, body, message) in [
            (
                302,
                Some("https://u:secret@h:8443/login?token=secret#secret"),
                "",
                "the server answered with status 302 Found; redirects are not followed; location https://h:8443/login",
            ),
            (302, Some("https://u:se/cret@h/login"), "", "; redirects are not followed; location https://…"),
            (
                308,
                Some("/RPC2/?token=secret"),
                "",
                "Permanent Redirect; redirects are not followed; location /RPC2/",
            ),
            (500, None, "\r\n  <html>\u{1b}[2J\u{202e}\n<body>", "Error; body: <html>\\u{1b}[2J\\u{202e}"),
            (500, None, "<?xml version='1.0'?>\n<html>\n", "Error; body: <html>"),
            (418, None, " \n", "the server answered with status 418 I'm a teapot"),
        ] {
            let error = status_error(&reply(status, location, body));
            assert!(error.message.ends_with(message), "{}", error.message);
            assert_eq!(error.remote.unwrap().code, Some(status.into()));
        }
    }

    #[test]
    fn a_long_line_is_shortened() {
        for text in ["x".repeat(100_000), "ü".repeat(100_000), "\u{1b}".repeat(100_000)] {
            let line = first_line(text.as_bytes()).unwrap();
            assert!(line.ends_with('…') && line.chars().count() == MAX_SHOWN_CHARS + 1, "{line}");
        }
        assert_eq!(first_line(b"\xff\xfe\n").unwrap(), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn kinds_follow_from_the_status() {
        for (status, kind) in [
            (204, ErrorKind::Malformed),
            (302, ErrorKind::Malformed),
            (400, ErrorKind::Malformed),
            (401, ErrorKind::Internal),
            (404, ErrorKind::UnknownMethod),
            (405, ErrorKind::Malformed),
            (413, ErrorKind::TooLarge),
            (422, ErrorKind::InvalidArguments),
            (500, ErrorKind::Internal),
            (503, ErrorKind::Undeliverable),
        ] {
            assert_eq!(kind_of_status(StatusCode::from_u16(status).unwrap()), kind, "{status}");
        }
    }
}
