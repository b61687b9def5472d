//! A client of the suite's contract.

use calculator::{Call, CallError, CallFuture, Client, ClientOptions};

use super::rpc_client::RpcClient;
use crate::context::Context;
use crate::target::Target;
use crate::transport::Transport;

/// An [`RpcClient`] that implements the suite's [`Client`]. Its context is empty, and its calls have no timeout: the
/// caller imposes one. Without a broker, a call fails immediately.
pub struct AmqpClient(RpcClient);

impl AmqpClient {
    /// Connects to the broker and declares the target's exchange.
    ///
    /// [`ClientOptions::timeout`] limits connecting. It is also the time after which the broker discards a request that
    /// no server has received.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`](calculator::ErrorKind::Undeliverable) or
    /// [`ErrorKind::Timeout`](calculator::ErrorKind::Timeout) without a broker,
    /// [`ErrorKind::InvalidArguments`](calculator::ErrorKind::InvalidArguments) for an invalid target.
    pub async fn connect(
        transport: &Transport,
        target: Target,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let client =
            RpcClient::with_limits(transport, target, options.limits).timeout(options.timeout).retry(0);
        client.connect().await?;
        Ok(AmqpClient(client))
    }

    /// A client of `target` on the same connections.
    #[must_use]
    pub fn for_target(&self, target: Target) -> Self {
        AmqpClient(self.0.prepare().target(target))
    }

    /// See [`RpcClient::at_least_once`].
    #[must_use]
    pub fn at_least_once(self) -> Self {
        AmqpClient(self.0.at_least_once())
    }

    /// Sends `call` without requesting a reply, to one server of the target or, if its `fanout` is set, to all.
    ///
    /// # Errors
    /// As [`RpcClient::cast`].
    pub async fn cast(&self, call: &Call) -> Result<(), CallError> {
        self.0.cast(&Context::new(), call).await
    }
}

impl Client for AmqpClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        const EMPTY: &Context = &Context::new();
        Box::pin(self.0.call_without_timeout(EMPTY, call))
    }
}
