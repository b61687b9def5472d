//! The minimal request and reply over NATS: a lower bound for [`Server`](crate::Server) and
//! [`NatsClient`](crate::NatsClient).
//!
//! Each peer has one connection, which our own codec reads and writes: a request is written by the task that makes the call,
//! in one system call. The messages are those of [`amqp::bare`], so that the floors of both brokers differ in the brokers
//! and the protocols only. Neither client nor server reconnects, and neither sends a PING.

mod client;
mod connection;
mod server;

pub use client::BareClient;
pub use server::BareServer;
