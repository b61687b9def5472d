//! The client.

use calculator::{Call, CallError, CallFuture, Client, ClientOptions, Limits, Value};
use http_layer::http::StatusCode;
use http_layer::{Access, Headers, SCHEMES, Transport, status_error};
use net::Address;

use crate::wire::{EncodeOptions, Response, decode_response, encode_call};

/// An XML-RPC client with one connection, on top of the HTTP client `T`.
///
/// A server that closes the connection after each response, as CPython's does, costs a new connection per call.
#[derive(Debug)]
pub struct XmlRpcClient<T: Transport> {
    transport: T,
    target: T::Target,
    limits: Limits,
    encode: EncodeOptions,
}

impl<T: Transport> XmlRpcClient<T> {
    /// Connects to the server at `url`, `http://[USER[:PASSWORD]@]HOST[:PORT][/PATH]`. The default path is `/RPC2`, as
    /// in CPython's client. The headers of `access` are sent with every request: `content-encoding: gzip` makes the client
    /// compress requests, `accept-encoding: gzip` makes the server compress long responses.
    ///
    /// # Errors
    /// [`Undeliverable`](calculator::ErrorKind::Undeliverable) for an invalid URL, or if the HTTP client connects immediately and fails;
    /// [`Timeout`](calculator::ErrorKind::Timeout) if connecting takes too long.
    pub async fn connect(
        url: &str,
        access: impl Into<Access>,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let Access { headers: extra, trust } = access.into();
        let headers = Headers { extra, ..Headers::new("text/xml") };
        let transport = T::connect_trusting(url, &headers, &trust, options).await?;
        let has_path = Address::parse(url, &SCHEMES).is_ok_and(|address| !address.path().is_empty());
        let target = transport.target(if has_path { "" } else { "RPC2" })?;
        Ok(XmlRpcClient { transport, target, limits: options.limits, encode: EncodeOptions::default() })
    }

    /// Whether to send null as `<nil/>`. Off by default, as in CPython: a call with a null then fails before it is sent.
    /// Null in a response is always accepted.
    #[must_use]
    pub fn allow_none(mut self, allow: bool) -> Self {
        self.encode.allow_none = allow;
        self
    }

    async fn post(&self, call: &Call) -> Result<Value, CallError> {
        let body = encode_call(call, &self.encode)?;
        let reply = self.transport.post(&self.target, body).await?;
        let decoded = decode_response(&reply.body, &self.limits);
        match (reply.status, decoded) {
            // Servers that follow other specifications send a fault with another status.
            (_, Ok(Response::Fault(fault))) => Err(fault.into()),
            (StatusCode::OK, Ok(Response::Value(value))) => Ok(value),
            (StatusCode::OK, Err(error)) => Err(reply.undecodable(error.into())),
            _ => Err(status_error(&reply)),
        }
    }
}

impl<T: Transport> Client for XmlRpcClient<T> {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.post(call))
    }
}
