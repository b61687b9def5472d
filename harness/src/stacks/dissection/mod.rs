//! The bytes of a call, cut into parts with their meanings: a file for each notation. Pure functions.
//!
//! Each function cuts all bytes or returns `None`: bytes that are not understood are shown undivided.

pub(super) mod amqp;
mod cutter;
pub(super) mod fixed;
pub(super) mod http;
pub(super) mod http2;
pub(super) mod json;
mod msgpack;
pub(super) mod nats;
mod part;
pub(super) mod protobuf;
pub(super) mod thrift;
pub(super) mod websocket;
pub(super) mod xml;
pub(super) mod zerorpc;
pub(super) mod zmtp;

pub use part::{Layer, Leg, Message, Part};
