//! JSON-RPC over HTTP, both ends.

#![forbid(unsafe_code)]
