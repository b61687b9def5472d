//! A RabbitMQ of the harness's own: on loopback, with a password nobody else has, gone without a trace afterwards.
//!
//! The broker is not a child of the harness but of a *guard*: the same program, started again as a hidden subcommand
//! in a process group of its own, so that a terminal's Ctrl-C does not reach it. The guard reads its standard input,
//! which the harness holds open and never writes to. When that ends, because the harness stopped the broker, crashed
//! or was killed, the guard ends the broker and its port mapper by their process ids and removes their folder.
//!
//! The broker runs as RabbitMQ ships it, with two disclosed exceptions: it listens on 127.0.0.1 alone, and its user is
//! one with a random password instead of `guest`. Its scheduler flags are RabbitMQ's own (`+stbt db`, and `+sbwt none`:
//! no busy waiting); it inherits the guard's processor affinity, and Erlang brings as many schedulers online as that
//! leaves cores.

mod guard;
mod install;
mod node;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{PipedChild, own_program};

pub use guard::guard_main;

/// The name of the hidden subcommand under which a program calls [`guard_main`].
pub const GUARD_SUBCOMMAND: &str = "__broker-guard";

/// How long the guard may take to end: longer than it gives the broker before it kills it.
const STOP_DEADLINE: Duration = Duration::from_secs(20);
/// How long the guard may take to say something: longer than it gives the broker to start.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// Why there is no private broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// No RabbitMQ, or no Erlang port mapper, was found.
    #[error("{0}")]
    NotInstalled(String),
    /// It was started and did not get ready; the message ends with the last lines it printed.
    #[error("RabbitMQ did not start: {0}")]
    Start(String),
    /// The guard process could not be started or ended without a word.
    #[error("cannot run the broker's guard process: {0}")]
    Guard(#[from] io::Error),
}

/// The RabbitMQ that a private broker would be started from.
///
/// # Errors
/// [`BrokerError::NotInstalled`] with what to install.
pub fn installed() -> Result<PathBuf, BrokerError> {
    install::Installation::find().map(|installation| installation.server)
}

/// A running RabbitMQ of the harness's own. Dropping it ends the broker and waits until it is gone.
pub struct PrivateBroker {
    node: NodeInfo,
    url: String,
    guard: PipedChild,
}

/// What the guard tells next.
fn ready(guard: &PipedChild) -> Result<NodeInfo, BrokerError> {
    let silent = |_| io::Error::other("it ended without saying why");
    let line = guard.next_line(START_DEADLINE).map_err(silent)?;
    match serde_json::from_str(&line) {
        Ok(GuardLine::Ready(node)) => Ok(node),
        Ok(GuardLine::NotInstalled(what)) => Err(BrokerError::NotInstalled(what)),
        Ok(GuardLine::Failed(reason)) => Err(BrokerError::Start(reason)),
        Err(_) => Err(io::Error::other("it said something else than expected").into()),
    }
}

/// What the guard tells about its broker.
#[derive(Clone, Serialize, Deserialize)]
struct NodeInfo {
    port: u16,
    epmd: u16,
    user: String,
    password: String,
    beam: u32,
    folder: PathBuf,
}

/// The one line that the guard prints.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum GuardLine {
    Ready(NodeInfo),
    NotInstalled(String),
    Failed(String),
}

impl PrivateBroker {
    /// Starts a broker on `cores`, or wherever the system puts it where there are none, and returns once it answered
    /// an AMQP handshake, after about 5 s.
    ///
    /// # Errors
    /// [`BrokerError`]; a broker that is not ready after 60 s is ended and reported with the tail of its log.
    pub fn start(cores: &[usize]) -> Result<Self, BrokerError> {
        Self::spawn(cores, false)
    }

    /// The same, but a broker that ends by itself, or is killed, is started again with what it has stored, on the same
    /// port: [`await_restart`](Self::await_restart) tells when.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_restarting() -> Result<Self, BrokerError> {
        Self::spawn(&[], true)
    }

    fn spawn(cores: &[usize], restart: bool) -> Result<Self, BrokerError> {
        let cores: Vec<_> = cores.iter().map(ToString::to_string).collect();
        let mut command = Command::new(own_program()?);
        command
            .args([GUARD_SUBCOMMAND, "--cores", &cores.join(",")])
            .args(restart.then_some("--restart"))
            // It says what went wrong in its one line. Nothing of it may keep the harness's standard error open.
            .stderr(Stdio::null());
        let guard = PipedChild::spawn(command, &[], STOP_DEADLINE)?;
        let node = ready(&guard)?;
        let NodeInfo { user, password, port, .. } = &node;
        let url = format!("amqp://{user}:{password}@127.0.0.1:{port}/%2f");
        Ok(PrivateBroker { node, url, guard })
    }

    /// Waits until a broker that was [started so](Self::start_restarting) and has ended answers again.
    ///
    /// # Errors
    /// [`BrokerError`] when it does not.
    pub fn await_restart(&mut self) -> Result<(), BrokerError> {
        self.node = ready(&self.guard)?;
        Ok(())
    }

    /// A command that runs RabbitMQ's `rabbitmqctl` on this broker.
    ///
    /// # Errors
    /// [`BrokerError::NotInstalled`].
    pub fn control(&self) -> Result<Command, BrokerError> {
        let installation = install::Installation::find()?;
        let mut command = Command::new(installation.server.with_file_name("rabbitmqctl"));
        command
            .env_clear()
            .env("PATH", installation.path)
            .env("HOME", &self.node.folder)
            .env("LANG", "C.UTF-8")
            .env("ERL_EPMD_PORT", self.node.epmd.to_string())
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_NODENAME", node::NAME)
            .stdin(Stdio::null());
        Ok(command)
    }

    /// The transport URL with credentials, for the processes of this run alone: never print or record it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The transport URL without credentials, for people and records.
    #[must_use]
    pub fn public_url(&self) -> String {
        format!("amqp://127.0.0.1:{}/%2f", self.node.port)
    }

    /// The process id of the broker's Erlang machine, for measuring its CPU time and memory.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.node.beam
    }

    /// The folder that holds everything the broker writes; it is gone when the broker is.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        &self.node.folder
    }

    /// Ends the broker and waits until it, its port mapper and its folder are gone, 1 to 2 s as a rule.
    ///
    /// # Errors
    /// When the guard did not manage.
    pub fn stop(mut self) -> io::Result<()> {
        self.guard.end();
        if self.node.folder.exists() {
            let pid = self.node.beam;
            return Err(io::Error::other(format!(
                "the broker (process {pid}) did not end in time; end it by hand"
            )));
        }
        Ok(())
    }
}

/// Without the password.
impl fmt::Debug for PrivateBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateBroker").field("url", &self.public_url()).field("pid", &self.pid()).finish()
    }
}
