//! Calls without replies: each to one of several peers (PUSH and PULL) or to all of them (PUB and SUB), like `Pusher`,
//! `Puller`, `Publisher` and `Subscriber` in zerorpc-python. Either side may bind or connect. A side that connects does
//! so again when the connection is lost.

mod peer_source;
mod receiving;
mod sending;

pub use receiving::{Puller, Subscriber};
pub use sending::{Publisher, Pusher};
