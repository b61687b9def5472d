//! The client.

use calculator::{Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, Limits, Remote, Value};
use http_layer::http::{HeaderMap, StatusCode};
use http_layer::{Headers, Reply, SCHEMES, Transport};
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
    /// in CPython's client. The `extra` headers are sent with every request: `content-encoding: gzip` makes the client
    /// compress requests, `accept-encoding: gzip` makes the server compress long responses.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] for an invalid URL, or if the HTTP client connects immediately and fails;
    /// [`ErrorKind::Timeout`] if connecting takes too long.
    pub async fn connect(url: &str, extra: &HeaderMap, options: &ClientOptions) -> Result<Self, CallError> {
        let headers = Headers { extra: extra.clone(), ..Headers::new("text/xml") };
        let transport = T::connect(url, &headers, options).await?;
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
        if reply.status != StatusCode::OK {
            return Err(status_error(&reply));
        }
        match decode_response(&reply.body, &self.limits)? {
            Response::Value(value) => Ok(value),
            Response::Fault(fault) => Err(fault.into()),
        }
    }
}

impl<T: Transport> Client for XmlRpcClient<T> {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.post(call))
    }
}

/// The error for a status other than 200. XML-RPC itself has no use for one: faults are sent with status 200.
fn status_error(reply: &Reply) -> CallError {
    let status = reply.status;
    let (kind, hint) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => (ErrorKind::TooLarge, "the call exceeds the server's limit"),
        StatusCode::BAD_REQUEST => (ErrorKind::Malformed, "the server could not parse the request"),
        StatusCode::NOT_FOUND => {
            (ErrorKind::Undeliverable, "is the path of the URL right? XML-RPC is usually served at /RPC2")
        }
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            (ErrorKind::Undeliverable, "the server behind the proxy did not receive or answer the call")
        }
        _ => (ErrorKind::Internal, "an XML-RPC server responds with status 200"),
    };
    let remote = Remote { code: Some(status.as_u16().into()), ..Remote::default() };
    CallError::remote(kind, format!("HTTP status {status}: {hint}"), remote)
}
