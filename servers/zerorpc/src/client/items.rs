//! The items of a call that is answered by a stream.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use calculator::{CallError, Value};
use futures_util::Stream;

use super::answer::Channel;
use super::in_flight::Received;

/// How many items zerorpc-python lets come before they are fetched.
pub const DEFAULT_SLOTS: usize = 100;

/// What a call is answered by.
pub enum Reply {
    /// One result.
    Value(Value),
    /// A stream of them.
    Items(Items),
}

/// The items of a stream, as they come. After an error none comes. Dropping it gives the call up: the server notices
/// by the missing heartbeats.
pub struct Items {
    channel: Channel,
    /// The first item, which had to be read to know that this is a stream.
    first: Option<Value>,
    ended: bool,
    credit: Credit,
}

/// How many events the server may still send, counted as zerorpc-python's `channel.py` counts: nothing is granted for
/// the first read, and later on always up to `slots` when less than half of them are left.
struct Credit {
    slots: usize,
    reserved: usize,
    /// Whether the next event has been asked for.
    asked: bool,
    begun: bool,
}

impl Credit {
    fn new(slots: usize) -> Self {
        Credit { slots, reserved: 1, asked: false, begun: false }
    }

    /// How many events to grant before the next one is waited for.
    fn ask(&mut self) -> Option<u32> {
        if std::mem::replace(&mut self.asked, true) {
            return None;
        }
        if !std::mem::replace(&mut self.begun, true) || self.reserved >= (self.slots / 2).max(1) {
            return None;
        }
        let more = self.slots - self.reserved;
        self.reserved = self.slots;
        u32::try_from(more).ok().filter(|more| *more > 0)
    }

    fn received(&mut self) {
        self.asked = false;
        self.reserved = self.reserved.saturating_sub(1);
    }
}

impl Items {
    /// Waits for the first event of a call.
    pub(super) async fn begin(channel: Channel, slots: usize) -> Result<Reply, CallError> {
        let mut items = Items { channel, first: None, ended: false, credit: Credit::new(slots) };
        match poll_fn(|context| items.poll_event(context)).await {
            Received::Value(value) => return Ok(Reply::Value(value)),
            Received::Failed(error) => return Err(error),
            Received::Item(item) => items.first = Some(item),
            Received::Done => items.ended = true,
        }
        Ok(Reply::Items(items))
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        if let Some(more) = self.credit.ask() {
            self.channel.let_come(more);
        }
        let received = ready!(self.channel.poll_next(context));
        self.credit.received();
        Poll::Ready(received)
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
        let received = ready!(self.poll_event(context));
        self.ended = !matches!(received, Received::Item(_));
        Poll::Ready(match received {
            Received::Item(item) => Some(Ok(item)),
            // A server that says so in the middle of a stream has nothing more to say either.
            Received::Done | Received::Value(_) => None,
            Received::Failed(error) => Some(Err(error)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_is_granted_as_python_grants_it() {
        for (slots, expected) in [
            (100, vec![(2, 100), (53, 51), (104, 51)]),
            (10, vec![(2, 10), (8, 6), (14, 6)]),
            (1, vec![(2, 1), (3, 1), (4, 1)]),
        ] {
            let mut credit = Credit::new(slots);
            let mut granted = Vec::new();
            for read in 1..=expected[2].0 {
                if let Some(more) = credit.ask() {
                    granted.push((read, more));
                }
                assert_eq!(credit.ask(), None, "one that waits is not asked for twice");
                credit.received();
            }
            assert_eq!(granted, expected, "{slots} slots");
        }
    }
}
