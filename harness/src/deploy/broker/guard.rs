//! The guard: the process between the harness and its broker.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, oneshot};

use super::error::BrokerError;
use super::line::GuardLine;
use super::node::{Node, Readiness};
use crate::stacks::BrokerKind;
use crate::sys;

/// Number of attempts to start a broker. Another process may bind a port after it was found to be free.
const MAX_ATTEMPTS: usize = 3;

/// The arguments of a guard, for both sides: the process that starts it and the command line that parses them.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct GuardArguments {
    /// The broker.
    #[arg(long, value_enum)]
    kind: BrokerKind,
    /// Cores to run on, `0,1`; any if absent.
    #[arg(long, value_delimiter = ',')]
    cores: Vec<usize>,
    /// Start the broker again, with its stored data, after it has ended: at once, or on a line on standard input. One more
    /// line is printed each time.
    #[arg(long)]
    restart: Option<Restart>,
    /// Accept TLS, too (RabbitMQ).
    #[arg(long)]
    tls: bool,
}

/// When a broker that has ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Restart {
    /// At once.
    AtOnce,
    /// When a line arrives on the guard's standard input.
    OnRequest,
}

impl Restart {
    fn name(self) -> &'static str {
        match self {
            Restart::AtOnce => "at-once",
            Restart::OnRequest => "on-request",
        }
    }
}

impl GuardArguments {
    /// Arguments for a broker of `kind` on `cores` (on any if empty), which is started again after it has ended if `restart` says when.
    pub(super) fn new(kind: BrokerKind, cores: &[usize], restart: Option<Restart>) -> Self {
        GuardArguments { kind, cores: cores.to_vec(), restart, tls: false }
    }

    /// The broker.
    pub(super) fn kind(&self) -> BrokerKind {
        self.kind
    }

    /// The same for a broker that also accepts TLS if `tls` is set.
    pub(super) fn with_tls(self, tls: bool) -> Self {
        GuardArguments { tls, ..self }
    }

    /// Formats these arguments for the command line of a guard.
    pub(super) fn to_command_line(&self) -> Vec<String> {
        let cores: Vec<_> = self.cores.iter().map(ToString::to_string).collect();
        let cores = (!cores.is_empty()).then(|| format!("--cores={}", cores.join(",")));
        let restart = self.restart.map(|restart| format!("--restart={}", restart.name()));
        let kind = format!("--kind={}", self.kind.name());
        let tls = self.tls.then(|| "--tls".to_owned());
        [kind].into_iter().chain(cores).chain(restart).chain(tls).collect()
    }
}

/// The main function of the guard: starts a broker, prints one line about it on standard output, and stops the broker when
/// standard input ends, on SIGTERM, or when the broker itself ends. SIGINT and SIGHUP are ignored.
#[must_use]
pub fn guard_main(arguments: &GuardArguments) -> ExitCode {
    let GuardArguments { kind, cores, restart, tls } = arguments;
    let pinned = match cores.as_slice() {
        [] => Ok(()),
        cores => sys::pin_current_thread(cores)
            .map_err(|error| format!("cannot pin the broker to the cores {cores:?}: {error}")),
    };
    let runtime = pinned.and_then(|()| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| error.to_string())
    });
    match runtime {
        Ok(runtime) => runtime.block_on(guard(*kind, *restart, *tls)),
        Err(message) => {
            print_line(&GuardLine::Failed(message));
            ExitCode::from(2)
        }
    }
}

async fn guard(kind: BrokerKind, restart: Option<Restart>, tls: bool) -> ExitCode {
    match run_broker(kind, restart, tls).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_line(&match error {
                BrokerError::NotInstalled(what) => GuardLine::NotInstalled(what),
                BrokerError::Start(_, reason) => GuardLine::Failed(reason),
                other => GuardLine::Failed(other.to_string()),
            });
            ExitCode::FAILURE
        }
    }
}

