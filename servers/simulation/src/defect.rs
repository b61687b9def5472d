//! Servers and clients that are wrong on purpose, to see that the checks find it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use calculator::{Call, CallError, CallFuture, Client, Value};

/// What is wrong with the servers or the clients of a simulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Defect {
    /// Nothing.
    #[default]
    None,
    /// The server executes some calls twice.
    ServerExecutesTwice,
    /// The server never answers some calls.
    ServerLosesCalls,
    /// The client sends some calls twice.
    ClientSendsTwice,
    /// The client drops some answers.
    ClientLosesAnswers,
    /// The client gives the answer of one call to another.
    ClientMixesAnswers,
    /// The client leaves out an item of each stream.
    ClientSkipsItems,
    /// The caller does not stop at its deadline.
    CallerIgnoresDeadline,
    /// The client keeps every answer.
    ClientKeepsAnswers,
    /// The client never closes a connection.
    ClientKeepsConnections,
}

/// A client with a defect.
pub(crate) struct DefectiveClient {
    client: Arc<dyn Client>,
    defect: Defect,
    calls: AtomicUsize,
    last: Mutex<Option<Value>>,
    kept: Mutex<Vec<Vec<u8>>>,
}

impl DefectiveClient {
    pub(crate) fn new(client: Arc<dyn Client>, defect: Defect) -> Self {
        DefectiveClient {
            client,
            defect,
            calls: AtomicUsize::new(0),
            last: Mutex::default(),
            kept: Mutex::default(),
        }
    }

    async fn call(&self, call: &Call) -> Result<Value, CallError> {
        let is_affected = self.calls.fetch_add(1, Ordering::Relaxed) % 3 == 2;
        if self.defect == Defect::ClientSendsTwice && is_affected {
            let _ = self.client.call(call).await;
        }
        let answer = self.client.call(call).await?;
        match self.defect {
            Defect::ClientLosesAnswers if is_affected => std::future::pending().await,
            Defect::ClientMixesAnswers => {
                let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(answer.clone());
                Ok(last.filter(|_| is_affected).unwrap_or(answer))
            }
            Defect::ClientKeepsAnswers => {
                self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(vec![1; 4 << 20]);
                Ok(answer)
            }
            _ => Ok(answer),
        }
    }
}

impl Client for DefectiveClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.call(call))
    }
}
