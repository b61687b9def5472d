//! RPC over RabbitMQ, both ends, in the manner of oslo.messaging: what OpenStack's services speak with each other.

#![forbid(unsafe_code)]

mod client;
mod context;
pub mod direct;
mod dispatcher;
mod endpoint;
mod link;
mod pending;
mod publisher;
mod replies;
mod seen;
mod serializer;
mod server;
mod session;
mod target;
mod topology;
mod transport;
mod url;
mod version;
pub mod wire;

pub use client::{AmqpClient, RpcClient};
pub use context::Context;
pub use dispatcher::{AccessPolicy, RpcDispatcher};
pub use endpoint::{Endpoint, Handling, Interface, Methods};
pub use serializer::Serializer;
pub use server::{Acknowledge, RpcServer, RpcServerOptions, Server, ServerError};
pub use target::{Target, TargetError};
pub use topology::{QueueKind, Queues, UnknownQueueKind};
pub use transport::{ReplyTo, Transport, TransportError};
pub use url::{TransportUrl, UrlError};
