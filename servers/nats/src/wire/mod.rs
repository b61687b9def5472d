//! The protocol between a client and a broker of NATS, as pure functions between bytes and operations: lines of text, some
//! of them followed by a payload.
//!
//! The format is that of the NATS client protocol (<https://docs.nats.io/reference/reference-protocols/nats-protocol>) with
//! headers, whose only use here is the status with which the broker reports that a subject has no subscriber.

mod decode;
mod encode;

#[cfg(test)]
mod tests;

pub use decode::{Decoder, Info, Message, Operation, WireError};
pub use encode::{PING, PONG, write_connect, write_publish, write_subscribe, write_unsubscribe};

/// The status of a message that the broker sends in place of a reply: nothing has subscribed to the subject of the request.
pub const NO_RESPONDERS: u16 = 503;
