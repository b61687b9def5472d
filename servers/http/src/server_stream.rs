//! The server's end of a connection: how it is closed, and when its client is disconnected.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use net::{HALF_CLOSED_TIMEOUT, PIPELINED_CHECK_INTERVAL, PeerEnd, TlsServerStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::timer::Timer;
use crate::write_stall::WriteStall;

/// How long a client may continue to send a request that was refused before its body was read.
pub(crate) const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// The state that the handler of a connection's requests shares with its stream.
#[derive(Debug, Default)]
pub(crate) struct ConnectionState {
    /// Whether the last request was refused before its body was read.
    pub(crate) refused: AtomicBool,
    /// Whether a request is being answered that could not be answered at once.
    pub(crate) answering: AtomicBool,
}

/// The socket of a connection, with or without TLS. The compiler makes code for each, so that connections without TLS do not
/// pay for those with it.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The connection that carries the bytes.
    fn stream(&self) -> &net::Stream;
}

impl Socket for net::Stream {
    fn stream(&self) -> &net::Stream {
        self
    }
}

impl Socket for TlsServerStream {
    fn stream(&self) -> &net::Stream {
        self.get_ref().0
    }
}

/// The server's end of a connection. It differs from its socket in three respects:
///
/// - If the last request was refused before its body was read, closing first reads and discards the bytes that the
///   client still sends. Otherwise the connection would be reset, and the client would not receive the response (RFC
///   9112, section 9.6).
/// - If the client reads nothing for [`net::WRITE_STALL_TIMEOUT`], writing fails.
/// - If the client leaves while a request is being answered, flushing fails. hyper flushes whenever it is polled, and an
///   error ends the connection and drops the future of the response, which cancels the call.
pub(crate) struct ServerStream<S> {
    socket: TokioIo<S>,
    state: Arc<ConnectionState>,
    write_stall: WriteStall,
    half_closed_timer: Timer,
    pipelined_timer: Timer,
    linger_timer: Timer,
    is_shut_down: bool,
}

impl<S: Socket> ServerStream<S> {
    pub(crate) fn new(socket: S, state: Arc<ConnectionState>) -> Self {
        ServerStream {
            socket: TokioIo::new(socket),
            state,
            write_stall: WriteStall::default(),
            half_closed_timer: Timer::default(),
            pipelined_timer: Timer::default(),
            linger_timer: Timer::default(),
            is_shut_down: false,
        }
    }

    fn socket(self: Pin<&mut Self>) -> Pin<&mut TokioIo<S>> {
        Pin::new(&mut self.get_mut().socket)
    }

    /// Reads and discards until the client has sent everything or [`LINGER_TIMEOUT`] is over.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.linger_timer.poll(LINGER_TIMEOUT, context).is_ready() {
            return Poll::Ready(());
        }
        let mut discarded = [0; 4096];
        // After this many reads, check the timer and let other connections proceed.
        for _ in 0..64 {
            let mut buffer = ReadBuf::new(&mut discarded);
            let read = ready!(Pin::new(self.socket.inner_mut()).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Ready once the client has left.
    fn poll_departure(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let socket = self.socket.inner().stream();
        match socket.peer_end() {
            PeerEnd::Closed => return Poll::Ready(()),
            PeerEnd::HalfClosed => return self.half_closed_timer.poll(HALF_CLOSED_TIMEOUT, context),
            PeerEnd::Open => {}
        }
        match socket.poll_read_ready(context) {
            // The task is woken when the client leaves.
            Poll::Pending => {}
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Ready(Ok(())) => {
                while self.pipelined_timer.poll(PIPELINED_CHECK_INTERVAL, context).is_ready() {
                    self.pipelined_timer.stop();
                }
            }
        }
        Poll::Pending
    }
}

impl<S: Socket> Read for ServerStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Read::poll_read(self.socket(), context, buffer)
    }
}

impl<S: Socket> Write for ServerStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Write::poll_write(self.as_mut().socket(), context, bytes);
        self.write_stall.limit(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state.answering.load(Ordering::Relaxed) {
            if self.poll_departure(context).is_ready() {
                let reason = "the client left before its response";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, reason)));
            }
        } else {
            self.half_closed_timer.stop();
            self.pipelined_timer.stop();
        }
        let flushed = Write::poll_flush(self.as_mut().socket(), context);
        self.write_stall.limit_flush(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut_down {
            ready!(Pin::new(self.socket.inner_mut()).poll_shutdown(context))?;
            self.is_shut_down = true;
        }
        if self.state.refused.load(Ordering::Relaxed) {
            ready!(self.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Write::poll_write_vectored(self.as_mut().socket(), context, slices);
        self.write_stall.limit(context, written)
    }
}
