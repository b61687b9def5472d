//! The server's end of a connection of HTTP/2: when its client is disconnected.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::timer::Timer;
use crate::write_stall::WriteStall;

/// How long a client may take to begin: to send the first bytes of its preface.
const PREFACE_TIMEOUT: Duration = Duration::from_secs(30);

/// The server's end of a connection of HTTP/2. Reading fails if nothing has arrived after 30 s, and writing if the
/// client reads nothing for [`net::WRITE_STALL_TIMEOUT`].
pub struct Http2Stream<S> {
    socket: TokioIo<S>,
    write_stall: WriteStall,
    /// Absent once something has arrived.
    preface_timer: Option<Timer>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http2Stream<S> {
    /// The server's end on `socket`.
    pub fn new(socket: S) -> Self {
        let preface_timer = Some(Timer::default());
        Http2Stream { socket: TokioIo::new(socket), write_stall: WriteStall::default(), preface_timer }
    }

    fn socket(self: Pin<&mut Self>) -> Pin<&mut TokioIo<S>> {
        Pin::new(&mut self.get_mut().socket)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Read for Http2Stream<S> {
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

impl<S: AsyncRead + AsyncWrite + Unpin> Write for Http2Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Write::poll_write(self.as_mut().socket(), context, bytes);
        self.write_stall.limit(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Write::poll_flush(self.as_mut().socket(), context);
        self.write_stall.limit_flush(context, flushed)
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
        self.write_stall.limit(context, written)
    }
}
