//! XML-RPC messages: bytes to values and back, without I/O.
//!
//! The encoder writes byte for byte what CPython's `xmlrpc.client.dumps` writes (XML 1.0, UTF-8, a line feed after each
//! element), except that a carriage return in text becomes `&#13;`, since every XML parser would convert a literal one to
//! a line feed.
//!
//! The decoder accepts every tag that CPython accepts, except `bigdecimal`, for which there is no kind of
//! [`Value`](calculator::Value). Namespace prefixes are ignored, declared or not. `dateTime.iso8601` keeps its text, as
//! [`Value::DateTime`]. In two respects the decoder is stricter than CPython, which ignores most of a document's
//! structure: it rejects elements that XML-RPC does not have at their position, and it rejects document type
//! declarations, and so all entities but the five that XML predefines. The supported encodings are those of expat:
//! UTF-8, UTF-16, ISO-8859-1 and US-ASCII. For any other, the server responds with fault −32701 of the Specification for
//! Fault Code Interoperability.
//!
//! [`Value::DateTime`]: calculator::Value::DateTime
//!
//! # Differences from the reference implementation
//!
//! The crate `rpcbench-differential` gives the same bytes to these decoders and to `xmlrpc.client.loads`. Both return
//! the same value, or both reject them, except for these differences:
//!
//! | difference | a message | here | there | why |
//! |---|---|---|---|---|
//! | `nesting` | lists and structs nested deeper than the limit | rejected | accepted | bounds memory and recursion |
//! | `structure` | an element at a position that XML-RPC does not have for it | rejected | ignored | an error of the peer would become a wrong value |
//! | `doctype` | a document type declaration | rejected | accepted, its entities expanded | entities can expand without bound |
//! | `version` | `version='2.0'` | rejected | accepted | XML 1.0 (§ 2.8) allows `1.` and digits |
//! | `encoding` | an encoding other than UTF-8, UTF-16, ISO-8859-1, US-ASCII | rejected | accepted if Python knows it | no peer is known to use one |
//! | `names` | a name with a character outside ASCII that XML does not allow in names | accepted | rejected | no name of XML-RPC has one; the check would need a table of Unicode |
//! | `digits` | `<int>٣</int>`, digits outside ASCII | rejected | accepted | XML-RPC's numbers are ASCII |
//! | `fault` | a fault without a code or text, or with one of another type | a fault with what it has | rejected, or kept as it is | the server's message must not be lost |

mod builder;
mod declaration;
mod decode;
mod encode;
mod encoding;
mod error;
mod fault;
mod scalar;
mod syntax;

pub use decode::{Response, decode_call, decode_response};
pub use encode::{EncodeOptions, encode_call, encode_fault, encode_response, encode_value};
pub use error::{DecodeError, EncodeError};
pub use fault::Fault;

#[cfg(test)]
mod tests;
