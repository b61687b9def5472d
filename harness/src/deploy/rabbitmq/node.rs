//! One broker node: its folder, its port mapper, its Erlang machine.

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

use super::NodeInfo;
use super::install::Installation;

const START_DEADLINE: Duration = Duration::from_secs(180);
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// A broker ends within 1.5 s of SIGTERM; one that takes longer than this is killed.
const TERM_DEADLINE: Duration = Duration::from_secs(10);
/// How often a port is tried while its process gives no sign.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// The port mapper listens within milliseconds.
const LOOK_AGAIN_SOON: Duration = Duration::from_millis(5);
const TAIL_LINES: usize = 20;
const USER: &str = "rpcbench";
/// Every private broker's; what tells them apart is their port mapper.
pub(super) const NAME: &str = "rpcbench@localhost";

/// How starting a node ended.
pub(super) enum Readiness {
    /// It answered a handshake.
    Ready(NodeInfo),
    /// A port that was free is not any more; another attempt with other ports may do.
    PortTaken,
    /// It did not get ready, for the reason given.
    Failed(String),
}

/// A node that was started. It must be [ended](Node::end); if the guard dies of a panic, dropping kills it.
pub(super) struct Node {
    // Declared in the order in which they must be dropped.
    beam: Child,
    epmd: Child,
    ports: Ports,
    password: String,
    output: Output,
    folder: Folder,
}

/// Ports that were free a moment ago.
struct Ports {
    amqp: u16,
    epmd: u16,
    distribution: u16,
}

impl Ports {
    fn find() -> io::Result<Self> {
        // Held all at once, so that they are three.
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
    /// Starts the port mapper and the broker in a folder of their own.
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

    /// Starts a broker that has ended again, with its folder and its ports.
    pub(super) fn spawn_again(&mut self, installation: &Installation) -> io::Result<()> {
        self.beam = base_command(&installation.server, installation, &self.folder.0)
            .envs(environment(&self.folder.0, &self.ports))
            .spawn()?;
        self.output.follow(self.beam.stdout.take());
        self.output.follow(self.beam.stderr.take());
        Ok(())
    }

    /// Waits until the broker answers a handshake.
    pub(super) async fn ready(&mut self) -> Readiness {
        let deadline = Instant::now() + START_DEADLINE;
        let Some(beam) = self.beam.id() else {
            return Readiness::Failed("its process ended at once".to_owned());
        };
        let listening = async {
            while !listens(self.ports.epmd).await {
                sleep(LOOK_AGAIN_SOON).await;
            }
            while !listens(self.ports.amqp).await {
                // Each line that the broker prints is a reason to look; the timer is for a broker that prints none.
                let _ = timeout(LOOK_AGAIN, self.output.news.notified()).await;
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
        Readiness::Failed(format!("it ended before it was ready\n{tail}"))
    }

    /// Waits until the broker ends by itself.
    pub(super) async fn exited(&mut self) {
        let _ = self.beam.wait().await;
    }

    /// Ends the broker, then its port mapper, then removes the folder.
    pub(super) async fn end(mut self) {
        end(&mut self.beam).await;
        end(&mut self.epmd).await;
    }
}

/// Ends a child: politely, then by force. As long as it has not been waited for, its process id is nobody else's.
async fn end(child: &mut Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself in this moment, which is as good.
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
    let url = format!("amqp://{}:{}@127.0.0.1:{}/%2f", info.user, info.password, info.port);
    let url: TransportUrl = url.parse().map_err(|error: amqp::UrlError| error.to_string())?;
    let connection = url.connect("ready", HANDSHAKE_DEADLINE).await.map_err(|error| error.to_string())?;
    // The broker has answered; how the farewell goes is of no interest.
    let _ = connection.close(200, "ready".into()).await;
    Ok(())
}

/// A command in the folder with only the environment that it needs: nobody's settings for another broker leak in.
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
        // The distribution port would otherwise be open to the network.
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}".into()),
        // Ctrl-C is the harness's; Erlang would offer a menu.
        ("RABBITMQ_SERVER_START_ARGS", "+B i".into()),
        // The script then becomes the Erlang machine instead of waiting for it, so that the child's process id is its.
        ("RUNNING_UNDER_SYSTEMD", "true".into()),
    ]
}

fn write_files(folder: &Path, password: &str) -> io::Result<()> {
    let write = |name: &str, text: &str| {
        // Erlang refuses a cookie that others could read.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(name))?;
        file.write_all(text.as_bytes())
    };
    // The user of the configuration replaces `guest`.
    write("rabbitmq.conf", &format!("default_user = {USER}\ndefault_pass = {password}\n"))?;
    write("advanced.config", "[].\n")?;
    write("enabled_plugins", "[].\n")?;
    write(".erlang.cookie", &secret())
}

/// 128 random bits from the thread's cryptographic generator.
fn secret() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// A folder that only its owner can look into, removed when dropped.
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

/// What the processes printed, of which the last lines are kept.
#[derive(Default)]
struct Output {
    lines: Arc<Mutex<VecDeque<String>>>,
    news: Arc<Notify>,
}

impl Output {
    /// Reads on until the end, so that the process never blocks on a full pipe.
    fn follow(&self, stream: Option<impl AsyncRead + Unpin + Send + 'static>) {
        let Some(stream) = stream else { return };
        let (lines, news) = (Arc::clone(&self.lines), Arc::clone(&self.news));
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
                news.notify_one();
            }
        });
    }

    fn tail(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}
