//! The floor of the harness: the calculator called as a function.

use calculator::{Call, CallError, CallFuture, Client, Dispatcher, Value};

use super::anatomy::Anatomy;
use super::destination::Destination;
use super::facts::{Colour, End, Role, UrlForm};
use super::protocol::{Protocol, Stack};
use super::serve::{COMMON, CommonOptions};
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
        let connect = |destination: Destination, _| async move {
            let options: CommonOptions = destination.options.get(&COMMON)?;
            Ok(FunctionCall(options.dispatcher()))
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
