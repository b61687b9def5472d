//! The instructions and allocations of a call at the exchanged end of a gate.

use std::path::Path;
use std::time::Duration;

use calculator::Work;

use super::driver::{self, DriverServer, DriverSettings, Request, SUBCOMMAND, VARIABLE};
use super::error::GateError;
use super::round::{Conditions, Contender};
use super::side::{CountedEnd, Side};
use crate::deploy::{Callgrind, DriverProcess, ServerProcess, ServerStart, Totals};
use crate::load::Operation;
use crate::record::CallCounts;
use crate::run::counts::{self, CALLS, CountError, TIMEOUT};
use crate::stacks::{Options, Stack};
use crate::sys::Secret;

/// How long a server waits before it answers a client that is counted. The client, which Callgrind makes some fifty times slower,
/// then always waits for the answer and is woken by it; it would sometimes find it already there otherwise.
const ANSWER_DELAY: Duration = Duration::from_millis(5);

/// The instructions and allocations of a call of `stack` at this end of `side`, which is a program.
///
/// # Errors
/// [`GateError::Count`].
pub(super) fn count(
    stack: &'static Stack,
    end: CountedEnd,
    side: Side,
    contender: &Contender<'_>,
    conditions: &Conditions<'_>,
    seed: u64,
) -> Result<CallCounts, GateError> {
    let mut options = conditions.options[side as usize].clone();
    let clients = stack.separate(side as usize, &mut options.protocol);
    let operation = conditions.settings.operation;
    let program = match contender {
        Contender::Program(program) => Some(*program),
        Contender::Url(_) | Contender::Command(_) => None,
    };
    let server = ServerStart { options, ..ServerStart::of(stack) };
    let counted = match end {
        CountedEnd::Server => counts::count(&ServerStart { program, ..server }, &clients, operation, seed),
        CountedEnd::Client => count_client(server, program, clients, operation, seed),
    };
    counted.map_err(|source| GateError::Count { side, stack: stack.name.to_owned(), source })
}

/// Counts a call of the client that `program` (the running one if absent) is and that addresses the server with `options`.
fn count_client(
    mut server: ServerStart<'_>,
    program: Option<&Path>,
    options: Options,
    operation: Operation,
    seed: u64,
) -> Result<CallCounts, CountError> {
    server.options.common.work = Some(Work::Sleep(ANSWER_DELAY));
    let stack = server.stack;
    let process = ServerProcess::start(server)?;
    let url = Secret::new(process.url().to_owned());
    let settings = DriverSettings {
        stack: stack.name.to_owned(),
        servers: vec![DriverServer { url, options, pid: None }],
        operation,
        timeout: TIMEOUT,
        seed,
    };
    let [few, many] = CALLS.map(|calls| client_totals(program, &settings, calls));
    process.stop();
    Ok(counts::of_a_call(stack, operation, few?, many?))
}

/// What a client does that makes `calls` calls and ends.
fn client_totals(
    program: Option<&Path>,
    settings: &DriverSettings,
    calls: u32,
) -> Result<Totals, CountError> {
    let text = serde_json::to_string(settings).map_err(|error| CountError::Call(error.to_string()))?;
    let callgrind = Callgrind::new()?;
    let mut driver = DriverProcess::start(program, &callgrind.wrapper(), &[], SUBCOMMAND, (VARIABLE, &text))?;
    let request = Request { server: 0, length: None, calls: Some(calls) };
    let request = serde_json::to_string(&request).map_err(|error| CountError::Call(error.to_string()))?;
    let answer = driver.request(&request, calls * driver::longest_pause(ANSWER_DELAY))?;
    // An older version takes it for a request to count bytes.
    if answer != calls.to_string() {
        return Err(CountError::OldClient);
    }
    let pid = driver.pid();
    driver.stop();
    Ok(callgrind.totals(pid)?)
}
