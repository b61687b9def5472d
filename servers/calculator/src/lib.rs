//! The calculator's service contract, shared by every protocol of the suite.
//!
//! A protocol crate implements [`Client`] on its calling end and hands decoded calls to a [`Dispatcher`] on its
//! serving end; everything it needs to agree on with the others is here: [`Value`], [`Call`], [`CallError`],
//! [`Limits`], the [conformance table](conformance) and the [JSON representation](json) that three protocols share.
//! Nothing in this crate opens a socket or a file.

#![forbid(unsafe_code)]

mod arithmetic;
mod call;
mod client;
pub mod conformance;
mod dispatch;
pub mod document;
mod error;
mod faults;
pub mod json;
mod limits;
mod service;
#[cfg(any(test, feature = "proptest"))]
pub mod strategies;
mod time;
mod value;

pub use call::{Call, Method, Params};
pub use client::{CallFuture, Client, ClientOptions, Deadline};
pub use dispatch::{Dispatcher, Executor, ExecutorParseError};
pub use error::{CallError, ErrorKind, Remote};
pub use faults::{Faults, OneIn, Stall};
pub use limits::Limits;
pub use service::{Calculator, MethodInfo, Service};
pub use time::Time;
pub use value::Value;
