//! Servers: receiving, dispatching and answering requests.

mod adapter;
mod deduplicator;
mod dispatcher;
mod endpoint;
mod handler;
mod incoming;
mod options;
mod refusals;
mod reply_sender;
mod rpc_server;
mod session;
mod state;

pub use adapter::{Server, ServerError};
pub use dispatcher::{AccessPolicy, RpcDispatcher};
pub use endpoint::{Endpoint, Interface, MethodFuture, Methods};
pub use options::{Acknowledge, RpcServerOptions};
pub use rpc_server::RpcServer;
