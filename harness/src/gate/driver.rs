//! The client process of a gate: makes the calls of a slice to one of several servers on demand.

use std::io::{self, BufRead, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use calculator::conformance::Numbers;
use calculator::{CallError, Client, ClientOptions};
use serde::{Deserialize, Serialize};

use crate::load::{self, InFlight, Load, Operation, OwnCalls, WarmUp};
use crate::observe::Observation;
use crate::record::Wire;
use crate::run::{counts, ledger};
use crate::stacks::{Destination, Options, Stack, Way};
use crate::stats::quantile_with_missing;
use crate::sys::{self, Secret};
use crate::trial::{CLIENT_RUNTIME, RunningServer, ServerLocation, TrialError};

/// Name of the hidden subcommand that runs [`driver_main`].
pub const SUBCOMMAND: &str = "__drive";
/// The environment variable with the [`DriverSettings`].
pub(super) const VARIABLE: &str = "RPCBENCH_DRIVER";

/// What a client process is started with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct DriverSettings {
    /// The name of the stack.
    pub stack: String,
    /// The servers, each of which it connects to at the first slice with it.
    pub servers: Vec<DriverServer>,
    /// The operation that is called.
    pub operation: Operation,
    /// The timeout of a call.
    pub timeout: Duration,
    /// The seed of the arguments.
    pub seed: u64,
}

/// A server that the client process calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct DriverServer {
    /// Its URL, or that of its broker, with credentials.
    pub url: Secret,
    /// The options with which it is addressed.
    pub options: Options,
    /// Its process id, if it is a process of this machine whose CPU time counts.
    pub pid: Option<u32>,
}

/// What a client process is asked to do, on a line of its standard input.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// The index of the server.
    pub server: usize,
    /// For how long to call it, one call after the other: the answer is a [`Slice`]. Without it and without `calls`, the bytes of
    /// a call are counted exactly: the answer is an `Option<Wire>`.
    pub length: Option<Duration>,
    /// How many calls to make, with a pause before each: the answer is their number. The program of a side may be of an older
    /// version, which does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u32>,
}

/// How long one of the calls of [`Request::calls`] may take in a process under Callgrind, whose server waits for `delay`.
pub(super) fn longest_pause(delay: Duration) -> Duration {
    2 * (counts::PAUSE + delay) + Duration::from_millis(10)
}

/// The measurements of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Slice {
    /// Calls with the expected answer.
    pub right: u64,
    /// All other calls.
    pub others: u64,
    /// CPU time of the client process, in nanoseconds.
    pub client_cpu_ns: Option<u64>,
    /// CPU time of the server process, in nanoseconds.
    pub server_cpu_ns: Option<u64>,
    /// The median latency, in nanoseconds.
    pub p50_ns: Option<u64>,
}

/// The main function of a client process: prints `ready`, and answers each request on a line of standard input on a line of
/// standard output, until standard input ends. If something fails, it prints `error` with the reason.
#[allow(clippy::disallowed_methods, reason = "standard output is a pipe to the parent")]
pub fn driver_main() -> Result<(), String> {
    let print = |line: &str| {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| error.to_string())
    };
    match serve_requests(&print) {
        Ok(()) => Ok(()),
        Err(reason) => {
            let _ = print(&format!("error {}", reason.replace('\n', " ")));
            Err(reason)
        }
    }
}

fn serve_requests(print: &dyn Fn(&str) -> Result<(), String>) -> Result<(), String> {
    let text = std::env::var(VARIABLE).map_err(|_| format!("{VARIABLE} is not set"))?;
    // The message of serde may repeat a password.
    let settings: DriverSettings =
        serde_json::from_str(&text).map_err(|_| format!("{VARIABLE} cannot be read"))?;
    let stack = Stack::named(&settings.stack).map_err(|error| error.to_string())?;
    let runtime = CLIENT_RUNTIME.builder().enable_all().build().map_err(|error| error.to_string())?;
    let mut clients: Vec<Option<Arc<dyn Client>>> = settings.servers.iter().map(|_| None).collect();
    print("ready")?;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let request: Request = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        let (Some(client), Some(server)) =
            (clients.get_mut(request.server), settings.servers.get(request.server))
        else {
            return Err(format!("there is no server {}", request.server));
        };
        let answer = match (request.length, request.calls) {
            (Some(length), _) => {
                // Not before: this client may never call the server, which may accept a single connection at a time.
                let client = match client {
                    Some(client) => client,
                    None => client.insert(runtime.block_on(connect(stack, &settings, server))?),
                };
                let slice = runtime.block_on(measure(stack, &settings, server, client, length))?;
                serde_json::to_string(&slice)
            }
            (None, Some(calls)) => {
                let made =
                    counts::make_calls(stack, destination(server), settings.operation, settings.seed, calls);
                runtime.block_on(made)?;
                serde_json::to_string(&calls)
            }
            (None, None) => serde_json::to_string(&count(stack, &settings, server)?),
        };
        print(&answer.map_err(|error| error.to_string())?)?;
    }
    Ok(())
}

