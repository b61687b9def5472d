//! A private broker: on loopback, with a random password, removed completely afterwards.
//!
//! The broker is a child of a *guard*: this program, started again as a hidden subcommand in a separate process group, so
//! that Ctrl-C in a terminal does not reach it. The guard reads its standard input, which the harness keeps open. When that
//! ends, because the harness stopped the broker, crashed or was killed, the guard ends the broker and
//! the process that it needs by their process ids and removes their folder. If the guard itself is killed, the system kills
//! both with it (on Linux), and a *sweeper*, which waits for the end of a pipe to the guard, removes the folder.
//!
//! A broker has its default configuration, except that it listens on 127.0.0.1 only, and that its only user has a random
//! password. It inherits the processor affinity of the guard.
//!
//! RabbitMQ's user replaces `guest`. Its scheduler flags are its defaults (`+stbt db`, and `+sbwt none`: no busy waiting), and
//! Erlang starts one scheduler per core. nats-server stores nothing, and accepts payloads of up to 8 MiB instead of 1 MiB; Go
//! runs it on as many threads as there are cores.

mod error;
mod find;
mod folder;
mod guard;
mod installation;
mod line;
mod nats;
mod node;
mod rabbitmq;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::child::PipedChild;
use super::program::own_program;
use crate::sys;
use guard::Restart;
use line::{GuardLine, NodeInfo};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub use crate::stacks::BrokerKind;
pub use error::BrokerError;
pub use folder::{SWEEPER_SUBCOMMAND, sweeper_main};
pub use guard::{GuardArguments, guard_main};

/// Name of the hidden subcommand that runs [`guard_main`].
pub const GUARD_SUBCOMMAND: &str = "__broker-guard";

/// How long the guard may take to end: longer than the broker may take before the guard kills it.
const STOP_DEADLINE: Duration = Duration::from_secs(20);
/// How often it is checked whether a broker that was killed has ended.
const END_POLL_INTERVAL: Duration = Duration::from_millis(1);
/// How long to wait for a line of the guard.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// The program, or start script, that a private broker of `kind` would run.
///
/// # Errors
/// [`BrokerError::NotInstalled`] with what to install.
pub fn installed(kind: BrokerKind) -> Result<PathBuf, BrokerError> {
    Ok(find::find(kind, false)?.program().to_owned())
}

/// Where a broker accepts TLS.
#[derive(Clone)]
pub struct TlsListener {
    /// The URL with credentials, for the processes of this run only: never print or record it.
    pub url: String,
    /// The certificate of the authority that has signed that of the broker, as PEM.
    pub authority: String,
}

/// Without the URL.
impl fmt::Debug for TlsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsListener").finish_non_exhaustive()
    }
}

/// A running private broker. Dropping it stops the broker and waits until it has ended.
pub struct PrivateBroker {
    node: NodeInfo,
    url: String,
    guard: PipedChild,
}

/// Waits for the guard's next line about a broker.
fn await_ready(kind: BrokerKind, guard: &PipedChild) -> Result<NodeInfo, BrokerError> {
    let silent = |_| io::Error::other("it ended without a message");
    let line = guard.next_line(START_DEADLINE).map_err(silent)?;
    match serde_json::from_str(&line) {
        Ok(GuardLine::Ready(node)) => Ok(node),
        Ok(GuardLine::NotInstalled(what)) => Err(BrokerError::NotInstalled(what)),
        Ok(GuardLine::Failed(reason)) => Err(BrokerError::Start(kind, reason)),
        Err(_) => Err(io::Error::other("it printed an unexpected line").into()),
    }
}

impl PrivateBroker {
    /// Starts a broker of `kind` on `cores` (on any if empty), and returns when it has completed a handshake with a client:
    /// RabbitMQ after about 5 s, nats-server at once.
    ///
    /// # Errors
    /// [`BrokerError`]. A broker that does not become ready in time is stopped, and the error has its last log lines.
    pub fn start(kind: BrokerKind, cores: &[usize]) -> Result<Self, BrokerError> {
        Self::spawn(GuardArguments::new(kind, cores, None))
    }

    /// Like [`Self::start`], but a broker that also accepts TLS, with a certificate that is made for it. Only RabbitMQ does.
    ///
    /// # Errors
    /// The same as of [`start`](Self::start).
    pub fn start_with_tls(kind: BrokerKind, cores: &[usize]) -> Result<Self, BrokerError> {
        Self::spawn(GuardArguments::new(kind, cores, None).with_tls(true))
    }

    /// Like [`Self::start`], but whenever the broker ends, for example because it was killed, it is started again with its
    /// stored data on the same port. Use [`Self::await_restart`] to wait for that.
    ///
    /// # Errors
    /// The same as of [`start`](Self::start).
    pub fn start_restarting(kind: BrokerKind) -> Result<Self, BrokerError> {
        Self::spawn(GuardArguments::new(kind, &[], Some(Restart::AtOnce)))
    }

