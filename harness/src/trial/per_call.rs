//! Calls that each open a new connection.
//!
//! The end that closes a connection keeps its port for a minute (TIME_WAIT, RFC 9293, section 3.6.1). Here this is the client,
//! so that a trial of too many calls would use up the ports of the machine. It is ended before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use calculator::{
    BatchFuture, Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, OnItem, StreamFuture,
};

use super::error::TrialError;
use super::server::ServerLocation;
use crate::stacks::Stack;
use crate::sys;

/// The number of ports for connections where the system does not report it: IANA's dynamic ports (RFC 6335).
const DYNAMIC_PORTS: u32 = 16_384;
/// A trial may use this part of the ports: others may still be waiting since the trials before, and a call may open more than
/// one connection.
const SHARE_OF_PORTS: u32 = 2;

/// The calls of a trial that may still open a connection.
#[derive(Debug)]
pub(super) struct ConnectionBudget {
    limit: u32,
    /// The calls that have asked for a connection.
    asked: AtomicU32,
}

impl ConnectionBudget {
    /// The budget of a trial on this machine.
    pub(super) fn of_machine() -> Self {
        ConnectionBudget::new(sys::local_ports().unwrap_or(DYNAMIC_PORTS) / SHARE_OF_PORTS)
    }

    fn new(limit: u32) -> Self {
        ConnectionBudget { limit, asked: AtomicU32::new(0) }
    }

    /// Takes a connection from the budget.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if none is left.
    fn take(&self) -> Result<(), CallError> {
        if self.asked.fetch_add(1, Ordering::Relaxed) < self.limit {
            return Ok(());
        }
        let message = format!("the trial has opened connections for {} calls already", self.limit);
        Err(CallError::new(ErrorKind::Undeliverable, message))
    }

    /// Checks that no call of `stack` was refused.
    ///
    /// # Errors
    /// [`TrialError::TooManyConnections`].
    pub(super) fn check(&self, stack: &'static str) -> Result<(), TrialError> {
        if self.asked.load(Ordering::Relaxed) > self.limit {
            return Err(TrialError::TooManyConnections { stack, limit: self.limit });
        }
        Ok(())
    }
}

/// A client that opens a connection for each call, and closes it after the answer.
pub(super) struct PerCallClient {
    stack: &'static Stack,
    location: ServerLocation,
    options: ClientOptions,
    budget: Arc<ConnectionBudget>,
}

impl PerCallClient {
    /// Clients of `stack` at `location` that share `budget`, as many as there are `callers`. `timeout` is that of connecting.
    pub(super) fn clients(
        stack: &'static Stack,
        location: &ServerLocation,
        callers: u32,
        timeout: Duration,
        budget: &Arc<ConnectionBudget>,
    ) -> Vec<Arc<dyn Client>> {
        let options = ClientOptions { timeout, ..ClientOptions::default() };
        let client = |_| {
            let (location, options, budget) = (location.clone(), options.clone(), Arc::clone(budget));
            Arc::new(PerCallClient { stack, location, options, budget }) as Arc<dyn Client>
        };
        (0..callers).map(client).collect()
    }
}

impl PerCallClient {
    /// A connection for one call. Dropping it closes it; protocols with a farewell send that in the background.
    async fn open(&self) -> Result<Arc<dyn Client>, CallError> {
        self.budget.take()?;
        self.stack.connect(self.location.destination.clone(), self.options.clone()).await
    }
}

impl Client for PerCallClient {
    /// Any number of calls may be in flight, each over a separate connection.
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(async move { self.open().await?.call(call).await })
    }

    fn call_batch<'a>(&'a self, calls: &'a [Call]) -> Option<BatchFuture<'a>> {
        let sent = async move {
            let connection = self.open().await?;
            connection.call_batch(calls).ok_or_else(|| CallError::lacking("batches"))?.await
        };
        Some(Box::pin(sent))
    }

    fn call_stream<'a>(&'a self, call: &'a Call, on_item: OnItem<'a>) -> Option<StreamFuture<'a>> {
        let received = async move {
            let connection = self.open().await?;
            connection.call_stream(call, on_item).ok_or_else(|| CallError::lacking("streams"))?.await
        };
        Some(Box::pin(received))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::Destination;
    use calculator::Value;

    #[tokio::test]
    async fn calls_beyond_the_budget_are_refused_and_fail_the_trial() {
        let stack = Stack::named("inproc").unwrap();
        let budget = Arc::new(ConnectionBudget::new(3));
        let location = ServerLocation::new(Destination::default());
        let clients = PerCallClient::clients(stack, &location, 2, Duration::from_secs(1), &budget);
        let call = Call::positional("add", [Value::Int(2), Value::Int(3)]);
        for number in 0..3 {
            assert_eq!(clients[number % 2].call(&call).await.unwrap(), Value::Int(5));
        }
        budget.check("inproc").unwrap();
        assert_eq!(clients[0].call(&call).await.unwrap_err().kind, ErrorKind::Undeliverable);
        let error = budget.check("inproc").unwrap_err().to_string();
        assert!(error.contains("more than 3 calls"), "{error}");
    }

    #[test]
    fn the_budget_is_a_part_of_the_ports() {
        let budget = ConnectionBudget::of_machine();
        assert!((1_000..=32_768).contains(&budget.limit), "{}", budget.limit);
    }
}
