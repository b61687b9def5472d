//! What clients keep of their settings, and do with every request and response.

use std::time::Duration;

use bytes::Bytes;
use calculator::{CallError, ClientOptions, ErrorKind};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version, header};
use http_body_util::Full;
use hyper::body::Incoming;

use super::base::Base;
use super::failed::read_failed_body;
use super::{Headers, Reply, ReplyHead, body_error};
use crate::gzip::{Coding, gzip};
use crate::read_body;

/// How long to wait for the body of a response that reports a failure by its status. Without a length, it may end only
/// when the server closes the connection.
const FAILED_BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// What a client keeps of its settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The headers of every request.
    pub(crate) headers: HeaderMap,
    /// Whether bodies are compressed, unless the headers of a request say otherwise.
    compresses: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) failed_body_timeout: Duration,
    pub(crate) max_body: usize,
}

impl Settings {
    /// The settings of a client of the server at `base`.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] for headers that a client sets itself, or a content coding that it lacks.
    pub(crate) fn new(base: &Base, headers: &Headers, options: &ClientOptions) -> Result<Self, CallError> {
        Ok(Settings {
            compresses: wants_compression(headers.extra.get(header::CONTENT_ENCODING))?,
            headers: headers.to_map(base.authorization.clone())?,
            connect_timeout: options.timeout,
            failed_body_timeout: FAILED_BODY_TIMEOUT.min(options.timeout / 2),
            max_body: options.limits.max_body,
        })
    }

    /// With a `host` header, unless there is one, for HTTP/1.1.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] for a URL whose host cannot be in a header.
    pub(crate) fn with_host(mut self, base: &Base) -> Result<Self, CallError> {
        if !self.headers.contains_key(header::HOST) {
            self.headers.insert(header::HOST, base.host()?);
        }
        Ok(self)
    }

    /// The headers of a request with these `further` ones, which replace others of their names. A request without a body has no
    /// `content-type` unless they have one.
    pub(crate) fn headers_with(&self, further: Option<&HeaderMap>, has_body: bool) -> HeaderMap {
        let mut all = self.headers.clone();
        if !has_body {
            all.remove(header::CONTENT_TYPE);
        }
        for (name, value) in further.into_iter().flatten() {
            all.insert(name.clone(), value.clone());
        }
        all
    }

    /// The body of a request, compressed if its `content-encoding` is gzip: that in `further`, or else that of the client.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] for another content coding.
    pub(crate) fn encoded(&self, body: Vec<u8>, further: Option<&HeaderMap>) -> Result<Vec<u8>, CallError> {
        let coding = further.and_then(|headers| headers.get(header::CONTENT_ENCODING));
        let compresses = if coding.is_some() { wants_compression(coding)? } else { self.compresses };
        Ok(if compresses { gzip(&body) } else { body })
    }

    /// A request for a connection of hyper.
    ///
    /// # Errors
    /// As [`encoded`](Self::encoded).
    pub(crate) fn request(
        &self,
        version: Version,
        (verb, target): (Method, &Uri),
        further: Option<&HeaderMap>,
        body: Option<Vec<u8>>,
    ) -> Result<Request<Full<Bytes>>, CallError> {
        let body = body.map(|body| self.encoded(body, further)).transpose()?;
        let headers = self.headers_with(further, body.is_some());
        let mut request = Request::new(Full::new(Bytes::from(body.unwrap_or_default())));
        *request.version_mut() = version;
        *request.method_mut() = verb;
        *request.uri_mut() = target.clone();
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Reads a response from a connection of hyper.
    ///
    /// # Errors
    /// As [`Transport::request`](super::Transport::request).
    pub(crate) async fn reply(&self, response: Response<Incoming>) -> Result<Reply, CallError> {
        let (mut head, body) = response.into_parts();
        let body = if head.status.is_success() {
            (read_body(body, self.max_body).await.map_err(body_error)?, true)
        } else {
            read_failed_body(body, self.max_body, self.failed_body_timeout).await
        };
        Reply::new(ReplyHead::take(head.status, &mut head.headers), body, self.max_body)
    }
}

/// Whether a body with this `content-encoding` is to be compressed.
fn wants_compression(coding: Option<&HeaderValue>) -> Result<bool, CallError> {
    let coding = Coding::from_header(coding.map(HeaderValue::as_bytes))
        .map_err(|error| CallError::new(ErrorKind::Undeliverable, error.to_string()))?;
    Ok(matches!(coding, Coding::Gzip))
}
