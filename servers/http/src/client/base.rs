//! The URL that a client connects to.

use std::io;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use calculator::{CallError, ErrorKind};
use http::HeaderValue;
use net::{Address, Credentials, Endpoint, Scheme, Stream, TlsConnector, TlsSettings};
use reqwest::Url;

use crate::SCHEMES;

/// A server's URL, without its credentials.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    endpoint: Endpoint,
    /// With the scheme `http` or `https`, whatever the transport.
    url: Url,
    pub(crate) authorization: Option<HeaderValue>,
}

fn unusable(reason: impl std::fmt::Display) -> CallError {
    CallError::new(ErrorKind::Undeliverable, format!("cannot use the URL: {reason}"))
}

impl Base {
    pub(crate) fn parse(text: &str) -> Result<Self, CallError> {
        let address = Address::parse(text, &SCHEMES).map_err(unusable)?;
        let scheme =
            if address.scheme() == Scheme::HTTPS.name() { address.scheme() } else { Scheme::HTTP.name() };
        let mut url =
            Url::parse(&format!("{scheme}://{}{}", address.authority(), address.path())).map_err(unusable)?;
        url.set_query(address.query());
        let authorization = address.credentials().and_then(basic_authorization);
        Ok(Base { endpoint: address.endpoint().clone(), url, authorization })
    }

    /// The endpoint to connect to.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What connects over TLS as `settings` say; `None` for a URL without TLS.
    pub(crate) fn tls(&self, settings: impl Into<TlsSettings>) -> Result<Option<TlsConnector>, CallError> {
        if self.url.scheme() != Scheme::HTTPS.name() {
            return Ok(None);
        }
        let failed = |error: net::TlsError| CallError::new(ErrorKind::Undeliverable, error.to_string());
        TlsConnector::new(settings).map(Some).map_err(failed)
    }

    /// The value of the `host` header: the default port of the scheme is omitted (RFC 9110, section 7.2).
    fn authority(&self) -> &str {
        self.url.authority()
    }

    /// The default value of the `host` header.
    pub(crate) fn host(&self) -> Result<HeaderValue, CallError> {
        HeaderValue::try_from(self.authority())
            .map_err(|error| CallError::new(ErrorKind::Undeliverable, format!("the URL's host: {error}")))
    }

    /// Opens a connection without TLS, which may take `timeout`.
    pub(crate) async fn open(&self, timeout: Duration) -> Result<Stream, CallError> {
        self.opened(net::connect(&self.endpoint), timeout).await
    }

    /// The connection that `connecting` opens, which may take `timeout`.
    pub(crate) async fn opened<S>(
        &self,
        connecting: impl Future<Output = io::Result<S>>,
        timeout: Duration,
    ) -> Result<S, CallError> {
        let connected = tokio::time::timeout(timeout, connecting).await.map_err(|_| {
            let message = format!("no connection to {} within {timeout:?}", self.endpoint);
            CallError::new(ErrorKind::Timeout, message)
        })?;
        connected.map_err(|error| {
            let reason = net::describe_connect_error(&error);
            let message = format!("cannot connect to {}: {reason}", self.endpoint);
            CallError::new(ErrorKind::Undeliverable, message)
        })
    }

    /// The URL of `segment` below this one; with an empty segment, this one.
    pub(crate) fn join(&self, segment: &str) -> Result<Url, CallError> {
        let mut url = self.url.clone();
        if !segment.is_empty() {
            // URL parsers resolve these two segments, even if they are percent-encoded.
            if matches!(segment, "." | "..") {
                return Err(unusable(format_args!("a path segment cannot be \"{segment}\"")));
            }
            url.path_segments_mut().map_err(|()| unusable("it has no path"))?.pop_if_empty().push(segment);
        }
        Ok(url)
    }

