//! The calling end: a body is posted, a reply comes back.

mod base;
mod hyper;
mod reqwest;

use std::future::Future;

use bytes::Bytes;
use calculator::{CallError, ClientOptions, ErrorKind};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::BodyError;
use crate::gzip::Coding;
pub use hyper::HyperClient;
pub use reqwest::ReqwestClient;

/// An HTTP client with one connection, on which one call at a time is in flight.
pub trait Transport: Sized + Send + Sync + 'static {
    /// Where a request goes, prepared once so that a call does not parse or format it.
    type Target: Send + Sync;

    /// A client of the server at `url`, which is `http://[USER[:PASSWORD]@]HOST[:PORT][/PATH]` or, over a Unix socket,
    /// `http+unix://%2FSOCKET[/PATH]`. User name and password are sent as Basic authentication (RFC 7617).
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] for a URL that cannot be used. A client that connects at once also fails with that
    /// or with [`ErrorKind::Timeout`] when there is no connection.
    fn connect(
        url: &str,
        headers: &Headers,
        options: &ClientOptions,
    ) -> impl Future<Output = Result<Self, CallError>> + Send;

    /// The target at `segment` below the client's URL; with an empty segment, the URL itself. Characters that a path
    /// segment cannot have are percent-encoded.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] where that makes no valid URL.
    fn target(&self, segment: &str) -> Result<Self::Target, CallError>;

    /// Posts `body`. A connection that the server closed since the last call is replaced first; a request that was
    /// sent is never sent again.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] where no whole answer came, [`ErrorKind::Timeout`] where connecting took too
    /// long, [`ErrorKind::TooLarge`] for an answer above the limit, [`ErrorKind::Malformed`] for one that is not
    /// HTTP. A reply of any status is no error.
    fn post(
        &self,
        target: &Self::Target,
        body: Vec<u8>,
    ) -> impl Future<Output = Result<Reply, CallError>> + Send;
}

/// The headers that a client sends with every request besides `host` and `content-length`.
#[derive(Clone, Debug)]
pub struct Headers {
    /// The type of the bodies posted.
    pub content_type: &'static str,
    /// Further headers; they may replace `content-type`, `accept` (`*/*` by default) and the `authorization` that
    /// comes from the URL. With `content-encoding: gzip` bodies are compressed. Answers in gzip are always read;
    /// `accept-encoding: gzip` asks for them.
    pub extra: HeaderMap,
}

impl Headers {
    /// The minimal set.
    #[must_use]
    pub fn new(content_type: &'static str) -> Self {
        Headers { content_type, extra: HeaderMap::new() }
    }

    /// Whether bodies go out in gzip.
    fn compress(&self) -> Result<bool, CallError> {
        let coding = Coding::of(self.extra.get(header::CONTENT_ENCODING));
        let coding = coding.map_err(|error| CallError::new(ErrorKind::Undeliverable, error.to_string()))?;
        Ok(matches!(coding, Coding::Gzip))
    }

    /// All headers, in the order in which they go out.
    fn prepared(&self, authorization: Option<HeaderValue>) -> Result<HeaderMap, CallError> {
        if let Some(name) = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION]
            .into_iter()
            .find(|name| self.extra.contains_key(name))
        {
            let message = format!("the header {name} is the client's to set; leave it out");
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

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// `content-type`, where there is one.
    pub content_type: Option<HeaderValue>,
    /// The body; where it came in gzip, what was in it.
    pub body: Bytes,
}

impl Reply {
    fn new(
        status: StatusCode,
        headers: &mut HeaderMap,
        body: Bytes,
        max_body: usize,
    ) -> Result<Self, CallError> {
        let coding = Coding::of(headers.get(header::CONTENT_ENCODING)).map_err(unreadable)?;
        let body = coding.decode(body, max_body).map_err(unreadable)?;
        Ok(Reply { status, content_type: headers.remove(header::CONTENT_TYPE), body })
    }

    /// Whether `content-type` names the media type `essence` (`type/subtype` in lower case), parameters aside.
    #[must_use]
    pub fn is(&self, essence: &str) -> bool {
        self.content_type.as_ref().and_then(|value| value.to_str().ok()).is_some_and(|value| {
            value.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(essence))
        })
    }
}

fn unreadable(error: BodyError) -> CallError {
    let kind = match error {
        BodyError::TooLarge { .. } => ErrorKind::TooLarge,
        BodyError::Coding(_) | BodyError::Gzip(_) => ErrorKind::Malformed,
        _ => ErrorKind::Undeliverable,
    };
    CallError::new(kind, format!("the answer: {error}"))
}

/// An error of hyper by kind: an answer that is not HTTP, or a connection that ended.
fn lost(error: &::hyper::Error) -> CallError {
    if error.is_parse() {
        return CallError::new(ErrorKind::Malformed, format!("the answer is not HTTP: {error}"));
    }
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    CallError::new(ErrorKind::Undeliverable, format!("the connection was lost: {error}{cause}"))
}
