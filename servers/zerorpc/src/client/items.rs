//! The items of a call whose result is a stream.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use calculator::{CallError, Value};
use futures_util::Stream;

use super::pending::StreamReply;
use super::replies::Channel;

/// How many items of a stream zerorpc-python receives ahead by default.
pub const DEFAULT_SLOTS: usize = 100;

/// The result of a call that may be a stream.
pub enum Reply {
    /// One value.
    Value(Value),
    /// A stream of values.
    Items(Items),
}

/// The items of a stream, as they arrive. An error ends the stream. Dropping it abandons the call, which the server
/// notices by the missing heartbeats.
pub struct Items {
    channel: Channel,
    /// The first item, which was read to find out that this is a stream.
    first: Option<Value>,
    ended: bool,
    credit: Credit,
}

/// Tracks how many events the server may still send, like zerorpc-python's `channel.py`: the first read gives no
/// credit, and each later one restores it to `slots` when less than half of that is left.
struct Credit {
    slots: usize,
    /// Events that the server may still send.
    reserved: usize,
    /// Whether the current read has been accounted for. A read may be polled several times.
    read_started: bool,
    first_read_done: bool,
}

impl Credit {
    fn new(slots: usize) -> Self {
        Credit { slots, reserved: 1, read_started: false, first_read_done: false }
    }

    /// The credit to give before waiting for the next event, if any.
    fn start_read(&mut self) -> Option<u32> {
        if std::mem::replace(&mut self.read_started, true) {
            return None;
        }
        if !std::mem::replace(&mut self.first_read_done, true) || self.reserved >= (self.slots / 2).max(1) {
            return None;
        }
        let more = self.slots - self.reserved;
        self.reserved = self.slots;
        u32::try_from(more).ok().filter(|more| *more > 0)
    }

    fn finish_read(&mut self) {
        self.read_started = false;
        self.reserved = self.reserved.saturating_sub(1);
    }
}

impl Items {
    /// Waits for the first reply to a call.
    pub(super) async fn first_reply(channel: Channel, slots: usize) -> Result<Reply, CallError> {
        let mut items = Items { channel, first: None, ended: false, credit: Credit::new(slots) };
        match poll_fn(|context| items.poll_reply(context)).await {
            StreamReply::Value(value) => return Ok(Reply::Value(value)),
            StreamReply::Failed(error) => return Err(error),
            StreamReply::Item(item) => items.first = Some(item),
            StreamReply::Done => items.ended = true,
        }
        Ok(Reply::Items(items))
    }

    fn poll_reply(&mut self, context: &mut Context<'_>) -> Poll<StreamReply> {
        if let Some(more) = self.credit.start_read() {
            self.channel.give_credit(more);
        }
        let reply = ready!(self.channel.poll_next(context));
        self.credit.finish_read();
        Poll::Ready(reply)
    }
}

impl Stream for Items {
    type Item = Result<Value, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let reply = ready!(self.poll_reply(context));
        self.ended = !matches!(reply, StreamReply::Item(_));
        Poll::Ready(match reply {
            StreamReply::Item(item) => Some(Ok(item)),
            // A single result in the middle of a stream ends the call too.
            StreamReply::Done | StreamReply::Value(_) => None,
            StreamReply::Failed(error) => Some(Err(error)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_credit_at_the_same_reads_as_python() {
        for (slots, expected) in [
            (100, vec![(2, 100), (53, 51), (104, 51)]),
            (10, vec![(2, 10), (8, 6), (14, 6)]),
            (1, vec![(2, 1), (3, 1), (4, 1)]),
        ] {
            let mut credit = Credit::new(slots);
            let mut granted = Vec::new();
            for read in 1..=expected[2].0 {
                if let Some(more) = credit.start_read() {
                    granted.push((read, more));
                }
                assert_eq!(credit.start_read(), None, "polling a read again gives no more credit");
                credit.finish_read();
            }
            assert_eq!(granted, expected, "{slots} slots");
        }
    }
}
