//! `rpcbench serve`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use calculator::Executor;
use net::Endpoint;
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::brokers::broker_urls;
use super::control_token::control_token;
use super::interrupts::Signals;
use super::output::LogWriter;
use super::protocol_options::{OfServers, ProtocolOptions};
use super::{Exit, Failure, Outcome, print_error, print_required, stdio};
use crate::deploy::{CONTROL_LINE, Place};
use crate::observe::control::{self, ControlPort};
use crate::stacks::{
    BROKER_VARIABLE, Identity, Reference, ReferenceError, Runtime, ServeContext, ServeError, ServerSettings,
    Stack, Transport, revealed,
};
use crate::sys::{self, Secret};

/// How long calls in progress may take to finish after the signal to stop. A little more than the servers' own limit, so
/// that theirs applies first.
const DRAIN_TIMEOUT: Duration = net::DRAIN_TIMEOUT.saturating_add(Duration::from_millis(500));

/// How long after the signal the process ends although a handler still runs: longer than an orderly end may take.
const EXIT_TIMEOUT: Duration = DRAIN_TIMEOUT.saturating_add(Duration::from_millis(250));

/// The crates whose warnings are logged by default, the same for every protocol.
const OWN_CRATES: [&str; 10] =
    ["rpcbench", "amqp", "framed", "grpc", "http_layer", "jsonrpc", "nats", "net", "tcp_floor", "zerorpc"];

/// Serve the calculator or another service over a protocol
///
/// Prints one line `listening PROTOCOL URL` as soon as it answers calls, and logs to standard error. SIGTERM, SIGINT and
/// SIGHUP stop it; calls in progress have 4 s to finish first.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  rpcbench serve xmlrpc --listen 127.0.0.1:8000
  rpcbench serve rest --listen unix:/tmp/calculator
  rpcbench serve jsonrpc-lines --stdio
  rpcbench serve rest --listen 127.0.0.1:8443 --cert server.pem --key server.key
  rpcbench serve rest --executor threads:8 --work sleep:5ms
  rpcbench serve zerorpc --service time --listen 127.0.0.1:1234
  rpcbench serve zerorpc --listen 127.0.0.1:4242 --bind ipc:///tmp/calculator
  rpcbench serve amqp --broker amqp://guest:guest@localhost/ --topic calc
  rpcbench serve nats --broker nats://localhost --subject calc")]
pub(super) struct Arguments {
    /// The stack or protocol to serve; `rpcbench list` prints them
    stack: String,
    /// Where to listen: HOST:PORT (port 0 picks a free one), unix:PATH, or pipe:PATH (jsonrpc-lines only)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: Endpoint,
    /// Serve one client over standard input and output, until the input ends. Only responses are written to standard output
    #[arg(long, conflicts_with_all = ["listen", "control", "cert"])]
    stdio: bool,
    /// Open a control port at this address. It reports the server's CPU time, memory, bytes and cores, and turns faults on
    /// and off, for peers that know the token in RPCBENCH_CONTROL_TOKEN; try
    /// `printf 'token %s\nstats\n' $RPCBENCH_CONTROL_TOKEN | nc HOST PORT`
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    control: Option<String>,
    /// Serve over TLS 1.3 with the certificate in this file (PEM), which those of the authorities that have signed it may follow
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "TLS")]
    cert: Option<String>,
    /// The private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    key: Option<String>,
    /// The URL of the broker for AMQP or NATS; @FILE reads it from a file, env:NAME from an environment variable, - from
    /// standard input
    #[arg(long, value_name = "URL", env = BROKER_VARIABLE, hide_env_values = true, help_heading = "Brokers")]
    broker: Option<String>,
    #[command(flatten)]
    options: ProtocolOptions<OfServers>,
    /// Stop when standard input ends
    #[arg(long, hide = true)]
    end_with_input: bool,
    /// Take all settings from the environment variable RPCBENCH_SERVER, as the servers of a run do
    #[arg(long, hide = true)]
    from_environment: bool,
}

/// Parses HOST:PORT.
pub(super) fn host_and_port(text: &str) -> Result<String, String> {
    match text.parse() {
        Ok(Endpoint::Tcp { .. }) => Ok(text.to_owned()),
        _ => Err("expected HOST:PORT with a port from 0 to 65535".to_owned()),
    }
}

/// Resolves the host of `text`, which is HOST:PORT.
pub(super) fn resolve(text: &str) -> anyhow::Result<SocketAddr> {
    text.to_socket_addrs()?.next().context("the host has no address")
}

/// The control port at `address`, with the token of the environment.
fn control_port(address: &str) -> Result<ControlPort, Failure> {
    let token = control_token()?;
    let address = resolve(address)
        .with_context(|| format!("cannot listen for control on {address}"))
        .map_err(Failure::could_not_run)?;
    Ok(ControlPort { address, token })
}

