//! Connections that are closed without losing the response to a refused request.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long a client may continue to send a request that was refused before its body was read.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// The server's end of a connection. If the last request was refused before its body was read, closing first reads and
/// discards the bytes that the client still sends. Otherwise the connection would be reset, and the client would not
/// receive the response (RFC 9112, section 9.6).
pub(crate) struct LingeringStream {
    socket: TokioIo<net::Stream>,
    refused: Arc<AtomicBool>,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl LingeringStream {
    /// The request handler sets `refused` when it refuses a request without reading its body.
    pub(crate) fn new(socket: net::Stream, refused: Arc<AtomicBool>) -> Self {
        LingeringStream { socket: TokioIo::new(socket), refused, lingering: None }
    }

    fn socket(self: Pin<&mut Self>) -> Pin<&mut TokioIo<net::Stream>> {
        Pin::new(&mut self.get_mut().socket)
    }

    /// Reads and discards until the client has sent everything or [`LINGER_TIMEOUT`] is over.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER_TIMEOUT)));
        if timer.as_mut().poll(context).is_ready() {
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
}

impl Read for LingeringStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Read::poll_read(self.socket(), context, buffer)
    }
}

impl Write for LingeringStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Write::poll_write(self.socket(), context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_flush(self.socket(), context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(self.socket.inner_mut()).poll_shutdown(context))?;
        }
        if self.refused.load(Ordering::Relaxed) {
            ready!(self.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Write::poll_write_vectored(self.socket(), context, slices)
    }
}
