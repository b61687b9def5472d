//! The processes of a broker.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::error::BrokerError;
use super::find::find;
use super::folder::Folder;
use super::installation::{Installation, USER};
use super::line::NodeInfo;
use crate::stacks::BrokerKind;
use crate::sys::Secret;

/// How long a broker may take until it accepts connections.
const START_DEADLINE: Duration = Duration::from_secs(180);
/// How long a process may take to end after SIGTERM before it is killed. RabbitMQ takes up to 1.5 s.
const TERM_DEADLINE: Duration = Duration::from_secs(10);
/// How often to try to connect while the broker prints nothing.
const BROKER_POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How often to try to connect to the helper of a broker, which listens within milliseconds.
const HELPER_POLL_INTERVAL: Duration = Duration::from_millis(5);
/// The pause after a handshake that failed: another process may have listened on the port for a moment.
const HANDSHAKE_INTERVAL: Duration = Duration::from_secs(1);
/// The number of handshakes after which a node counts as failed.
const MAX_HANDSHAKES: u32 = 20;
/// How long the output of a process that has ended may take to arrive. A process that it started may keep its pipes open.
const OUTPUT_DEADLINE: Duration = Duration::from_secs(2);
/// Number of lines at the end of the output that are kept to explain a failure.
const TAIL_LINES: usize = 20;

/// The result of starting a node.
pub(super) enum Readiness {
    /// The node completed a handshake.
    Ready(NodeInfo),
    /// The node did not become ready; the reason.
    Failed(String),
}

/// A node that was started. End it with [`Node::end`]. Dropping it kills it, for example if the guard panics.
pub(super) struct Node {
    kind: BrokerKind,
    installation: Arc<dyn Installation>,
    // In the order in which they must be dropped.
    broker: Child,
    /// The process that the broker needs beside it, and its port.
    helper: Option<(Child, u16)>,
    /// Ports that were free when they were chosen.
    ports: Vec<u16>,
    password: Secret,
    output: Output,
    folder: Folder,
}

impl Node {
    /// Starts a broker of `kind`, and before it the process that it needs, in a new folder. RabbitMQ also accepts TLS if
    /// `with_tls` is set.
    ///
    /// # Errors
    /// [`BrokerError`] if it is not installed, the folder cannot be used or a program cannot be started.
    pub(super) fn spawn(kind: BrokerKind, with_tls: bool) -> Result<Self, BrokerError> {
        let installation: Arc<dyn Installation> = find(kind, with_tls)?.into();
        let folder = Folder::create()?;
        let ports = installation.free_ports()?;
        let password = Secret::random();
        installation.write_files(&folder, &ports, password.reveal())?;
        let mut output = Output::new(Arc::clone(&installation));
        let mut start = |mut command: Command| {
            let mut child = command.spawn()?;
            output.follow(child.stdout.take());
            output.follow(child.stderr.take());
            io::Result::Ok(child)
        };
        let helper = match installation.helper(folder.path(), &ports) {
            Some((command, port)) => Some((start(command)?, port)),
            None => None,
        };
        let broker = start(installation.broker(folder.path(), &ports))?;
        Ok(Node { kind, installation, broker, helper, ports, password, output, folder })
    }

    /// Starts a broker that has ended again, with the same folder and ports.
    pub(super) fn spawn_again(&mut self) -> io::Result<()> {
        self.broker = self.installation.broker(self.folder.path(), &self.ports).spawn()?;
        self.output.follow(self.broker.stdout.take());
        self.output.follow(self.broker.stderr.take());
        Ok(())
    }

    /// Waits until the broker completes a handshake.
    pub(super) async fn ready(&mut self) -> Readiness {
        let deadline = Instant::now() + START_DEADLINE;
        let Some(pid) = self.broker.id() else {
            return Readiness::Failed("the process ended immediately".to_owned());
        };
        let info = NodeInfo {
            kind: self.kind,
            ports: self.ports.clone(),
            user: USER.to_owned(),
            password: self.password.reveal().to_owned(),
            pid,
            folder: self.folder.path().to_owned(),
            tls: self.installation.tls(&self.ports),
        };
        let helper_port = self.helper.as_ref().map(|(_, port)| *port);
        let usable = async {
            while let Some(port) = helper_port
                && !listens(port).await
            {
                sleep(HELPER_POLL_INTERVAL).await;
            }
            while let Some(port) = self.ports.first()
                && !listens(*port).await
            {
                // Tries whenever the broker prints a line, and regularly in case it prints none.
                let _ = timeout(BROKER_POLL_INTERVAL, self.output.new_line.notified()).await;
            }
            first_handshake(&*self.installation, &info).await
        };
        let helper_ends = async {
            match &mut self.helper {
                Some((helper, _)) => helper.wait().await,
                None => pending().await,
            }
        };
        tokio::select! {
            usable = timeout_at(deadline, usable) => match usable {
                Ok(Ok(())) => Readiness::Ready(info),
                Ok(Err(reason)) => self.failed(&reason),
                Err(_) => self.failed(&format!("not ready after {} s", START_DEADLINE.as_secs())),
            },
            status = self.broker.wait() => self.ended_early("it", status).await,
            status = helper_ends => self.ended_early("the process that it needs", status).await,
        }
    }

