//! Servers that the run did not start: in containers, on other machines, or started by hand.

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use calculator::{Call, CallError, Deadline, Value};

use crate::observe::control::{self, ControlPort, Token};
use crate::stacks::{Destination, Options, Stack, UnknownStack};
use crate::trial::{ServerLocation, TrialError};

/// How long one attempt may take. A message for an AMQP server that is still starting waits in the broker.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// The pause between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Servers that are already running.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// The URL of each server, by stack. May hold credentials.
    pub urls: BTreeMap<String, String>,
    /// The options with which clients address the servers. May hold credentials.
    pub clients: Options,
    /// HOST:PORT of the control port of each server that has one, by stack.
    pub controls: BTreeMap<String, String>,
    /// The token of the control ports; `None` if there are none.
    pub control_token: Option<Token>,
    /// How long a server may take until its first answer.
    pub wait: Duration,
    /// Whether the servers need not be calculators, because only operations of one's own are measured: any answer is then a sign
    /// of life.
    pub foreign: bool,
}

/// Why a server that is already running cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// There is no stack of that name.
    #[error(transparent)]
    Stack(#[from] UnknownStack),
    /// The server gave no correct answer in time.
    #[error("{stack} at {address}: {source}")]
    NotReady {
        /// The stack of the server.
        stack: &'static str,
        /// The URL of the server, without credentials.
        address: String,
        /// The outcome of the last attempt.
        source: ProbeError,
    },
    /// The address of a control port cannot be resolved.
    #[error("--control {stack}={address}: {source}")]
    ControlAddress {
        /// The stack of the server.
        stack: String,
        /// The address as it was given.
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The host name of a control port has no address.
    #[error("--control {stack}={address}: the host has no address")]
    NoControlAddress {
        /// The stack of the server.
        stack: String,
        /// The address as it was given.
        address: String,
    },
    /// The control port does not answer, or refuses the token.
    #[error("--control {stack}={address}: {source}")]
    Control {
        /// The stack of the server.
        stack: String,
        /// The address as it was given.
        address: String,
        /// What happened.
        source: std::io::Error,
    },
    /// The runtime that calls the server could not be created.
    #[error("cannot call a server: {0}")]
    Runtime(#[from] std::io::Error),
}

/// Why a probe of a server failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The server answered with another value.
    #[error("add(2, 3) was not answered with 5, so this is not a calculator")]
    NotACalculator,
    /// The connection failed.
    #[error("no answer: {}", connect_reason(.0))]
    Connect(TrialError),
    /// The call failed.
    #[error("no answer: {0}")]
    Call(CallError),
}

impl ProbeError {
    /// Whether the server answered, although not as a calculator does.
    fn is_answer(&self) -> bool {
        match self {
            ProbeError::NotACalculator => true,
            ProbeError::Connect(_) => false,
            ProbeError::Call(error) => !error.kind.is_transport(),
        }
    }
}

/// The cause without the address, which the message around it names.
fn connect_reason(error: &TrialError) -> String {
    match error {
        TrialError::Connect { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

impl Targets {
    /// Probes each server until it answers, and then each control port. Without time to wait, no server is probed: the
    /// conformance check then reports a server that does not answer. Returns early, without an error, once `interrupted`
    /// is set.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn ready(&self, interrupted: &AtomicBool) -> Result<BTreeMap<String, ControlPort>, TargetError> {
        if !self.wait.is_zero() {
            let deadline = Instant::now() + self.wait;
            for (name, url) in &self.urls {
                let destination = Destination { url: url.clone(), options: self.clients.clone() };
                wait_until_ready(Stack::named(name)?, &destination, (deadline, self.foreign), interrupted)?;
            }
        }
        let mut controls = BTreeMap::new();
        let Some(token) = &self.control_token else { return Ok(controls) };
        for (stack, address) in &self.controls {
            if interrupted.load(Ordering::Relaxed) {
                break;
            }
            let (stack, address) = (stack.clone(), address.clone());
            match address.to_socket_addrs().map(|mut found| found.next()) {
                Ok(Some(resolved)) => {
                    let port = ControlPort { address: resolved, token: token.clone() };
                    match control::request_stats(&port) {
                        Ok(_) => drop(controls.insert(stack, port)),
                        Err(source) => return Err(TargetError::Control { stack, address, source }),
                    }
                }
                Ok(None) => return Err(TargetError::NoControlAddress { stack, address }),
                Err(source) => return Err(TargetError::ControlAddress { stack, address, source }),
            }
        }
        Ok(controls)
    }
}

fn wait_until_ready(
    stack: &'static Stack,
    destination: &Destination,
    (deadline, foreign): (Instant, bool),
    interrupted: &AtomicBool,
) -> Result<(), TargetError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        loop {
            match probe(stack, destination.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) if foreign && error.is_answer() => return Ok(()),
                Err(source) if Instant::now() >= deadline => {
                    let address = net::redacted(&destination.url);
                    return Err(TargetError::NotReady { stack: stack.name, address, source });
                }
                Err(_) if interrupted.load(Ordering::Relaxed) => return Ok(()),
                Err(_) => tokio::time::sleep(RETRY_INTERVAL).await,
            }
        }
    })
}

