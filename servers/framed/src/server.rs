//! The server: a task for each connection.

use std::io;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use calculator::{Call, Dispatcher, Limits};
use futures_util::poll;
use net::{AnomalyCounter, Endpoint, Listener, Stream, TlsAcceptor, WRITE_STALL_TIMEOUT, serve_connections};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::inbox::{Inbox, recycle};
use crate::notation::{Notation, Reply, Request};

/// The size in bytes of the replies that are collected before they are written.
const MAX_COLLECTED_BYTES: usize = 64 << 10;

/// A server on the Tokio runtime that [`run`](Server::run) is awaited on.
pub struct Server<N> {
    listener: Listener,
    dispatcher: Dispatcher,
    limits: Limits,
    notation: PhantomData<N>,
}

impl<N: Notation> Server<N> {
    /// Listens on `listen`; port 0 picks a free port. Connections are queued from now on, and served once
    /// [`run`](Server::run) is polled. `limits.max_in_flight` is the maximum number of connections, each of which has
    /// at most one call in progress.
    ///
    /// # Errors
    /// The errors of the operating system: the address is in use, or not one of this machine.
    pub async fn bind(listen: &Endpoint, dispatcher: Dispatcher, limits: Limits) -> io::Result<Server<N>> {
        Ok(Server { listener: Listener::bind(listen).await?, dispatcher, limits, notation: PhantomData })
    }

    /// Serves over TLS if there is an acceptor `tls`.
    #[must_use]
    pub fn with_tls(self, tls: Option<TlsAcceptor>) -> Self {
        Server { listener: self.listener.with_tls(tls), ..self }
    }

    /// The URL that a client connects to, in one of [`Notation::SCHEMES`].
    #[must_use]
    pub fn url(&self) -> String {
        self.listener.url(N::SCHEMES, "")
    }

    /// Serves until `stop` is cancelled, then finishes calls in progress for at most [`net::DRAIN_TIMEOUT`], and returns.
    pub async fn run(self, stop: CancellationToken) {
        let Server { listener, dispatcher, limits, .. } = self;
        let unanswered = Arc::new(AnomalyCounter::new("closed a connection", "connections were closed"));
        let serve = |stream| {
            let (dispatcher, unanswered) = (dispatcher.clone(), Arc::clone(&unanswered));
            Connection::<N>::new(stream, dispatcher, limits, unanswered).serve(stop.clone())
        };
        serve_connections(listener, limits.max_in_flight, &stop, serve).await;
    }
}

/// A connection and its buffers.
struct Connection<N> {
    stream: Stream,
    inbox: Inbox<N>,
    /// Replies that are not written yet.
    replies: Vec<u8>,
    dispatcher: Dispatcher,
    limits: Limits,
    /// Counts the requests that could not be answered, each of which ended its connection.
    unanswered: Arc<AnomalyCounter>,
}

impl<N: Notation> Connection<N> {
    fn new(stream: Stream, dispatcher: Dispatcher, limits: Limits, unanswered: Arc<AnomalyCounter>) -> Self {
        let inbox = Inbox::new(limits.max_body);
        Connection { stream, inbox, replies: Vec::new(), dispatcher, limits, unanswered }
    }

    /// Answers requests until either end stops.
    async fn serve(mut self, stop: CancellationToken) {
        let mut stopped = pin!(stop.cancelled());
        loop {
            if let Err(error) = self.answer_arrived().await {
                return tracing::debug!("a reply was not delivered: {error}");
            }
            let read = tokio::select! {
                biased;
                () = &mut stopped => return,
                read = self.stream.read(self.inbox.space()) => read,
            };
            match read {
                Ok(0) => return,
                Ok(len) => self.inbox.add(len),
                Err(error) => return tracing::debug!("a connection failed: {error}"),
            }
        }
    }

    /// Answers all requests that have arrived, one after the other.
    ///
    /// # Errors
    /// When the client has left, or has sent a request that cannot be answered.
    async fn answer_arrived(&mut self) -> io::Result<()> {
        while let Some(request) = self.inbox.next() {
            let Request { to, call } = match request {
                Ok(message) => N::decode_request(message, self.dispatcher.service(), &self.limits),
                Err(error) => Request { to: N::UNREAD, call: Err(error) },
            };
            let (to, result) = match (to, call) {
                (Some(to), Ok(call)) => (to, self.execute(call).await?),
                (Some(to), Err(error)) => (to, Err(error)),
                (None, call) => {
                    let reason = call.err().map_or_else(String::new, |error| error.to_string());
                    self.unanswered.add(&reason);
                    write(&mut self.stream, &mut self.replies).await?;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
                }
            };
            N::encode_reply(&mut self.replies, &to, &result);
            if self.replies.len() > MAX_COLLECTED_BYTES {
                write(&mut self.stream, &mut self.replies).await?;
            }
        }
        write(&mut self.stream, &mut self.replies).await
    }

    /// Executes a call. If it is not finished at once, the replies to earlier calls are written first.
    ///
    /// # Errors
    /// When the client leaves before the call is finished.
    async fn execute(&mut self, call: Call) -> io::Result<Reply> {
        let Connection { stream, replies, dispatcher, .. } = self;
        let mut executing = pin!(dispatcher.call(call));
        if let Poll::Ready(result) = poll!(executing.as_mut()) {
            return Ok(result);
        }
        write(stream, replies).await?;
        tokio::select! {
            biased;
            result = executing => Ok(result),
            () = stream.departed() => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

/// Writes `replies` and empties it, in one system call if the socket accepts them all.
///
/// # Errors
/// When the client has left, or accepts nothing for [`WRITE_STALL_TIMEOUT`].
async fn write(stream: &mut Stream, replies: &mut Vec<u8>) -> io::Result<()> {
    let mut rest = replies.as_slice();
    while !rest.is_empty() {
        let written = match stream.try_write(rest) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::timeout(WRITE_STALL_TIMEOUT, stream.write(rest)).await??
            }
            written => written?,
        };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        rest = &rest[written..];
    }
    recycle(replies);
    Ok(())
}