    fn failed(&self, reason: &str) -> Readiness {
        let (folder, tail) = (self.folder.path().display(), self.output.tail());
        let output = if tail.is_empty() {
            "it printed nothing".to_owned()
        } else {
            format!("its output ends:\n{tail}")
        };
        Readiness::Failed(format!(
            "{reason}; its folder was {folder}; set TMPDIR to use another folder; {output}"
        ))
    }

    /// A process of the node, named `what`, has ended with `status` before the node was ready.
    async fn ended_early(&mut self, what: &str, status: io::Result<ExitStatus>) -> Readiness {
        // Both, since otherwise the pipes of the other one stay open.
        self.end_processes().await;
        self.output.drain().await;
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        self.failed(&format!("{what} ended before it was ready ({status})"))
    }

    /// Waits until the broker process exits.
    pub(super) async fn wait_for_exit(&mut self) {
        let _ = self.broker.wait().await;
    }

    /// Ends the broker, then the process that it needs, then removes the folder. Returns whether another process has bound
    /// one of the ports meanwhile, in which case another attempt to start a node may succeed.
    pub(super) async fn end(mut self) -> bool {
        self.end_processes().await;
        self.output.drain().await;
        self.output.names_taken_port.load(Ordering::Relaxed) || self.ports.iter().any(|port| is_taken(*port))
    }

    async fn end_processes(&mut self) {
        end(&mut self.broker).await;
        if let Some((helper, _)) = &mut self.helper {
            end(helper).await;
        }
    }
}

/// Whether another process has bound `port`.
fn is_taken(port: u16) -> bool {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// Ends a child with SIGTERM, then SIGKILL. Until it has been waited for, its process id is not reused.
async fn end(child: &mut Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    if let Some(pid) = pid {
        // An error means that it has just ended. A stopped process ends only when it continues.
        let _ = kill(pid, Signal::SIGTERM);
        let _ = kill(pid, Signal::SIGCONT);
    }
    if timeout(TERM_DEADLINE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

async fn listens(port: u16) -> bool {
    TcpStream::connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).await.is_ok()
}

/// Waits until a handshake succeeds. Returns the reason of the last failure if too many fail.
async fn first_handshake(installation: &dyn Installation, info: &NodeInfo) -> Result<(), String> {
    let mut failures = 0;
    loop {
        match installation.handshake(info).await {
            Err(_) if failures + 1 < MAX_HANDSHAKES => failures += 1,
            result => return result,
        }
        sleep(HANDSHAKE_INTERVAL).await;
    }
}

/// The last lines that the processes printed.
struct Output {
    installation: Arc<dyn Installation>,
    lines: Arc<Mutex<VecDeque<String>>>,
    new_line: Arc<Notify>,
    /// Whether one of the lines says that a port is in use.
    names_taken_port: Arc<AtomicBool>,
    readers: JoinSet<()>,
}

impl Output {
    fn new(installation: Arc<dyn Installation>) -> Self {
        Output {
            installation,
            lines: Arc::default(),
            new_line: Arc::default(),
            names_taken_port: Arc::default(),
            readers: JoinSet::new(),
        }
    }

    /// Reads `stream` to its end, so that the process never blocks on a full pipe.
    fn follow(&mut self, stream: Option<impl AsyncRead + Unpin + Send + 'static>) {
        let Some(stream) = stream else { return };
        let (lines, new_line) = (Arc::clone(&self.lines), Arc::clone(&self.new_line));
        let names_taken_port = Arc::clone(&self.names_taken_port);
        let installation = Arc::clone(&self.installation);
        self.readers.spawn(async move {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                names_taken_port.fetch_or(installation.names_a_taken_port(&text), Ordering::Relaxed);
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() == TAIL_LINES {
                    lines.pop_front();
                }
                lines.push_back(text);
                new_line.notify_one();
            }
        });
    }

    /// Reads what the processes printed before they ended.
    async fn drain(&mut self) {
        let drained = async { while self.readers.join_next().await.is_some() {} };
        let _ = timeout(OUTPUT_DEADLINE, drained).await;
    }

    fn tail(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}
