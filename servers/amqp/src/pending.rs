//! The calls of one connection that wait for their replies.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use calculator::{CallError, ErrorKind, Value};
use tokio::sync::{Notify, oneshot};

type CallResult = Result<Value, CallError>;

/// Calls that wait for their replies, by the id that the reply repeats. Clones share the calls.
pub struct PendingCalls<K>(Arc<Mutex<State<K>>>);

struct State<K> {
    calls: HashMap<K, PendingCall>,
    /// Why the connection was lost. Once set, no call is accepted.
    lost: Option<String>,
}

struct PendingCall {
    result: oneshot::Sender<CallResult>,
    /// A result from a message that was not the last one of the call.
    partial: Option<Value>,
    /// Notified of each heartbeat. `None` unless the caller monitors the call.
    heartbeats: Option<Arc<Notify>>,
}

impl<K> Clone for PendingCalls<K> {
    fn clone(&self) -> Self {
        PendingCalls(Arc::clone(&self.0))
    }
}

impl<K: Copy + Eq + Hash> Default for PendingCalls<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Copy + Eq + Hash> PendingCalls<K> {
    /// No calls.
    #[must_use]
    pub fn new() -> Self {
        PendingCalls(Arc::new(Mutex::new(State { calls: HashMap::new(), lost: None })))
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a call. It is removed when the returned [`ReplyWaiter`] is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] when the connection is lost.
    pub fn register(&self, id: K, heartbeats: Option<Arc<Notify>>) -> Result<ReplyWaiter<K>, CallError> {
        let (sender, result) = oneshot::channel();
        let mut state = self.state();
        if let Some(reason) = &state.lost {
            return Err(CallError::new(ErrorKind::Undeliverable, reason.clone()));
        }
        state.calls.insert(id, PendingCall { result: sender, partial: None, heartbeats });
        drop(state);
        Ok(ReplyWaiter { pending: self.clone(), id, result })
    }

    /// Completes a call. Does nothing if the call is no longer registered.
    ///
    /// A null result is replaced by the last [partial result](Self::set_partial_result), if there is one.
    pub fn complete(&self, id: K, result: CallResult) {
        let call = self.state().calls.remove(&id);
        if let Some(PendingCall { result: sender, partial, .. }) = call {
            let result = match (result, partial) {
                (Ok(Value::Null), Some(partial)) => Ok(partial),
                (result, _) => result,
            };
            let _ = sender.send(result);
        }
    }

    /// Stores the result of a call whose last message is still to come.
    pub fn set_partial_result(&self, id: K, result: Value) {
        if let Some(call) = self.state().calls.get_mut(&id) {
            call.partial = Some(result);
        }
    }

    /// Reports a heartbeat of the server that executes a call. Ignored by calls without a call monitor.
    pub fn heartbeat(&self, id: K) {
        let state = self.state();
        if let Some(heartbeats) = state.calls.get(&id).and_then(|call| call.heartbeats.as_ref()) {
            heartbeats.notify_one();
        }
    }

    /// Fails all registered calls as undeliverable, and every later registration.
    pub fn fail_all(&self, reason: &str) {
        let mut state = self.state();
        state.lost.get_or_insert_with(|| reason.to_owned());
        let calls = std::mem::take(&mut state.calls);
        drop(state);
        for call in calls.into_values() {
            let _ = call.result.send(Err(CallError::new(ErrorKind::Undeliverable, reason)));
        }
    }

    /// Whether [`fail_all`](Self::fail_all) was called.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.state().lost.is_some()
    }
}

/// Waits for the reply to one call. Dropping it abandons the call.
pub struct ReplyWaiter<K: Copy + Eq + Hash> {
    pending: PendingCalls<K>,
    id: K,
    result: oneshot::Receiver<CallResult>,
}

impl<K: Copy + Eq + Hash> ReplyWaiter<K> {
    /// The call's result.
    pub async fn result(&mut self) -> CallResult {
        (&mut self.result)
            .await
            .unwrap_or_else(|_| Err(CallError::new(ErrorKind::Undeliverable, "the connection was closed")))
    }
}

impl<K: Copy + Eq + Hash> Drop for ReplyWaiter<K> {
    fn drop(&mut self) {
        self.pending.state().calls.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn replies_complete_their_calls_and_abandoned_calls_are_removed() {
        let pending = PendingCalls::new();
        let register = |id| pending.register(id, None).unwrap();
        let (mut first, mut second) = (register(1), register(2));
        drop(register(3));
        assert_eq!(pending.state().calls.len(), 2);
        pending.complete(3, Ok(Value::Int(3)));
        pending.complete(2, Ok(Value::Int(2)));
        pending.set_partial_result(1, Value::Int(1));
        pending.complete(1, Ok(Value::Null));
        assert_eq!((first.result().await, second.result().await), (Ok(Value::Int(1)), Ok(Value::Int(2))));
        assert!(pending.state().calls.is_empty());
    }

    #[tokio::test]
    async fn heartbeats_reach_monitored_calls_only() {
        let pending = PendingCalls::new();
        let heartbeats = Arc::new(Notify::new());
        let (_monitored, _unmonitored) =
            (pending.register(1, Some(Arc::clone(&heartbeats))).unwrap(), pending.register(2, None).unwrap());
        for id in [1, 2, 3] {
            pending.heartbeat(id);
        }
        heartbeats.notified().await;
    }

    #[tokio::test]
    async fn a_lost_connection_fails_registered_and_later_calls() {
        let pending = PendingCalls::new();
        let mut waiter = pending.register(1, None).unwrap();
        pending.fail_all("lost");
        pending.fail_all("lost again");
        assert_eq!(waiter.result().await, Err(CallError::new(ErrorKind::Undeliverable, "lost")));
        let refused = pending.register(2, None).err();
        assert_eq!(refused, Some(CallError::new(ErrorKind::Undeliverable, "lost")));
        assert!(pending.is_lost());
    }
}