/// The bytes of a call; `None` if they cannot be counted. The connection is closed when this returns.
fn count(
    stack: &'static Stack,
    settings: &DriverSettings,
    server: &DriverServer,
) -> Result<Option<Wire>, String> {
    let running = RunningServer::elsewhere(ServerLocation::new(destination(server)));
    let DriverSettings { operation, seed, timeout, .. } = *settings;
    // The tasks of a connection end with their runtime, and with them the connection.
    let runtime = CLIENT_RUNTIME.builder().enable_all().build().map_err(|error| error.to_string())?;
    let counted = ledger::count(stack, operation, seed, timeout, Numbers::default(), &running);
    let counted = runtime.block_on(counted).map_err(|error| match error {
        TrialError::Connect { source, .. } => cannot_connect(&source),
        other => other.to_string(),
    });
    Ok(counted?.wire)
}

fn destination(server: &DriverServer) -> Destination {
    Destination { url: server.url.reveal().to_owned(), options: server.options.clone() }
}

async fn connect(
    stack: &'static Stack,
    settings: &DriverSettings,
    server: &DriverServer,
) -> Result<Arc<dyn Client>, String> {
    let options = ClientOptions { timeout: settings.timeout, ..ClientOptions::default() };
    let connected = stack.connect(destination(server), options).await;
    connected.map_err(|error| cannot_connect(&error))
}

fn cannot_connect(error: &CallError) -> String {
    format!("cannot connect: {error}")
}

async fn measure(
    stack: &'static Stack,
    settings: &DriverSettings,
    server: &DriverServer,
    client: &Arc<dyn Client>,
    length: Duration,
) -> Result<Slice, String> {
    let plan = load::Plan {
        operation: settings.operation,
        own: OwnCalls::default(),
        load: Load::Closed(std::num::NonZeroU32::MIN),
        multiplexes: stack.multiplexes,
        warmup: WarmUp::Settle(Duration::ZERO),
        measure: length,
        timeout: Some(settings.timeout),
        numbers: Numbers::default(),
        seed: settings.seed,
        block: 0,
        interrupted: Arc::default(),
        way: Way::Call,
        keeps_calls: false,
        ramps: Arc::default(),
        live: None,
        in_flight: Arc::<InFlight>::default(),
    };
    let cpu_ns = |pid: Option<u32>| Some(sys::cpu_time(pid?)?.usage.cpu_ns);
    let own = Some(std::process::id());
    // Read when the calls have been prepared: their preparation is no part of them.
    let before = Arc::new(OnceLock::new());
    let server_pid = server.pid;
    let read_before = {
        let before = Arc::clone(&before);
        Box::new(move |_| {
            let _ = before.set((cpu_ns(own), cpu_ns(server_pid)));
        })
    };
    let observation = load::run(&plan, stack.driver, std::slice::from_ref(client), read_before)
        .await
        .map_err(|error| error.to_string())?;
    let after = (cpu_ns(server_pid), cpu_ns(own));
    let before = before.get().copied().unwrap_or_default();
    let used = |before: Option<u64>, after: Option<u64>| Some(after?.saturating_sub(before?));
    let Observation { counts, latency, .. } = observation;
    Ok(Slice {
        right: counts.right,
        others: counts.started.saturating_sub(counts.right),
        client_cpu_ns: used(before.0, after.1),
        server_cpu_ns: used(before.1, after.0),
        p50_ns: quantile_with_missing(&latency, counts.started.saturating_sub(counts.right), 0.5),
    })
}
