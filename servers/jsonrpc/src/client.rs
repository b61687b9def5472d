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
        // Zabbix's frontend has one endpoint, and its documentation asks for the type of JSON-RPC's own.
        let content_type = if path(url).ends_with("/api_jsonrpc.php") { wire::JSON_RPC } else { wire::JSON };
        let headers = Headers { extra: extra.clone(), ..Headers::new(content_type) };
        let transport = T::connect(url, &headers, options).await?;
        let endpoint = transport.target("")?;
        Ok(JsonRpcClient { transport, endpoint, limits: options.limits, calls: AtomicU64::new(0) })
    }

    /// Sends a call that is not answered: whether it was executed, and with what result, nobody tells.
    ///
    /// # Errors
    /// As [`Client::call`], except that of what the server makes of the call itself, only what it refuses unread is
    /// known.
    pub async fn notify(&self, call: &Call) -> Result<(), CallError> {
        let reply = self.transport.post(&self.endpoint, wire::encode_notification(call)?).await?;
        if !reply.status.is_success() {
            return Err(self.refused(&reply));
        }
        wire::decode_failure(&reply.body, &self.limits).map_or(Ok(()), Err)
    }

    /// Makes several calls in one request. Each has a result of its own, in the order of `calls`; a notification has
    /// none.
    ///
    /// # Errors
    /// What keeps all of them from being answered, as [`Client::call`]; an empty batch is refused unsent, as the
    /// specification has no answer to it but an error.
    pub async fn batch(&self, calls: &[BatchCall]) -> Result<Vec<BatchResult>, CallError> {
        if calls.is_empty() {
            return Err(CallError::new(ErrorKind::InvalidArguments, "a batch has at least one call"));
        }
        let mut ids = Vec::new();
        let entries: Vec<_> = calls
            .iter()
            .map(|entry| match entry {
                BatchCall::Call(call) => {
                    let id = self.next_id();
                    ids.push(id);
                    (call, Some(id))
                }
                BatchCall::Notification(call) => (call, None),
            })
            .collect();
        let reply = self.transport.post(&self.endpoint, wire::encode_batch(entries)?).await?;
        if !reply.status.is_success() {
            return Err(self.refused(&reply));
        }
        // What consists of notifications is answered by nothing at all, or by what is wrong with the whole.
        let results = match (ids.is_empty(), wire::decode_failure(&reply.body, &self.limits)) {
            (true, Some(error)) => return Err(error),
            (true, None) => Vec::new(),
            (false, _) => wire::decode_batch_reply(&reply.body, &ids, &self.limits)?,
        };
        let mut results = results.into_iter();
        Ok(calls
            .iter()
            .map(|entry| match entry {
                BatchCall::Call(_) => results.next(),
                BatchCall::Notification(_) => None,
            })
            .collect())
    }

    fn next_id(&self) -> u64 {
        FIRST_ID + self.calls.fetch_add(1, Ordering::Relaxed) % IDS
    }

    async fn post(&self, call: &Call) -> Result<Value, CallError> {
        let id = self.next_id();
        let reply = self.transport.post(&self.endpoint, wire::encode_call(call, id)?).await?;
        if reply.status != StatusCode::OK {
            return Err(self.refused(&reply));
        }
        wire::decode_reply(&reply.body, id, &self.limits)
    }

    /// The error of a reply with another status than 200: some servers send a JSON-RPC error along.
    fn refused(&self, reply: &Reply) -> CallError {
        wire::decode_failure(&reply.body, &self.limits).unwrap_or_else(|| {
            let (kind, hint) = match reply.status.as_u16() {
                413 => (ErrorKind::TooLarge, "; the call exceeds the server's limit"),
                412 | 415 => (ErrorKind::Malformed, "; it may want another Content-Type"),
                404 => (ErrorKind::Malformed, "; is the URL's path right?"),
                400..=499 => (ErrorKind::Malformed, ""),
                _ => (ErrorKind::Internal, ""),
            };
            let remote = Remote { code: Some(reply.status.as_u16().into()), ..Remote::default() };
            CallError::remote(kind, format!("the server answered with status {}{hint}", reply.status), remote)
        })
    }
}

/// A call of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchCall {
    /// One that is answered.
    Call(Call),
    /// One that is not.
    Notification(Call),
}

/// What came of a call of a batch; `None` for a notification.
pub type BatchResult = Option<Result<Value, CallError>>;

/// The path of a URL, with what comes before it.
fn path(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

impl<T: Transport> Client for JsonRpcClient<T> {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.post(call))
    }
}
