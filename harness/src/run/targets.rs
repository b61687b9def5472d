//! Servers that are already running: in containers, on other machines, by other hands.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use calculator::{Call, CallError, Client, Deadline, Value};

use crate::stacks::{Address, Stack};
use crate::trial::{Place, without_credentials};

/// How long one try may take: a message to a server that is not there yet waits in the broker.
const TRY: Duration = Duration::from_secs(2);
/// How long until the next one.
const PAUSE: Duration = Duration::from_millis(100);

/// Servers that are already running.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Where each is called, by stack. May hold credentials.
    pub urls: BTreeMap<String, String>,
    /// HOST:PORT of the control port of those that have one, by stack.
    pub controls: BTreeMap<String, String>,
    /// How long they may take to answer for the first time.
    pub wait: Duration,
}

/// A server that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It gives no right answer.
    #[error("{stack} at {address}: {reason}")]
    NoAnswer {
        /// Its stack.
        stack: String,
        /// Where, without credentials.
        address: String,
        /// What came instead, the last time it was tried.
        reason: String,
    },
    /// The address of its control port is none.
    #[error("--control {stack}={address}: {reason}")]
    Control {
        /// Its stack.
        stack: String,
        /// As it was given.
        address: String,
        /// The system's reason.
        reason: String,
    },
    /// There is no runtime to call it from.
    #[error("cannot call a server: {0}")]
    Runtime(#[from] std::io::Error),
}

impl Targets {
    /// Calls each server until it answers add(2, 3) rightly, and then resolves where it tells of itself. With no time to
    /// wait, none is called: whether it answers will show. Returns early, without an error, once `interrupted` is set.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn ready(&self, interrupted: &AtomicBool) -> Result<BTreeMap<String, SocketAddr>, TargetError> {
        if !self.wait.is_zero() {
            let until = Instant::now() + self.wait;
            for (name, url) in &self.urls {
                wait_for(name, url, until, interrupted)?;
            }
        }
        let mut controls = BTreeMap::new();
        for (stack, address) in &self.controls {
            if interrupted.load(Ordering::Relaxed) {
                break;
            }
            let failed = |reason: String| TargetError::Control {
                stack: stack.clone(),
                address: address.clone(),
                reason,
            };
            let mut found = address.to_socket_addrs().map_err(|error| failed(error.to_string()))?;
            let first = found.next().ok_or_else(|| failed("that host has no address".to_owned()))?;
            controls.insert(stack.clone(), first);
        }
        Ok(controls)
    }
}

fn wait_for(name: &str, url: &str, until: Instant, interrupted: &AtomicBool) -> Result<(), TargetError> {
    let no_answer = |reason: String| TargetError::NoAnswer {
        stack: name.to_owned(),
        address: without_credentials(url),
        reason,
    };
    let stack = Stack::named(name).map_err(|error| no_answer(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        loop {
            match answers(stack, url).await {
                Ok(()) => return Ok(()),
                Err(reason) if Instant::now() >= until => return Err(no_answer(reason)),
                Err(_) if interrupted.load(Ordering::Relaxed) => return Ok(()),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    })
}

/// Whether the server of `stack` at `url` answers add(2, 3) with 5. Must be awaited inside a Tokio runtime.
///
/// # Errors
/// What it answers instead, or why it does not.
pub async fn answers(stack: &'static Stack, url: &str) -> Result<(), String> {
    let place = Place::new(Address::new(url));
    let call = Call::positional("add", [Value::Int(2), Value::Int(3)]);
    let answer = async {
        let clients = place.connect(stack, 1, TRY).await.map_err(|error| match error {
            crate::trial::SiteError::Connect { source, .. } => source,
            other => CallError::new(calculator::ErrorKind::Internal, other.to_string()),
        })?;
        let client: &dyn Client = match clients.first() {
            Some(client) => &**client,
            None => return Ok(Value::Null),
        };
        Deadline::new(TRY).within(Instant::now(), client.call(&call)).await
    };
    match answer.await {
        Ok(Value::Int(5)) => Ok(()),
        Ok(_) => Err("add(2, 3) was not answered with 5, so this is no calculator".to_owned()),
        Err(error) => Err(format!("no answer: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_there_is_told_when_the_time_is_over_and_without_the_password() {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let targets = Targets {
            urls: BTreeMap::from([("rest".to_owned(), format!("http://u:secret@127.0.0.1:{port}/"))]),
            wait: Duration::from_millis(1),
            ..Targets::default()
        };
        let error = targets.ready(&AtomicBool::new(false)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("rest at http://127.0.0.1:{port}/: ")), "{error}");

        // Whoever ends the run does not wait for it.
        let patient = Targets { wait: Duration::from_secs(60), ..targets };
        assert!(patient.ready(&AtomicBool::new(true)).is_ok());
    }

    #[test]
    fn a_control_without_an_address_is_told() {
        let targets = Targets {
            controls: BTreeMap::from([("rest".to_owned(), "nowhere".to_owned())]),
            ..Targets::default()
        };
        let error = targets.ready(&AtomicBool::new(false)).unwrap_err().to_string();
        assert!(error.starts_with("--control rest=nowhere: "), "{error}");
    }
}
