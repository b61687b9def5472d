//! A connection to a broker.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use calculator::{CallError, ErrorKind, Limits};
use net::Stream;
use tokio::sync::Notify;

use crate::broker::Broker;
use crate::connect::undeliverable;
use crate::wire::{Decoder, Info, Message, Operation, PING, PONG, write_connect};

/// The bytes that may wait until the broker accepts them. Further messages are refused.
const OUTBOX_CAPACITY_BYTES: usize = 64 << 20;
/// The space for what arrives at once, in bytes.
const READ_BYTES: usize = 16 << 10;

/// The sending half of a connection. Any task can send without waiting for others.
pub(super) struct Connection {
    stream: Stream,
    /// What the system has not accepted yet.
    outbox: Mutex<BytesMut>,
    /// Notified when the outbox is no longer empty.
    filled: Notify,
    /// The largest payload that the broker accepts, in bytes.
    pub(super) max_payload: usize,
}

/// The receiving half. Only while it waits is what the system did not accept at first written.
pub(super) struct Incoming {
    pub(super) connection: Arc<Connection>,
    decoder: Decoder,
    inbox: BytesMut,
}

/// What a broker sends after the handshake.
pub(super) enum Event {
    /// A message.
    Message(Message),
    /// A message beyond the limit, without its payload, which has this many bytes.
    TooLarge(Message, usize),
    /// The broker has carried out everything before a PING.
    Pong,
}

impl Connection {
    /// Connects to `broker`, logs in under the name `name`, and subscribes to what `subscribe` writes.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if the broker cannot be reached or refuses it, [`ErrorKind::Timeout`] if it does not
    /// answer within `timeout`, [`ErrorKind::Malformed`] if it is no broker of NATS.
    pub(super) async fn open(
        broker: &Broker,
        name: &str,
        subscribe: impl FnOnce(&mut BytesMut),
        limits: &Limits,
        timeout: Duration,
    ) -> Result<Incoming, CallError> {
        let opening = Self::open_without_deadline(broker, name, subscribe, limits);
        let late = |_| CallError::new(ErrorKind::Timeout, "the broker has not answered in time");
        tokio::time::timeout(timeout, opening).await.map_err(late)?
    }

    async fn open_without_deadline(
        broker: &Broker,
        name: &str,
        subscribe: impl FnOnce(&mut BytesMut),
        limits: &Limits,
    ) -> Result<Incoming, CallError> {
        let refused = |error: io::Error| {
            undeliverable(&format!("cannot connect to the broker: {}", net::describe_connect_error(&error)))
        };
        let stream = net::connect(broker.endpoint()).await.map_err(refused)?;
        let connection =
            Connection { stream, outbox: Mutex::default(), filled: Notify::new(), max_payload: usize::MAX };
        let mut incoming = Incoming {
            connection: Arc::new(connection),
            decoder: Decoder::new(limits.max_body),
            inbox: BytesMut::new(),
        };
        let Operation::Info(info) = incoming.operation().await? else {
            return Err(CallError::new(ErrorKind::Malformed, "the peer is not a broker of NATS"));
        };
        if info.tls_required {
            return Err(undeliverable("the broker requires TLS"));
        }
        if let Some(connection) = Arc::get_mut(&mut incoming.connection) {
            connection.max_payload = max_payload(&info);
        }
        let login = broker.login().map(|login| (login.user.as_str(), login.password.as_str()));
        incoming.connection.send(|out| {
            write_connect(out, name, login);
            subscribe(out);
            out.put_slice(PING);
        })?;
        // The broker handles what comes over a connection in its order.
        loop {
            match incoming.next().await? {
                Event::Pong => return Ok(incoming),
                Event::Message(_) | Event::TooLarge(..) => {}
            }
        }
    }

    /// Sends what `write` appends: at once, as far as the system accepts it.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if the connection has ended, or the broker accepts too little.
    pub(super) fn send(&self, write: impl FnOnce(&mut BytesMut)) -> Result<(), CallError> {
        let mut outbox = self.outbox();
        if outbox.len() > OUTBOX_CAPACITY_BYTES {
            return Err(undeliverable("the broker does not accept what is sent to it"));
        }
        let is_first = outbox.is_empty();
        write(&mut outbox);
        if is_first {
            self.write_out(&mut outbox).map_err(|error| lost(&error))?;
            if !outbox.is_empty() {
                self.filled.notify_one();
            }
        }
        Ok(())
    }

    /// Waits until everything is written that [`send`](Self::send) was given.
    pub(super) async fn flush(&self) -> io::Result<()> {
        loop {
            if self.outbox().is_empty() {
                return Ok(());
            }
            poll_fn(|context| self.stream.poll_write_ready(context)).await?;
            self.write_out(&mut self.outbox())?;
        }
    }

    fn outbox(&self) -> MutexGuard<'_, BytesMut> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_out(&self, outbox: &mut BytesMut) -> io::Result<()> {
        while !outbox.is_empty() {
            match self.stream.try_write(outbox) {
                Ok(written) => outbox.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Incoming {
    /// The next message, or the answer to a PING. No message is lost when it is cancelled.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] when the connection ends, [`ErrorKind::Malformed`] for bytes that no broker sends. The
    /// connection cannot be used any further.
    pub(super) async fn next(&mut self) -> Result<Event, CallError> {
        loop {
            match self.operation().await? {
                Operation::Message(message) => return Ok(Event::Message(message)),
                Operation::TooLarge { message, bytes } => return Ok(Event::TooLarge(message, bytes)),
                Operation::Pong => return Ok(Event::Pong),
                Operation::Ping => self.connection.send(|out| out.put_slice(PONG))?,
                Operation::Error(reason) => {
                    return Err(undeliverable(&format!("the broker reported: {reason}")));
                }
                Operation::Info(_) | Operation::Ok => {}
            }
        }
    }

    async fn operation(&mut self) -> Result<Operation, CallError> {
        loop {
            let decoded = self.decoder.decode(&mut self.inbox);
            let decoded = decoded.map_err(|error| CallError::new(ErrorKind::Malformed, error.to_string()))?;
            if let Some(operation) = decoded {
                return Ok(operation);
            }
            self.read().await.map_err(|error| lost(&error))?;
        }
    }

    /// Reads what has arrived. Writes meanwhile what the system did not accept at first.
    async fn read(&mut self) -> io::Result<()> {
        let stream = &self.connection.stream;
        tokio::select! {
            biased;
            ready = poll_fn(|context| stream.poll_read_ready(context)) => ready?,
            written = write_later(&self.connection) => return written,
        }
        self.inbox.reserve(READ_BYTES);
        match stream.try_read_buf(&mut self.inbox) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Writes what is in the outbox of `connection` once there is something.
async fn write_later(connection: &Connection) -> io::Result<()> {
    // It may have been cancelled after the notification.
    if connection.outbox().is_empty() {
        connection.filled.notified().await;
    }
    connection.flush().await
}

/// The largest payload that a broker accepts.
fn max_payload(info: &Info) -> usize {
    if info.max_payload == 0 { usize::MAX } else { info.max_payload }
}

fn lost(error: &io::Error) -> CallError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return undeliverable("the broker closed the connection");
    }
    undeliverable(&format!("lost the connection to the broker: {error}"))
}
