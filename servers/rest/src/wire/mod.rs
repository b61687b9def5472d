//! Calls, results and problem documents in JSON and in [XML](xml). Pure: bytes to values and back, without I/O.

mod json;
mod problem;
mod query;
pub mod xml;

pub use json::{decode_params, decode_result, encode_call, encode_problem, encode_result};
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
