//! The client.

use calculator::{BatchFuture, Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, Limits, Value};
use http_layer::http::StatusCode;
use http_layer::{Access, Headers, SCHEMES, Transport, status_error};
use net::Address;

use crate::wire::{EncodeOptions, Fault, Response, decode_response, encode_call};

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
        let Access { headers: extra, tls } = access.into();
        let headers = Headers { extra, ..Headers::new("text/xml") };
        let transport = T::connect_trusting(url, &headers, &tls, options).await?;
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

    /// Sends several calls in one `system.multicall`, which most servers have. Returns their results in the order of `calls`.
    ///
    /// # Errors
    /// As [`Client::call`], for a failure of the message as a whole. [`ErrorKind::InvalidArguments`] for named arguments,
    /// [`ErrorKind::Malformed`] for a response that is not one to these calls.
    pub async fn multicall(&self, calls: &[Call]) -> Result<Vec<Result<Value, CallError>>, CallError> {
        let entries: Vec<_> = calls.iter().map(entry).collect::<Result<_, _>>()?;
        let answer = self.post(&Call::positional("system.multicall", [Value::list(entries)])).await?;
        match answer {
            Value::List(results) if results.len() == calls.len() => {
                Ok(results.into_iter().map(result).collect())
            }
            _ => Err(malformed("the response is not a list with a result for each call")),
        }
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

/// A call as an entry of `system.multicall`.
fn entry(call: &Call) -> Result<Value, CallError> {
    let params = Value::list(call.params.as_positional()?.to_vec());
    Ok(Value::map(vec![("methodName".into(), Value::from(&*call.method)), ("params".into(), params)]))
}

/// What `system.multicall` returns for a call: its result in a list, or a fault.
fn result(value: Value) -> Result<Value, CallError> {
    match value {
        Value::List(items) => {
            let [item] = <[Value; 1]>::try_from(items.into_vec())
                .map_err(|_| malformed("a result is not in a list of one item"))?;
            Ok(item)
        }
        fault => Err(Fault::from_value(fault).into()),
    }
}

fn malformed(what: &str) -> CallError {
    CallError::new(ErrorKind::Malformed, format!("system.multicall: {what}"))
}

impl<T: Transport> Client for XmlRpcClient<T> {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.post(call))
    }

    fn call_batch<'a>(&'a self, calls: &'a [Call]) -> Option<BatchFuture<'a>> {
        Some(Box::pin(self.multicall(calls)))
    }
}
