//! The server's end of a connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How long a client may go on sending a request that was refused unread.
const LINGER: Duration = Duration::from_secs(2);

/// A connection that, where a request was refused before its body was read, takes in what the client still sends
/// before it is closed. Closed at once, it would be reset, and the client would lose the refusal that is on its way
/// (RFC 9112, section 9.6).
pub(crate) struct Stream {
    socket: TokioIo<TcpStream>,
    refused: Arc<AtomicBool>,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    /// `refused` is set by whoever refuses a request unread.
    pub(crate) fn new(socket: TcpStream, refused: Arc<AtomicBool>) -> Self {
        Stream { socket: TokioIo::new(socket), refused, lingering: None }
    }

    fn socket(self: Pin<&mut Self>) -> Pin<&mut TokioIo<TcpStream>> {
        Pin::new(&mut self.get_mut().socket)
    }

    /// Discards what arrives until the client is done or its time is over.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if timer.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut discarded = [0; 4096];
        // As many pieces as fit between two looks at the clock and at other connections.
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

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Read::poll_read(self.socket(), context, buffer)
    }
}

impl Write for Stream {
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
