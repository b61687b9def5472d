//! The minimal client: hyper's connection without any further layer.

use bytes::Bytes;
use calculator::{CallError, ClientOptions, ErrorKind};
use http::{HeaderMap, Method, Request, Response, Uri};
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
use super::{Headers, Reply, Settings, Transport, hyper_error};
use crate::VERSION;

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
    settings: Settings,
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
        let settings = Settings::new(&base, headers, options)?.with_host(&base)?;
        let client = HyperClient { base, tls, settings, connection: Mutex::new(None) };
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
        let request = self.settings.request(VERSION, (verb, target), headers, body)?;
        let mut connection = self.connection.lock().await;
        let response = self.send(&mut connection, request).await?;
        self.settings.reply(response).await
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
            return Connection::over(self.base.open(self.settings.connect_timeout).await?).await;
        };
        let stream =
            self.base.opened(tls.connect(self.base.endpoint()), self.settings.connect_timeout).await?;
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
