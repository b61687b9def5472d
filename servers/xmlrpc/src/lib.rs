//! XML-RPC over HTTP, both ends.

#![forbid(unsafe_code)]

pub mod wire;
