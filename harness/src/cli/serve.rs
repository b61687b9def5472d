//! `rpcbench serve`.

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::time::Duration;

use amqp::{Acknowledge, QueueKind, RpcServerOptions};
use anyhow::Context;
use calculator::{Calculator, Dispatcher, Executor, Faults, Limits, OneIn, Protocol, Stall, Time};
use http_layer::HttpOptions;
use tokio_util::sync::CancellationToken;
use zerorpc::HeartbeatPeriod;
use zerorpc::zmtp::Endpoint;

use super::zerorpc::HeartbeatArgument;
use super::{Exit, Failure, Outcome};
use crate::deploy::CONTROL_LINE;
use crate::load::parse_size;
use crate::observe::control;
use crate::stacks::{
    DEFAULT_EXCHANGE, DEFAULT_TOPIC, Reference, Runtime, ServeError, ServeOptions, Stack, no_python,
};
use crate::sys;
use crate::trial::BROKER_VARIABLE;

/// How long calls in hand may take to finish after the signal to stop.
const DRAIN: Duration = Duration::from_millis(4_500);

/// Serves the calculator, or another service, until SIGTERM or SIGINT, then finishes the calls in hand. Prints one line
/// `listening PROTOCOL URL` when it answers calls; logs to standard error.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  rpcbench serve xmlrpc --listen 127.0.0.1:8000
  rpcbench serve rest --executor threads:8 --handler-delay 5ms
  rpcbench serve zerorpc --service time --listen 127.0.0.1:1234
  rpcbench serve zerorpc --listen 127.0.0.1:4242 --bind ipc:///tmp/calculator
  rpcbench serve amqp --broker amqp://guest:guest@localhost/ --topic calc")]
pub(super) struct Arguments {
    /// The stack or protocol to serve; `rpcbench list` shows them
    stack: String,
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0", value_parser = address)]
    listen: SocketAddr,
    /// What is served: the calculator, or a few functions of Python's module `time`
    #[arg(long, value_enum, default_value_t)]
    service: Served,
    /// How handlers are run: blocking (one at a time), threads:N, async
    #[arg(long, default_value_t = Executor::Async)]
    executor: Executor,
    /// Threads of the server's runtime
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: u16,
    /// The largest message that is accepted
    #[arg(long, value_name = "BYTES", default_value = "16MiB", value_parser = size)]
    max_body: usize,
    /// The deepest nesting of lists and maps that is accepted
    #[arg(long, value_name = "LEVELS", default_value_t = Limits::default().max_depth, value_parser = depth)]
    max_depth: usize,
    /// The most calls that are accepted in one batch or multicall
    #[arg(long, value_name = "CALLS", default_value_t = Limits::default().max_batch)]
    max_batch: usize,
    /// How long the body of a request may take to arrive
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration, help_heading = "HTTP")]
    body_timeout: Duration,
    /// XML-RPC: send null as <nil/> instead of a fault
    #[arg(long, help_heading = "HTTP")]
    allow_none: bool,
    /// JSON-RPC: take calls by GET, too
    #[arg(long, help_heading = "HTTP")]
    allow_get: bool,
    /// Listen there, too: tcp://HOST:PORT or ipc://PATH; may be given several times
    #[arg(long, value_name = "ENDPOINT", help_heading = "zerorpc")]
    bind: Vec<Endpoint>,
    #[command(flatten)]
    heartbeat: HeartbeatArgument,
    /// Tell of this process and switch faults there: `echo stats | nc HOST PORT`
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    control: Option<SocketAddr>,
    /// Each call waits that long
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Faults")]
    handler_delay: Option<Duration>,
    /// Each call burns that much CPU time
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Faults")]
    handler_cpu: Option<Duration>,
    /// The server stands still: LENGTH/PERIOD, start to start
    #[arg(long, value_name = "LENGTH/PERIOD", help_heading = "Faults")]
    stall: Option<Stall>,
    /// Each N-th call fails
    #[arg(long, value_name = "1/N", help_heading = "Faults")]
    fail: Option<OneIn>,
    /// Each N-th call is answered wrongly
    #[arg(long, value_name = "1/N", help_heading = "Faults")]
    wrong: Option<OneIn>,
    /// The broker's URL
    #[arg(long, value_name = "URL", env = BROKER_VARIABLE, hide_env_values = true, help_heading = "AMQP")]
    broker: Option<String>,
    /// The exchange
    #[arg(long, value_name = "X", default_value = DEFAULT_EXCHANGE, help_heading = "AMQP")]
    exchange: String,
    /// The topic
    #[arg(long, value_name = "T", default_value = DEFAULT_TOPIC, help_heading = "AMQP")]
    topic: String,
    /// The server's name among those of its topic
    #[arg(long, value_name = "NAME", default_value = "server", help_heading = "AMQP")]
    server: String,
    /// The kind of the topic's queues: transient, durable, quorum; by default what the broker's URL says
    #[arg(long, value_name = "KIND", help_heading = "AMQP")]
    queues: Option<QueueKind>,
    /// When a request is acknowledged: before it is executed (at most once), or after (at least once: a server that
    /// dies loses nothing)
    #[arg(long, value_name = "WHEN", default_value = "before", value_parser = acknowledge, help_heading = "AMQP")]
    ack: Acknowledge,
    /// The most messages that the broker sends ahead of their acknowledgement, per queue
    #[arg(long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u16).range(1..), help_heading = "AMQP")]
    prefetch: u16,
    /// Read compressed requests (oslo.messaging's kombu_compression=gzip) instead of refusing them
    #[arg(long, help_heading = "AMQP")]
    decompress: bool,
    /// Stop when standard input ends: for a parent process that must not leave a server behind
    #[arg(long, hide = true)]
    end_with_input: bool,
}