pub(super) fn serve(arguments: &Arguments) -> Outcome {
    if arguments.from_environment {
        return serve_from_environment();
    }
    let stack = Stack::named_at_address(&arguments.stack).map_err(Failure::usage)?;
    let control = arguments.control.as_deref().map(control_port).transpose()?;
    // Its folder is removed at the end.
    let place = arguments.stdio.then(|| stdio::place(stack)).transpose()?;
    let listen = place.as_ref().map_or(&arguments.listen, Place::endpoint);
    if matches!(listen, Endpoint::Pipes(_)) && !stack.has_transport(Transport::Stdio) {
        return Err(Failure::usage(format!("--listen: the server of {} has no pipes", stack.name)));
    }
    let settings = ServerSettings {
        stack: stack.name.to_owned(),
        listen: listen.clone(),
        socket_folder: place.as_ref().and_then(Place::folder).map(Path::to_owned),
        tls: identity(stack, arguments)?,
        control,
        broker: broker(stack, arguments.broker.as_deref())?,
        options: arguments.options.of_server(stack)?,
        end_with_input: arguments.end_with_input,
    };
    serve_with(stack, settings, arguments.stdio)
}

/// The certificate for a server of `stack`; `None` if none was given.
fn identity(stack: &Stack, arguments: &Arguments) -> Result<Option<Identity>, Failure> {
    let (Some(cert), Some(key)) = (&arguments.cert, &arguments.key) else { return Ok(None) };
    if !stack.has_transport(Transport::Tls) || stack.needs_broker() {
        return Err(Failure::usage(format!("--cert: the server of {} has no TLS", stack.name)));
    }
    if arguments.listen.port().is_none() {
        return Err(Failure::usage("--cert: a server has TLS on HOST:PORT only"));
    }
    let read = |option: &str, path: &str| {
        revealed(&format!("@{path}")).map_err(|error| Failure::usage(format!("{option}: {error}")))
    };
    Ok(Some(Identity { certificate: read("--cert", cert)?, key: Secret::new(read("--key", key)?) }))
}

/// The broker's URL for a server of `stack`; `None` if it needs none, or none was given.
fn broker(stack: &Stack, given: Option<&str>) -> Result<Option<Secret>, Failure> {
    let Some(given) = given.filter(|_| stack.needs_broker()) else { return Ok(None) };
    let urls = broker_urls(&[given.to_owned()])?;
    Ok(urls.of_stack(stack).map(|url| Secret::new(url.to_owned())))
}

/// Serves with the settings that the parent process left in the environment.
fn serve_from_environment() -> Outcome {
    let text = std::env::var(ServerSettings::VARIABLE)
        .map_err(|_| Failure::usage(format!("{} is not set", ServerSettings::VARIABLE)))?;
    // serde's message may repeat a part of the text, which may hold a password.
    let settings: ServerSettings = serde_json::from_str(&text)
        .map_err(|_| Failure::usage(format!("{} cannot be read", ServerSettings::VARIABLE)))?;
    let stack = Stack::named(&settings.stack).map_err(Failure::usage)?;
    serve_with(stack, settings, false)
}

/// Serves with `settings`; with `over_stdio` one client over standard input and output.
fn serve_with(stack: &'static Stack, settings: ServerSettings, over_stdio: bool) -> Outcome {
    if let Some(reference) = stack.reference() {
        return Err(become_reference(stack, reference, &settings));
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_filter()));
    tracing_subscriber::fmt().with_writer(|| LogWriter).with_env_filter(filter).init();
    sys::allow_many_connections();
    let common = &settings.options.common;
    let mut builder = Runtime::of(common.workers.into()).builder();
    if let Executor::Threads(threads) = common.executor {
        builder.max_blocking_threads(threads.get() + 4);
    }
    let socket_folder: Option<PathBuf> = settings.socket_folder.clone();
    let runtime = builder.enable_all().build().map_err(Failure::could_not_run)?;
    let served = runtime.block_on(serve_until_stopped(stack, settings, over_stdio));
    // Handlers on other threads may still be running; the time for finishing has passed.
    runtime.shutdown_background();
    // Here too, in case the process that made it has been killed.
    let _ = socket_folder.map(std::fs::remove_dir);
    served
}

/// What is logged by default: the warnings of our own crates, the errors of all others.
fn default_filter() -> String {
    let own: String = OWN_CRATES.iter().map(|name| format!("{name}=warn,")).collect();
    // What lapin and async-nats log, their caller receives as an error or an event, which is logged once.
    format!("{own}error,lapin=off,async_nats=off")
}

/// Replaces this process with the reference server; returns only why that was not possible.
fn become_reference(stack: &Stack, reference: &Reference, settings: &ServerSettings) -> Failure {
    if stack.needs_broker() && settings.broker.is_none() {
        return Failure::usage(ServeError::no_broker(stack.protocol.get().name(), stack.protocol.url_form()));
    }
    let mut command = match reference.command(settings) {
        Ok(command) => command,
        Err(error @ ReferenceError::Language { .. }) => return Failure::could_not_run(error),
        Err(error) => return Failure::usage(error),
    };
    let error = command.exec();
    if error.kind() == std::io::ErrorKind::NotFound {
        return Failure::could_not_run(reference.language.missing());
    }
    Failure::could_not_run(format!("{}: the server could not be started: {error}", stack.name))
}

