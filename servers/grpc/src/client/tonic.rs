//! The usual client: tonic's channel.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tonic::client::Grpc;
use ::tonic::metadata::AsciiMetadataValue;
use ::tonic::transport::Endpoint;
use ::tonic::{Request, Response, Status};
use bytes::Bytes;
use calculator::{
    Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, Limits, Method, OnItem, StreamFuture,
    Value,
};
use http::Uri;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use net::{Address, TlsSettings, Trust};

use super::checked::CheckedChannel;
use super::{Targets, not_connected_in, parse_url, scheme_of, tls_of, unreachable, unusable};
use crate::codec::Encoded;
use crate::{status, timeout, wire};

/// A client over one connection of tonic's channel, which opens another when that one has ended.
///
/// Any number of calls can be in flight. The timeout of the options is sent with each call, and tonic also ends the call
/// when it is over.
#[derive(Debug)]
pub struct TonicClient {
    grpc: Grpc<CheckedChannel>,
    paths: Targets<PathAndQuery>,
    timeout: AsciiMetadataValue,
    limits: Limits,
}

impl TonicClient {
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
        Ok(TonicClient {
            grpc: open(url, tls.into(), options).await?,
            paths: Targets::new(path)?,
            timeout: timeout::encode(options.timeout).parse().map_err(unusable)?,
            limits: options.limits,
        })
    }

    /// A handle of the channel.
    pub(super) fn channel(&self) -> Grpc<CheckedChannel> {
        self.grpc.clone()
    }

    /// A channel that is ready, with the request of `call` and its path.
    async fn prepare(&self, call: &Call) -> Result<Prepared, CallError> {
        let mut request = Request::new(wire::encode_arguments(call)?);
        request.metadata_mut().insert(timeout::HEADER, self.timeout.clone());
        let path = self.paths.of(call, path)?;
        // Channels are cloned for each call: a clone is a handle.
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(|error| status::client_error(&Status::from_error(error.into())))?;
        Ok((grpc, request, path))
    }

    async fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        let (mut grpc, request, path) = self.prepare(call).await?;
        let reply = match Method::from_name(&call.method) {
            Some(_) => grpc.unary(request, path, Encoded).await.map(Response::into_inner),
            None => only_reply(&mut grpc, request, path).await,
        };
        let reply = reply.map_err(|status| status::client_error(&status))?;
        Ok(wire::decode_value(&reply, &self.limits)?)
    }

    async fn read_stream(&self, call: &Call, on_item: OnItem<'_>) -> Result<(), CallError> {
        let (mut grpc, request, path) = self.prepare(call).await?;
        let replies = grpc.server_streaming(request, path, Encoded).await;
        let mut replies = replies.map_err(|status| status::client_error(&status))?.into_inner();
        while let Some(reply) = replies.message().await.map_err(|status| status::client_error(&status))? {
            on_item(wire::decode_value(&reply, &self.limits)?)?;
        }
        Ok(())
    }
}

/// What a call begins with.
type Prepared = (Grpc<CheckedChannel>, Request<Vec<u8>>, PathAndQuery);

/// Calls a method of which it is not known whether it has one reply. tonic's function for methods with one would ignore others.
async fn only_reply(
    grpc: &mut Grpc<CheckedChannel>,
    request: Request<Vec<u8>>,
    path: PathAndQuery,
) -> Result<Bytes, Status> {
    let mut replies = grpc.server_streaming(request, path, Encoded).await?.into_inner();
    let reply = replies.message().await?.ok_or_else(|| Status::internal("there is no reply"))?;
    match replies.message().await? {
        None => Ok(reply),
        Some(_) => Err(Status::internal("the method has more than one reply")),
    }
}

/// Opens a channel to the server at `url`.
///
/// # Errors
/// As [`TonicClient::connect`].
pub(super) async fn open(
    url: &str,
    tls: TlsSettings,
    options: &ClientOptions,
) -> Result<Grpc<CheckedChannel>, CallError> {
    let address = parse_url(url)?;
    let (tls, authority) = (tls_of(&address, tls)?, address.authority());
    // Without its own TLS, tonic connects to no URL with `https`; requests name that as their origin.
    let endpoint = Endpoint::from_shared(format!("http://{authority}")).map_err(unusable)?;
    let origin: Uri = format!("{}://{authority}", scheme_of(&address)).parse().map_err(unusable)?;
    let (endpoint, to) = (endpoint.origin(origin), address.endpoint().clone());
    let connecting = async {
        match tls {
            None => {
                let connect = move || {
                    let to = to.clone();
                    async move { net::connect(&to).await }
                };
                endpoint.connect_with_connector(Connector(connect)).await
            }
            Some(tls) => {
                let connect = move || {
                    let (tls, to) = (tls.clone(), to.clone());
                    async move { tls.connect(&to).await }
                };
                endpoint.connect_with_connector(Connector(connect)).await
            }
        }
    };
    let channel = tokio::time::timeout(options.timeout, connecting)
        .await
        .map_err(|_| not_connected_in(&address, options.timeout))?
        .map_err(|error| connect_error(&address, &error))?;
    Ok(Grpc::new(CheckedChannel(channel))
        .max_decoding_message_size(options.limits.max_body)
        .max_encoding_message_size(usize::MAX))
}

impl Client for TonicClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.exchange(call))
    }

    fn call_stream<'a>(&'a self, call: &'a Call, on_item: OnItem<'a>) -> Option<StreamFuture<'a>> {
        Some(Box::pin(self.read_stream(call, on_item)))
    }
}

fn path(path: &str) -> Result<PathAndQuery, CallError> {
    path.parse().map_err(unusable)
}

fn connect_error(address: &Address, error: &::tonic::transport::Error) -> CallError {
    let causes = std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source());
    let mut causes: Vec<_> = causes.collect();
    if let Some(error) = causes.iter().find_map(|cause| cause.downcast_ref::<io::Error>()) {
        return unreachable(address, error);
    }
    let reason = causes.pop().map_or_else(String::new, ToString::to_string);
    let message = format!("cannot connect to {}: {reason}", address.endpoint());
    CallError::new(ErrorKind::Undeliverable, message)
}

/// Opens the connections of a channel by the function that it holds.
struct Connector<C>(C);

impl<C, F, S> tower_service::Service<Uri> for Connector<C>
where
    C: Fn() -> F,
    F: Future<Output = io::Result<S>> + Send + 'static,
{
    type Response = TokioIo<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<S>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connecting = (self.0)();
        Box::pin(async move { connecting.await.map(TokioIo::new) })
    }
}
