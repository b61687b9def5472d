//! Server processes.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::child::PipedChild;
use super::log_tail::LogTail;
use super::place::Place;
use super::program::{command_line, own_program};
use crate::observe::control::{self, ControlPort, Stats, Token};
use crate::stacks::{Language, ReferenceError, RunCertificate, ServerOptions, ServerSettings, Stack};
use crate::sys::Secret;

/// How long a server may take until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a server may take to end once it has been asked to: longer than it waits for calls in progress.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Prefix of the line on standard error with which a server reports the address of its control port.
pub const CONTROL_LINE: &str = "control port ";

/// The hidden option of `rpcbench serve` that takes all settings from the environment.
pub const FROM_ENVIRONMENT_OPTION: &str = "--from-environment";

/// The environment variable whose only use is its length.
const PADDING_VARIABLE: &str = "RPCBENCH_PADDING";

/// Any free port of the loopback interface.
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Why a server process did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The reference server lacks one of the options.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The program could not be started.
    #[error("{stack}: the server could not be started: {source}")]
    Start {
        /// Name of the stack.
        stack: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The language of a reference server is not installed.
    #[error("{stack}: {}", language.missing())]
    NoLanguage {
        /// Name of the stack.
        stack: &'static str,
        /// The language.
        language: Language,
    },
    /// The process ended before it listened.
    #[error("{stack}: the server ended before it listened{}", format_log(log))]
    Ended {
        /// Name of the stack.
        stack: &'static str,
        /// The last lines of its log.
        log: String,
    },
    /// The process did not listen within the timeout.
    #[error("{stack}: the server did not listen within {START_TIMEOUT:?}{}", format_log(log))]
    NotUp {
        /// Name of the stack.
        stack: &'static str,
        /// The last lines of its log.
        log: String,
    },
}

/// The log as the end of an error message: a single line after a colon, several lines below it and indented.
pub(crate) fn format_log(log: &str) -> String {
    match (log.is_empty(), log.contains('\n')) {
        (true, _) => String::new(),
        (false, false) => format!(": {log}"),
        (false, true) => format!("; its log ends:\n  {}", log.replace('\n', "\n  ")),
    }
}

/// How to start a server process.
#[derive(Clone)]
pub struct ServerStart<'a> {
    /// The stack that is served.
    pub stack: &'static Stack,
    /// The cores that it may run on; any if empty.
    pub cores: &'a [usize],
    /// Where it listens, unless it is behind a broker; at a new place of the stack's transport if absent.
    pub listen: Option<Place>,
    /// The server's options.
    pub options: ServerOptions,
    /// The URL of the broker, with credentials, for a stack that needs one.
    pub broker: Option<&'a str>,
    /// The `rpcbench` program that serves; the running one if absent. Reference servers are not affected.
    pub program: Option<&'a Path>,
    /// The length of an additional environment variable, which moves the addresses of the process's stack.
    pub padding_bytes: usize,
    /// The words that come before the program on its command line, such as those of a profiler. Reference servers are not
    /// affected.
    pub wrapper: &'a [OsString],
}

impl ServerStart<'_> {
    /// The server of `stack` with its default options, by this program, on any core, without a broker.
    #[must_use]
    pub fn of(stack: &'static Stack) -> Self {
        let options = ServerOptions::default();
        ServerStart {
            stack,
            cores: &[],
            listen: None,
            options,
            broker: None,
            program: None,
            padding_bytes: 0,
            wrapper: &[],
        }
    }
}

/// A running server process. Dropping it stops it.
#[derive(Debug)]
pub struct ServerProcess {
    child: PipedChild,
    url: String,
    /// Receives the address of the control port once the server has logged it.
    control_reported: Mutex<Receiver<SocketAddr>>,
    /// The control port, once its address is known; `None` if it has none.
    control: OnceLock<Option<ControlPort>>,
    /// The token of the control port, made for this process.
    token: Token,
    log: Option<LogTail>,
    /// Dropped after the child, which listens there.
    _place: Place,
}

