//! The ends of simulated connections.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BufMut, Bytes};
use tokio::time::{Instant, Sleep, sleep_until};

use super::random::Action;
use super::state::{Direction, End, LinkState};
use crate::peer_end::PeerEnd;

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Stream {
    link: LinkState,
    connection: u64,
    /// 0 at the client, 1 at the server.
    end: usize,
    /// Wakes the reader when the next bytes arrive.
    timer: Mutex<Option<Pin<Box<Sleep>>>>,
}

impl Stream {
    pub(super) fn new(link: &LinkState, connection: u64, end: usize) -> Self {
        Stream { link: link.clone(), connection, end, timer: Mutex::new(None) }
    }

    pub(crate) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.link.state();
        let is_held = state.is_held();
        // A reset connection is ready for reading, which then fails.
        let Ok(connection) = state.connection(self.connection) else { return Poll::Ready(Ok(())) };
        let fails_at = connection.lost.map(|lost| lost.fails_at(self.end));
        let from = &mut connection.directions[1 - self.end];
        from.reader = Some(context.waker().clone());
        let arrival = from.next_arrival().filter(|_| !is_held);
        let Some(at) = fails_at.unwrap_or(arrival) else { return Poll::Pending };
        if at <= Instant::now() {
            return Poll::Ready(Ok(()));
        }
        let mut timer = self.timer.lock().unwrap_or_else(PoisonError::into_inner);
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        timer.as_mut().reset(at);
        timer.as_mut().poll(context).map(Ok)
    }

    pub(crate) fn peer_end(&self) -> PeerEnd {
        let mut state = self.link.state();
        let is_held = state.is_held();
        let now = Instant::now();
        let Ok(connection) = state.connection(self.connection) else { return PeerEnd::Closed };
        if let Some(lost) = connection.lost {
            return if lost.has_failed(self.end, now) { PeerEnd::Closed } else { PeerEnd::Open };
        }
        match connection.directions[1 - self.end].end {
            Some((at, end)) if !is_held && at <= now => match end {
                End::Closed => PeerEnd::HalfClosed,
                End::Reset => PeerEnd::Closed,
            },
            _ => PeerEnd::Open,
        }
    }

    pub(crate) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.link.state();
        let capacity = state.conditions.capacity;
        let Ok(connection) = state.connection(self.connection) else { return Poll::Ready(Ok(())) };
        let (is_lost, has_failed) = match connection.lost {
            Some(lost) => (true, lost.has_failed(self.end, Instant::now())),
            None => (false, false),
        };
        let to = &mut connection.directions[self.end];
        // What is written to a reader that is gone is discarded, unless it may not even be acknowledged.
        let is_discarded = to.reader_dropped.is_some() && !is_lost;
        if to.len >= capacity && !has_failed && !is_discarded && to.end.is_none() {
            to.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn try_read_buf<B: BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
        let mut state = self.link.state();
        let (is_held, max_transfer) = (state.is_held(), state.conditions.max_transfer);
        let now = Instant::now();
        let connection = state.connection(self.connection)?;
        if let Some(lost) = connection.lost {
            let kind = if lost.has_failed(self.end, now) {
                ErrorKind::ConnectionReset
            } else {
                ErrorKind::WouldBlock
            };
            return Err(kind.into());
        }
        let from = &mut connection.directions[1 - self.end];
        if is_held || from.next_arrival().is_none_or(|at| at > now) {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut shared = self.link.shared();
        let Some((_, segment)) = from.segments.front_mut() else {
            if matches!(from.end, Some((_, End::Reset))) {
                shared.record(self.connection, self.end, Action::Reset);
                drop(shared);
                state.remove(self.connection);
                return Err(ErrorKind::ConnectionReset.into());
            }
            shared.record(self.connection, self.end, Action::Read(0));
            return Ok(0);
        };
        // A `Vec` grows. Any other buffer takes as many bytes as it has space for.
        let mut len = segment.len().min(buffer.remaining_mut());
        if let Some(max) = max_transfer {
            len = len.min(shared.up_to(max));
        }
        shared.record(self.connection, self.end, Action::Read(len));
        buffer.put_slice(&segment[..len]);
        segment.advance(len);
        if segment.is_empty() {
            from.segments.pop_front();
        }
        from.len -= len;
        from.writer.take().into_iter().for_each(Waker::wake);
        Ok(len)
    }

    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.link.state();
        let conditions = state.conditions.clone();
        let is_held = state.is_held();
        let mut shared = self.link.shared();
        let now = Instant::now();
        let (arrival, answer) = (now + shared.duration(&conditions.latency), now + *conditions.latency.end());
        let connection = state.connection(self.connection)?;
        if connection.lost.is_some_and(|lost| lost.has_failed(self.end, now)) {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let is_lost = connection.lost.is_some();
        let to = &mut connection.directions[self.end];
        let learned = to.reader_dropped.is_some_and(|at| at <= now) && !is_held && !is_lost;
        if learned || to.end.is_some() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut len = bytes.len().min(conditions.capacity.saturating_sub(to.len));
        if len == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        if let Some(max) = conditions.max_transfer {
            len = len.min(shared.up_to(max));
        }
        if len > 0 {
            shared.record(self.connection, self.end, Action::Wrote(len));
            if to.reader_dropped.is_some() && !is_lost {
                // The bytes are lost.
                return Ok(len);
            }
            // Bytes do not overtake each other when the latency is lowered.
            let arrival = to.segments.back().map_or(arrival, |(last, _)| arrival.max(*last));
            to.segments.push_back((arrival, Bytes::copy_from_slice(&bytes[..len])));
            to.len += len;
            to.reader.take().into_iter().for_each(Waker::wake);
            if let Some(lost) = &mut connection.lost {
                lost.record_write(self.end, answer);
                connection.directions[1 - self.end].wake();
            }
        }
        Ok(len)
    }

    /// Ends the direction from here.
    pub(crate) fn shutdown(&self) {
        self.close(End::Closed);
    }

    fn close(&self, end: End) {
        let mut state = self.link.state();
        let latency = state.conditions.latency.clone();
        let Ok(connection) = state.connection(self.connection) else { return };
        let to = &mut connection.directions[self.end];
        if to.end.is_none() {
            let mut shared = self.link.shared();
            shared.record(self.connection, self.end, Action::Closed);
            let arrival = Instant::now() + shared.duration(&latency);
            let last = to.segments.back().map_or(arrival, |(last, _)| arrival.max(*last));
            to.end = Some((last, end));
        } else if end == End::Reset {
            to.end = to.end.map(|(at, _)| (at, end));
        }
        to.reader.take().into_iter().for_each(Waker::wake);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let has_unread = |from: &Direction| from.len > 0;
        let end = {
            let mut state = self.link.state();
            let unread = state
                .connection(self.connection)
                .is_ok_and(|connection| has_unread(&connection.directions[1 - self.end]));
            if unread { End::Reset } else { End::Closed }
        };
        self.close(end);
        let mut state = self.link.state();
        let latency = *state.conditions.latency.end();
        let Ok(connection) = state.connection(self.connection) else { return };
        self.link.shared().record(self.connection, self.end, Action::Dropped);
        let from = &mut connection.directions[1 - self.end];
        from.reader_dropped = Some(Instant::now() + latency);
        from.segments.clear();
        from.len = 0;
        from.wake();
        state.remove_if_over(self.connection);
    }
}