async fn serve_until_stopped(stack: &'static Stack, settings: ServerSettings, over_stdio: bool) -> Outcome {
    let stop = CancellationToken::new();
    let ServerSettings { listen, tls, control, broker, options, end_with_input, socket_folder, .. } =
        settings;
    let dispatcher = options.common.dispatcher();
    if let Some(port) = control {
        let address = port.address;
        let bound = control::serve(port, dispatcher.clone())
            .with_context(|| format!("cannot listen for control on {address}"))
            .map_err(Failure::could_not_run)?;
        print_error(&format_args!("{CONTROL_LINE}{bound}"));
    }
    let relayed = over_stdio.then(|| stdio::relay(listen.clone(), stop.clone()));
    let context = ServeContext {
        listen,
        dispatcher,
        limits: options.common.limits(),
        transport: stack.transport,
        tls,
        broker,
        options: options.protocol,
        stop: stop.clone(),
    };
    watch_for_the_end(&stop, end_with_input, socket_folder)?;
    let serving = tokio::select! {
        serving = stack.serve(context) => serving.map_err(|error| match error {
            ServeError::NoServer(_) | ServeError::NoBroker { .. } | ServeError::Setting(_) | ServeError::Options(_) => {
                Failure::usage(error)
            }
            ServeError::Bind { .. } | ServeError::Broker(_) => Failure::could_not_run(error),
        })?,
        // A broker that is shutting down may never answer.
        () = stop.cancelled() => return Ok(Exit::Done),
    };
    let relay = relayed.map(tokio::spawn);
    if relay.is_none() {
        let line = format!("listening {} {}\n", stack.protocol, serving.url);
        print_required(&line, "where the server listens")?;
    }
    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    };
    // A task, not the future that the runtime blocks on: that one would cost each call an additional `epoll_wait`.
    let mut running = tokio::spawn(serving.run);
    tokio::select! {
        ended = &mut running => ended.context("the server ended in a panic").map_err(Failure::could_not_run)?,
        () = drained => tracing::warn!("some calls were not finished in time"),
    }
    if let Some(relay) = relay {
        // The server has closed the connection. Its last responses may still be on their way.
        let relayed = tokio::time::timeout(net::DRAIN_TIMEOUT, relay).await;
        if let Ok(Ok(Err(error))) = relayed {
            return Err(Failure::could_not_run(format!("standard input and output: {error}")));
        }
    }
    Ok(Exit::Done)
}

/// Cancels `stop` on a signal, and with `end_with_input` when standard input ends. Ends the process if it still runs
/// [`EXIT_TIMEOUT`] after `stop` was cancelled.
///
/// On a thread with a separate runtime: a handler of the executor `blocking` occupies that of the server.
fn watch_for_the_end(
    stop: &CancellationToken,
    end_with_input: bool,
    socket_folder: Option<PathBuf>,
) -> Result<(), Failure> {
    let stop = stop.clone();
    let runtime = super::runtime()?;
    let mut signals = {
        let _guard = runtime.enter();
        Signals::install().map_err(Failure::could_not_run)?
    };
    let until_exit = async move {
        tokio::select! {
            _ = signals.next() => {}
            () = end_of_input(), if end_with_input => {}
            () = stop.cancelled() => {}
        }
        stop.cancel();
        tokio::time::sleep(EXIT_TIMEOUT).await;
        print_error(&"rpcbench: a handler is still running; its call is not finished");
        net::remove_socket_files();
        let _ = socket_folder.map(std::fs::remove_dir);
        std::process::exit(Exit::Done as i32);
    };
    std::thread::Builder::new()
        .name("stop".to_owned())
        .spawn(move || runtime.block_on(until_exit))
        .map_err(Failure::could_not_run)?;
    Ok(())
}

/// Waits until standard input ends. A pipe, which a parent process holds, takes no further thread.
async fn end_of_input() {
    let input = std::io::stdin().as_fd().try_clone_to_owned();
    if let Ok(mut pipe) = input.and_then(pipe::Receiver::from_owned_fd) {
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
        return;
    }
    let copy = || std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    let _ = tokio::task::spawn_blocking(copy).await;
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_warnings_of_every_server_are_logged() {
        let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers");
        let mut logging = Vec::new();
        for folder in std::fs::read_dir(servers).unwrap() {
            let Ok(manifest) = std::fs::read_to_string(folder.unwrap().path().join("Cargo.toml")) else {
                continue;
            };
            let manifest: toml::Table = manifest.parse().unwrap();
            if manifest["dependencies"].get("tracing").is_some() {
                logging.push(manifest["lib"]["name"].as_str().unwrap().to_owned());
            }
        }
        assert!(logging.iter().any(|name| name == "net"), "{logging:?}");
        for name in logging {
            assert!(OWN_CRATES.contains(&name.as_str()), "{name} logs, but its warnings are left out");
        }
    }
}