/// Runs a broker until the guard is stopped or the broker ends.
async fn run_broker(kind: BrokerKind, restart: Option<Restart>, tls: bool) -> Result<(), BrokerError> {
    let requests = Arc::<Notify>::default();
    let mut stop = StopSignals::install(Arc::clone(&requests))?;
    let mut failure = String::new();
    for _ in 0..MAX_ATTEMPTS {
        let mut node = Node::spawn(kind, tls)?;
        let outcome = tokio::select! {
            readiness = node.ready() => Some(readiness),
            () = stop.wait() => None,
        };
        match outcome {
            Some(Readiness::Ready(info)) => {
                print_line(&GuardLine::Ready(info));
                let result = tokio::select! {
                    () = stop.wait() => Ok(()),
                    result = supervise(&mut node, kind, restart, &requests) => result,
                };
                node.end().await;
                return result;
            }
            None => {
                node.end().await;
                return Ok(());
            }
            Some(Readiness::Failed(reason)) => {
                if !node.end().await {
                    return Err(BrokerError::Start(kind, reason));
                }
                failure = reason;
            }
        }
    }
    Err(BrokerError::Start(
        kind,
        format!("other processes took its ports in each of {MAX_ATTEMPTS} attempts; the last one: {failure}"),
    ))
}

/// Waits until the broker ends. With `restart`, starts it again each time, at once or when one of `requests` arrives.
async fn supervise(
    node: &mut Node,
    kind: BrokerKind,
    restart: Option<Restart>,
    requests: &Notify,
) -> Result<(), BrokerError> {
    loop {
        node.wait_for_exit().await;
        match restart {
            None => return Ok(()),
            Some(Restart::AtOnce) => {}
            Some(Restart::OnRequest) => requests.notified().await,
        }
        node.spawn_again()?;
        match node.ready().await {
            Readiness::Ready(info) => print_line(&GuardLine::Ready(info)),
            Readiness::Failed(reason) => return Err(BrokerError::Start(kind, reason)),
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "standard output is a pipe to the parent, and errors are ignored"
)]
fn print_line(line: &GuardLine) {
    if let Ok(mut text) = serde_json::to_vec(line) {
        text.push(b'\n');
        // If the reader has gone, standard input has ended too, which stops the guard.
        let _ = io::stdout().write_all(&text).and_then(|()| io::stdout().flush());
    }
}

/// Events that stop a guard.
struct StopSignals {
    input: oneshot::Receiver<()>,
    terminated: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Each line on standard input notifies `requests`.
    fn install(requests: Arc<Notify>) -> io::Result<Self> {
        // Handlers stay installed after they are dropped, so that these signals are ignored.
        drop((signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?));
        let (sender, input) = oneshot::channel();
        std::thread::Builder::new().name("standard-input".to_owned()).spawn(move || {
            for _ in io::stdin().lock().lines().map_while(Result::ok) {
                requests.notify_one();
            }
            let _ = sender.send(());
        })?;
        Ok(StopSignals { input, terminated: signal(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = &mut self.input => {}
            _ = self.terminated.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        arguments: GuardArguments,
    }

    #[test]
    fn arguments_survive_the_command_line() {
        for (kind, cores, restart) in [
            (BrokerKind::RabbitMq, &[][..], None),
            (BrokerKind::Nats, &[], Some(Restart::AtOnce)),
            (BrokerKind::RabbitMq, &[3], None),
            (BrokerKind::Nats, &[0, 3], Some(Restart::OnRequest)),
        ] {
            for tls in [false, true] {
                let arguments = GuardArguments::new(kind, cores, restart).with_tls(tls);
                let words = std::iter::once("guard".to_owned()).chain(arguments.to_command_line());
                assert_eq!(CommandLine::try_parse_from(words).unwrap().arguments, arguments);
            }
        }
        for invalid in [
            &["--restart=soon"][..],
            &["--cores"],
            &["--cores=x"],
            &["--core=1"],
            &["--cores=1", "2"],
            &["--kind=zeromq"],
        ] {
            let words = ["guard", "--kind=nats"].into_iter().chain(invalid.iter().copied());
            assert!(CommandLine::try_parse_from(words).is_err(), "{invalid:?}");
        }
    }
}
