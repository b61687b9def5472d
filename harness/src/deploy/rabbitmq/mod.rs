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
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

pub use guard::guard_main;

/// The name of the hidden subcommand under which a program calls [`guard_main`].
pub const GUARD_SUBCOMMAND: &str = "__broker-guard";

/// How long ending the guard may take: longer than the guard gives the broker before it kills it.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

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

/// How to start a private broker.
#[derive(Clone, Debug, Default)]
pub struct BrokerOptions {
    /// The cores that the broker, its port mapper and the guard run on; none leaves them where the system puts them.
    pub cores: Vec<usize>,
    /// The program whose [`GUARD_SUBCOMMAND`] is [`guard_main`]; by default the running one.
    pub program: Option<PathBuf>,
}

/// A running RabbitMQ of the harness's own. Dropping it ends the broker in the background; [`stop`](Self::stop) waits.
pub struct PrivateBroker {
    node: NodeInfo,
    /// Held open as long as the broker shall live.
    lifeline: ChildStdin,
    guard: Child,
}

/// What the guard tells about its broker.
#[derive(Clone, Serialize, Deserialize)]
struct NodeInfo {
    port: u16,
    user: String,
    password: String,
    beam: u32,
    epmd: u32,
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
    /// Starts a broker and returns once it answered an AMQP handshake, after about 5 s.
    ///
    /// # Errors
    /// [`BrokerError`]; a broker that is not ready after 60 s is ended and reported with the tail of its log.
    pub async fn start(options: BrokerOptions) -> Result<Self, BrokerError> {
        let program = options.program.map_or_else(std::env::current_exe, Ok)?;
        let cores: Vec<_> = options.cores.iter().map(ToString::to_string).collect();
        let mut guard = Command::new(program)
            .args([GUARD_SUBCOMMAND, "--cores", &cores.join(",")])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It says what went wrong in its one line. Nothing of it may keep the harness's standard error open.
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(lifeline), Some(output)) = (guard.stdin.take(), guard.stdout.take()) else {
            return Err(io::Error::other("the guard has no pipes").into());
        };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).await?;
        match serde_json::from_str(&line) {
            Ok(GuardLine::Ready(node)) => Ok(PrivateBroker { node, lifeline, guard }),
            Ok(GuardLine::NotInstalled(what)) => Err(BrokerError::NotInstalled(what)),
            Ok(GuardLine::Failed(reason)) => Err(BrokerError::Start(reason)),
            Err(_) => Err(io::Error::other("it ended without saying why").into()),
        }
    }

    /// The transport URL with credentials, for the processes of this run alone: never print or record it.
    #[must_use]
    pub fn url(&self) -> String {
        let NodeInfo { user, password, port, .. } = &self.node;
        format!("amqp://{user}:{password}@127.0.0.1:{port}/%2f")
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

    /// The process id of the broker's own Erlang port mapper.
    #[must_use]
    pub fn epmd_pid(&self) -> u32 {
        self.node.epmd
    }

    /// The folder that holds everything the broker writes; it is gone when the broker is.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        &self.node.folder
    }

    /// Ends the broker and waits until it, its port mapper and its folder are gone, 1 to 2 s as a rule.
    ///
    /// # Errors
    /// When the guard could not be waited for, or did not manage within 20 s.
    pub async fn stop(mut self) -> io::Result<()> {
        drop(self.lifeline);
        match tokio::time::timeout(STOP_DEADLINE, self.guard.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(io::Error::other(format!("the broker's guard failed: {status}"))),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                let pid = self.node.beam;
                Err(io::Error::other(format!(
                    "the broker (process {pid}) did not end in time; end it by hand"
                )))
            }
        }
    }
}

/// Without the password.
impl fmt::Debug for PrivateBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateBroker").field("url", &self.public_url()).field("pid", &self.pid()).finish()
    }
}
