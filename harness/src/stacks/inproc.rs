//! The floor of the harness: the calculator called as a function.

use calculator::{Calculator, Call, CallError, CallFuture, Client, Dispatcher, Executor, Faults, Value};

use super::anatomy::Anatomy;
use super::destination::Destination;
use super::facts::{Colour, End, Role, UrlForm};
use super::protocol::{Protocol, Stack};
use super::tcp::FLOOR_COLOUR;

/// A plain function call through the whole measuring path.
pub(super) struct Inproc;

impl Protocol for Inproc {
    fn name(&self) -> &'static str {
        "inproc"
    }

    fn colour(&self) -> Colour {
        FLOOR_COLOUR
    }

    fn is_floor(&self) -> bool {
        true
    }

    fn is_in_process(&self) -> bool {
        true
    }

    fn url_form(&self) -> Option<UrlForm> {
        None
    }

    fn stacks(&'static self) -> Vec<Stack> {
        let client = End::new("function call", &[])
            .on_threads("none, a thread for each caller", "the caller's thread");
        let connect = |_, _| async {
            Ok(FunctionCall(Dispatcher::new(Calculator, Executor::Async, Faults::default())))
        };
        vec![Stack::new(self, "inproc", Role::Floor, client, connect).on_threads()]
    }

    /// A function call has no messages.
    fn anatomy(&self, _: &Stack, _: &Destination, _: &Call, _: &Value) -> Result<[Anatomy; 2], CallError> {
        Ok([Anatomy { values: 0, message: 0 }; 2])
    }
}

/// Calls the calculator through all other layers that a call passes.
struct FunctionCall(Dispatcher);

impl Client for FunctionCall {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(async move { self.0.call_blocking(call.clone()) })
    }
}
