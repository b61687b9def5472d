//! Requests with any verb and path, for REST servers that have more than a resource for each method.

use std::fmt;

use calculator::{Call, CallError, ErrorKind};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// The verbs that a request can have.
const VERBS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// The head of a request. It is the method of a [`Call`] in the form of text that [`Display`](fmt::Display) writes: the verb, the
/// path and perhaps the status that is expected on a line, and a line for each header. The call has the body as its only
/// parameter, or no parameter.
///
/// ```text
/// GET /users/7 404
/// accept: application/json
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// The verb: GET, POST, PUT, PATCH or DELETE.
    pub verb: Method,
    /// The path below the URL of the server, percent-encoded, with its query.
    pub path: &'a str,
    /// The status that counts as success; each status of success without it.
    pub status: Option<u16>,
    /// The headers, as lines `NAME: VALUE`.
    pub headers: &'a str,
}

impl<'a> RequestHead<'a> {
    /// The verb of this name; `None` for a text that is not one.
    #[must_use]
    pub fn verb(name: &str) -> Option<Method> {
        VERBS.into_iter().find(|verb| verb.as_str() == name)
    }

    /// The head that the method of `call` is; `None` for the name of a method.
    #[must_use]
    pub fn of(call: &'a Call) -> Option<Self> {
        let (line, headers) = call.method.split_once('\n').unwrap_or((&call.method, ""));
        let (verb, rest) = line.split_once(' ')?;
        let (path, status) = match rest.split_once(' ') {
            Some((path, status)) => (path, Some(status.parse().ok()?)),
            None => (rest, None),
        };
        path.starts_with('/').then_some(())?;
        Some(RequestHead { verb: Self::verb(verb)?, path, status, headers })
    }

    /// The headers.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArguments`] for a line that is not a header. Values are not repeated: they may be secrets.
    pub(crate) fn header_map(&self) -> Result<HeaderMap, CallError> {
        let mut map = HeaderMap::new();
        for line in self.headers.lines() {
            let header = line.split_once(": ").and_then(|(name, value)| {
                Some((name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?))
            });
            let Some((name, mut value)) = header else {
                let name = line.split(':').next().unwrap_or_default();
                let message = format!(
                    "the header {name} of the request has a name or a value that HTTP does not allow"
                );
                return Err(CallError::new(ErrorKind::InvalidArguments, message));
            };
            value.set_sensitive(true);
            map.append(name, value);
        }
        Ok(map)
    }

    /// Whether a response with `status` is what the request asks for.
    pub(crate) fn accepts(&self, status: StatusCode) -> bool {
        self.status.map_or(status.is_success(), |expected| expected == status.as_u16())
    }
}

impl fmt::Display for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.path)?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        if !self.headers.is_empty() {
            write!(f, "\n{}", self.headers)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_survives_as_the_method_of_a_call_and_names_of_methods_are_none() {
        let headers = "accept: application/json\nx-tag: 1: 2";
        for (verb, status, headers) in
            [(Method::GET, None, ""), (Method::PATCH, Some(404), headers), (Method::DELETE, Some(204), "")]
        {
            let head = RequestHead { verb, path: "/users/7?full=1", status, headers };
            let call = Call::positional(head.to_string(), []);
            assert_eq!(RequestHead::of(&call), Some(head));
        }
        for method in ["add", "GET", "GET users", "get /users", "BREW /pot", "GET /a b"] {
            assert_eq!(RequestHead::of(&Call::positional(method, [])), None, "{method}");
        }
        let call = Call::positional(format!("GET /\n{headers}"), []);
        let map = RequestHead::of(&call).unwrap().header_map().unwrap();
        assert_eq!(
            (map["accept"].as_bytes(), map["x-tag"].as_bytes()),
            (&b"application/json"[..], &b"1: 2"[..])
        );
        let call = Call::positional("GET /\nx-token: secret\u{1}", []);
        let error = RequestHead::of(&call).unwrap().header_map().unwrap_err();
        assert!(error.message.contains("x-token") && !error.message.contains("secret"), "{error}");
    }

    #[test]
    fn a_status_is_accepted_if_it_is_the_expected_one_or_a_success() {
        let head = |status| RequestHead { verb: Method::GET, path: "/", status, headers: "" };
        assert!(head(None).accepts(StatusCode::CREATED) && !head(None).accepts(StatusCode::NOT_FOUND));
        assert!(head(Some(404)).accepts(StatusCode::NOT_FOUND) && !head(Some(404)).accepts(StatusCode::OK));
    }
}
