//! The contract of the calculator service, which all protocols of the suite implement.
//!
//! The client of a protocol crate implements [`Client`], and its server gives decoded calls to a [`Dispatcher`]. The
//! common parts of all protocols are defined here: [`Value`], [`Call`], [`CallError`], [`Limits`], the [conformance
//! table](conformance), and the [JSON form](json) of values. This crate does no I/O.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

mod arithmetic;
mod call;
mod client;
pub mod conformance;
mod dispatch;
pub mod document;
mod duration;
mod error;
mod faults;
pub mod json;
mod limits;
mod printable;
pub mod python_json;
mod service;
#[cfg(any(test, feature = "proptest"))]
pub mod strategies;
pub mod stream;
mod time;
mod value;
mod work;

pub use call::{Call, Method, NumberedArguments, Params};
pub use client::{BatchFuture, CallFuture, Client, ClientOptions, Deadline, OnItem, StreamFuture};
pub use dispatch::{Dispatcher, Executor, ExecutorParseError};
pub use duration::{DurationParseError, parse_duration, parse_duration_above_zero};
pub use error::{CallError, ErrorKind, Remote};
pub use faults::{Faults, OneIn, Stall};
pub use limits::{Limits, MAX_ITEMS, MAX_RESERVED_ITEMS};
pub use printable::{is_unprintable, printable, printable_json, printable_lines, shortened};
pub use service::{Calculator, MethodInfo, Service};
pub use time::Time;
pub use value::{Extension, FormatLengths, OpenList, OpenMap, Text, Value, ValueBuilder};
pub use work::{Work, WorkParseError, Working};
