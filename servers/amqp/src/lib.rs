//! RPC over RabbitMQ, client and server, compatible with oslo.messaging, the RPC library of OpenStack's services.
//!
//! A server here answers oslo.messaging's clients, and a client here calls its servers: topology, envelope and behaviour
//! are those of oslo.messaging 18.3.1. A call travels in an [envelope](wire) through a topic exchange to the servers'
//! queue, and its reply through the default exchange to the client's reply queue. Each message is acknowledged, and each
//! publish confirmed by the broker.
//!
//! | concept | type | meaning |
//! |---|---|---|
//! | transport | [`Transport`] | one or more brokers and the kind of queues; parsed from `rabbit://user:password@host/vhost` |
//! | target | [`Target`] | the destination of a message: exchange, topic, server, namespace, version, fanout |
//! | endpoint | [`Endpoint`], [`Methods`] | methods under one namespace and version |
//! | dispatcher | [`RpcDispatcher`] | finds a request's method among the endpoints; access policy, serializer, executor |
//! | context | [`Context`] | entries that are sent beside the arguments |
//! | serializer | [`Serializer`] | converts an application's values and contexts before sending and after receiving |
//! | executor | [`calculator::Executor`] | runs handlers one at a time, on n threads, or as tasks |
//! | server | [`RpcServer`] | start, stop, wait, reset |
//! | client | [`RpcClient`] | call, cast, fanout cast; `prepare` for another target, timeout, version cap, retry, call monitor |
//! | notification | [`notify`] | events for any listener, by priority; a listener can requeue one |
//!
//! A server and a client, on the broker whose URL is the program's first argument:
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amqp::{Context, Methods, RpcClient, RpcDispatcher, RpcServer, RpcServerOptions, Target, Transport};
//! use calculator::Call;
//!
//! let transport: Transport = std::env::args().nth(1).ok_or("missing broker URL")?.parse()?;
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
//! let call = Call::named("test", [("arg".into(), "hello".into())]);
//! assert_eq!(client.call(&Context::new(), &call).await?, "hello".into());
//!
//! server.stop();
//! server.wait().await;
//! # Ok(()) }
//! ```
//!
//! `examples/rpc_server` and `examples/rpc_client` are the same as two programs. `examples/exchanges` shows how exchanges
//! route messages. The documentation of [`RpcDispatcher`] shows dispatching without a broker.
//!
//! # Failures
//!
//! | event | server | client |
//! |---|---|---|
//! | the broker ends | reconnects to any host of the URL, with delays of 125 to 500 ms | calls in progress fail as undeliverable; the next one tries to connect until its timeout, or as often as [`RpcClient::retry`] allows |
//! | a message is redelivered | is recognised by its `_unique_id` among the last 1,024 | a reply to a call that has ended is dropped |
//! | the server dies | requests in progress are lost, or redelivered with [`Acknowledge::After`] | the call ends at its timeout, or earlier with [`RpcClient::call_monitor_timeout`] |
//! | the reply queue is deleted | retries the reply for 60 s, without delaying others | calls in progress fail; the next one declares a new queue |
//! | the broker closes a channel | reconnects, and logs the broker's reason | calls in progress fail with the broker's reason |
//! | a message cannot be read | rejects it, warns, and replies with a failure if the message shows the call's id and reply queue | the call fails as malformed; without an id, the message is dropped with a warning |
//! | the broker blocks publishers | replies wait | calls and casts wait, and fail at their timeouts |
//! | the topic has no consumer | | calls time out; with [`RpcClient::at_least_once`] they fail immediately |
//!
//! [`ReplyTo::Direct`] gives up these guarantees for speed. [`bare`] gives up the message format as well: it is the lower
//! bound for all others.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

pub mod bare;
pub mod bindings;
mod broker_version;
mod cleanup;
mod client;
mod compression;
mod connect;
mod context;
mod deliveries;
mod errors;
mod guarantees;
mod handshake;
pub mod notify;
mod peer;
mod pending;
mod publisher;
mod queues;
mod reconnect;
mod serializer;
mod server;
mod target;
mod tls_runtime;
mod topology;
mod transport;
mod url;
mod version;
pub mod wire;

pub use broker_version::broker_version;
pub use cleanup::delete_server_queues;
pub use client::{AmqpClient, RpcClient};
pub use connect::TransportError;
pub use context::Context;
pub use guarantees::DeliveryGuarantees;
pub use pending::{PendingCalls, ReplyWaiter};
pub use queues::{QueueKind, Queues, QuorumLimits, UnknownQueueKind};
pub use serializer::Serializer;
pub use server::{
    AccessPolicy, Acknowledge, Endpoint, Interface, MethodFuture, Methods, RpcDispatcher, RpcServer,
    RpcServerOptions, Server, ServerError,
};
pub use target::{Target, TargetError};
pub use topology::REPLY_QUEUE_PREFIX;
pub use transport::{ReplyTo, Transport};
pub use url::{SCHEMES, TransportUrl, UrlError};
