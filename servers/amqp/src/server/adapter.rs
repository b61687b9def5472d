//! A server of a service of the suite's contract.

use calculator::Dispatcher;
use tokio_util::sync::CancellationToken;

use super::dispatcher::RpcDispatcher;
use super::options::RpcServerOptions;
use super::rpc_server::RpcServer;
use crate::connect::TransportError;
use crate::target::{Target, TargetError};
use crate::transport::Transport;

/// Why a server cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The target is not valid for a server.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The broker cannot be reached, or it refused a request.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// An [`RpcServer`] of one service of the suite's contract, such as the calculator.
pub struct Server(RpcServer);

impl Server {
    /// Starts a server of `dispatcher`'s service, in the null namespace and version 1.0.
    ///
    /// # Errors
    /// [`ServerError`]; the target needs a topic and a server name.
    pub async fn bind(
        transport: &Transport,
        target: Target,
        dispatcher: Dispatcher,
        options: RpcServerOptions,
    ) -> Result<Self, ServerError> {
        // The service's dispatcher has its own executor, so the RPC dispatcher keeps the default one.
        let dispatcher = RpcDispatcher::new().endpoint(dispatcher).build();
        let server = RpcServer::new(transport, target, dispatcher, options)?;
        server.start().await?;
        Ok(Server(server))
    }

    /// The broker's URL without credentials.
    #[must_use]
    pub fn url(&self) -> String {
        self.0.url().to_string()
    }

    /// Serves until `stop` is cancelled, then finishes the calls in progress, at most 4 s, and closes the connections.
    /// The topic's exchange and queues remain at the broker.
    pub async fn run(self, stop: CancellationToken) {
        stop.cancelled().await;
        self.0.stop();
        self.0.wait().await;
    }
}
