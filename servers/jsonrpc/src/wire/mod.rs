//! Requests and responses as JSON: bytes to values and back, without I/O.
//!
//! # Differences from the reference implementation
//!
//! The crate `rpcbench-differential` gives the same bytes to these decoders and to jsonrpclib-pelix. Both return the
//! same value, or both reject them, except for these differences. Of a batch, only the request that shows one is rejected.
//!
//! | difference | a message | here | there | why |
//! |---|---|---|---|---|
//! | `nesting` | lists and maps nested deeper than the limit | rejected | accepted up to about 1,000 levels | bounds memory and recursion |
//! | `surrogate` | `"\ud800"`, half of a surrogate pair | rejected | accepted | it is not Unicode text |
//! | `overflow` | `1e400` | rejected | read as infinity | it is not in the range of a double |
//! | `long-integer` | an integer beyond 10³⁰⁸ | rejected | accepted up to 4,300 digits | it is not in the range of a double either |
//! | `version` | a `jsonrpc` that is not `"2.0"` | rejected in a request, ignored in a response | ignored in a request, rejected in a response if it is not a number up to 2 | the specification requires it of requests; servers err |
//! | `id` | a response with another `id` | rejected | accepted | it is the answer to another call |
//! | `no-result` | a response without `result` and `error` | null | rejected | python-jsonrpc leaves a null result out |
//! | `empty-error` | an `error` of `0`, `""`, `[]` or `{}` | an error | not an error | any `error` but null reports a failure |
//! | `jsonclass` | a member `__jsonclass__` | a member like any other | an object of the named class, or rejected | a peer must not choose classes |

mod any_type;
mod envelope;
mod failure;
mod request;
mod response;
mod tolerant;

pub use envelope::{Envelope, encode_batch, encode_call, encode_notification, write_call};
pub use failure::{Failure, code};
pub use request::{Message, Request, decode, decode_query};
pub use response::{
    ReplyTo, Version, decode_batch_reply, decode_failure, decode_reply, encode_failure, write_failure,
    write_reply, write_result,
};

/// The media type of requests and responses. The server accepts any media type, as the reference servers do.
pub const JSON: &str = "application/json";

/// The media type that is specific to JSON-RPC, from the draft "JSON-RPC over HTTP" of 2008. Zabbix requires it.
pub const JSON_RPC: &str = "application/json-rpc";

#[cfg(test)]
mod tests;
