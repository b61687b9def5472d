//! Connections.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::sleep;

use crate::counts::{ByteCounts, Counter};
use crate::peer_end::{HALF_CLOSED_TIMEOUT, PIPELINED_CHECK_INTERVAL, PeerEnd};
use crate::pipes::{self, Pipes};
#[cfg(feature = "simulated")]
use crate::simulated;
use crate::socket_file::{check_length, connect_error};
use crate::tls_socket::TlsSocket;
use crate::{Endpoint, TlsConnector};

/// A connection over any transport.
///
/// It is read and written by [`AsyncRead`] and [`AsyncWrite`], or without blocking through `&self` by
/// [`try_read_buf`](Self::try_read_buf) and [`try_write`](Self::try_write) after
/// [`poll_read_ready`](Self::poll_read_ready) and [`poll_write_ready`](Self::poll_write_ready).
pub struct Stream(Inner);

enum Inner {
    Tcp(TcpStream),
    Unix(UnixStream, Counter),
    Pipes(Pipes, Counter),
    Tls(Box<TlsSocket>),
    #[cfg(feature = "simulated")]
    Simulated(simulated::Stream, Counter),
}

/// Connects to `endpoint`. A name that resolves to several addresses is tried at each of them in turn.
///
/// # Errors
/// The errors of the operating system.
pub async fn connect(endpoint: &Endpoint) -> io::Result<Stream> {
    match endpoint {
        Endpoint::Tcp { host, port } => Stream::tcp(TcpStream::connect((host.as_str(), *port)).await?),
        Endpoint::Unix(path) => {
            check_length(path)?;
            let connected = UnixStream::connect(path).await;
            Ok(Stream::unix(connected.map_err(|error| connect_error(path, error))?))
        }
        Endpoint::Pipes(path) => Ok(Stream::pipes(pipes::connect(path).await?)),
        #[cfg(feature = "simulated")]
        Endpoint::Simulated(name) => Ok(Stream::simulated(simulated::connect(name).await?)),
    }
}

/// The same, over TLS if there is a connector `tls`.
///
/// # Errors
/// As [`connect`] and [`TlsConnector::open`].
pub async fn connect_over(tls: Option<&TlsConnector>, endpoint: &Endpoint) -> io::Result<Stream> {
    match tls {
        Some(tls) => tls.open(endpoint).await,
        None => connect(endpoint).await,
    }
}

impl Stream {
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Stream(Inner::Tcp(stream)))
    }

    pub(crate) fn unix(stream: UnixStream) -> Self {
        Stream(Inner::Unix(stream, Counter::new()))
    }

    pub(crate) fn pipes(pipes: Pipes) -> Self {
        Stream(Inner::Pipes(pipes, Counter::new()))
    }

    pub(crate) fn tls(socket: TlsSocket) -> Self {
        Stream(Inner::Tls(Box::new(socket)))
    }

    #[cfg(feature = "simulated")]
    pub(crate) fn simulated(stream: simulated::Stream) -> Self {
        Stream(Inner::Simulated(stream, Counter::new()))
    }

    /// The bytes read and written so far, over TLS those of its records. `None` if the kernel counts them (TCP).
    #[must_use]
    pub fn bytes_counted(&self) -> Option<ByteCounts> {
        match &self.0 {
            Inner::Tcp(_) => None,
            Inner::Unix(_, counter) | Inner::Pipes(_, counter) => Some(counter.read()),
            Inner::Tls(socket) => socket.carrier().bytes_counted(),
            #[cfg(feature = "simulated")]
            Inner::Simulated(_, counter) => Some(counter.read()),
        }
    }

    /// Ready when bytes, the end or an error can be read. Only the task that polled last is woken.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Tcp(stream) => stream.poll_read_ready(context),
            Inner::Unix(stream, _) => stream.poll_read_ready(context),
            Inner::Pipes(pipes, _) => pipes.receiver.poll_read_ready(context),
            Inner::Tls(socket) => socket.poll_read_ready(context),
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, _) => stream.poll_read_ready(context),
        }
    }

    /// Ready when bytes can be written or writing fails. Only the task that polled last is woken.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Tcp(stream) => stream.poll_write_ready(context),
            Inner::Unix(stream, _) => stream.poll_write_ready(context),
            Inner::Pipes(pipes, _) => pipes.sender()?.poll_write_ready(context),
            Inner::Tls(socket) => socket.carrier().poll_write_ready(context),
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, _) => stream.poll_write_ready(context),
        }
    }

    /// The state of the other end, whether or not there are bytes left to be read.
    #[must_use]
    pub fn peer_end(&self) -> PeerEnd {
        match &self.0 {
            Inner::Tcp(stream) => PeerEnd::of(stream.ready(Interest::READABLE | Interest::WRITABLE)),
            Inner::Unix(stream, _) => PeerEnd::of(stream.ready(Interest::READABLE | Interest::WRITABLE)),
            Inner::Pipes(pipes, _) => pipes.peer_end(),
            Inner::Tls(socket) => socket.peer_end(),
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, _) => stream.peer_end(),
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
            Inner::Tcp(stream) => stream.try_read_buf(buffer),
            Inner::Unix(stream, counter) => {
                stream.try_read_buf(buffer).inspect(|read| counter.add_received(*read))
            }
            Inner::Pipes(pipes, counter) => {
                pipes.receiver.try_read_buf(buffer).inspect(|read| counter.add_received(*read))
            }
            Inner::Tls(socket) => socket.try_read_buf(buffer),
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, counter) => {
                stream.try_read_buf(buffer).inspect(|read| counter.add_received(*read))
            }
        }
    }

    /// Writes as many of `bytes` as possible without waiting, and returns their number.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing can be written, and over TLS when not all of their records can be: the next write must
    /// begin with the same bytes. The errors of the operating system.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Tcp(stream) => stream.try_write(bytes),
            Inner::Unix(stream, counter) => {
                stream.try_write(bytes).inspect(|written| counter.add_sent(*written))
            }
            Inner::Pipes(pipes, counter) => {
                pipes.sender()?.try_write(bytes).inspect(|written| counter.add_sent(*written))
            }
            Inner::Tls(socket) => socket.try_write_vectored(&[IoSlice::new(bytes)]),
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, counter) => {
                stream.try_write(bytes).inspect(|written| counter.add_sent(*written))
            }
        }
    }

    /// The same for several slices, in one system call where the transport has one for that.
    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.0 {
            Inner::Tcp(stream) => stream.try_write_vectored(slices),
            Inner::Tls(socket) => socket.try_write_vectored(slices),
            _ => self.try_write(first_of(slices)),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Tcp(stream) => stream.fmt(f),
            Inner::Unix(stream, _) => stream.fmt(f),
            Inner::Pipes(pipes, _) => pipes.fmt(f),
            Inner::Tls(socket) => socket.fmt(f),
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, _) => stream.fmt(f),
        }
    }
}

