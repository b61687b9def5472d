//! A connection to one peer: a handshake, and then one buffer for each direction.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use super::endpoint::Stream;
use super::inbox::{Inbox, Incoming};
use super::wire::{self, Command, GREETING_LEN, MessageLimits, SocketType, WireError};

/// How long a peer may take for the handshake; libzmq's default of `ZMQ_HANDSHAKE_IVL` is 30 s.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a peer may send before it has said READY: commands, whose length is limited by itself.
const HANDSHAKE: MessageLimits = MessageLimits { octets: 0, frames: 1 };

/// How long a peer may leave what is sent to it unread before it is given up.
pub const STALLED_AFTER: Duration = Duration::from_secs(60);

/// Octets that wait to be written before nothing more is read from that peer, and no stream goes on.
const FULL: usize = 256 << 10;

/// An outbox that a large message has made larger than this is given back once it is empty.
const KEEP_AT_MOST: usize = 256 << 10;

/// Why a connection has ended, or could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The operating system's reason.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer sent something that is no ZMTP.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// The peer has closed the connection.
    #[error("the peer has closed the connection")]
    Closed,
    /// The peer did not finish the handshake.
    #[error("the peer did not answer the handshake in time")]
    HandshakeTimeout,
    /// The peer does not read.
    #[error("the peer has not read for {} s what was sent to it", STALLED_AFTER.as_secs())]
    Stalled,
}

/// When a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// At once, where nothing waits before it.
    Now,
    /// By the task that reads from the peer, together with whatever else is there by then.
    Wake,
    /// As before, but that task need not be woken: it is the one that sends.
    Own,
}

/// Why a message was not taken.
#[derive(Debug)]
pub(crate) enum SendError<E> {
    /// The connection has ended.
    Closed,
    /// Too much waits already.
    Full,
    /// It could not be encoded.
    Encode(E),
}

/// How [`Link::fill`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// Something was read.
    Input,
    /// [`Link::halt`] was called.
    Halted,
}

/// A connection after its handshake. One task reads from it; anyone may send.
#[derive(Debug)]
pub(crate) struct Link {
    stream: Stream,
    outbox: Mutex<Outbox>,
    /// Octets that may wait to be written.
    capacity: usize,
    /// Told when nothing waits to be written any more.
    drained: Notify,
    /// The minor version of ZMTP that the peer speaks.
    peer_minor: u8,
}

#[derive(Debug, Default)]
struct Outbox {
    buffer: Vec<u8>,
    /// How much of `buffer` is written.
    written: usize,
    /// The task that reads.
    reader: Option<Waker>,
    closed: bool,
    halted: bool,
    /// Since when the peer takes nothing.
    blocked: Option<Instant>,
}

/// What is left to do after writing.
struct Waiting {
    octets: usize,
    halted: bool,
}

impl LinkError {
    /// Whether it is the peer's doing that no program does on purpose: anything but closing the connection.
    pub(crate) fn is_misconduct(&self) -> bool {
        match self {
            LinkError::Io(_) | LinkError::Closed => false,
            LinkError::Wire(_) | LinkError::HandshakeTimeout | LinkError::Stalled => true,
        }
    }
}

impl Outbox {
    fn waiting(&self) -> usize {
        self.buffer.len() - self.written
    }

