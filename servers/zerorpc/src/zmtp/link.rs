//! A connection to one peer: a handshake, then one buffer in each direction.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use net::WRITE_STALL_TIMEOUT;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use super::inbox::{Inbox, Incoming};
use super::transport::Transport;
use super::wire::{self, Command, GREETING_LEN, MessageLimits, SocketType, WireError};

/// How long a peer may take for the handshake. libzmq's default (`ZMQ_HANDSHAKE_IVL`) is 30 s.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The limits before READY. A peer may send only commands then, which have a separate limit, and no messages.
const HANDSHAKE_LIMITS: MessageLimits = MessageLimits { bytes: 0, frames: 1 };

/// The number of unwritten bytes above which reading from the peer and streams to it pause.
const OUTBOX_PAUSE_BYTES: usize = 256 << 10;

/// The capacity, in bytes, above which an outbox that is mostly unused is reallocated.
const MAX_KEPT_CAPACITY: usize = 256 << 10;

/// Why a connection ended or could not be established.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// An error of the operating system.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer violates ZMTP.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// The peer closed the connection.
    #[error("the peer has closed the connection")]
    Closed,
    /// The peer did not finish the handshake within [`HANDSHAKE_TIMEOUT`].
    #[error("the peer did not answer the handshake in time")]
    HandshakeTimeout,
    /// The peer accepted no byte for [`WRITE_STALL_TIMEOUT`].
    #[error("the peer has not read for {} s what was sent to it", WRITE_STALL_TIMEOUT.as_secs())]
    Stalled,
}

/// When a message is written to the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// Immediately, unless other messages are queued before it.
    Now,
    /// By the task that reads from the peer, which is woken. It writes all messages that wait by then together.
    WakeReader,
    /// By the task that reads from the peer, which is the one that sends.
    ByReader,
}

/// Why a message was not queued.
#[derive(Debug)]
pub(crate) enum SendError<E> {
    /// The connection has ended.
    Closed,
    /// Too many bytes wait to be written.
    Full,
    /// The message could not be encoded.
    Encode(E),
}

/// How [`Link::fill`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FillEnd {
    /// Bytes were read.
    Read,
    /// [`Link::stop_reading`] was called.
    Stopped,
}

/// A connection after its handshake. One task reads from it. Any task may send.
#[derive(Debug)]
pub(crate) struct Link {
    transport: Transport,
    outbox: Mutex<Outbox>,
    /// Bytes that may wait to be written.
    capacity: usize,
    /// Notified when no more than [`OUTBOX_PAUSE_BYTES`] wait to be written, when none do, and when the connection ends.
    drained: Notify,
    /// The minor version of ZMTP that the peer speaks.
    peer_minor: u8,
}

/// Messages that wait to be written.
#[derive(Debug, Default)]
struct Outbox {
    buffer: Vec<u8>,
    /// How much of `buffer` has been written.
    written: usize,
    /// The task that reads from the peer.
    reader: Option<Waker>,
    closed: bool,
    reading_stopped: bool,
    /// The time since which the peer has accepted no bytes.
    blocked_since: Option<Instant>,
    /// Whether the transport has accepted a part of what waits, since [`Link::take_partial_write`] was called.
    wrote_part: bool,
}

/// The state after a flush.
struct FlushState {
    /// The number of bytes that still wait to be written.
    waiting: usize,
    reading_stopped: bool,
}

impl LinkError {
    /// Whether the peer violated the protocol or its time limits, rather than just closing the connection.
    pub(crate) fn is_misconduct(&self) -> bool {
        match self {
            LinkError::Io(_) | LinkError::Closed => false,
            LinkError::Wire(_) | LinkError::HandshakeTimeout | LinkError::Stalled => true,
        }
    }
}

impl Outbox {
    /// Bytes that wait to be written.
    fn waiting(&self) -> usize {
        self.buffer.len() - self.written
    }

