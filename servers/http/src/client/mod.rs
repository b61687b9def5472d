//! HTTP clients.

pub(crate) mod base;
mod failed;
mod http2;
mod hyper;
mod reqwest;
mod settings;
mod status;

use std::fmt::Display;
use std::future::Future;

use bytes::Bytes;
use calculator::{CallError, ClientOptions, ErrorKind};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use net::{TlsSettings, Trust};

use crate::BodyError;
use crate::gzip::Coding;
pub use http2::Http2Client;
pub use hyper::HyperClient;
pub use reqwest::ReqwestClient;
pub(crate) use settings::Settings;
pub use status::{kind_of_status, status_error};

/// An HTTP client with one connection, which carries one call at a time.
pub trait Transport: Sized + Send + Sync + 'static {
    /// The destination of a request, prepared once so that calls neither parse nor format it.
    type Target: Send + Sync;

    /// A client of the server at `url`, which is `http://[USER[:PASSWORD]@]HOST[:PORT][/PATH]`, the same with `https` for
    /// TLS, or, over a Unix socket, `http+unix://%2FSOCKET[/PATH]`. User name and password are sent as Basic authentication
    /// (RFC 7617). Over TLS it accepts the certificates that the system's authorities have signed.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] for a URL that cannot be used. A client that connects immediately also fails with
    /// that, or with [`ErrorKind::Timeout`], if it cannot connect.
    fn connect(
        url: &str,
        headers: &Headers,
        options: &ClientOptions,
    ) -> impl Future<Output = Result<Self, CallError>> + Send {
        Self::connect_trusting(url, headers, &Trust::System, options)
    }

    /// Like [`connect`](Self::connect), but with these settings of TLS, or the default ones with this trust.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); also [`ErrorKind::Undeliverable`] for authorities that cannot be read.
    fn connect_trusting(
        url: &str,
        headers: &Headers,
        tls: impl Into<TlsSettings> + Send,
        options: &ClientOptions,
    ) -> impl Future<Output = Result<Self, CallError>> + Send;

    /// The target at `segment` below the client's URL; with an empty segment, the URL itself. Characters that a path
    /// segment cannot contain are percent-encoded.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if the result is not a valid URL.
    fn target(&self, segment: &str) -> Result<Self::Target, CallError>;

    /// The target with this path, and perhaps a query, below the client's URL. `path` begins with a slash, and is percent-encoded
    /// already.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if the result is not a valid URL.
    fn path_target(&self, path: &str) -> Result<Self::Target, CallError>;

    /// Sends a request with the method `verb`, a body if there is one, and further `headers`, which replace those of the client
    /// with the same names. A connection that the server has closed since the last call is replaced first; a request that was
    /// sent is never sent again.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if no complete response arrived, [`ErrorKind::Timeout`] if connecting took too
    /// long, [`ErrorKind::TooLarge`] for a response above the limit, [`ErrorKind::Malformed`] for one that is not
    /// HTTP. A response of any status is a success. Of a response that reports a failure by its status, the body is as
    /// much as arrives within a second, or half of the timeout in the options if that is shorter.
    fn request(
        &self,
        verb: Method,
        target: &Self::Target,
        headers: Option<&HeaderMap>,
        body: Option<Vec<u8>>,
    ) -> impl Future<Output = Result<Reply, CallError>> + Send;

    /// Posts `body`, like [`request`](Self::request).
    ///
    /// # Errors
    /// As [`request`](Self::request).
    fn post(
        &self,
        target: &Self::Target,
        body: Vec<u8>,
    ) -> impl Future<Output = Result<Reply, CallError>> + Send {
        self.request(Method::POST, target, None, Some(body))
    }
}

/// The headers of every request, other than `host` and `content-length`.
#[derive(Clone, Debug)]
pub struct Headers {
    /// The media type of request bodies.
    pub content_type: &'static str,
    /// Further headers; they may replace `content-type`, `accept` (`*/*` by default) and the `authorization` that
    /// comes from the URL. With `content-encoding: gzip` bodies are compressed. Responses in gzip are always
    /// read; `accept-encoding: gzip` asks for them.
    pub extra: HeaderMap,
}

impl Headers {
    /// The headers that the client sets itself, so that they cannot be among [`extra`](Self::extra).
    pub const RESERVED: [HeaderName; 3] =
        [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];

    /// The minimal set.
    #[must_use]
    pub fn new(content_type: &'static str) -> Self {
        Headers { content_type, extra: HeaderMap::new() }
    }

