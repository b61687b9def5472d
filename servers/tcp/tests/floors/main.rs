//! Servers and clients of all floors over the loopback interface.

// Clippy lets test functions unwrap, but not their helpers.
#![allow(clippy::unwrap_used)]

mod blocking;
mod common;
mod event;
#[cfg(feature = "libzmq")]
mod libzmq;
