//! The minimal client: hyper's connection without any further layer.

use std::time::Duration;

use bytes::Bytes;
use calculator::{CallError, ClientOptions, ErrorKind};
use http::{HeaderMap, Method, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use net::{TlsConnector, TlsSettings};
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::base::{Base, origin_form};
use super::failed::read_failed_body;
use super::{
    Headers, Reply, ReplyHead, Transport, body_error, failed_body_timeout, hyper_error, request_body,
    request_headers,
};
use crate::{VERSION, read_body};

/// An open connection.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// The task that drives the connection. It is aborted when the set is dropped: a task whose server has vanished could
    /// otherwise wait for a long time to write the rest of a request.
    _task: JoinSet<()>,
}

impl Connection {
    /// Drives HTTP on `stream`, which is open. The compiler makes code for each type of stream, so that connections without
    /// TLS do not pay for those with it.
    async fn over<S>(stream: S) -> Result<Self, CallError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| hyper_error(&error))?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            // However the connection ends, the future of the call in progress reports it.
            let _ = connection.await;
        });
        Ok(Connection { sender, _task: task })
    }
}

/// A client over one connection of hyper, driven by a task of the runtime it connects in.
///
/// Concurrent calls take turns. A call that is dropped before its response closes the connection; the next call opens
/// another.
#[derive(Debug)]
pub struct HyperClient {
    base: Base,
    /// `None` where the URL does not ask for TLS.
    tls: Option<TlsConnector>,
    headers: HeaderMap,
    connect_timeout: Duration,
    failed_body_timeout: Duration,
    max_body: usize,
    compress: bool,
    connection: Mutex<Option<Connection>>,
}

impl Transport for HyperClient {
    /// Path and query, as in the request line.
    type Target = Uri;

    async fn connect_trusting(
        url: &str,
        headers: &Headers,
        tls: impl Into<TlsSettings> + Send,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let base = Base::parse(url)?;
        let tls = base.tls(tls)?;
        let compress = headers.wants_compression()?;
        let mut prepared = headers.to_map(base.authorization.clone())?;
        if !prepared.contains_key(header::HOST) {
            prepared.insert(header::HOST, base.host()?);
        }
        let client = HyperClient {
            headers: prepared,
            connect_timeout: options.timeout,
            failed_body_timeout: failed_body_timeout(options),
            max_body: options.limits.max_body,
            compress,
            connection: Mutex::new(None),
            base,
            tls,
        };
        *client.connection.lock().await = Some(client.open().await?);
        Ok(client)
    }

    fn target(&self, segment: &str) -> Result<Uri, CallError> {
        uri(&self.base.join(segment)?)
    }

    fn path_target(&self, path: &str) -> Result<Uri, CallError> {
        uri(&self.base.join_path(path)?)
    }

    async fn request(
        &self,
        verb: Method,
        target: &Uri,
        headers: Option<&HeaderMap>,
        body: Option<Vec<u8>>,
    ) -> Result<Reply, CallError> {
        let body = body.map(|body| request_body(body, headers, self.compress)).transpose()?;
        let headers = request_headers(&self.headers, headers, body.is_some());
        let mut request = Request::new(Full::new(Bytes::from(body.unwrap_or_default())));
        *request.version_mut() = VERSION;
        *request.method_mut() = verb;
        *request.uri_mut() = target.clone();
        *request.headers_mut() = headers;

        let mut connection = self.connection.lock().await;
        let (mut head, body) = self.send(&mut connection, request).await?.into_parts();
        let (body, is_complete) = if head.status.is_success() {
            (read_body(body, self.max_body).await.map_err(body_error)?, true)
        } else {
            read_failed_body(body, self.max_body, self.failed_body_timeout).await
        };
        Reply::new(ReplyHead::take(head.status, &mut head.headers), (body, is_complete), self.max_body)
    }
}

impl HyperClient {
    /// Sends on the open connection, or on a new one if that has ended before the request was written.
    async fn send(
        &self,
        connection: &mut Option<Connection>,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, CallError> {
        if let Some(mut open) = connection.take()
            && open.sender.ready().await.is_ok()
        {
            match open.sender.try_send_request(request).await {
                Ok(response) => {
                    *connection = Some(open);
                    return Ok(response);
                }
                // hyper returns the request only if no part of it was written.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(hyper_error(&error.into_error())),
                },
            }
        }
        let mut open = self.open().await?;
        let response = open.sender.send_request(request).await.map_err(|error| hyper_error(&error))?;
        *connection = Some(open);
        Ok(response)
    }

    async fn open(&self) -> Result<Connection, CallError> {
        let Some(tls) = &self.tls else {
            return Connection::over(self.base.open(self.connect_timeout).await?).await;
        };
        let stream = self.base.opened(tls.connect(self.base.endpoint()), self.connect_timeout).await?;
        Connection::over(stream).await
    }
}

/// The target of requests to `url`.
fn uri(url: &Url) -> Result<Uri, CallError> {
    Uri::try_from(origin_form(url)).map_err(|error| unusable(&error))
}

fn unusable(error: &http::uri::InvalidUri) -> CallError {
    CallError::new(ErrorKind::Undeliverable, format!("cannot use the path of the URL: {error}"))
}