    /// Like [`Self::start`], but a broker that has ended, for example because it was [killed](Self::kill), can be
    /// [started again](Self::start_again) with its stored data on the same port.
    ///
    /// # Errors
    /// The same as of [`start`](Self::start).
    pub fn start_restartable(kind: BrokerKind, cores: &[usize]) -> Result<Self, BrokerError> {
        Self::spawn(GuardArguments::new(kind, cores, Some(Restart::OnRequest)))
    }

    /// Kills the broker, and waits until it has ended.
    ///
    /// # Errors
    /// When the system does not permit it, or the broker does not end.
    pub fn kill(&mut self) -> io::Result<()> {
        let failed = |reason: String| io::Error::other(format!("the broker cannot be killed: {reason}"));
        let pid = i32::try_from(self.pid()).map_err(|error| failed(error.to_string()))?;
        kill(Pid::from_raw(pid), Signal::SIGKILL).map_err(|error| failed(error.to_string()))?;
        let begun = Instant::now();
        while sys::is_running(self.pid()) == Some(true) {
            if begun.elapsed() > STOP_DEADLINE {
                return Err(failed("it does not end".to_owned()));
            }
            std::thread::sleep(END_POLL_INTERVAL);
        }
        Ok(())
    }

    /// Starts a broker [that can be restarted](Self::start_restartable) and has ended again, and waits until it is ready.
    ///
    /// # Errors
    /// [`BrokerError`] when it does not become ready.
    pub fn start_again(&mut self) -> Result<(), BrokerError> {
        self.guard.send_line("start")?;
        self.await_restart()
    }

    fn spawn(arguments: GuardArguments) -> Result<Self, BrokerError> {
        let mut command = Command::new(own_program()?);
        command
            .arg(GUARD_SUBCOMMAND)
            .args(arguments.to_command_line())
            // The guard reports errors on standard output, and must not keep the standard error of the harness open.
            .stderr(Stdio::null());
        let guard = PipedChild::spawn(command, &[], STOP_DEADLINE)?;
        let node = await_ready(arguments.kind(), &guard)?;
        let url = node.url();
        Ok(PrivateBroker { node, url, guard })
    }

    /// Waits until a broker [that is restarted](Self::start_restarting) and has ended is ready again.
    ///
    /// # Errors
    /// [`BrokerError`] when it does not become ready.
    pub fn await_restart(&mut self) -> Result<(), BrokerError> {
        self.node = await_ready(self.node.kind, &self.guard)?;
        Ok(())
    }

    /// A command that runs `rabbitmqctl` for this broker, which must be RabbitMQ.
    ///
    /// # Errors
    /// [`BrokerError::NotInstalled`].
    pub fn control(&self) -> Result<Command, BrokerError> {
        Ok(rabbitmq::RabbitMq::find()?.control(&self.node))
    }

    /// The kind of the broker.
    #[must_use]
    pub fn kind(&self) -> BrokerKind {
        self.node.kind
    }

    /// The URL with credentials, for the processes of this run only: never print or record it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it accepts TLS; `None` unless it was [started](Self::start_with_tls) with that.
    #[must_use]
    pub fn tls(&self) -> Option<TlsListener> {
        let tls = self.node.tls.as_ref()?;
        Some(TlsListener { url: self.node.tls_url(tls), authority: tls.authority.clone() })
    }

    /// The URL without credentials, for people and records.
    #[must_use]
    pub fn public_url(&self) -> String {
        self.node.public_url()
    }

    /// The process id of the broker (of RabbitMQ's Erlang virtual machine), for measuring its CPU time and memory.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.node.pid
    }

    /// The folder with everything that the broker writes. It is removed when the broker has stopped.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        &self.node.folder
    }

    /// Stops the broker and waits until it has ended, with all of its processes, and its folder is removed: with RabbitMQ typically 1 to 2 s.
    ///
    /// # Errors
    /// When the broker does not end in time.
    pub fn stop(mut self) -> io::Result<()> {
        self.end();
        if self.node.folder.exists() {
            let pid = self.node.pid;
            return Err(io::Error::other(format!(
                "the broker (process {pid}) did not end in time; kill it manually"
            )));
        }
        Ok(())
    }

    /// Whether the guard, and with it the broker, still runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.guard.exit_status().is_none()
    }

    /// Ends the guard. If it was killed before, and the sweeper with it, the folder is still there.
    fn end(&mut self) {
        self.guard.stop();
        folder::remove(&self.node.folder);
    }
}

impl Drop for PrivateBroker {
    fn drop(&mut self) {
        self.end();
    }
}

/// Without the password.
impl fmt::Debug for PrivateBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateBroker").field("url", &self.public_url()).field("pid", &self.pid()).finish()
    }
}
