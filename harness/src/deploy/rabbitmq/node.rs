//! A broker node: its folder, its port mapper and its Erlang virtual machine.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use amqp::TransportUrl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::error::BrokerError;
use super::folder::Folder;
use super::install::Installation;
use super::line::NodeInfo;
use crate::deploy::ports::free_ports;
use crate::sys::{self, Secret};

/// How long a broker may take until it accepts connections.
const START_DEADLINE: Duration = Duration::from_secs(180);
/// How long opening and closing a connection may take.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a process may take to end after SIGTERM before it is killed. A broker takes up to 1.5 s.
const TERM_DEADLINE: Duration = Duration::from_secs(10);
/// How often to try to connect while the broker prints nothing.
const BROKER_POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How often to try to connect to the port mapper, which listens within milliseconds.
const EPMD_POLL_INTERVAL: Duration = Duration::from_millis(5);
/// The pause after a handshake that failed: another process may have listened on the port for a moment.
const HANDSHAKE_INTERVAL: Duration = Duration::from_secs(1);
/// The number of handshakes after which a node counts as failed.
const MAX_HANDSHAKES: u32 = 20;
/// How long the output of a process that has ended may take to arrive. A process that it started may keep its pipes open.
const OUTPUT_DEADLINE: Duration = Duration::from_secs(2);
/// Number of lines at the end of the output that are kept to explain a failure.
const TAIL_LINES: usize = 20;
const USER: &str = "rpcbench";
/// The node name of all private brokers. They don't conflict, because each has its own port mapper.
pub(super) const NAME: &str = "rpcbench@localhost";

/// The result of starting a node.
pub(super) enum Readiness {
    /// The node completed a handshake.
    Ready(NodeInfo),
    /// The node did not become ready; the reason.
    Failed(String),
}

/// A node that was started. End it with [`Node::end`]. Dropping it kills it, for example if the guard panics.
pub(super) struct Node {
    // In the order in which they must be dropped.
    /// The broker's Erlang virtual machine.
    beam: Child,
    /// Erlang's port mapper.
    epmd: Child,
    ports: Ports,
    password: Secret,
    output: Output,
    folder: Folder,
}

/// Ports that were free when they were chosen.
struct Ports {
    amqp: u16,
    epmd: u16,
    distribution: u16,
}

impl Ports {
    fn find() -> io::Result<Self> {
        let [amqp, epmd, distribution] = free_ports()?;
        Ok(Ports { amqp, epmd, distribution })
    }

    /// Whether another process has bound one of the ports since they were chosen. The node must have ended.
    fn any_taken(&self) -> bool {
        let is_taken = |port| {
            let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
            bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
        };
        [self.amqp, self.epmd, self.distribution].into_iter().any(is_taken)
    }
}

impl Node {
    /// Starts the port mapper and the broker in a new folder.
    ///
    /// # Errors
    /// [`BrokerError`] if the folder cannot be used or a program cannot be started.
    pub(super) fn spawn(installation: &Installation) -> Result<Self, BrokerError> {
        let folder = Folder::create()?;
        let ports = Ports::find()?;
        let password = Secret::random();
        write_files(&folder, password.reveal())?;
        let mut output = Output::default();
        let mut epmd = base_command(&installation.epmd, installation, folder.path())
            .args(["-port", &ports.epmd.to_string(), "-address", "127.0.0.1"])
            .spawn()?;
        output.follow(epmd.stdout.take());
        output.follow(epmd.stderr.take());
        let mut beam = base_command(&installation.server, installation, folder.path())
            .envs(environment(folder.path(), &ports))
            .spawn()?;
        output.follow(beam.stdout.take());
        output.follow(beam.stderr.take());
        Ok(Node { beam, epmd, ports, password, output, folder })
    }

    /// Starts a broker that has ended again, with the same folder and ports.
    pub(super) fn spawn_again(&mut self, installation: &Installation) -> io::Result<()> {
        self.beam = base_command(&installation.server, installation, self.folder.path())
            .envs(environment(self.folder.path(), &self.ports))
            .spawn()?;
        self.output.follow(self.beam.stdout.take());
        self.output.follow(self.beam.stderr.take());
        Ok(())
    }

