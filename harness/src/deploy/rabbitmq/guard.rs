//! The process between the harness and its broker.

use std::io::{self, Write};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::install::Installation;
use super::node::{Node, Readiness};
use super::{BrokerError, GuardLine};

/// Another process may take a port between our finding it free and the broker's binding it.
const ATTEMPTS: usize = 3;

/// Runs the guard: starts a broker, prints one line about it on standard output, and ends the broker when standard
/// input ends, on SIGTERM, or with the broker itself. SIGINT and SIGHUP are ignored.
///
/// `arguments` are those behind the subcommand: `--cores 0,1` (empty for no pinning), and `--restart` for a broker that
/// is started again, with what it has stored, whenever it ends by itself; one more line is printed each time. `pin`
/// restricts the calling process to these cores; everything started afterwards inherits that.
pub fn guard_main(
    arguments: impl IntoIterator<Item = String>,
    pin: fn(&[usize]) -> io::Result<()>,
) -> ExitCode {
    let started = parsed(arguments).and_then(|(cores, restart)| {
        if !cores.is_empty() {
            pin(&cores).map_err(|error| format!("cannot pin to the cores {cores:?}: {error}"))?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map(|runtime| (runtime, restart)).map_err(|error| error.to_string())
    });
    match started {
        Ok((runtime, restart)) => runtime.block_on(guard(restart)),
        Err(message) => {
            say(&GuardLine::Failed(message));
            ExitCode::from(2)
        }
    }
}

/// The cores, and whether a broker that ends is started again.
fn parsed(arguments: impl IntoIterator<Item = String>) -> Result<(Vec<usize>, bool), String> {
    let usage = || "usage: [--cores [N,N,...]] [--restart]".to_owned();
    let (mut cores, mut restart) = (Vec::new(), false);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--restart" => restart = true,
            "--cores" => {
                let list = arguments.next().ok_or_else(usage)?;
                let numbers = list.split(',').filter(|core| !core.is_empty());
                cores = numbers.map(|core| core.parse().map_err(|_| usage())).collect::<Result<_, _>>()?;
            }
            _ => return Err(usage()),
        }
    }
    Ok((cores, restart))
}

async fn guard(restart: bool) -> ExitCode {
    match guarded(restart).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&match error {
                BrokerError::NotInstalled(what) => GuardLine::NotInstalled(what),
                other => GuardLine::Failed(other.to_string()),
            });
            ExitCode::FAILURE
        }
    }
}

async fn guarded(restart: bool) -> Result<(), BrokerError> {
    let mut ended = Ended::watch()?;
    let installation = Installation::find()?;
    for attempt in 1.. {
        let mut node = Node::spawn(&installation)?;
        let outcome = tokio::select! {
            readiness = node.ready() => Some(readiness),
            () = ended.wait() => None,
        };
        match outcome {
            Some(Readiness::Ready(info)) => {
                say(&GuardLine::Ready(info));
                let result = tokio::select! {
                    () = ended.wait() => Ok(()),
                    result = watch(&mut node, &installation, restart) => result,
                };
                node.end().await;
                return result;
            }
            None => {
                node.end().await;
                return Ok(());
            }
            Some(Readiness::PortTaken) if attempt < ATTEMPTS => node.end().await,
            Some(Readiness::PortTaken) => {
                node.end().await;
                return Err(BrokerError::Start("every port it tried was taken meanwhile".to_owned()));
            }
            Some(Readiness::Failed(reason)) => {
                node.end().await;
                return Err(BrokerError::Start(reason));
            }
        }
    }
    Ok(())
}

/// Waits until the broker ends, and with `restart` starts it again each time.
async fn watch(node: &mut Node, installation: &Installation, restart: bool) -> Result<(), BrokerError> {
    loop {
        node.exited().await;
        if !restart {
            return Ok(());
        }
        node.spawn_again(installation)?;
        match node.ready().await {
            Readiness::Ready(info) => say(&GuardLine::Ready(info)),
            Readiness::PortTaken => {
                return Err(BrokerError::Start("its port was taken meanwhile".to_owned()));
            }
            Readiness::Failed(reason) => return Err(BrokerError::Start(reason)),
        }
    }
}

fn say(line: &GuardLine) {
    if let Ok(mut text) = serde_json::to_vec(line) {
        text.push(b'\n');
        // When nobody listens any more, standard input has ended too, which is what counts.
        let _ = io::stdout().write_all(&text).and_then(|()| io::stdout().flush());
    }
}

/// What ends a guard from outside.
struct Ended {
    input: oneshot::Receiver<()>,
    terminated: tokio::signal::unix::Signal,
}

impl Ended {
    fn watch() -> io::Result<Self> {
        // A handler, once installed, stays; that nobody reads it keeps these from ending the process.
        drop((signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?));
        let (sender, input) = oneshot::channel();
        std::thread::Builder::new().name("standard-input".to_owned()).spawn(move || {
            // The harness never writes; whatever is read, only the end matters.
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            let _ = sender.send(());
        })?;
        Ok(Ended { input, terminated: signal(SignalKind::terminate())? })
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

    #[test]
    fn cores_are_a_list_of_numbers() {
        let parsed = |arguments: &[&str]| parsed(arguments.iter().map(|a| (*a).to_owned()));
        assert_eq!(parsed(&[]), Ok((vec![], false)));
        assert_eq!(parsed(&["--cores", ""]), Ok((vec![], false)));
        assert_eq!(parsed(&["--cores", "0,3"]), Ok((vec![0, 3], false)));
        assert_eq!(parsed(&["--cores", "", "--restart"]), Ok((vec![], true)));
        for wrong in [&["--cores"][..], &["--cores", "x"], &["--core", "1"], &["--cores", "1", "2"]] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }
}
