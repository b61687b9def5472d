//! Calls, results and problem documents in JSON and in [XML](xml). Pure: bytes to values and back, without I/O.
//!
//! # Differences from the reference implementation
//!
//! The crate `rpcbench-differential` gives the same bytes to these decoders and to Python's `json` and `urllib.parse`.
//! Both return the same value, or both reject them, except for these differences:
//!
//! | difference | a message | here | there | why |
//! |---|---|---|---|---|
//! | `nesting` | lists and maps nested deeper than the limit | rejected | accepted up to about 1,000 levels | bounds memory and recursion |
//! | `surrogate` | `"\ud800"`, half of a surrogate pair | rejected | accepted | it is not Unicode text |
//! | `constant` | `NaN`, `Infinity`, `-Infinity` | rejected | accepted | they are not JSON |
//! | `overflow` | `1e400` | rejected | read as infinity | it is not in the range of a double |
//! | `long-integer` | an integer beyond 10³⁰⁸ | rejected | accepted up to 4,300 digits | it is not in the range of a double either |
//! | `encoding` | UTF-16, UTF-32, a byte order mark | rejected | accepted | RFC 8259 (§ 8.1) requires UTF-8 without a mark |
//! | `repeated` | a query that gives a parameter twice | rejected | all values kept; the last is compared | the caller means one of them |

mod json;
mod problem;
mod query;
pub mod xml;

pub use json::{
    decode_body, decode_params, decode_result, encode_body, encode_call, encode_problem, encode_result,
};
pub use problem::{Problem, decode_failure, status};
pub use query::{ParameterType, decode_query};

/// The media type of calls and results in JSON.
pub const JSON: &str = "application/json";

/// The media type of problem documents in JSON (RFC 9457, section 3).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The media type of calls and results in XML.
pub const XML: &str = "application/xml";

/// The media type of problem documents in XML (RFC 9457, appendix B).
pub const PROBLEM_XML: &str = "application/problem+xml";

#[cfg(test)]
mod tests;
