//! MessagePack to and from [`Value`](calculator::Value). Pure functions.
//!
//! Values are written as msgpack-python does with `use_bin_type=True` and read as it does with `raw=False`: integers in
//! their shortest form, floats as float64, strings as str and bytes as bin, each with its 8-bit length form. Map keys
//! are str or bin. A value of an extension type, such as a timestamp, keeps its bytes.
//!
//! Format: <https://github.com/msgpack/msgpack/blob/master/spec.md>.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::DecodeError;
pub(crate) use decode::Reader;
pub(crate) use encode::{reserve_for, write_bin, write_list_len, write_str, write_value};
