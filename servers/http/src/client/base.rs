//! The URL that a client was given.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use calculator::{CallError, ErrorKind};
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use reqwest::Url;

/// A server's URL, without the credentials that came in it.
#[derive(Clone, Debug)]
pub(super) struct Base {
    url: Url,
    pub(super) authorization: Option<HeaderValue>,
}

fn unusable(url: &str, reason: impl std::fmt::Display) -> CallError {
    CallError::new(ErrorKind::Undeliverable, format!("cannot use the URL {url}: {reason}"))
}

impl Base {
    pub(super) fn parse(text: &str) -> Result<Self, CallError> {
        // The text may hold a password, so errors show only the parsed URL, which can be stripped of it.
        let mut url = Url::parse(text).map_err(|error| {
            CallError::new(
                ErrorKind::Undeliverable,
                format!("not a URL of the form http://HOST:PORT/PATH: {error}"),
            )
        })?;
        let authorization = basic_authorization(&url);
        // Neither fails for a URL with a host; one without is refused below.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        match url.scheme() {
            "http" => {}
            "https" => return Err(unusable(url.as_str(), "TLS is not built in; use http://")),
            _ => return Err(unusable(url.as_str(), "the scheme must be http")),
        }
        url.set_fragment(None);
        Ok(Base { url, authorization })
    }

    /// The host as a socket address wants it: a name or an IP address without brackets.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(80)
    }

    /// The value of the `host` header: the port is left out where it is 80 (RFC 9110, section 7.2).
    pub(super) fn authority(&self) -> &str {
        self.url.authority()
    }

    pub(super) fn join(&self, segment: &str) -> Result<Url, CallError> {
        let mut url = self.url.clone();
        if !segment.is_empty() {
            // These two would climb the path, percent-encoded or not.
            if matches!(segment, "." | "..") {
                return Err(unusable(url.as_str(), format_args!("no path segment can be \"{segment}\"")));
            }
            url.path_segments_mut()
                .map_err(|()| unusable(self.url.as_str(), "it has no path"))?
                .pop_if_empty()
                .push(segment);
        }
        Ok(url)
    }
}

/// User and password of the URL, percent-decoded, as RFC 7617 sends them.
fn basic_authorization(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut credentials: Vec<u8> = percent_decode_str(url.username()).collect();
    credentials.push(b':');
    credentials.extend(percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(credentials))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(url: &str, segment: &str) -> String {
        Base::parse(url).unwrap().join(segment).unwrap().to_string()
    }

    #[test]
    fn segments_go_below_the_path() {
        assert_eq!(joined("http://h:1", ""), "http://h:1/");
        assert_eq!(joined("http://h:1", "add"), "http://h:1/add");
        assert_eq!(joined("http://h:1/api", ""), "http://h:1/api");
        assert_eq!(joined("http://h:1/api", "add"), "http://h:1/api/add");
        assert_eq!(joined("http://h:1/api/?k=1", "a/b ?"), "http://h:1/api/a%2Fb%20%3F?k=1");
        assert!(Base::parse("http://h").unwrap().join("..").is_err());
    }

    #[test]
    fn host_and_port_are_those_to_connect_to() {
        for (url, host, port, authority) in [
            ("http://localhost", "localhost", 80, "localhost"),
            ("http://127.0.0.1:8080/x", "127.0.0.1", 8080, "127.0.0.1:8080"),
            ("http://[::1]:81", "::1", 81, "[::1]:81"),
        ] {
            let base = Base::parse(url).unwrap();
            assert_eq!((base.host(), base.port(), base.authority()), (host, port, authority));
        }
    }

    #[test]
    fn credentials_become_basic_authentication_and_leave_the_url() {
        let base = Base::parse("http://Aladdin:open%20sesame@h/").unwrap();
        assert_eq!(base.authorization.as_ref().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(base.join("").unwrap().as_str(), "http://h/");
        assert!(!format!("{base:?}").contains("sesame"));
    }

    #[test]
    fn other_schemes_are_refused_without_showing_a_password() {
        for (url, word) in [
            ("https://u:secret@h/", "TLS is not built in"),
            ("ftp://u:secret@h/", "must be http"),
            ("127.0.0.1:80", "http://HOST:PORT"),
            ("http://", "http://HOST:PORT"),
        ] {
            let error = Base::parse(url).unwrap_err();
            assert!(error.message.contains(word), "{error}");
            assert!(!error.message.contains("secret"), "{error}");
        }
    }
}
