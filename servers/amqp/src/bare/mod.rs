//! The minimal request and reply over RabbitMQ: a lower bound for [`Server`](crate::Server) and
//! [`AmqpClient`](crate::AmqpClient).
//!
//! Requests go through the default exchange to one queue. Replies come back by RabbitMQ's direct reply-to, which needs
//! no reply queue. Each peer has one connection, and uses neither acknowledgements nor confirms nor an envelope: a
//! request is `{"method":"add","args":[2,3]}`, its reply `{"result":5}` or
//! `{"error":{"kind":"…","message":"…"}}`. The format is specific to this suite.

pub(crate) mod channel;
mod client;
mod format;
mod server;

pub use client::BareClient;
pub use format::{decode_call, decode_reply, encode_call, encode_reply};
pub use server::BareServer;
