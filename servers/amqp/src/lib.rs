//! RPC over RabbitMQ, both ends, in the manner of oslo.messaging: what OpenStack's services speak with each other.
//!
//! A server here answers oslo.messaging's clients, and a client here calls its servers: topology, envelope and behaviour
//! are those of oslo.messaging 18.3.1. A call travels as an [envelope](wire) through a topic exchange to the servers'
//! queue and back through the default exchange to the client's reply queue, with an acknowledgement of each message and
//! a publisher confirm of each publish.
//!
//! | concept | here | what it is |
//! |---|---|---|
//! | transport | [`Transport`] | a broker, or several, and the kind of queues; parsed from `rabbit://user:password@host/vhost` |
//! | target | [`Target`] | whom a message is for: exchange, topic, server, namespace, version, fanout |
//! | endpoint | [`Endpoint`], [`Methods`] | methods under one namespace and version |
//! | dispatcher | [`RpcDispatcher`] | finds a request's method among the endpoints; access policy, serializer, executor |
//! | context | [`Context`] | what travels beside the arguments |
//! | serializer | [`Serializer`] | what an application makes of values and contexts before they travel |
//! | executor | [`calculator::Executor`] | handlers one at a time, on n threads, or as tasks |
//! | server | [`RpcServer`] | start, stop, wait, reset |
//! | client | [`RpcClient`] | call, cast, fanout cast; `prepare` for another target, timeout, version cap, retry, call monitor |
//! | notification | [`notify`] | events to whom they may concern, by priority; a listener can put one back |
//!
//! A server and its caller, which find each other through the broker that the first argument of the program names:
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amqp::{Context, Methods, RpcClient, RpcDispatcher, RpcServer, RpcServerOptions, Target, Transport};
//! use calculator::Call;
//!
//! let transport: Transport = std::env::args().nth(1).ok_or("give a broker's URL")?.parse()?;
//! let test = Methods::new().version("2.0").method("test", |_context, arguments| {
//!     let [arg] = arguments.bind("test", ["arg"])?;
//!     Ok(arg)
//! });
//! let dispatcher = RpcDispatcher::new().endpoint(test).build();
//! let target = Target::topic("test").server("server1");
//! let server = RpcServer::new(&transport, target, dispatcher, RpcServerOptions::default())?;
//! server.start().await?;
//!
//! let client = RpcClient::new(&transport, Target::topic("test")).version("2.0");
//! let call = Call::named("test", [("arg".to_owned(), "hello".into())]);
//! assert_eq!(client.call(&Context::new(), &call).await?, "hello".into());
//!
//! server.stop();
//! server.wait().await;
//! # Ok(()) }
//! ```
//!
//! The same as two programs is in `examples/rpc_server` and `examples/rpc_client`; what an exchange does with a message
//! is in `examples/exchanges`. [`RpcDispatcher`] shows dispatching without a broker.
//!
//! # What happens when something breaks
//!
//! | event | server | client |
//! |---|---|---|
//! | the broker ends | looks for it, or for another host of the URL, twice a second | calls under way fail as undeliverable; the next one looks for the broker until its timeout, or as often as [`RpcClient::retry`] says |
//! | a message comes again | recognised by its `_unique_id` among the last 1,024 | a reply to a call that has ended is dropped |
//! | the server dies | requests in hand are lost, or with [`Acknowledge::After`] delivered again | the call ends at its timeout, or earlier by [`RpcClient::call_monitor_timeout`] |
//! | the reply queue is gone | the answer is tried again for 60 s, without holding up others | calls under way fail; the next one has a new queue |
//! | the broker takes no messages | answers wait | calls and casts wait, and fail at their timeouts |
//! | nobody consumes the topic | | calls time out; with [`RpcClient::at_least_once`] they fail at once |
//!
//! [`ReplyTo::Direct`] trades all of the guarantees for speed, and [`direct`] the protocol too: the floor under the rest.

#![forbid(unsafe_code)]

mod client;
mod context;
pub mod direct;
mod dispatcher;
mod endpoint;
mod link;
pub mod notify;
mod pending;
mod product;
mod publisher;
mod received;
mod replies;
mod seen;
mod serializer;
mod server;
mod session;
mod target;
pub mod terms;
mod topology;
mod transport;
mod url;
mod version;
pub mod wire;

pub use client::{AmqpClient, RpcClient};
pub use context::Context;
pub use dispatcher::{AccessPolicy, RpcDispatcher};
pub use endpoint::{Endpoint, Handling, Interface, Methods};
pub use product::product;
pub use serializer::Serializer;
pub use server::{Acknowledge, RpcServer, RpcServerOptions, Server, ServerError};
pub use target::{Target, TargetError};
pub use topology::{QueueKind, Queues, REPLY_QUEUE_PREFIX, UnknownQueueKind};
pub use transport::{ReplyTo, Transport, TransportError};
pub use url::{TransportUrl, UrlError};