/// Calls add(2, 3) once on the server of `stack` at `destination`. Must be awaited inside a Tokio runtime.
///
/// # Errors
/// [`ProbeError`] unless the answer is 5.
pub async fn probe(stack: &'static Stack, destination: Destination) -> Result<(), ProbeError> {
    let location = ServerLocation::new(destination);
    let call = Call::positional("add", [Value::Int(2), Value::Int(3)]);
    let clients = location.connect(stack, 1, ATTEMPT_TIMEOUT).await.map_err(ProbeError::Connect)?;
    let Some(client) = clients.first() else { return Err(ProbeError::NotACalculator) };
    let answer = Deadline::new(ATTEMPT_TIMEOUT).within(Instant::now(), client.call(&call)).await;
    match answer {
        Ok(Value::Int(5)) => Ok(()),
        Ok(_) => Err(ProbeError::NotACalculator),
        Err(error) => Err(ProbeError::Call(error)),
    }
}

#[cfg(test)]
mod tests {
    use calculator::ErrorKind;

    use super::*;

    #[test]
    fn an_absent_server_is_an_error_after_the_wait_and_the_message_hides_the_password() {
        // A port that was free just now.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let targets = Targets {
            urls: BTreeMap::from([("rest".to_owned(), format!("http://u:secret@127.0.0.1:{port}/"))]),
            wait: Duration::from_millis(1),
            ..Targets::default()
        };
        let error = targets.ready(&AtomicBool::new(false)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("rest at http://127.0.0.1:{port}: ")), "{error}");

        // An interrupt ends the wait.
        let patient = Targets { wait: Duration::from_secs(60), ..targets };
        assert!(patient.ready(&AtomicBool::new(true)).is_ok());
    }

    #[test]
    fn any_answer_is_a_sign_of_life_of_a_server_that_is_no_calculator() {
        let call = |kind| ProbeError::Call(CallError::new(kind, ""));
        assert!(ProbeError::NotACalculator.is_answer() && call(ErrorKind::UnknownMethod).is_answer());
        assert!(!call(ErrorKind::Timeout).is_answer() && !call(ErrorKind::Undeliverable).is_answer());
    }

    #[test]
    fn a_control_port_that_cannot_be_resolved_is_an_error() {
        let targets = Targets {
            controls: BTreeMap::from([("rest".to_owned(), "nowhere".to_owned())]),
            control_token: Some(Token::random()),
            ..Targets::default()
        };
        let error = targets.ready(&AtomicBool::new(false)).unwrap_err().to_string();
        assert!(error.starts_with("--control rest=nowhere: "), "{error}");
    }
}
