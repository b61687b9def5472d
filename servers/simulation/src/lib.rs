//! The servers and clients of zerorpc, REST, XML-RPC and JSON-RPC on virtual time and a simulated network that fails.
//!
//! A [`Plan`] follows from a seed: what clients call and when, how the network carries bytes, and which faults occur.
//! [`run`] carries it out on one thread, with Tokio's paused clock and a [`net::simulated::Network`], and checks that
//!
//! - every call ends exactly once, with the right answer, the expected error, or a failure of the transport, and not
//!   later than its deadline; without faults, always with the right answer;
//! - no call is executed twice, and the items of a stream arrive in order and without gaps;
//! - memory, connections and tasks stay bounded, and nothing is left at the end;
//! - after the network has healed, new calls succeed within [`RECOVERY_TIME`];
//! - a server that is stopped ends within its drain time.
//!
//! The same seed always has the same [`Outcome`], so that a violation can be replayed.

#![forbid(unsafe_code)]

mod callers;
mod check;
mod defect;
mod memory;
mod peers;
mod plan;
mod run;
mod server;
mod service;

pub use check::{CallRecord, Ending, Violation};
pub use defect::Defect;
pub use plan::{CallKind, CallPlan, ClientPlan, Fault, Plan, Protocol};
pub use run::{Options, Outcome, RECOVERY_TIME, run};