/// The services.
#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Served {
    #[default]
    Calculator,
    Time,
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| format!("expected HOST:PORT: {error}"))?;
    addresses.next().ok_or_else(|| "that host has no address".to_owned())
}

fn acknowledge(text: &str) -> Result<Acknowledge, String> {
    match text {
        "before" => Ok(Acknowledge::Before),
        "after" => Ok(Acknowledge::After),
        _ => Err("expected before or after".to_owned()),
    }
}

fn size(text: &str) -> Result<usize, String> {
    parse_size(text)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .filter(|bytes| (64..=1 << 30).contains(bytes))
        .ok_or_else(|| "expected a size from 64B to 1024MiB, for example 16MiB".to_owned())
}

/// Decoders recurse where a library's do, so there is an end to it.
fn depth(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|levels| (1..=100).contains(levels))
        .ok_or_else(|| "expected 1 to 100".to_owned())
}

pub(super) fn serve(arguments: Arguments) -> Outcome {
    let stack = Stack::named(&arguments.stack).map_err(Failure::usage)?;
    if let Some(reference) = stack.reference() {
        return Err(serve_reference(stack, reference, &arguments));
    }
    if stack.protocol != Protocol::Zerorpc && !arguments.bind.is_empty() {
        return Err(Failure::usage(format!("--bind is for zerorpc; {} listens in one place", stack.name)));
    }
    let heartbeat = arguments.heartbeat.of(stack)?;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
            // What lapin logs, its caller is told as an error, which is told once.
            tracing_subscriber::EnvFilter::new("error,amqp=warn,zerorpc=warn,lapin=off")
        }))
        .init();
    sys::allow_many_connections();
    let mut builder = Runtime::of(arguments.workers.into()).builder();
    if let Executor::Threads(threads) = arguments.executor {
        builder.max_blocking_threads(threads.get() + 4);
    }
    let runtime = builder.enable_all().build().map_err(Failure::could_not_run)?;
    let served = runtime.block_on(serve_until_stopped(stack, arguments, heartbeat));
    // A handler on a thread of its own may still be at it; the time for finishing has passed.
    runtime.shutdown_background();
    served
}

fn faults(arguments: &Arguments) -> Faults {
    Faults {
        delay: arguments.handler_delay,
        cpu: arguments.handler_cpu,
        stall: arguments.stall,
        fail: arguments.fail,
        wrong: arguments.wrong,
    }
}