    /// Writes as much as the system takes; true when nothing is left.
    fn write(&mut self, stream: &Stream) -> io::Result<bool> {
        while let Some(rest @ [_, ..]) = self.buffer.get(self.written..) {
            match stream.try_write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(octets) => {
                    self.written += octets;
                    self.blocked = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.buffer.clear();
        self.written = 0;
        if self.buffer.capacity() > KEEP_AT_MOST {
            self.buffer.shrink_to(0);
        }
        Ok(true)
    }
}

impl Link {
    /// Shakes hands over `stream`. What the peer has sent beyond that is in the inbox.
    ///
    /// # Errors
    /// [`LinkError`].
    pub(crate) async fn establish(
        stream: Stream,
        ours: SocketType,
        limits: MessageLimits,
    ) -> Result<(Link, Inbox), LinkError> {
        // Twice the largest message, so that one never has to wait for another of its kind.
        let capacity = limits.octets.saturating_mul(2).max(2 * FULL);
        let mut link =
            Link { stream, outbox: Mutex::default(), capacity, drained: Notify::new(), peer_minor: 0 };
        let mut inbox = Inbox::new(HANDSHAKE);
        let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, link.shake_hands(&mut inbox, ours));
        link.peer_minor = shaken.await.map_err(|_| LinkError::HandshakeTimeout)??;
        inbox.limit_to(limits);
        Ok((link, inbox))
    }

    /// A connection over a stream on which there are no hands to shake.
    pub(crate) fn over(stream: Stream, limits: MessageLimits) -> (Link, Inbox) {
        // Twice the largest message, so that one never has to wait for another of its kind.
        let capacity = limits.octets.saturating_mul(2).max(2 * FULL);
        let outbox = Mutex::default();
        (Link { stream, outbox, capacity, drained: Notify::new(), peer_minor: 0 }, Inbox::new(limits))
    }

    async fn shake_hands(&self, inbox: &mut Inbox, ours: SocketType) -> Result<u8, LinkError> {
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
        wire::ready(&mut self.outbox().buffer, ours);
        loop {
            match inbox.next()? {
                Some(Incoming::Command(command)) => {
                    command.ready_for(ours)?;
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

    /// Takes what `write` appends to be written to the peer.
    ///
    /// # Errors
    /// [`SendError`]; then nothing was taken.
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
        // Another library's socket is only ever touched by one task. An error of writing comes again to that one, and
        // ends the connection.
        let at_once = flush == Flush::Now && before == 0 && !matches!(self.stream, Stream::Carried(_));
        if flush == Flush::Own || at_once && outbox.write(&self.stream).unwrap_or(false) {
            return Ok(());
        }
        let reader = outbox.reader.take();
        drop(outbox);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }

    /// Handles a command that comes after the handshake, in the task that reads: answers a ping. Others mean nothing here.
    pub(crate) fn on_command(&self, command: Command<'_>) {
        if let Command::Ping(context) = command {
            let write = |out: &mut Vec<u8>| {
                wire::pong(out, context);
                Ok::<_, Infallible>(())
            };
            // A peer that does not read what it is sent gets no answer either.
            let _ = self.send(Flush::Own, write);
        }
    }

    /// Waits until there is room for more.
    ///
    /// # Errors
    /// [`LinkError::Closed`].
    pub(crate) async fn room(&self) -> Result<(), LinkError> {
        self.at_most(FULL).await
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// [`LinkError::Closed`].
    pub(crate) async fn written(&self) -> Result<(), LinkError> {
        self.at_most(0).await
    }

    async fn at_most(&self, octets: usize) -> Result<(), LinkError> {
        loop {
            let drained = self.drained.notified();
            {
                let outbox = self.outbox();
                if outbox.closed {
                    return Err(LinkError::Closed);
                }
                if outbox.waiting() <= octets {
                    return Ok(());
                }
            }
            drained.await;
        }
    }

    /// Whether so much waits that a message more would better be left out.
    pub(crate) fn is_full(&self) -> bool {
        self.outbox().waiting() > self.capacity / 2
    }

    /// Whether the connection has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.outbox().closed
    }

    /// Ends the connection: what waits is not sent any more.
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

    /// Makes [`fill`](Self::fill) end: nothing more is to be read.
    pub(crate) fn halt(&self) {
        let mut outbox = self.outbox();
        outbox.halted = true;
        if let Some(reader) = outbox.reader.take() {
            drop(outbox);
            reader.wake();
        }
    }

    /// Writes what waits, as far as the system takes it, and has `context` woken for the rest.
    fn poll_flush(
        &self,
        context: &mut Context<'_>,
        stalled: &mut Option<Pin<Box<Sleep>>>,
    ) -> Result<Waiting, LinkError> {
        let mut outbox = self.outbox();
        if outbox.closed {
            return Err(LinkError::Closed);
        }
        match &mut outbox.reader {
            Some(reader) => reader.clone_from(context.waker()),
            None => outbox.reader = Some(context.waker().clone()),
        }
        let halted = outbox.halted;
        if outbox.waiting() == 0 {
            return Ok(Waiting { octets: 0, halted });
        }
        while !outbox.write(&self.stream)? {
            if self.stream.poll_writable(context)?.is_ready() {
                continue;
            }
            let since = *outbox.blocked.get_or_insert_with(Instant::now);
            let octets = outbox.waiting();
            drop(outbox);
            let timer =
                stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(since + STALLED_AFTER)));
            timer.as_mut().reset(since + STALLED_AFTER);
            return if timer.as_mut().poll(context).is_ready() {
                Err(LinkError::Stalled)
            } else {
                Ok(Waiting { octets, halted })
            };
        }
        drop(outbox);
        self.drained.notify_waiters();
        Ok(Waiting { octets: 0, halted })
    }

    /// Writes what waits and reads something, unless so much waits that the peer had better read first.
    ///
    /// # Errors
    /// [`LinkError`]; the connection has then ended.
    pub(crate) async fn fill(&self, inbox: &mut Inbox) -> Result<Filled, LinkError> {
        let mut stalled = None;
        poll_fn(|context| {
            loop {
                let waiting = self.poll_flush(context, &mut stalled)?;
                if waiting.halted {
                    return Poll::Ready(Ok(Filled::Halted));
                }
                if waiting.octets > FULL {
                    return Poll::Pending;
                }
                if self.stream.poll_readable(context)?.is_pending() {
                    return Poll::Pending;
                }
                match self.stream.try_read(inbox.space()) {
                    Ok(0) => return Poll::Ready(Err(LinkError::Closed)),
                    Ok(_) => return Poll::Ready(Ok(Filled::Input)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error.into())),
                }
            }
        })
        .await
    }

    /// Writes what waits while `other` is awaited, and then gives its output. Reads nothing.
    ///
    /// # Errors
    /// [`LinkError`]; the connection has then ended.
    pub(crate) async fn flush_until<T>(&self, other: impl Future<Output = T>) -> Result<T, LinkError> {
        let mut other = std::pin::pin!(other);
        let mut stalled = None;
        poll_fn(|context| {
            self.poll_flush(context, &mut stalled)?;
            other.as_mut().poll(context).map(Ok)
        })
        .await
    }

    /// Writes all that waits.
    ///
    /// # Errors
    /// [`LinkError`]; the connection has then ended.
    pub(crate) async fn flush(&self) -> Result<(), LinkError> {
        let mut stalled = None;
        poll_fn(|context| match self.poll_flush(context, &mut stalled)?.octets {
            0 => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        })
        .await
    }
}
