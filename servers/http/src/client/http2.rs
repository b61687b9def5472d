//! The minimal client over HTTP/2: hyper's connection without any further layer.

use bytes::Bytes;
use calculator::{CallError, ClientOptions, ErrorKind};
use http::{HeaderMap, Method, Uri, Version};
use http_body_util::Full;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use net::{TlsConnector, TlsSettings};
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::base::Base;
use super::{Headers, Reply, Settings, Transport, hyper_error};
use crate::ALPN_HTTP2;

/// An open connection.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// The task that drives the connection. It is aborted when the set is dropped.
    _task: JoinSet<()>,
}

impl Connection {
    /// Starts HTTP/2 on the open `stream`, and drives it in a task. Generic over the stream: connections without TLS have
    /// separate code, and none of the cost of TLS.
    async fn over<S>(stream: S) -> Result<Self, CallError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(|error| hyper_error(&error))?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            // However the connection ends, the future of the call in progress reports it.
            let _ = connection.await;
        });
        Ok(Connection { sender, _task: task })
    }
}

/// A client over one connection of hyper that speaks HTTP/2, driven by a task of the runtime it connects in. Over TLS, the server
/// must agree on HTTP/2 during the handshake; without TLS, it gets HTTP/2 from the first byte on (prior knowledge, RFC 9113,
/// section 3.3).
///
/// Concurrent calls take turns, as those of [`HyperClient`](super::HyperClient) do, so that only the version of HTTP differs. A
/// call that is dropped before its response resets its stream; the connection stays open.
#[derive(Debug)]
pub struct Http2Client {
    base: Base,
    /// `None` where the URL does not ask for TLS.
    tls: Option<TlsConnector>,
    settings: Settings,
    connection: Mutex<Option<Connection>>,
}

impl Transport for Http2Client {
    /// The whole URL: its parts are sent as headers (RFC 9113, section 8.3.1).
    type Target = Uri;

    async fn connect_trusting(
        url: &str,
        headers: &Headers,
        tls: impl Into<TlsSettings> + Send,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let base = Base::parse(url)?;
        let tls = base.tls(tls)?.map(|tls| tls.with_protocol(ALPN_HTTP2));
        let settings = Settings::new(&base, headers, options)?;
        let client = Http2Client { base, tls, settings, connection: Mutex::new(None) };
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
        let request = self.settings.request(Version::HTTP_2, (verb, target), headers, body)?;
        let mut connection = self.connection.lock().await;
        let kept = match connection.take() {
            Some(mut open) => open.sender.ready().await.is_ok().then_some(open),
            None => None,
        };
        let open = match kept {
            Some(open) => open,
            None => self.open().await?,
        };
        // A stream that fails does not end the connection.
        let open = connection.insert(open);
        let response = open.sender.send_request(request).await.map_err(|error| hyper_error(&error))?;
        self.settings.reply(response).await
    }
}

impl Http2Client {
    async fn open(&self) -> Result<Connection, CallError> {
        let timeout = self.settings.connect_timeout;
        match &self.tls {
            Some(tls) => {
                Connection::over(self.base.opened(tls.connect(self.base.endpoint()), timeout).await?).await
            }
            None => Connection::over(self.base.open(timeout).await?).await,
        }
    }
}

fn uri(url: &Url) -> Result<Uri, CallError> {
    Uri::try_from(url.as_str()).map_err(|error| {
        CallError::new(ErrorKind::Undeliverable, format!("cannot use the path of the URL: {error}"))
    })
}
