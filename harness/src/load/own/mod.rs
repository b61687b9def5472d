//! Operations of one's own: calls of any method, or HTTP requests, with variables and what is expected of the answer.
//!
//! A scenario defines them ([`OwnOperation`]). They are checked and their files are read once ([`OwnOperations`]). For a trial
//! they become the calls of its callers ([`OwnCalls`]).

mod calls;
mod compiled;
mod definition;
mod generator;
mod set;
mod table;
mod template;
mod text;

pub(super) use calls::OwnCaller;
pub use calls::OwnCalls;
pub use definition::{AnyValue, Expect, OwnOperation, Variables, Verb};
pub use generator::Generator;
pub use set::{OwnError, OwnOperations};
pub use text::{CallTextError, parse_call};
