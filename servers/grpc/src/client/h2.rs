//! The minimal client: a connection of the crate `h2` without any further layer.

use std::io;

use ::h2::client::{self, SendRequest};
use bytes::Bytes;
use calculator::{
    Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, Limits, OnItem, StreamFuture, Value,
};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use net::{Address, TlsConnector, TlsSettings, Trust};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::{Targets, not_connected_in, parse_url, scheme_of, tls_of, unreachable, unusable};
use crate::headers::{GRPC, is_grpc, read_status};
use crate::wire::{self, MessageReader, MessageSplitter};
use crate::{status, timeout};

/// The flow-control windows of hyper's clients, and thus of tonic's.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 5 << 20;
/// The longest list of headers that hyper's clients accept.
const MAX_HEADER_LIST_BYTES: u32 = 16 << 10;

/// The connections of a client.
#[derive(Debug, Default)]
struct Connections {
    /// A handle to the newest connection, which new calls use.
    newest: Option<SendRequest<Bytes>>,
    /// The tasks that drive the connections. A server that ends a connection still answers the calls in progress there, so
    /// such a connection stays until its last call has ended. The tasks are aborted when the set is dropped.
    drivers: JoinSet<()>,
}

impl Connections {
    /// Adds a connection over `stream`, which is open, and drives it. Returns a handle to it. The compiler makes code for each type
    /// of stream, so that connections without TLS do not pay for those with it.
    async fn add<S>(&mut self, stream: S) -> Result<SendRequest<Bytes>, CallError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = client::Builder::new();
        builder
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADER_LIST_BYTES)
            .enable_push(false);
        let (sender, connection) = builder.handshake(stream).await.map_err(|error| lost(&error))?;
        while self.drivers.try_join_next().is_some() {}
        self.drivers.spawn(async move {
            // However the connection ends, the calls in progress report it.
            let _ = connection.await;
        });
        self.newest = Some(sender.clone());
        Ok(sender)
    }
}

/// A client over one connection of `h2`, driven by a task of the runtime it connects in. It opens another when that one has
/// ended.
///
/// Any number of calls can be in flight. The timeout of the options is sent with each call; the server ends it, or the
/// caller.
#[derive(Debug)]
pub struct H2Client {
    address: Address,
    /// `None` where the URL does not ask for TLS.
    tls: Option<TlsConnector>,
    options: ClientOptions,
    headers: HeaderMap,
    targets: Targets<Uri>,
    connections: Mutex<Connections>,
}

impl H2Client {
    /// Connects to the server at `url`, `grpc://HOST:PORT`, `grpcs://HOST:PORT` or `unix:///SOCKET`. Over TLS it accepts the
    /// certificates that the system's authorities have signed.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if the URL has another form or no server listens there, [`ErrorKind::Timeout`] if
    /// connecting takes too long.
    pub async fn connect(url: &str, options: &ClientOptions) -> Result<Self, CallError> {
        Self::connect_trusting(url, &Trust::System, options).await
    }

    /// Like [`connect`](Self::connect), but with these settings of TLS, or the default ones with this trust.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); also [`ErrorKind::Undeliverable`] for authorities that cannot be read.
    pub async fn connect_trusting(
        url: &str,
        tls: impl Into<TlsSettings>,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let address = parse_url(url)?;
        let tls = tls_of(&address, tls)?;
        let timeout = HeaderValue::try_from(timeout::encode(options.timeout)).map_err(unusable)?;
        let headers = HeaderMap::from_iter([
            (header::TE, HeaderValue::from_static("trailers")),
            (header::CONTENT_TYPE, HeaderValue::from_static(GRPC)),
            (HeaderName::from_static(timeout::HEADER), timeout),
        ]);
        let targets = Targets::new(|path| target(&address, path))?;
        let connections = Mutex::default();
        let client = H2Client { address, tls, options: options.clone(), headers, targets, connections };
        client.open(&mut *client.connections.lock().await).await?;
        Ok(client)
    }

    /// Adds a connection to `connections`. Returns a handle to it.
    async fn open(&self, connections: &mut Connections) -> Result<SendRequest<Bytes>, CallError> {
        let endpoint = self.address.endpoint();
        let failed = |error| unreachable(&self.address, &error);
        let connect = async {
            match &self.tls {
                None => connections.add(net::connect(endpoint).await.map_err(failed)?).await,
                Some(tls) => connections.add(tls.connect(endpoint).await.map_err(failed)?).await,
            }
        };
        tokio::time::timeout(self.options.timeout, connect)
            .await
            .map_err(|_| not_connected_in(&self.address, self.options.timeout))?
    }

    /// A handle to the open connection, or to a new one if that has ended.
    async fn sender(&self) -> Result<SendRequest<Bytes>, CallError> {
        let mut connections = self.connections.lock().await;
        if let Some(newest) = &connections.newest
            && let Ok(sender) = newest.clone().ready().await
        {
            return Ok(sender);
        }
        self.open(&mut connections).await?.ready().await.map_err(|error| lost(&error))
    }