/// Becomes the reference server; returns only why that could not be.
fn serve_reference(stack: &Stack, reference: &Reference, arguments: &Arguments) -> Failure {
    let given = [
        ("--executor", arguments.executor != Executor::default()),
        ("--workers", arguments.workers != 1),
        ("--control", arguments.control.is_some()),
        ("--max-body", arguments.max_body != Limits::default().max_body),
        ("--max-depth", arguments.max_depth != Limits::default().max_depth),
        ("--max-batch", arguments.max_batch != Limits::default().max_batch),
        ("--body-timeout", arguments.body_timeout != HttpOptions::default().body_timeout),
        ("--allow-none", arguments.allow_none),
        ("--allow-get", arguments.allow_get),
        ("--exchange", arguments.exchange != DEFAULT_EXCHANGE),
        ("--queues", arguments.queues.is_some()),
        ("--ack", arguments.ack != Acknowledge::default()),
        ("--decompress", arguments.decompress),
        ("--prefetch", arguments.prefetch != RpcServerOptions::default().prefetch),
        ("--service", arguments.service != Served::Calculator),
        ("--bind", !arguments.bind.is_empty()),
        ("--heartbeat", arguments.heartbeat.is_given()),
        ("faults", !faults(arguments).is_none()),
    ];
    if let Some((option, _)) = given.into_iter().find(|(_, given)| *given) {
        return Failure::usage(format!(
            "{option}: {} is served by a reference implementation, which has no such option",
            stack.name
        ));
    }
    let mut command = reference.command();
    command.arg(format!("--listen={}", arguments.listen));
    if arguments.end_with_input {
        command.arg("--end-with-input");
    }
    if stack.needs_broker() {
        let Some(broker) = &arguments.broker else { return Failure::usage(ServeError::NoBroker) };
        command.arg(format!("--topic={}", arguments.topic)).arg(format!("--server={}", arguments.server));
        command.env(BROKER_VARIABLE, broker);
    }
    let error = command.exec();
    if error.kind() == std::io::ErrorKind::NotFound {
        return Failure::could_not_run(no_python());
    }
    Failure::could_not_run(format!("{}: the server could not be started: {error}", stack.name))
}

async fn serve_until_stopped(
    stack: &'static Stack,
    arguments: Arguments,
    heartbeat: HeartbeatPeriod,
) -> Outcome {
    let stop = CancellationToken::new();
    let faults = faults(&arguments);
    let dispatcher = match arguments.service {
        Served::Calculator => Dispatcher::new(Calculator, arguments.executor, faults),
        Served::Time => Dispatcher::new(Time, arguments.executor, faults),
    };
    if let Some(address) = arguments.control {
        let bound = control::serve(address, dispatcher.clone())
            .with_context(|| format!("cannot listen for control on {address}"))
            .map_err(Failure::could_not_run)?;
        eprintln!("{CONTROL_LINE}{bound}");
    }
    let options = ServeOptions {
        listen: arguments.listen,
        dispatcher,
        http: HttpOptions {
            body_timeout: arguments.body_timeout,
            ..HttpOptions::from(Limits {
                max_body: arguments.max_body,
                max_depth: arguments.max_depth,
                max_batch: arguments.max_batch,
                ..Limits::default()
            })
        },
        also: arguments.bind,
        heartbeat,
        allow_none: arguments.allow_none,
        allow_get: arguments.allow_get,
        broker: arguments.broker,
        exchange: arguments.exchange,
        topic: arguments.topic,
        server: arguments.server,
        queues: arguments.queues,
        acknowledge: arguments.ack,
        prefetch: arguments.prefetch,
        decompress: arguments.decompress,
        stop: stop.clone(),
    };
    stop_on_signals(&stop).map_err(Failure::could_not_run)?;
    if arguments.end_with_input {
        stop_with_input(&stop).map_err(Failure::could_not_run)?;
    }
    let serving = tokio::select! {
        serving = stack.serve(options) => serving.map_err(|error| match error {
            ServeError::NoServer(_) | ServeError::NoBroker => Failure::usage(error),
            ServeError::Bind { .. } | ServeError::Broker(_) => Failure::could_not_run(error),
        })?,
        // A broker that is just being shut down may never answer.
        () = stop.cancelled() => return Ok(Exit::Done),
    };
    writeln!(std::io::stdout(), "listening {} {}", stack.protocol, serving.url)
        .and_then(|()| std::io::stdout().flush())
        .context("cannot print where the server listens")
        .map_err(Failure::could_not_run)?;
    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    // A task, not the future that the runtime blocks on: that one would cost each call an `epoll_wait` of its own.
    let mut running = tokio::spawn(serving.run);
    tokio::select! {
        ended = &mut running => ended.context("the server ended in a panic").map_err(Failure::could_not_run)?,
        () = drained => tracing::warn!("some calls were not finished in time"),
    }
    Ok(Exit::Done)
}

fn stop_on_signals(stop: &CancellationToken) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind)?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signals.recv().await;
            stop.cancel();
        });
    }
    Ok(())
}

fn stop_with_input(stop: &CancellationToken) -> std::io::Result<()> {
    let stop = stop.clone();
    std::thread::Builder::new().name("standard-input".to_owned()).spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        stop.cancel();
    })?;
    Ok(())
}