    /// The URL of `path`, which begins with a slash and is percent-encoded already, below this one. It may have a query, which
    /// replaces that of this URL.
    pub(crate) fn join_path(&self, path: &str) -> Result<Url, CallError> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        // URL parsers resolve these two segments, even if they are percent-encoded.
        let is_relative =
            |segment: &str| matches!(&*segment.to_ascii_lowercase().replace("%2e", "."), "." | "..");
        if !path.starts_with('/') || path.split('/').any(is_relative) {
            return Err(unusable(format_args!(
                "\"{path}\" is not a path that begins with / and has no . or .. in it"
            )));
        }
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        if query.is_some() {
            url.set_query(query);
        }
        Ok(url)
    }
}

/// Path and query of `url`: what a request line has of it (RFC 9112, section 3.2.1).
pub(crate) fn origin_form(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

/// User name and password as RFC 7617 sends them.
fn basic_authorization(credentials: &Credentials) -> Option<HeaderValue> {
    if credentials.is_empty() {
        return None;
    }
    let encoded = BASE64_STANDARD.encode(credentials.user_and_password());
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
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
    fn segments_are_appended_to_the_path() {
        assert_eq!(joined("http://h:1", ""), "http://h:1/");
        assert_eq!(joined("http://h:1", "add"), "http://h:1/add");
        assert_eq!(joined("http://h:1/api", ""), "http://h:1/api");
        assert_eq!(joined("http://h:1/api", "add"), "http://h:1/api/add");
        assert_eq!(joined("http://h:1/api/?k=1", "a/b ?"), "http://h:1/api/a%2Fb%20%3F?k=1");
        assert!(Base::parse("http://h").unwrap().join("..").is_err());
    }

    #[test]
    fn paths_are_appended_as_they_are_with_their_query() {
        let joined =
            |url: &str, path: &str| Base::parse(url).unwrap().join_path(path).map(|url| url.to_string());
        assert_eq!(joined("http://h:1", "/users/7?full=1").unwrap(), "http://h:1/users/7?full=1");
        assert_eq!(
            joined("http://h:1/api/?key=1", "/users/a%2Fb").unwrap(),
            "http://h:1/api/users/a%2Fb?key=1"
        );
        for path in ["users", "/users/../secret", "/users/%2E%2e/secret", "/."] {
            assert!(joined("http://h:1", path).is_err(), "{path}");
        }
    }

    #[test]
    fn the_host_header_leaves_the_default_port_out() {
        for (url, endpoint, authority) in [
            ("http://localhost", "localhost:80", "localhost"),
            ("http://127.0.0.1:8080/x", "127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://[::1]:81", "[::1]:81", "[::1]:81"),
            ("http+unix://%2Ftmp%2Fs/x", "unix:/tmp/s", "localhost"),
            ("https://localhost/x", "localhost:443", "localhost"),
            ("https://localhost:80/x", "localhost:80", "localhost:80"),
        ] {
            let base = Base::parse(url).unwrap();
            assert_eq!((base.endpoint().to_string().as_str(), base.authority()), (endpoint, authority));
        }
        let base = Base::parse("http+unix://%2Ftmp%2Fs/RPC2?k=1").unwrap();
        assert_eq!(base.join("").unwrap().as_str(), "http://localhost/RPC2?k=1");
    }

    #[test]
    fn credentials_become_basic_authentication_and_leave_the_url() {
        let base = Base::parse("http://Aladdin:open%20sesame@h/").unwrap();
        assert_eq!(base.authorization.as_ref().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(base.join("").unwrap().as_str(), "http://h/");
        assert!(!format!("{base:?}").contains("sesame"));
    }

    #[test]
    fn rejects_other_schemes_without_showing_a_password() {
        for (url, word) in [
            ("amqps://u:secret@h/", "must be http or https or http+unix"),
            ("ftp://u:secret@h/", "must be http or https or http+unix"),
            ("127.0.0.1:80", "http://HOST:PORT"),
            ("http://", "http://HOST:PORT"),
            ("http://u:secret/x@h/", "percent-encode the password"),
        ] {
            let error = Base::parse(url).unwrap_err();
            assert!(error.message.contains(word), "{error}");
            assert!(!error.message.contains("secret"), "{error}");
        }
    }
}
