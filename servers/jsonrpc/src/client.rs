//! The client.

use std::sync::atomic::{AtomicU64, Ordering};

use calculator::{BatchFuture, Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, Limits, Value};
use http::StatusCode;
use http_layer::{Access, Headers, Reply, SCHEMES, Transport, status_error};
use net::Address;

use crate::wire::{self, Envelope};

/// The id of a client's first call. All ids have ten digits, so that all requests have the same length, and are below
/// 2⁵³, so that a server that reads numbers as doubles returns them unchanged.
pub const FIRST_ID: u64 = 1_000_000_000;

/// The number of different ids; after the last one, the first is used again.
const ID_COUNT: u64 = 9_000_000_000;

/// A JSON-RPC client over one connection: `JsonRpcClient<ReqwestClient>` is the stack `jsonrpc`,
/// `JsonRpcClient<HyperClient>` the stack `jsonrpc-hyper`, `JsonRpcClient<BareClient>` the stack `jsonrpc-bare`.
#[derive(Debug)]
pub struct JsonRpcClient<T: Transport> {
    transport: T,
    endpoint: T::Target,
    limits: Limits,
    envelope: Envelope,
    calls: AtomicU64,
}

impl<T: Transport> JsonRpcClient<T> {
    /// Connects to the endpoint at `url`. The headers of `access` are sent with every request.
    ///
    /// # Errors
    /// As [`Transport::connect`].
    pub async fn connect(
        url: &str,
        access: impl Into<Access>,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let Access { headers: extra, tls } = access.into();
        // The endpoint of Zabbix, which requires the media type that is specific to JSON-RPC.
        let is_zabbix =
            Address::parse(url, &SCHEMES).is_ok_and(|address| address.path().ends_with("/api_jsonrpc.php"));
        let content_type = if is_zabbix { wire::JSON_RPC } else { wire::JSON };
        let headers = Headers { extra, ..Headers::new(content_type) };
        let transport = T::connect_trusting(url, &headers, &tls, options).await?;
        let endpoint = transport.target("")?;
        let envelope = Envelope::default();
        Ok(JsonRpcClient { transport, endpoint, limits: options.limits, envelope, calls: AtomicU64::new(0) })
    }

    /// Sends requests in `envelope`. By default they have version 2.0 and no further members.
    #[must_use]
    pub fn with_envelope(self, envelope: Envelope) -> Self {
        JsonRpcClient { envelope, ..self }
    }

    /// Sends a notification: a call that is not answered, so that its result remains unknown.
    ///
    /// # Errors
    /// As [`Client::call`], but without the errors of executing the call: the server reports only a request that it
    /// cannot parse or that exceeds a limit.
    pub async fn notify(&self, call: &Call) -> Result<(), CallError> {
        let reply =
            self.transport.post(&self.endpoint, wire::encode_notification(&self.envelope, call)?).await?;
        if !reply.status.is_success() {
            return Err(self.status_error(&reply));
        }
        wire::decode_failure(&reply.body, &self.limits).map_or(Ok(()), Err)
    }

    /// Sends several calls in one request. Returns their results in the order of `calls`.
    ///
    /// # Errors
    /// As [`Client::call`], for a failure of the batch as a whole. [`ErrorKind::InvalidArguments`] for an empty batch,
    /// which is not sent, since the specification makes it an error.
    pub async fn batch(&self, calls: &[BatchCall]) -> Result<Vec<BatchResult>, CallError> {
        if calls.is_empty() {
            return Err(CallError::new(ErrorKind::InvalidArguments, "a batch must have at least one call"));
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
        let reply = self.transport.post(&self.endpoint, wire::encode_batch(&self.envelope, entries)?).await?;
        if !reply.status.is_success() {
            return Err(self.status_error(&reply));
        }
        // The response to a batch of notifications alone is empty, or an error of the batch as a whole.
        let results = if ids.is_empty() {
            wire::decode_failure(&reply.body, &self.limits).map_or(Ok(vec![]), Err)?
        } else {
            wire::decode_batch_reply(&reply.body, &ids, &self.limits)
                .map_err(|error| reply.undecodable(error))?
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
        FIRST_ID + self.calls.fetch_add(1, Ordering::Relaxed) % ID_COUNT
    }

    async fn post(&self, call: &Call) -> Result<Value, CallError> {
        let id = self.next_id();
        let reply = self.transport.post(&self.endpoint, wire::encode_call(&self.envelope, call, id)?).await?;
        if reply.status != StatusCode::OK {
            return Err(self.status_error(&reply));
        }
        wire::decode_reply(&reply.body, id, &self.limits).map_err(|error| reply.undecodable(error))
    }

    /// The error for a status other than 200: the JSON-RPC error in the body if there is one, or else one that follows
    /// from the status.
    fn status_error(&self, reply: &Reply) -> CallError {
        wire::decode_failure(&reply.body, &self.limits).unwrap_or_else(|| status_error(reply))
    }
}

/// An entry of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchCall {
    /// A call that is answered.
    Call(Call),
    /// A call that is not answered.
    Notification(Call),
}

/// The result of an entry of a batch; `None` for a notification.
pub type BatchResult = Option<Result<Value, CallError>>;

impl<T: Transport> Client for JsonRpcClient<T> {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.post(call))
    }

    fn call_batch<'a>(&'a self, calls: &'a [Call]) -> Option<BatchFuture<'a>> {
        Some(Box::pin(async move {
            let calls: Vec<_> = calls.iter().cloned().map(BatchCall::Call).collect();
            Ok(self.batch(&calls).await?.into_iter().flatten().collect())
        }))
    }
}
