//! Connections.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;

use crate::counts::ByteCounts;
use crate::peer_end::{HALF_CLOSED_TIMEOUT, PIPELINED_CHECK_INTERVAL, PeerEnd};
use crate::plain::PlainStream;
use crate::tls_socket::TlsSocket;

/// A connection over any transport, with TLS or without.
///
/// It is read and written by [`AsyncRead`] and [`AsyncWrite`], or without blocking through `&self` by
/// [`try_read_buf`](Self::try_read_buf) and [`try_write`](Self::try_write) after
/// [`poll_read_ready`](Self::poll_read_ready) and [`poll_write_ready`](Self::poll_write_ready).
pub struct Stream(Inner);

enum Inner {
    Plain(PlainStream),
    Tls(Box<TlsSocket>),
}

impl From<PlainStream> for Stream {
    fn from(stream: PlainStream) -> Self {
        Stream(Inner::Plain(stream))
    }
}

impl From<TlsSocket> for Stream {
    fn from(socket: TlsSocket) -> Self {
        Stream(Inner::Tls(Box::new(socket)))
    }
}

impl Stream {
    /// The bytes read and written so far, over TLS those of its records. `None` if the kernel counts them (TCP).
    #[must_use]
    pub fn bytes_counted(&self) -> Option<ByteCounts> {
        match &self.0 {
            Inner::Plain(stream) => stream.bytes_counted(),
            Inner::Tls(socket) => socket.carrier().bytes_counted(),
        }
    }

    /// Ready when bytes, the end or an error can be read. Only the task that polled last is woken.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Plain(stream) => stream.poll_read_ready(context),
            Inner::Tls(socket) => socket.poll_read_ready(context),
        }
    }

    /// Ready when bytes can be written or writing fails. Only the task that polled last is woken.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Plain(stream) => stream.poll_write_ready(context),
            Inner::Tls(socket) => socket.carrier().poll_write_ready(context),
        }
    }

    /// The state of the other end, whether or not there are bytes left to be read.
    #[must_use]
    pub fn peer_end(&self) -> PeerEnd {
        match &self.0 {
            Inner::Plain(stream) => stream.peer_end(),
            Inner::Tls(socket) => socket.peer_end(),
        }
    }

    /// Completes once the peer has left, for a server that works on its call. Without reading, so that a request that has been
    /// sent in the meantime stays.
    pub async fn departed(&self) {
        while poll_fn(|context| self.poll_read_ready(context)).await.is_ok() {
            match self.peer_end() {
                PeerEnd::Closed => return,
                PeerEnd::HalfClosed => return sleep(HALF_CLOSED_TIMEOUT).await,
                PeerEnd::Open => sleep(PIPELINED_CHECK_INTERVAL).await,
            }
        }
    }

    /// Appends the bytes that have arrived to `buffer`, and returns their number; 0 at the end of the stream.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing has arrived; the errors of the operating system.
    pub fn try_read_buf<B: BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
        match &self.0 {
            Inner::Plain(stream) => stream.try_read_buf(buffer),
            Inner::Tls(socket) => socket.try_read_buf(buffer),
        }
    }

    /// Writes as many of `bytes` as possible without waiting, and returns their number.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing can be written, and over TLS when not all of their records can be: the next write must
    /// begin with the same bytes. The errors of the operating system.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Plain(stream) => stream.try_write(bytes),
            Inner::Tls(socket) => socket.try_write_vectored(&[IoSlice::new(bytes)]),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Plain(stream) => stream.fmt(f),
            Inner::Tls(socket) => socket.fmt(f),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Inner::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Inner::Tls(socket) => socket.poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Inner::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Inner::Tls(socket) => socket.poll_write(context, &[IoSlice::new(bytes)]),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Inner::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Inner::Tls(socket) => socket.poll_write(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Inner::Plain(stream) => stream.is_write_vectored(),
            Inner::Tls(_) => true,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            // Nothing is buffered.
            Inner::Plain(_) => Poll::Ready(Ok(())),
            Inner::Tls(socket) => socket.poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Inner::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Inner::Tls(socket) => socket.poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Endpoint, Listener, connect};

    #[tokio::test]
    async fn only_the_listeners_end_has_keepalive() {
        let listener = Listener::bind(&Endpoint::loopback()).await.unwrap();
        let (client, server) = tokio::join!(connect(listener.endpoint()), listener.next());
        let has_keepalive = |stream: &Stream| match &stream.0 {
            Inner::Plain(stream) => stream.has_keepalive(),
            Inner::Tls(_) => panic!("a connection without TLS"),
        };
        assert!(has_keepalive(&server) && !has_keepalive(&client.unwrap()));
    }
}