    /// Sends `call`, and waits for the head of the response.
    async fn send(&self, call: &Call) -> Result<Response<::h2::RecvStream>, CallError> {
        let message = wire::framed(&wire::encode_arguments(call)?)
            .map_err(|error| CallError::new(ErrorKind::TooLarge, error.to_string()))?;
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.targets.of(call, |path| target(&self.address, path))?;
        *request.headers_mut() = self.headers.clone();

        let mut sender = self.sender().await?;
        let (response, mut body) = sender.send_request(request, false).map_err(|error| lost(&error))?;
        body.send_data(message, true).map_err(|error| lost(&error))?;
        response.await.map_err(|error| lost(&error))
    }

    async fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        read_reply(self.send(call).await?, &self.options.limits).await
    }

    async fn read_stream(&self, call: &Call, on_item: OnItem<'_>) -> Result<(), CallError> {
        read_replies(self.send(call).await?, &self.options.limits, on_item).await
    }
}

impl Client for H2Client {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.exchange(call))
    }

    fn call_stream<'a>(&'a self, call: &'a Call, on_item: OnItem<'a>) -> Option<StreamFuture<'a>> {
        Some(Box::pin(self.read_stream(call, on_item)))
    }
}

fn target(address: &Address, path: &str) -> Result<Uri, CallError> {
    format!("{}://{}{path}", scheme_of(address), address.authority()).parse().map_err(unusable)
}

fn lost(error: &::h2::Error) -> CallError {
    // What arrived does not follow HTTP/2, or ends within a frame.
    let ends_within =
        |error: &io::Error| matches!(error.kind(), io::ErrorKind::Other | io::ErrorKind::UnexpectedEof);
    let hint = if error.is_library() || error.get_io().is_some_and(ends_within) {
        "; the server may speak another protocol, or expect TLS (grpcs://)"
    } else {
        ""
    };
    CallError::new(ErrorKind::Undeliverable, format!("the connection failed: {error}{hint}"))
}

fn malformed(reason: impl std::fmt::Display) -> CallError {
    CallError::new(ErrorKind::Malformed, format!("the reply is not one of gRPC: {reason}"))
}

/// Reads the message and the status of a response.
async fn read_reply(response: Response<::h2::RecvStream>, limits: &Limits) -> Result<Value, CallError> {
    let (head, mut body) = response.into_parts();
    if is_over(&head)? {
        return Err(malformed("it has no message"));
    }
    let mut reader = MessageReader::new(limits.max_body);
    while let Some(chunk) = next_chunk(&mut body).await? {
        reader.push(&chunk).map_err(frame_error)?;
    }
    read_trailers(&mut body).await?;
    let message = reader.finish().map_err(frame_error)?.ok_or_else(|| malformed("it has no message"))?;
    Ok(wire::decode_value(message, limits)?)
}

/// Reads the messages and the status of a response.
async fn read_replies(
    response: Response<::h2::RecvStream>,
    limits: &Limits,
    on_item: OnItem<'_>,
) -> Result<(), CallError> {
    let (head, mut body) = response.into_parts();
    if is_over(&head)? {
        return Ok(());
    }
    let mut messages = MessageSplitter::new(limits.max_body);
    while let Some(chunk) = next_chunk(&mut body).await? {
        let mut rest = &chunk[..];
        while let Some(message) = messages.next_message(&mut rest).map_err(frame_error)? {
            on_item(wire::decode_value(message, limits)?)?;
        }
    }
    read_trailers(&mut body).await?;
    messages.finish().map_err(frame_error)
}

/// Checks the head of a response. Whether it is the whole of a response without an error: without a message, the headers are
/// also the trailers.
fn is_over(head: &Parts) -> Result<bool, CallError> {
    if let Some(status) = read_status(&head.headers) {
        return status.map(|()| true);
    }
    if head.status != StatusCode::OK {
        let message = format!("the server answered with the HTTP status {}", head.status);
        return Err(status::to_error(status::code_of_http(head.status), &message, b""));
    }
    if !is_grpc(&head.headers) {
        return Err(malformed("its content-type is another one"));
    }
    Ok(false)
}

/// The next bytes of a body, which the server may then follow with as many others.
async fn next_chunk(body: &mut ::h2::RecvStream) -> Result<Option<Bytes>, CallError> {
    let Some(chunk) = body.data().await else { return Ok(None) };
    let chunk = chunk.map_err(|error| lost(&error))?;
    // Of a connection that has ended in the meantime, the window does not matter.
    let _ = body.flow_control().release_capacity(chunk.len());
    Ok(Some(chunk))
}

async fn read_trailers(body: &mut ::h2::RecvStream) -> Result<(), CallError> {
    let trailers = body.trailers().await.map_err(|error| lost(&error))?.unwrap_or_default();
    read_status(&trailers).ok_or_else(|| malformed("it has no grpc-status"))?
}

fn frame_error(error: wire::FrameError) -> CallError {
    match error {
        wire::FrameError::TooLarge(_) => CallError::new(ErrorKind::TooLarge, error.to_string()),
        _ => malformed(error),
    }
}
