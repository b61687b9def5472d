//! The calls of one connection that wait for their answers.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use calculator::{CallError, ErrorKind, Value};
use tokio::sync::{Notify, oneshot};

type Answer = Result<Value, CallError>;

/// Calls that wait, by the identity that their answer will repeat. All clones are one.
pub(crate) struct Pending<K>(Arc<Mutex<State<K>>>);

struct State<K> {
    calls: HashMap<K, Waiting>,
    /// Why nobody will be answered any more.
    lost: Option<String>,
}

struct Waiting {
    answer: oneshot::Sender<Answer>,
    /// A result that came in a message which was not yet the last.
    partial: Option<Value>,
    /// Told of each sign of life, where the caller asked for them.
    monitor: Option<Arc<Notify>>,
}

impl<K> Clone for Pending<K> {
    fn clone(&self) -> Self {
        Pending(Arc::clone(&self.0))
    }
}

impl<K: Copy + Eq + Hash> Pending<K> {
    pub(crate) fn new() -> Self {
        Pending(Arc::new(Mutex::new(State { calls: HashMap::new(), lost: None })))
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a call, to be taken out again when the returned waiter is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] when the connection is lost.
    pub(crate) fn enter(&self, id: K, monitor: Option<Arc<Notify>>) -> Result<Waiter<K>, CallError> {
        let (sender, answer) = oneshot::channel();
        let mut state = self.state();
        if let Some(reason) = &state.lost {
            return Err(CallError::new(ErrorKind::Undeliverable, reason.clone()));
        }
        state.calls.insert(id, Waiting { answer: sender, partial: None, monitor });
        drop(state);
        Ok(Waiter { pending: self.clone(), id, answer })
    }

    /// Answers a call; one that nobody waits for any more is forgotten.
    pub(crate) fn answer(&self, id: K, answer: Answer) {
        let waiting = self.state().calls.remove(&id);
        if let Some(Waiting { answer: sender, partial, .. }) = waiting {
            let answer = match (answer, partial) {
                (Ok(Value::Null), Some(partial)) => Ok(partial),
                (answer, _) => answer,
            };
            let _ = sender.send(answer);
        }
    }

    /// Keeps a result for a call whose last message is still to come.
    pub(crate) fn keep(&self, id: K, result: Value) {
        if let Some(waiting) = self.state().calls.get_mut(&id) {
            waiting.partial = Some(result);
        }
    }

    /// Tells a call that its server still works on it. A call that asked for no signs of life gets them for nothing.
    pub(crate) fn sign_of_life(&self, id: K) {
        let state = self.state();
        if let Some(monitor) = state.calls.get(&id).and_then(|waiting| waiting.monitor.as_ref()) {
            monitor.notify_one();
        }
    }

    /// Fails every call, now and from now on.
    pub(crate) fn lose(&self, reason: &str) {
        let mut state = self.state();
        state.lost.get_or_insert_with(|| reason.to_owned());
        let calls = std::mem::take(&mut state.calls);
        drop(state);
        for waiting in calls.into_values() {
            let _ = waiting.answer.send(Err(CallError::new(ErrorKind::Undeliverable, reason)));
        }
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.state().lost.is_some()
    }
}

/// A call that waits.
pub(crate) struct Waiter<K: Copy + Eq + Hash> {
    pending: Pending<K>,
    id: K,
    answer: oneshot::Receiver<Answer>,
}

impl<K: Copy + Eq + Hash> Waiter<K> {
    pub(crate) async fn answer(&mut self) -> Answer {
        (&mut self.answer)
            .await
            .unwrap_or_else(|_| Err(CallError::new(ErrorKind::Undeliverable, "the connection was closed")))
    }
}

impl<K: Copy + Eq + Hash> Drop for Waiter<K> {
    fn drop(&mut self) {
        self.pending.state().calls.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_find_their_calls_and_an_abandoned_call_is_forgotten() {
        let pending = Pending::new();
        let enter = |id| pending.enter(id, None).unwrap();
        let (mut first, mut second) = (enter(1), enter(2));
        drop(enter(3));
        assert_eq!(pending.state().calls.len(), 2);
        pending.answer(3, Ok(Value::Int(3)));
        pending.answer(2, Ok(Value::Int(2)));
        pending.keep(1, Value::Int(1));
        pending.answer(1, Ok(Value::Null));
        assert_eq!((first.answer().await, second.answer().await), (Ok(Value::Int(1)), Ok(Value::Int(2))));
        assert!(pending.state().calls.is_empty());
    }

    #[tokio::test]
    async fn signs_of_life_reach_whoever_asked_for_them() {
        let pending = Pending::new();
        let monitor = Arc::new(Notify::new());
        let (_monitored, _plain) =
            (pending.enter(1, Some(Arc::clone(&monitor))).unwrap(), pending.enter(2, None).unwrap());
        for id in [1, 2, 3] {
            pending.sign_of_life(id);
        }
        monitor.notified().await;
    }

    #[tokio::test]
    async fn a_lost_connection_fails_every_call_now_and_later() {
        let pending = Pending::new();
        let mut waiter = pending.enter(1, None).unwrap();
        pending.lose("gone");
        pending.lose("gone again");
        assert_eq!(waiter.answer().await, Err(CallError::new(ErrorKind::Undeliverable, "gone")));
        assert_eq!(pending.enter(2, None).err(), Some(CallError::new(ErrorKind::Undeliverable, "gone")));
        assert!(pending.is_lost());
    }
}