    /// Writes as much as the transport accepts; returns true if the outbox is empty then.
    fn write(&mut self, transport: &Transport) -> io::Result<bool> {
        let before = self.written;
        while let Some(rest @ [_, ..]) = self.buffer.get(self.written..) {
            match transport.try_write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    self.written += bytes;
                    self.blocked_since = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wrote_part |= self.written > before;
                    self.release_written();
                    return Ok(false);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.release_written();
        Ok(true)
    }

    /// Removes what was written once it is at least half of the buffer, so that a peer which always leaves something
    /// unread does not make the buffer grow. A byte is moved at most once for each one that was written.
    fn release_written(&mut self) {
        if self.written < self.waiting() {
            return;
        }
        self.buffer.drain(..self.written);
        self.written = 0;
        if self.buffer.capacity() > MAX_KEPT_CAPACITY && self.buffer.len() <= self.buffer.capacity() / 4 {
            self.buffer.shrink_to(self.buffer.len());
        }
    }
}

impl Link {
    /// Creates a connection from `transport`, with a handshake unless the transport is a socket of another library,
    /// which has already performed it. Bytes that the peer has sent after the handshake are in the inbox.
    ///
    /// # Errors
    /// [`LinkError`].
    pub(crate) async fn establish(
        transport: Transport,
        local: SocketType,
        limits: MessageLimits,
    ) -> Result<(Link, Inbox), LinkError> {
        let needs_handshake = matches!(transport, Transport::Stream(_));
        let mut link = Link {
            transport,
            outbox: Mutex::default(),
            // Two of the largest messages, so that one does not have to wait for another.
            capacity: limits.bytes.saturating_mul(2).max(2 * OUTBOX_PAUSE_BYTES),
            drained: Notify::new(),
            peer_minor: 0,
        };
        if !needs_handshake {
            return Ok((link, Inbox::new(limits)));
        }
        let mut inbox = Inbox::new(HANDSHAKE_LIMITS);
        let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, link.handshake(&mut inbox, local));
        link.peer_minor = handshake.await.map_err(|_| LinkError::HandshakeTimeout)??;
        inbox.set_limits(limits);
        Ok((link, inbox))
    }

    /// Performs the handshake and returns the minor version of the peer.
    async fn handshake(&self, inbox: &mut Inbox, local: SocketType) -> Result<u8, LinkError> {
        self.outbox().buffer.extend_from_slice(&wire::greeting());
        let minor = loop {
            if let Some(minor) =
                wire::read_greeting(inbox.unread().get(..GREETING_LEN).unwrap_or(inbox.unread()))?
            {
                break minor;
            }
            self.fill(inbox).await?;
        };
        inbox.advance(GREETING_LEN);
        wire::write_ready(&mut self.outbox().buffer, local);
        loop {
            match inbox.next()? {
                Some(Incoming::Command(command)) => {
                    command.peer_type(local)?;
                    return Ok(minor);
                }
                Some(_) => return Err(WireError::NotReady.into()),
                None => self.fill(inbox).await?,
            };
        }
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The minor version of ZMTP that the peer speaks.
    pub(crate) fn peer_minor(&self) -> u8 {
        self.peer_minor
    }

    /// Queues the message that `write` appends, and writes it as `flush` says.
    ///
    /// # Errors
    /// [`SendError`]. Nothing was queued then.
    pub(crate) fn send<E>(
        &self,
        flush: Flush,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), SendError<E>> {
        let mut outbox = self.outbox();
        if outbox.closed {
            return Err(SendError::Closed);
        }
        let before = outbox.waiting();
        if before > self.capacity {
            return Err(SendError::Full);
        }
        write(&mut outbox.buffer).map_err(SendError::Encode)?;
        // Only the reading task may use a socket of another library. That task also gets a write error again, and then
        // ends the connection.
        let at_once = flush == Flush::Now && before == 0 && matches!(self.transport, Transport::Stream(_));
        if flush == Flush::ByReader || at_once && outbox.write(&self.transport).unwrap_or(false) {
            return Ok(());
        }
        let reader = outbox.reader.take();
        drop(outbox);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }

    /// Handles a command after the handshake, in the task that reads: answers a ping and ignores any other.
    pub(crate) fn on_command(&self, command: Command<'_>) {
        if let Command::Ping(context) = command {
            let write = |out: &mut Vec<u8>| {
                wire::write_pong(out, context);
                Ok::<_, Infallible>(())
            };
            // A peer that does not read what is sent to it gets no answer either.
            let _ = self.send(Flush::ByReader, write);
        }
    }

    /// Waits until the reading task has made space in the outbox.
    ///
    /// # Errors
    /// [`LinkError::Closed`].
    pub(crate) async fn space_available(&self) -> Result<(), LinkError> {
        self.waiting_at_most(OUTBOX_PAUSE_BYTES).await
    }

    /// Waits until the reading task has written everything.
    ///
    /// # Errors
    /// [`LinkError::Closed`].
    pub(crate) async fn written(&self) -> Result<(), LinkError> {
        self.waiting_at_most(0).await
    }

    async fn waiting_at_most(&self, bytes: usize) -> Result<(), LinkError> {
        loop {
            let drained = self.drained.notified();
            {
                let outbox = self.outbox();
                if outbox.closed {
                    return Err(LinkError::Closed);
                }
                if outbox.waiting() <= bytes {
                    return Ok(());
                }
            }
            drained.await;
        }
    }

    /// Whether the outbox is more than half full, so that a message that may be lost should not be sent.
    pub(crate) fn is_congested(&self) -> bool {
        self.outbox().waiting() > self.capacity / 2
    }

    /// Whether the peer has accepted a part of what waits for it since the last call. It is alive then, although it may
    /// answer nothing before the rest has arrived.
    pub(crate) fn take_partial_write(&self) -> bool {
        std::mem::take(&mut self.outbox().wrote_part)
    }

    /// Whether the connection has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.outbox().closed
    }