/// The first of `slices` that is not empty.
fn first_of<'a>(slices: &'a [IoSlice<'_>]) -> &'a [u8] {
    slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice)
}

/// Repeats `attempt` whenever `poll_ready` says so, until it does not block.
fn poll_attempts<T>(
    mut poll_ready: impl FnMut() -> Poll<io::Result<()>>,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        ready!(poll_ready())?;
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
    }
}

/// Reads from `stream` and counts the bytes.
fn counted_read(
    stream: impl AsyncRead + Unpin,
    counter: &Counter,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let before = buffer.filled().len();
    ready!(pin!(stream).poll_read(context, buffer))?;
    counter.add_received(buffer.filled().len() - before);
    Poll::Ready(Ok(()))
}

/// Counts the bytes that were written.
fn counted(written: Poll<io::Result<usize>>, counter: &Counter) -> Poll<io::Result<usize>> {
    written.map_ok(|written| {
        counter.add_sent(written);
        written
    })
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Inner::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Inner::Unix(stream, counter) => counted_read(stream, counter, context, buffer),
            Inner::Pipes(pipes, counter) => counted_read(&mut pipes.receiver, counter, context, buffer),
            Inner::Tls(socket) => socket.poll_read(context, buffer),
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, counter) => {
                let read = || stream.try_read_buf(buffer).map(|read| counter.add_received(read));
                poll_attempts(|| stream.poll_read_ready(context), read)
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.as_mut().get_mut().0 {
            Inner::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Inner::Unix(stream, counter) => counted(Pin::new(stream).poll_write(context, bytes), counter),
            Inner::Pipes(pipes, counter) => {
                counted(Pin::new(pipes.sender_mut()?).poll_write(context, bytes), counter)
            }
            Inner::Tls(_) => self.poll_write_vectored(context, &[IoSlice::new(bytes)]),
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, counter) => {
                let write = || stream.try_write(bytes).inspect(|written| counter.add_sent(*written));
                poll_attempts(|| stream.poll_write_ready(context), write)
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.as_mut().get_mut().0 {
            Inner::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Inner::Unix(stream, counter) => {
                counted(Pin::new(stream).poll_write_vectored(context, slices), counter)
            }
            Inner::Pipes(pipes, counter) => {
                counted(Pin::new(pipes.sender_mut()?).poll_write_vectored(context, slices), counter)
            }
            Inner::Tls(socket) => poll_attempts(
                || socket.carrier().poll_write_ready(context),
                || socket.try_write_vectored(slices),
            ),
            #[cfg(feature = "simulated")]
            Inner::Simulated(..) => self.poll_write(context, first_of(slices)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Inner::Tcp(stream) => stream.is_write_vectored(),
            Inner::Unix(stream, _) => stream.is_write_vectored(),
            Inner::Pipes(..) | Inner::Tls(_) => true,
            #[cfg(feature = "simulated")]
            Inner::Simulated(..) => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Tls(socket) => socket.poll_flush(context),
            // Nothing is buffered here.
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Inner::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Inner::Unix(stream, _) => Pin::new(stream).poll_shutdown(context),
            Inner::Pipes(pipes, _) => {
                pipes.shut_down();
                Poll::Ready(Ok(()))
            }
            Inner::Tls(socket) => socket.poll_shutdown(context),
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, _) => {
                stream.shutdown();
                Poll::Ready(Ok(()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Listener;

    #[tokio::test]
    async fn only_the_listeners_end_has_keepalive() {
        let listener = Listener::bind(&Endpoint::loopback()).await.unwrap();
        let (client, server) = tokio::join!(connect(listener.endpoint()), listener.next());
        let has_keepalive = |stream: &Stream| match &stream.0 {
            Inner::Tcp(stream) => socket2::SockRef::from(stream).keepalive().unwrap(),
            _ => panic!("a TCP connection"),
        };
        assert!(has_keepalive(&server) && !has_keepalive(&client.unwrap()));
    }
}
