//! The guard: the process between the harness and its broker.

use std::io::{self, Write};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::error::BrokerError;
use super::install::Installation;
use super::line::GuardLine;
use super::node::{Node, Readiness};
use crate::sys;

/// Number of attempts to start a broker. Another process may bind a port after it was found to be free.
const MAX_ATTEMPTS: usize = 3;

/// The arguments of a guard, for both sides: the process that starts it and the command line that parses them.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct GuardArguments {
    /// Cores to run on, `0,1`; any if absent.
    #[arg(long, value_delimiter = ',')]
    cores: Vec<usize>,
    /// Start the broker again, with its stored data, whenever it ends. One more line is printed each time.
    #[arg(long)]
    restart: bool,
}

impl GuardArguments {
    /// Arguments for a broker on `cores` (on any if empty), which is restarted whenever it ends if `restart` is set.
    pub(super) fn new(cores: &[usize], restart: bool) -> Self {
        GuardArguments { cores: cores.to_vec(), restart }
    }

    /// Formats these arguments for the command line of a guard.
    pub(super) fn to_command_line(&self) -> Vec<String> {
        let cores: Vec<_> = self.cores.iter().map(ToString::to_string).collect();
        let cores = (!cores.is_empty()).then(|| format!("--cores={}", cores.join(",")));
        cores.into_iter().chain(self.restart.then(|| "--restart".to_owned())).collect()
    }
}

/// The main function of the guard: starts a broker, prints one line about it on standard output, and stops the broker when
/// standard input ends, on SIGTERM, or when the broker itself ends. SIGINT and SIGHUP are ignored.
#[must_use]
pub fn guard_main(arguments: &GuardArguments) -> ExitCode {
    let GuardArguments { cores, restart } = arguments;
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
        Ok(runtime) => runtime.block_on(guard(*restart)),
        Err(message) => {
            print_line(&GuardLine::Failed(message));
            ExitCode::from(2)
        }
    }
}

async fn guard(restart: bool) -> ExitCode {
    match run_broker(restart).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_line(&match error {
                BrokerError::NotInstalled(what) => GuardLine::NotInstalled(what),
                BrokerError::Start(reason) => GuardLine::Failed(reason),
                other => GuardLine::Failed(other.to_string()),
            });
            ExitCode::FAILURE
        }
    }
}

/// Runs a broker until the guard is stopped or the broker ends.
async fn run_broker(restart: bool) -> Result<(), BrokerError> {
    let mut stop = StopSignals::install()?;
    let installation = Installation::find()?;
    let mut failure = String::new();
    for _ in 0..MAX_ATTEMPTS {
        let mut node = Node::spawn(&installation)?;
        let outcome = tokio::select! {
            readiness = node.ready() => Some(readiness),
            () = stop.wait() => None,
        };
        match outcome {
            Some(Readiness::Ready(info)) => {
                print_line(&GuardLine::Ready(info));
                let result = tokio::select! {
                    () = stop.wait() => Ok(()),
                    result = supervise(&mut node, &installation, restart) => result,
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
                    return Err(BrokerError::Start(reason));
                }
                failure = reason;
            }
        }
    }
    Err(BrokerError::Start(format!(
        "other processes took its ports in each of {MAX_ATTEMPTS} attempts; the last one: {failure}"
    )))
}

/// Waits until the broker ends. With `restart`, starts it again each time.
async fn supervise(node: &mut Node, installation: &Installation, restart: bool) -> Result<(), BrokerError> {
    loop {
        node.wait_for_exit().await;
        if !restart {
            return Ok(());
        }
        node.spawn_again(installation)?;
        match node.ready().await {
            Readiness::Ready(info) => print_line(&GuardLine::Ready(info)),
            Readiness::Failed(reason) => return Err(BrokerError::Start(reason)),
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
    fn install() -> io::Result<Self> {
        // Handlers stay installed after they are dropped, so that these signals are ignored.
        drop((signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?));
        let (sender, input) = oneshot::channel();
        std::thread::Builder::new().name("standard-input".to_owned()).spawn(move || {
            // The harness never writes; only the end of the input matters.
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
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
        for (cores, restart) in [(&[][..], false), (&[], true), (&[3], false), (&[0, 3], true)] {
            let arguments = GuardArguments::new(cores, restart);
            let words = std::iter::once("guard".to_owned()).chain(arguments.to_command_line());
            assert_eq!(CommandLine::try_parse_from(words).unwrap().arguments, arguments);
        }
        for invalid in [&["--cores"][..], &["--cores=x"], &["--core=1"], &["--cores=1", "2"]] {
            let words = std::iter::once("guard").chain(invalid.iter().copied());
            assert!(CommandLine::try_parse_from(words).is_err(), "{invalid:?}");
        }
    }
}