impl ServerProcess {
    /// Starts a server and waits until it listens. Settings are passed in the child's environment, which other users cannot
    /// read.
    ///
    /// # Errors
    /// [`ServerError`], with the last lines of the server's log.
    pub fn start(server: ServerStart<'_>) -> Result<Self, ServerError> {
        let ServerStart { stack, cores, listen, options, broker, program, padding_bytes, wrapper } = server;
        let start = |source: io::Error| match stack.reference() {
            Some(reference) if source.kind() == io::ErrorKind::NotFound => {
                ServerError::NoLanguage { stack: stack.name, language: reference.language }
            }
            _ => ServerError::Start { stack: stack.name, source },
        };
        // Behind a broker, that accepts the connections.
        let accepts_tls = stack.transport.has_tls() && !stack.needs_broker();
        let tls = accepts_tls.then(RunCertificate::of_this_process).transpose();
        let tls = tls.map_err(|error| start(io::Error::other(error)))?;
        let place = listen.unwrap_or_else(|| Place::new(stack.transport));
        place.prepare().map_err(start)?;
        let control_known = OnceLock::new();
        let token = Token::random();
        let mut settings = ServerSettings {
            stack: stack.name.to_owned(),
            listen: place.endpoint().clone(),
            socket_folder: place.folder().map(Path::to_owned),
            tls: tls.map(|certificate| certificate.identity.clone()),
            control: Some(ControlPort { address: LOOPBACK, token: token.clone() }),
            broker: broker.filter(|_| stack.needs_broker()).map(|url| Secret::new(url.to_owned())),
            options,
            end_with_input: true,
        };
        let mut command = match stack.reference() {
            Some(reference) => {
                // Reference servers have no control port.
                let _ = control_known.set(None);
                settings.control = None;
                reference.command(&settings)?
            }
            None => {
                let program = program.map_or_else(own_program, |program| Ok(program.to_owned()));
                let mut command = command_line(wrapper, program.map_err(start)?.as_os_str());
                let settings = serde_json::to_string(&settings).map_err(|error| start(error.into()))?;
                command
                    .args(["serve", stack.name, FROM_ENVIRONMENT_OPTION])
                    .env(ServerSettings::VARIABLE, settings);
                command
            }
        };
        if padding_bytes > 0 {
            command.env(PADDING_VARIABLE, "x".repeat(padding_bytes));
        }
        command.stderr(Stdio::piped());
        let mut child = PipedChild::spawn(command, cores, STOP_TIMEOUT).map_err(start)?;
        let (report_control, control_reported) = mpsc::channel();
        let is_kept = move |line: &str| {
            let address = line.strip_prefix(CONTROL_LINE).and_then(|address| address.parse().ok());
            address.map(|address| report_control.send(address)).is_none()
        };
        let log = child.take_stderr().map(|err| LogTail::read(err, is_kept)).transpose().map_err(start)?;
        let line = child.next_line(START_TIMEOUT);
        let mut server = ServerProcess {
            child,
            url: String::new(),
            control_reported: Mutex::new(control_reported),
            control: control_known,
            token,
            log,
            _place: place,
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

    /// The URL of the server, without credentials.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process id of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Requests the server's [`Stats`]; `None` if it has no control port, or the port does not reply.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        // The thread that reads the log may not have seen the line yet.
        let reported = || {
            let receiver = self.control_reported.lock().unwrap_or_else(PoisonError::into_inner);
            let address = receiver.recv_timeout(START_TIMEOUT).ok()?;
            Some(ControlPort { address, token: self.token.clone() })
        };
        control::request_stats(self.control.get_or_init(reported).as_ref()?).ok()
    }

    /// The server's exit status as text, if it ends within `timeout`.
    pub fn exit_status_within(&mut self, timeout: Duration) -> Option<String> {
        self.child.exit_status_within(timeout)
    }

    /// Kills the server, and waits until it has ended.
    pub fn kill(mut self) {
        self.child.kill();
    }

    /// Stops the server, waits until it has ended, and returns the last lines of its log.
    pub fn stop(mut self) -> String {
        self.child.stop();
        self.log.as_ref().map(|log| log.text_at_end(STOP_TIMEOUT)).unwrap_or_default()
    }

    /// The last lines of the server's log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.as_ref().map(LogTail::text).unwrap_or_default()
    }
}
