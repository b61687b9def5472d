//! The types through which a caller waits for replies: a future for a call with one result, a channel for other calls.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use calculator::{CallError, Value};

use super::connection::Connection;
use super::pending::{ReplyBuffer, ReplyQueue, StreamReply};
use super::session::{CallNotSent, Session};
use crate::wire::ChannelEvent;
use crate::zmtp::Flush;

/// The reply to a call with one result. Dropping it abandons the call.
pub(super) struct PendingReply<'a> {
    session: &'a Session,
    count: u32,
    taken: bool,
}

impl<'a> PendingReply<'a> {
    /// Sends a call on `connection`.
    pub(super) fn send(
        connection: &'a Connection,
        method: &str,
        args: &[Value],
    ) -> Result<Self, CallNotSent> {
        let session = connection.session();
        let count = session.send_call(method, args, ReplyBuffer::Reply(None))?;
        Ok(PendingReply { session, count, taken: false })
    }
}

impl Future for PendingReply<'_> {
    type Output = Result<Value, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let count = self.count;
        let reply = self.session.with_pending(|pending| {
            let call = pending.calls.get_mut(&count)?;
            if let ReplyBuffer::Reply(reply @ Some(_)) = &mut call.received {
                let reply = reply.take();
                pending.calls.remove(&count);
                return reply;
            }
            call.wake_on_reply(context);
            None
        });
        match reply {
            Some(result) => {
                self.taken = true;
                Poll::Ready(result)
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for PendingReply<'_> {
    fn drop(&mut self) {
        if !self.taken {
            self.session.forget(self.count);
        }
    }
}

/// The channel of a call whose result may be a stream. Dropping it abandons the call: no more heartbeats are sent on
/// it, which tells the server.
pub(super) struct Channel {
    connection: Arc<Connection>,
    count: u32,
}

impl Channel {
    /// Sends a call on `connection`. Up to `slots` items may be received before they are taken.
    pub(super) fn open(
        connection: &Arc<Connection>,
        method: &str,
        args: &[Value],
        slots: usize,
    ) -> Result<Self, CallNotSent> {
        let received = ReplyBuffer::Queue(Box::new(ReplyQueue::new(slots)));
        let count = connection.session().send_call(method, args, received)?;
        Ok(Channel { connection: Arc::clone(connection), count })
    }

    /// Takes the next reply. It stays pending forever after a reply that ended the call.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<StreamReply> {
        self.connection.session().with_pending(|pending| {
            let Some(call) = pending.calls.get_mut(&self.count) else { return Poll::Pending };
            if let ReplyBuffer::Queue(queue) = &mut call.received
                && let Some(reply) = queue.replies.pop_front()
            {
                return Poll::Ready(reply);
            }
            call.wake_on_reply(context);
            Poll::Pending
        })
    }

    /// Gives the server credit for `events` more events, unless the last one has arrived.
    pub(super) fn give_credit(&self, events: u32) {
        let session = self.connection.session();
        let v2 = session.with_pending(|pending| {
            let call = pending.calls.get(&self.count).filter(|call| !call.has_ended())?;
            Some(matches!(&call.received, ReplyBuffer::Queue(queue) if queue.before_v3 == Some(true)))
        });
        let Some(v2) = v2 else { return };
        session.send_event(self.count, Flush::Now, ChannelEvent::More { events, v2 });
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.connection.session().forget(self.count);
    }
}
