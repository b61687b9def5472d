//! RPC over RabbitMQ, both ends, in the manner of oslo.messaging: what OpenStack's services speak with each other.
//!
//! [`Server`] answers oslo.messaging clients and [`AmqpClient`] calls oslo.messaging servers. A call travels as an
//! [envelope](wire) through a topic exchange to the servers' queue and back through the default exchange to the
//! client's reply queue, with an acknowledgement of each message and a publisher confirm of each publish.
//! [`direct`] is the same exchange without any of that: the leanest request and reply that RabbitMQ offers, and the
//! floor under the former.

#![forbid(unsafe_code)]

mod client;
pub mod direct;
mod endpoint;
mod pending;
mod product;
mod publisher;
mod replies;
mod seen;
mod server;
mod target;
pub mod terms;
mod topology;
mod transport;
pub mod wire;

pub use client::AmqpClient;
pub use product::product;
pub use server::{Server, ServerError, ServerOptions};
pub use target::{Target, TargetError};
pub use topology::REPLY_QUEUE_PREFIX;
pub use transport::{TransportError, TransportUrl, UrlError};
