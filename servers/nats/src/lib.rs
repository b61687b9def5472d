//! RPC over NATS, client and server: request and reply with an inbox for the replies.
//!
//! The messages are those of oslo.messaging without its envelope, byte for byte as the crate `amqp` sends them by direct
//! reply-to, so that a comparison of both shows the brokers and their libraries and not two notations. A request is
//! published to the subject of the service; its servers share a queue group, so that one of them gets it. The reply goes to
//! the inbox that the request names. A cast is a request without an inbox. A fanout cast goes to the subject with `.fanout`
//! behind it, to which every server subscribes without a group.
//!
//! [`NatsClient`] and [`Server`] use the crate `async-nats`. [`bare`] has a minimal client and server over [`wire`], our own
//! codec of the protocol between client and broker.
//!
//! # Failures
//!
//! | event | server | client |
//! |---|---|---|
//! | the broker ends | reconnects until it is stopped, with delays up to 4 s, and subscribes again | calls in progress fail as undeliverable; so do new ones until the client has reconnected |
//! | no server has the subject | | the broker reports it, and the call fails as undeliverable at once |
//! | a server dies | its calls in progress are lost: the broker stores nothing | they end at their timeouts |
//! | a message is larger than the broker's `max_payload` | replies with a failure instead | the call fails as too large, and is not sent |
//! | more requests than a server can hold | the broker or the library drops them, and the server warns | the calls end at their timeouts |
//! | a message cannot be read | replies with a failure | the call fails as malformed |
//!
//! The bare client and server do not reconnect.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

pub mod bare;
mod broker;
mod client;
mod connect;
mod message;
mod server;
mod subject;
pub mod wire;

pub use broker::{Broker, SCHEMES, broker_version};
pub use client::{NatsClient, Recipients};
pub use message::{ID_LEN, encode_request, encode_result};
pub use server::{BindError, Server};
pub use subject::{Subject, SubjectError};