    /// Ends the connection and discards unwritten messages.
    pub(crate) fn close(&self) {
        let mut outbox = self.outbox();
        outbox.closed = true;
        let reader = outbox.reader.take();
        drop(outbox);
        self.drained.notify_waiters();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Stops reading: makes [`fill`](Self::fill) return [`FillEnd::Stopped`].
    pub(crate) fn stop_reading(&self) {
        let mut outbox = self.outbox();
        outbox.reading_stopped = true;
        if let Some(reader) = outbox.reader.take() {
            drop(outbox);
            reader.wake();
        }
    }

    /// Writes as much of the outbox as the transport accepts, and registers `context` to be woken for the rest.
    fn poll_flush(
        &self,
        context: &mut Context<'_>,
        stall_timer: &mut Option<Pin<Box<Sleep>>>,
    ) -> Result<FlushState, LinkError> {
        let mut outbox = self.outbox();
        if outbox.closed {
            return Err(LinkError::Closed);
        }
        match &mut outbox.reader {
            Some(reader) => reader.clone_from(context.waker()),
            None => outbox.reader = Some(context.waker().clone()),
        }
        let reading_stopped = outbox.reading_stopped;
        if outbox.waiting() == 0 {
            return Ok(FlushState { waiting: 0, reading_stopped });
        }
        while !outbox.write(&self.transport)? {
            if self.transport.poll_write_ready(context)?.is_ready() {
                continue;
            }
            let since = *outbox.blocked_since.get_or_insert_with(Instant::now);
            let waiting = outbox.waiting();
            drop(outbox);
            if waiting <= OUTBOX_PAUSE_BYTES {
                self.drained.notify_waiters();
            }
            let timer = stall_timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(since + WRITE_STALL_TIMEOUT)));
            timer.as_mut().reset(since + WRITE_STALL_TIMEOUT);
            return if timer.as_mut().poll(context).is_ready() {
                Err(LinkError::Stalled)
            } else {
                Ok(FlushState { waiting, reading_stopped })
            };
        }
        drop(outbox);
        self.drained.notify_waiters();
        Ok(FlushState { waiting: 0, reading_stopped })
    }

    /// Flushes the outbox and reads into `inbox`. Does not read while more than [`OUTBOX_PAUSE_BYTES`] wait to be
    /// written, until the peer has read some of them.
    ///
    /// # Errors
    /// [`LinkError`]. The connection has ended then.
    pub(crate) async fn fill(&self, inbox: &mut Inbox) -> Result<FillEnd, LinkError> {
        let mut stall_timer = None;
        poll_fn(|context| {
            loop {
                let flushed = self.poll_flush(context, &mut stall_timer)?;
                if flushed.reading_stopped {
                    return Poll::Ready(Ok(FillEnd::Stopped));
                }
                if flushed.waiting > OUTBOX_PAUSE_BYTES {
                    return Poll::Pending;
                }
                if self.transport.poll_read_ready(context)?.is_pending() {
                    return Poll::Pending;
                }
                match self.transport.try_read(inbox.buffer()) {
                    Ok(0) => return Poll::Ready(Err(LinkError::Closed)),
                    Ok(_) => return Poll::Ready(Ok(FillEnd::Read)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error.into())),
                }
            }
        })
        .await
    }

    /// Flushes the outbox, without reading, until `other` is ready, and returns its output.
    ///
    /// # Errors
    /// [`LinkError`]. The connection has ended then.
    pub(crate) async fn flush_until<T>(&self, other: impl Future<Output = T>) -> Result<T, LinkError> {
        let mut other = std::pin::pin!(other);
        let mut stall_timer = None;
        poll_fn(|context| {
            self.poll_flush(context, &mut stall_timer)?;
            other.as_mut().poll(context).map(Ok)
        })
        .await
    }

    /// Writes the whole outbox.
    ///
    /// # Errors
    /// [`LinkError`]. The connection has ended then.
    pub(crate) async fn flush(&self) -> Result<(), LinkError> {
        let mut stall_timer = None;
        poll_fn(|context| match self.poll_flush(context, &mut stall_timer)?.waiting {
            0 => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        })
        .await
    }
}

#[cfg(test)]
mod tests;
