//! What a call takes at one end, counted: its instructions and its allocations. The same program gives the same counts,
//! however busy the machine is.

use std::time::{Duration, Instant};

use calculator::conformance::Numbers;
use calculator::{ClientOptions, Deadline};

use crate::deploy::{
    Callgrind, CallgrindError, DriverError, ServerError, ServerProcess, ServerStart, Totals,
};
use crate::load::Operation;
use crate::record::CallCounts;
use crate::stacks::{Destination, Options, Role, Stack};
use crate::trial::CLIENT_RUNTIME;

/// The calls that two processes make or answer, whose difference is counted: what a process does when it starts and ends is in
/// both.
pub(crate) const CALLS: [u32; 2] = [50, 850];
/// The pause before each call. The server has then nothing left to do, and is woken for each call in the same way.
pub(crate) const PAUSE: Duration = Duration::from_millis(1);
/// The timeout of a call. Under Callgrind a process is some fifty times slower.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Why a call could not be counted.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// Callgrind does not count.
    #[error(transparent)]
    Callgrind(#[from] CallgrindError),
    /// The server does not start under Callgrind.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The client could not be made.
    #[error("the client cannot be started: {0}")]
    Client(std::io::Error),
    /// The client process does not do what it was asked to.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The client process cannot be counted.
    #[error("its client is of an older version, which cannot be counted")]
    OldClient,
    /// A call failed.
    #[error("a call failed: {0}")]
    Call(String),
}

impl CountError {
    /// Whether no stack can be counted for this reason.
    #[must_use]
    pub fn concerns_every_stack(&self) -> bool {
        matches!(self, CountError::Callgrind(CallgrindError::Missing) | CountError::OldClient)
    }
}

/// Whether the counts of `stack` are the same each time. A server behind a broker has a thread for its connection, and how often
/// that is woken varies by more than what is to be found. A floor takes so few instructions that a wake-up more is a percent. How many
/// items of a stream are sent at a time varies.
#[must_use]
pub fn can_count(stack: &Stack, operation: Operation) -> bool {
    operation.stream().is_none()
        && stack.has_server()
        && stack.reference().is_none()
        && !stack.needs_broker()
        && stack.role != Role::Floor
}

/// Counts a call of `operation` at a server that is started as `server` says and addressed with `options`. Takes some seconds.
///
/// # Errors
/// [`CountError`].
pub fn count(
    server: &ServerStart<'_>,
    options: &Options,
    operation: Operation,
    seed: u64,
) -> Result<CallCounts, CountError> {
    let [few, many] = CALLS.map(|calls| totals(server, options, operation, seed, calls));
    Ok(of_a_call(server.stack, operation, few?, many?))
}

/// What a call of `operation` takes, of what processes did with as few and as many calls as [`CALLS`] says.
pub(crate) fn of_a_call(stack: &Stack, operation: Operation, few: Totals, many: Totals) -> CallCounts {
    let of_a_call = |few: u64, many: u64| {
        #[allow(clippy::cast_precision_loss, reason = "counts of some millions")]
        let difference = many as f64 - few as f64;
        difference / f64::from(CALLS[1] - CALLS[0])
    };
    CallCounts {
        stack: stack.name.to_owned(),
        operation,
        instructions: of_a_call(few.instructions, many.instructions),
        allocations: of_a_call(few.allocations, many.allocations),
    }
}

/// What a server does that answers `calls` calls and ends.
fn totals(
    server: &ServerStart<'_>,
    options: &Options,
    operation: Operation,
    seed: u64,
    calls: u32,
) -> Result<Totals, CountError> {
    let callgrind = Callgrind::new()?;
    let wrapper = callgrind.wrapper();
    let process = ServerProcess::start(ServerStart { wrapper: &wrapper, ..server.clone() })?;
    let url = process.url().to_owned();
    // Its connection is closed with its runtime, before the server is stopped.
    let runtime = CLIENT_RUNTIME.builder().enable_all().build().map_err(CountError::Client)?;
    let destination = Destination { url, options: options.clone() };
    runtime
        .block_on(make_calls(server.stack, destination, operation, seed, calls))
        .map_err(CountError::Call)?;
    drop(runtime);
    let pid = process.pid();
    process.stop();
    Ok(callgrind.totals(pid)?)
}

/// Makes `calls` calls, one after the other with a pause before each.
///
/// # Errors
/// The reason why one of them failed, in words.
pub(crate) async fn make_calls(
    stack: &'static Stack,
    destination: Destination,
    operation: Operation,
    seed: u64,
    calls: u32,
) -> Result<(), String> {
    let options = ClientOptions { timeout: TIMEOUT, ..ClientOptions::default() };
    let client = stack.connect(destination, options).await.map_err(|error| error.to_string())?;
    let client = operation.client(client);
    let Some(prepared) = operation.example(seed) else {
        return Err(format!("{operation} has no call"));
    };
    let mut deadline = Deadline::new(TIMEOUT);
    for _ in 0..calls {
        tokio::time::sleep(PAUSE).await;
        let result = deadline.within(Instant::now(), client.call(&prepared.call)).await;
        match &result {
            _ if prepared.expected.is_met_by(&result, Numbers::Exact) => {}
            Err(error) => return Err(error.to_string()),
            Ok(_) => return Err("its answer is wrong".to_owned()),
        }
    }
    Ok(())
}
