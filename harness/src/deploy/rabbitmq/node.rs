//! A broker node: its folder, its port mapper and its Erlang virtual machine.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use amqp::TransportUrl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::install::Installation;
use super::line::NodeInfo;

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
/// Number of lines at the end of the output that are kept to explain a failure.
const TAIL_LINES: usize = 20;
const USER: &str = "rpcbench";
/// The node name of all private brokers. They don't conflict, because each has its own port mapper.
pub(super) const NAME: &str = "rpcbench@localhost";

/// The result of starting a node.
pub(super) enum Readiness {
    /// The node completed a handshake.
    Ready(NodeInfo),
    /// Another process has bound one of the chosen ports in the meantime; another attempt may succeed.
    PortTaken,
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
    password: String,
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
        // All bound at the same time, so that they are different.
        let listeners = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let mut ports = [0; 3];
        for (port, listener) in ports.iter_mut().zip(listeners) {
            *port = listener?.local_addr()?.port();
        }
        let [amqp, epmd, distribution] = ports;
        Ok(Ports { amqp, epmd, distribution })
    }
}

impl Node {
    /// Starts the port mapper and the broker in a new folder.
    pub(super) fn spawn(installation: &Installation) -> io::Result<Self> {
        let folder = Folder::create()?;
        let ports = Ports::find()?;
        let password = secret();
        write_files(&folder.0, &password)?;
        let output = Output::default();
        let mut epmd = base_command(&installation.epmd, installation, &folder.0)
            .args(["-port", &ports.epmd.to_string(), "-address", "127.0.0.1"])
            .spawn()?;
        output.follow(epmd.stdout.take());
        output.follow(epmd.stderr.take());
        let mut beam = base_command(&installation.server, installation, &folder.0)
            .envs(environment(&folder.0, &ports))
            .spawn()?;
        output.follow(beam.stdout.take());
        output.follow(beam.stderr.take());
        Ok(Node { beam, epmd, ports, password, output, folder })
    }

    /// Starts a broker that has ended again, with the same folder and ports.
    pub(super) fn spawn_again(&mut self, installation: &Installation) -> io::Result<()> {
        self.beam = base_command(&installation.server, installation, &self.folder.0)
            .envs(environment(&self.folder.0, &self.ports))
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
        let listening = async {
            while !listens(self.ports.epmd).await {
                sleep(EPMD_POLL_INTERVAL).await;
            }
            while !listens(self.ports.amqp).await {
                // Tries whenever the broker prints a line, and regularly in case it prints none.
                let _ = timeout(BROKER_POLL_INTERVAL, self.output.new_line.notified()).await;
            }
        };
        tokio::select! {
            listening = timeout_at(deadline, listening) => if listening.is_err() {
                let seconds = START_DEADLINE.as_secs();
                return Readiness::Failed(format!("not ready after {seconds} s\n{}", self.output.tail()));
            },
            _ = self.beam.wait() => return self.ended_early(),
            _ = self.epmd.wait() => return self.ended_early(),
        }
        let info = NodeInfo {
            port: self.ports.amqp,
            epmd: self.ports.epmd,
            user: USER.to_owned(),
            password: self.password.clone(),
            beam,
            folder: self.folder.0.clone(),
        };
        match handshake(&info).await {
            Ok(()) => Readiness::Ready(info),
            Err(reason) => Readiness::Failed(format!("{reason}\n{}", self.output.tail())),
        }
    }

    fn ended_early(&self) -> Readiness {
        let tail = self.output.tail();
        if tail.contains("eaddrinuse") || tail.contains("already in use") {
            return Readiness::PortTaken;
        }
        Readiness::Failed(format!("the process ended before it was ready\n{tail}"))
    }

    /// Waits until the broker process exits.
    pub(super) async fn wait_for_exit(&mut self) {
        let _ = self.beam.wait().await;
    }

    /// Ends the broker, then its port mapper, then removes the folder.
    pub(super) async fn end(mut self) {
        end(&mut self.beam).await;
        end(&mut self.epmd).await;
    }
}

/// Ends a child with SIGTERM, then SIGKILL. Until it has been waited for, its process id is not reused.
async fn end(child: &mut Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    if let Some(pid) = pid {
        // An error means that it has just ended.
        let _ = kill(pid, Signal::SIGTERM);
    }
    if timeout(TERM_DEADLINE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

async fn listens(port: u16) -> bool {
    TcpStream::connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).await.is_ok()
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

fn write_files(folder: &Path, password: &str) -> io::Result<()> {
    let write = |name: &str, text: &str| {
        // Erlang rejects a cookie file that other users can read.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(name))?;
        file.write_all(text.as_bytes())
    };
    // The configured user replaces `guest`.
    write("rabbitmq.conf", &format!("default_user = {USER}\ndefault_pass = {password}\n"))?;
    write("advanced.config", "[].\n")?;
    write("enabled_plugins", "[].\n")?;
    write(".erlang.cookie", &secret())
}

/// 128 random bits from a cryptographic generator, in hexadecimal.
fn secret() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// A folder that only its owner can access, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn create() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("rpcbench-broker-{:016x}", rand::random::<u64>()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The last lines that the processes printed.
#[derive(Default)]
struct Output {
    lines: Arc<Mutex<VecDeque<String>>>,
    new_line: Arc<Notify>,
}

impl Output {
    /// Reads `stream` to its end, so that the process never blocks on a full pipe.
    fn follow(&self, stream: Option<impl AsyncRead + Unpin + Send + 'static>) {
        let Some(stream) = stream else { return };
        let (lines, new_line) = (Arc::clone(&self.lines), Arc::clone(&self.new_line));
        tokio::spawn(async move {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() == TAIL_LINES {
                    lines.pop_front();
                }
                lines.push_back(text);
                new_line.notify_one();
            }
        });
    }

    fn tail(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}
