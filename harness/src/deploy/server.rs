//! A server in a process of its own.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{PipedChild, own_program};
use crate::observe::control::{self, Stats};
use crate::stacks::{ReferenceError, Secret, ServerOptions, ServerSettings, Stack, missing_python};

/// How long a server may take to answer calls.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long it may take to finish the calls in hand when it is told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How many lines of its log are kept to explain a failure.
const LOG_LINES: usize = 12;

/// How the line begins by which a server tells its log where its control port is.
pub const CONTROL_LINE: &str = "control port ";

/// The hidden subcommand that serves with the settings of the environment.
pub const SERVE_CHILD_SUBCOMMAND: &str = "__serve";

/// Any free port of loopback.
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Why a server process is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A reference server does not have an option.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The program could not be started.
    #[error("{stack}: the server could not be started: {source}")]
    Start {
        /// The stack.
        stack: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// There is no Python for a reference server.
    #[error("{stack}: {}", missing_python())]
    NoPython {
        /// The stack.
        stack: &'static str,
    },
    /// It ended before it said where it listens.
    #[error("{stack}: the server ended before it was up{}", indented(log))]
    Ended {
        /// The stack.
        stack: &'static str,
        /// The end of its log.
        log: String,
    },
    /// It did not say in time where it listens.
    #[error("{stack}: the server did not come up within {START_TIMEOUT:?}{}", indented(log))]
    NotUp {
        /// The stack.
        stack: &'static str,
        /// The end of its log.
        log: String,
    },
}

fn indented(log: &str) -> String {
    match (log.is_empty(), log.contains('\n')) {
        (true, _) => String::new(),
        (false, false) => format!(": {log}"),
        (false, true) => format!("; its log ends:\n  {}", log.replace('\n', "\n  ")),
    }
}

/// A running server process. Dropping it ends it.
#[derive(Debug)]
pub struct ServerProcess {
    child: PipedChild,
    url: String,
    told: Mutex<Receiver<SocketAddr>>,
    control: OnceLock<Option<SocketAddr>>,
    log: Arc<Mutex<VecDeque<String>>>,
    log_reader: Option<JoinHandle<()>>,
}

impl ServerProcess {
    /// Starts the server of `stack` on `cores` with `options`, and waits until it answers calls. `broker` is the URL of
    /// its broker, if it needs one. Settings are passed in the child's environment, which other users cannot read.
    ///
    /// # Errors
    /// [`ServerError`], with the end of the server's log.
    pub fn start(
        stack: &'static Stack,
        cores: &[usize],
        options: ServerOptions,
        broker: Option<&str>,
    ) -> Result<Self, ServerError> {
        let start = |source: io::Error| match stack.reference() {
            Some(_) if source.kind() == io::ErrorKind::NotFound => {
                ServerError::NoPython { stack: stack.name }
            }
            _ => ServerError::Start { stack: stack.name, source },
        };
        let control_known = OnceLock::new();
        let mut settings = ServerSettings {
            stack: stack.name.to_owned(),
            listen: net::Endpoint::loopback(),
            control: Some(LOOPBACK),
            broker: broker.filter(|_| stack.needs_broker()).map(|url| Secret::new(url.to_owned())),
            options,
            end_with_input: true,
        };
        let mut command = match stack.reference() {
            Some(reference) => {
                // It has no control port.
                let _ = control_known.set(None);
                settings.control = None;
                reference.command(&settings)?
            }
            None => {
                let mut command = Command::new(own_program().map_err(start)?);
                let settings = serde_json::to_string(&settings).map_err(|error| start(error.into()))?;
                command.args([SERVE_CHILD_SUBCOMMAND, stack.name]).env(ServerSettings::VARIABLE, settings);
                command
            }
        };
        command.stderr(Stdio::piped());
        let mut child = PipedChild::spawn(command, cores, STOP_TIMEOUT).map_err(start)?;
        let log = Arc::default();
        let (told, control) = mpsc::channel();
        let log_reader = child.stderr().map(|err| {
            let log = Arc::clone(&log);
            std::thread::spawn(move || keep_last_lines(err, &log, &told))
        });
        let line = child.next_line(START_TIMEOUT);
        let mut server = ServerProcess {
            child,
            url: String::new(),
            told: Mutex::new(control),
            control: control_known,
            log,
            log_reader,
        };
        let ended = matches!(line, Err(RecvTimeoutError::Disconnected));
        // The line is `listening PROTOCOL URL`.
        match line.ok().and_then(|line| Some(line.strip_prefix("listening ")?.split_once(' ')?.1.to_owned()))
        {
            Some(url) => {
                server.url = url;
                Ok(server)
            }
            None => {
                let (stack, log) = (stack.name, server.stop());
                Err(if ended { ServerError::Ended { stack, log } } else { ServerError::NotUp { stack, log } })
            }
        }
    }

    /// Where it listens; without credentials.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// What it tells of itself; `None` where it does not.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        // Its log is read by a thread that may not have come to the line yet.
        let told =
            || self.told.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(START_TIMEOUT).ok();
        control::request_stats((*self.control.get_or_init(told))?).ok()
    }

    /// How it ended, if it has, or does within `patience`.
    pub fn ends_within(&mut self, patience: Duration) -> Option<String> {
        self.child.ends_within(patience)
    }

    /// Tells it to stop, waits until it has, and returns the end of its log.
    pub fn stop(mut self) -> String {
        self.child.end();
        if let Some(reader) = self.log_reader.take() {
            let _ = reader.join();
        }
        let lines = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

fn keep_last_lines(err: ChildStderr, log: &Mutex<VecDeque<String>>, control: &Sender<SocketAddr>) {
    for line in BufReader::new(err).lines().map_while(Result::ok) {
        if let Some(address) = line.strip_prefix(CONTROL_LINE).and_then(|address| address.parse().ok()) {
            let _ = control.send(address);
            continue;
        }
        let mut lines = log.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LOG_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// The port of a URL's authority, for finding a connection's sockets.
#[must_use]
pub fn port_of(url: &str) -> Option<u16> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next()?;
    authority.rsplit_once(':')?.1.parse().ok()
}
