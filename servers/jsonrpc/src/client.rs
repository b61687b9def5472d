//! The calling end.

use std::sync::atomic::{AtomicU64, Ordering};

use calculator::{Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, Limits, Remote, Value};
use http::{HeaderMap, StatusCode};
use http_layer::{Headers, Reply, Transport};

use crate::wire;

/// The id of a client's first call. Ids have ten digits, so that a request is as long as the last one, and stay below
/// 2⁵³, so that a server that takes numbers for doubles gives them back.
pub const FIRST_ID: u64 = 1_000_000_000;
const IDS: u64 = 9_000_000_000;

/// A JSON-RPC client over one connection: `JsonRpcClient<ReqwestClient>` is the stack `jsonrpc`,
/// `JsonRpcClient<HyperClient>` the stack `jsonrpc-hyper`.
#[derive(Debug)]
pub struct JsonRpcClient<T: Transport> {
    transport: T,
    endpoint: T::Target,
    limits: Limits,
    calls: AtomicU64,
}

impl<T: Transport> JsonRpcClient<T> {
    /// A client of the endpoint at `url`. `extra` headers go with every request.
    ///
    /// # Errors
    /// As [`Transport::connect`].
    pub async fn connect(url: &str, extra: &HeaderMap, options: &ClientOptions) -> Result<Self, CallError> {
        let headers = Headers { extra: extra.clone(), ..Headers::new(wire::JSON) };
        let transport = T::connect(url, &headers, options).await?;
        let endpoint = transport.target("")?;
        Ok(JsonRpcClient { transport, endpoint, limits: options.limits, calls: AtomicU64::new(0) })
    }

    async fn post(&self, call: &Call) -> Result<Value, CallError> {
        let id = FIRST_ID + self.calls.fetch_add(1, Ordering::Relaxed) % IDS;
        let reply = self.transport.post(&self.endpoint, wire::encode_call(call, id)?).await?;
        if reply.status != StatusCode::OK {
            return Err(self.refused(&reply, id));
        }
        wire::decode_reply(&reply.body, id, &self.limits)
    }

    /// The error of a reply with another status than 200: some servers send a JSON-RPC error along.
    fn refused(&self, reply: &Reply, id: u64) -> CallError {
        match wire::decode_reply(&reply.body, id, &self.limits) {
            Err(error) if error.remote.is_some() => error,
            _ => {
                let kind = match reply.status.as_u16() {
                    413 => ErrorKind::TooLarge,
                    400..=499 => ErrorKind::Malformed,
                    _ => ErrorKind::Internal,
                };
                let remote = Remote { code: Some(reply.status.as_u16().into()), ..Remote::default() };
                CallError::remote(kind, format!("the server answered with status {}", reply.status), remote)
            }
        }
    }
}

impl<T: Transport> Client for JsonRpcClient<T> {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.post(call))
    }
}