    /// All headers, in the order in which they are sent.
    fn to_map(&self, authorization: Option<HeaderValue>) -> Result<HeaderMap, CallError> {
        if let Some(name) = Headers::RESERVED.into_iter().find(|name| self.extra.contains_key(name)) {
            let message = format!("the client sets the header {name} itself; leave it out");
            return Err(CallError::new(ErrorKind::Undeliverable, message));
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(authorization) = authorization {
            headers.insert(header::AUTHORIZATION, authorization);
        }
        for name in self.extra.keys() {
            headers.remove(name);
            for value in self.extra.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        Ok(headers)
    }
}

/// The response to a request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The `content-type` header, if there is one.
    pub content_type: Option<HeaderValue>,
    /// The `location` header of a response other than a successful one, if there is one.
    pub location: Option<HeaderValue>,
    /// The body, decompressed.
    pub body: Bytes,
    /// Whether the whole body has arrived. Always true for a successful status.
    pub is_complete: bool,
    /// Whether the body could be decompressed; otherwise it is empty. Always true for a successful status.
    pub is_readable: bool,
}

/// The head of a response, as far as a [`Reply`] needs it.
#[derive(Debug)]
pub(crate) struct ReplyHead {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) content_encoding: Option<HeaderValue>,
    /// Of a response other than a successful one.
    pub(crate) location: Option<HeaderValue>,
}

impl ReplyHead {
    fn take(status: StatusCode, headers: &mut HeaderMap) -> Self {
        ReplyHead {
            status,
            content_type: headers.remove(header::CONTENT_TYPE),
            content_encoding: headers.remove(header::CONTENT_ENCODING),
            location: if status.is_success() { None } else { headers.remove(header::LOCATION) },
        }
    }
}

impl Reply {
    pub(crate) fn new(
        head: ReplyHead,
        (body, is_complete): (Bytes, bool),
        max_body: usize,
    ) -> Result<Self, CallError> {
        let ReplyHead { status, content_type, content_encoding, location } = head;
        let decoded = Coding::from_header(content_encoding.as_ref().map(HeaderValue::as_bytes))
            .and_then(|coding| coding.decode(body, max_body));
        let is_readable = decoded.is_ok();
        let body = if status.is_success() {
            decoded.map_err(body_error)?
        } else {
            // The status is known. That the body is not whole or not readable is less important.
            decoded.unwrap_or_default()
        };
        Ok(Reply { status, content_type, location, body, is_complete, is_readable })
    }

    /// Checks that the body is whole, where it is the result of a call and not only the explanation of a failure.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if it ended early, [`ErrorKind::Malformed`] if it could not be decompressed.
    pub fn check_body(&self) -> Result<(), CallError> {
        if !self.is_complete {
            let message = format!("status {}; the rest of the body did not arrive", self.status);
            return Err(CallError::new(ErrorKind::Undeliverable, message));
        }
        if !self.is_readable {
            let message = format!("status {}; the body cannot be decompressed", self.status);
            return Err(CallError::new(ErrorKind::Malformed, message));
        }
        Ok(())
    }

    /// Whether the media type is `essence` (`type/subtype` in lower case), whatever its parameters.
    #[must_use]
    pub fn is(&self, essence: &str) -> bool {
        self.content_type.as_ref().and_then(|value| value.to_str().ok()).is_some_and(|value| {
            value.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(essence))
        })
    }

    /// `error`, which decoding this reply caused, with the status and the first line of the body: they show what kind of
    /// server has answered.
    #[must_use]
    pub fn undecodable(&self, mut error: CallError) -> CallError {
        if error.kind == ErrorKind::Malformed && error.remote.is_none() {
            error.message.push_str(&status::description(self));
        }
        error
    }
}

pub(crate) fn body_error(error: BodyError) -> CallError {
    let kind = match error {
        BodyError::TooLarge { .. } => ErrorKind::TooLarge,
        BodyError::UnsupportedCoding(_) | BodyError::Gzip(_) => ErrorKind::Malformed,
        _ => ErrorKind::Undeliverable,
    };
    CallError::new(kind, format!("the response: {error}"))
}

/// The error of a call whose response is not HTTP/1.1.
pub(crate) fn not_http(error: impl Display) -> CallError {
    let message = format!(
        "the response is not HTTP/1.1: {error}; the URL of a server with TLS begins with https://, and one that speaks only HTTP/2 \
         cannot be called by this client"
    );
    CallError::new(ErrorKind::Malformed, message)
}

/// Converts an error of hyper: the response is not HTTP/1.1, or the connection ended.
fn hyper_error(error: &::hyper::Error) -> CallError {
    if error.is_parse() {
        return not_http(error);
    }
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    CallError::new(ErrorKind::Undeliverable, format!("the connection was lost: {error}{cause}"))
}