    /// Waits until the broker completes a handshake.
    pub(super) async fn ready(&mut self) -> Readiness {
        let deadline = Instant::now() + START_DEADLINE;
        let Some(beam) = self.beam.id() else {
            return Readiness::Failed("the process ended immediately".to_owned());
        };
        let info = NodeInfo {
            port: self.ports.amqp,
            epmd: self.ports.epmd,
            user: USER.to_owned(),
            password: self.password.reveal().to_owned(),
            beam,
            folder: self.folder.path().to_owned(),
        };
        let usable = async {
            while !listens(self.ports.epmd).await {
                sleep(EPMD_POLL_INTERVAL).await;
            }
            while !listens(self.ports.amqp).await {
                // Tries whenever the broker prints a line, and regularly in case it prints none.
                let _ = timeout(BROKER_POLL_INTERVAL, self.output.new_line.notified()).await;
            }
            first_handshake(&info).await
        };
        tokio::select! {
            usable = timeout_at(deadline, usable) => match usable {
                Ok(Ok(())) => Readiness::Ready(info),
                Ok(Err(reason)) => self.failed(&reason),
                Err(_) => self.failed(&format!("not ready after {} s", START_DEADLINE.as_secs())),
            },
            status = self.beam.wait() => self.ended_early("it", status).await,
            status = self.epmd.wait() => self.ended_early("its port mapper", status).await,
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
        let _ = self.beam.wait().await;
    }

    /// Ends the broker, then its port mapper, then removes the folder. Returns whether another process has bound one of the
    /// ports meanwhile, in which case another attempt to start a node may succeed.
    pub(super) async fn end(mut self) -> bool {
        self.end_processes().await;
        self.output.drain().await;
        self.output.names_taken_port.load(Ordering::Relaxed) || self.ports.any_taken()
    }

    async fn end_processes(&mut self) {
        end(&mut self.beam).await;
        end(&mut self.epmd).await;
    }
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
async fn first_handshake(info: &NodeInfo) -> Result<(), String> {
    let mut failures = 0;
    loop {
        match handshake(info).await {
            Err(_) if failures + 1 < MAX_HANDSHAKES => failures += 1,
            result => return result,
        }
        sleep(HANDSHAKE_INTERVAL).await;
    }
}

async fn handshake(info: &NodeInfo) -> Result<(), String> {
    let url: TransportUrl = info.url().parse().map_err(|error: amqp::UrlError| error.to_string())?;
    let connection = url.connect("ready", HANDSHAKE_DEADLINE).await.map_err(|error| error.to_string())?;
    // The handshake is complete, so an error on closing does not matter.
    let _ = connection.close(200, "ready".into()).await;
    Ok(())
}

/// A command that runs in `folder` with a minimal environment, so that settings for another broker have no effect.
fn base_command(program: &Path, installation: &Installation, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", &installation.path)
        .env("HOME", folder)
        .env("LANG", "C.UTF-8")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // The guard starts these processes on its main thread. They end with it if it is killed.
    sys::kill_with_parent(command.as_std_mut());
    command
}

fn environment(folder: &Path, ports: &Ports) -> Vec<(&'static str, std::ffi::OsString)> {
    let path = |name: &str| folder.join(name).into_os_string();
    vec![
        ("RABBITMQ_NODENAME", NAME.into()),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".into()),
        ("RABBITMQ_NODE_PORT", ports.amqp.to_string().into()),
        ("RABBITMQ_DIST_PORT", ports.distribution.to_string().into()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
        ("ERL_EPMD_PORT", ports.epmd.to_string().into()),
        ("RABBITMQ_MNESIA_BASE", path("mnesia")),
        ("RABBITMQ_LOG_BASE", path("log")),
        ("RABBITMQ_PID_FILE", path("pid")),
        ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
        ("RABBITMQ_CONFIG_FILES", path("conf.d")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null".into()),
        // By default Erlang's distribution port listens on all interfaces.
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}".into()),
        // By default Erlang shows a menu on SIGINT.
        ("RABBITMQ_SERVER_START_ARGS", "+B i".into()),
        // The script then replaces itself with the Erlang virtual machine, so that the child's process id is that of
        // Erlang.
        ("RUNNING_UNDER_SYSTEMD", "true".into()),
    ]
}

/// Writes the files that a broker reads when it starts.
fn write_files(folder: &Folder, password: &str) -> Result<(), BrokerError> {
    // The configured user replaces `guest`.
    folder.write("rabbitmq.conf", &format!("default_user = {USER}\ndefault_pass = {password}\n"))?;
    folder.write("advanced.config", "[].\n")?;
    folder.write("enabled_plugins", "[].\n")?;
    folder.write(".erlang.cookie", Secret::random().reveal())
}

/// The last lines that the processes printed.
#[derive(Default)]
struct Output {
    lines: Arc<Mutex<VecDeque<String>>>,
    new_line: Arc<Notify>,
    /// Whether one of the lines says that a port is in use.
    names_taken_port: Arc<AtomicBool>,
    readers: JoinSet<()>,
}

impl Output {
    /// Reads `stream` to its end, so that the process never blocks on a full pipe.
    fn follow(&mut self, stream: Option<impl AsyncRead + Unpin + Send + 'static>) {
        let Some(stream) = stream else { return };
        let (lines, new_line) = (Arc::clone(&self.lines), Arc::clone(&self.new_line));
        let names_taken_port = Arc::clone(&self.names_taken_port);
        self.readers.spawn(async move {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                names_taken_port.fetch_or(names_a_taken_port(&text), Ordering::Relaxed);
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

/// Whether a line of a node's output says that a port is in use. The process that uses it may end meanwhile.
fn names_a_taken_port(line: &str) -> bool {
    // Erlang's error, that of the port mapper, and RabbitMQ's for the port of Erlang's distribution.
    ["eaddrinuse", "in use", "port_already_used"].iter().any(|words| line.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_recognised_by_what_the_processes_print() {
        for output in [
            "epmd: failed to bind socket: Address already in use",
            "Failed to start Ranch listener {acceptor,{127,0,0,1},5672} in ranch_tcp:listen for reason eaddrinuse",
            "{failed_to_start_child,prelaunch,{dist_port_already_used,40877,not_erlang,\"localhost\"}}",
        ] {
            assert!(names_a_taken_port(output), "{output}");
        }
        assert!(!names_a_taken_port("enospc"));
    }
}
