//! What waits for the answer of a call: one result, or the events of a channel.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use calculator::{CallError, Value};

use super::connection::{Connection, Shared};
use super::in_flight::{Got, Received};
use crate::wire::Say;
use crate::zmtp::Flush;

/// A call's answer to come. Dropping it forgets the call; the answer is then ignored.
pub(super) struct Answer<'a> {
    shared: &'a Shared,
    count: u32,
    taken: bool,
}

impl<'a> Answer<'a> {
    /// Of the call with that count.
    pub(super) fn new(shared: &'a Shared, count: u32) -> Self {
        Answer { shared, count, taken: false }
    }
}

impl Future for Answer<'_> {
    type Output = Result<Value, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let count = self.count;
        let answered = self.shared.with_calls(|calls| {
            let call = calls.in_flight.get_mut(&count)?;
            if let Got::Answer(answer @ Some(_)) = &mut call.got {
                let answer = answer.take();
                calls.in_flight.remove(&count);
                return answer;
            }
            call.wait(context);
            None
        });
        match answered {
            Some(result) => {
                self.taken = true;
                Poll::Ready(result)
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        if !self.taken {
            self.shared.forget(self.count);
        }
    }
}

/// The events of a call that may be answered by a stream. Dropping it forgets the call: no heartbeat is sent on it any
/// more, which is how the server learns of it.
pub(super) struct Channel {
    connection: Arc<Connection>,
    count: u32,
}

impl Channel {
    /// Of the call with that count.
    pub(super) fn new(connection: Arc<Connection>, count: u32) -> Self {
        Channel { connection, count }
    }

    /// The next event. None comes after one that ends the call.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Received> {
        self.connection.shared().with_calls(|calls| {
            let Some(call) = calls.in_flight.get_mut(&self.count) else { return Poll::Pending };
            if let Got::Events(events) = &mut call.got
                && let Some(received) = events.queue.pop_front()
            {
                return Poll::Ready(received);
            }
            call.wait(context);
            Poll::Pending
        })
    }

    /// Lets `events` more come.
    pub(super) fn let_come(&self, events: u32) {
        let shared = self.connection.shared();
        let v2 = shared.with_calls(|calls| match calls.in_flight.get(&self.count).map(|call| &call.got) {
            Some(Got::Events(events)) => events.before_v3 == Some(true),
            _ => false,
        });
        shared.say(self.count, Flush::Now, Say::More { events, v2 });
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.connection.shared().forget(self.count);
    }
}
