//! The server's end of a connection: when its client is disconnected.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_layer::Timer;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use net::WRITE_STALL_TIMEOUT;

/// How long a client may take to begin: to send the first bytes of its preface.
const PREFACE_TIMEOUT: Duration = Duration::from_secs(30);

/// The server's end of a connection. Reading fails if nothing has arrived after [`PREFACE_TIMEOUT`], and writing if the
/// client reads nothing for [`WRITE_STALL_TIMEOUT`].
pub(super) struct ServerStream {
    socket: TokioIo<net::Stream>,
    write_timer: Timer,
    /// Absent once something has arrived.
    preface_timer: Option<Timer>,
}

impl ServerStream {
    pub(super) fn new(socket: net::Stream) -> Self {
        let preface_timer = Some(Timer::default());
        ServerStream { socket: TokioIo::new(socket), write_timer: Timer::default(), preface_timer }
    }

    fn socket(self: Pin<&mut Self>) -> Pin<&mut TokioIo<net::Stream>> {
        Pin::new(&mut self.get_mut().socket)
    }

    /// Turns `written`, the outcome of a write, into an error if nothing could be written for [`WRITE_STALL_TIMEOUT`].
    fn limit_waiting(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.write_timer.stop();
            return written;
        }
        ready!(self.write_timer.poll(WRITE_STALL_TIMEOUT, context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read the responses")))
    }
}

impl Read for ServerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Read::poll_read(self.as_mut().socket(), context, buffer);
        if read.is_ready() {
            self.preface_timer = None;
        } else if let Some(timer) = &mut self.preface_timer {
            ready!(timer.poll(PREFACE_TIMEOUT, context));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client sends nothing")));
        }
        read
    }
}

impl Write for ServerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Write::poll_write(self.as_mut().socket(), context, bytes);
        self.limit_waiting(context, written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_flush(self.socket(), context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_shutdown(self.socket(), context)
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
        self.limit_waiting(context, written)
    }
}
