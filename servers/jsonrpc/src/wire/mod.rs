//! Requests and responses as JSON: bytes to values and back, without I/O.

mod any_type;
mod envelope;
mod failure;
mod request;
mod response;
mod tolerant;

pub use envelope::{Envelope, encode_batch, encode_call, encode_call_in, encode_notification};
pub use failure::{Failure, code};
pub use request::{Message, Request, decode, decode_query};
pub use response::{
    ReplyTo, Version, decode_batch_reply, decode_failure, decode_reply, encode_failure, write_reply,
};

/// The media type of requests and responses. The server accepts any media type, as the reference servers do.
pub const JSON: &str = "application/json";

/// The media type that is specific to JSON-RPC, from the draft "JSON-RPC over HTTP" of 2008. Zabbix requires it.
pub const JSON_RPC: &str = "application/json-rpc";

#[cfg(test)]
mod tests;
