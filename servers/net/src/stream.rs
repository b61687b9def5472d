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

use crate::Endpoint;
use crate::counts::{ByteCounts, Counter};
use crate::peer_end::{HALF_CLOSED_TIMEOUT, PIPELINED_CHECK_INTERVAL, PeerEnd};
use crate::pipes::{self, Pipes};
#[cfg(feature = "simulated")]
use crate::simulated;
use crate::socket_file::{check_length, connect_error};

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

    #[cfg(feature = "simulated")]
    pub(crate) fn simulated(stream: simulated::Stream) -> Self {
        Stream(Inner::Simulated(stream, Counter::new()))
    }

    /// The bytes read and written so far. `None` if the kernel counts them (TCP).
    #[must_use]
    pub fn bytes_counted(&self) -> Option<ByteCounts> {
        match &self.0 {
            Inner::Tcp(_) => None,
            Inner::Unix(_, counter) | Inner::Pipes(_, counter) => Some(counter.read()),
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
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, counter) => {
                stream.try_read_buf(buffer).inspect(|read| counter.add_received(*read))
            }
        }
    }

    /// Writes as many of `bytes` as possible without waiting, and returns their number.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing can be written; the errors of the operating system.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Tcp(stream) => stream.try_write(bytes),
            Inner::Unix(stream, counter) => {
                stream.try_write(bytes).inspect(|written| counter.add_sent(*written))
            }
            Inner::Pipes(pipes, counter) => {
                pipes.sender()?.try_write(bytes).inspect(|written| counter.add_sent(*written))
            }
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, counter) => {
                stream.try_write(bytes).inspect(|written| counter.add_sent(*written))
            }
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Tcp(stream) => stream.fmt(f),
            Inner::Unix(stream, _) => stream.fmt(f),
            Inner::Pipes(pipes, _) => pipes.fmt(f),
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, _) => stream.fmt(f),
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
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, counter) => loop {
                ready!(stream.poll_read_ready(context))?;
                match stream.try_read_buf(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return Poll::Ready(read.map(|read| counter.add_received(read))),
                }
            },
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Inner::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Inner::Unix(stream, counter) => counted(Pin::new(stream).poll_write(context, bytes), counter),
            Inner::Pipes(pipes, counter) => {
                counted(Pin::new(pipes.sender_mut()?).poll_write(context, bytes), counter)
            }
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, counter) => loop {
                ready!(stream.poll_write_ready(context))?;
                match stream.try_write(bytes) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    written => return Poll::Ready(written.inspect(|written| counter.add_sent(*written))),
                }
            },
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
            #[cfg(feature = "simulated")]
            Inner::Simulated(..) => {
                let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
                self.poll_write(context, first)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Inner::Tcp(stream) => stream.is_write_vectored(),
            Inner::Unix(stream, _) => stream.is_write_vectored(),
            Inner::Pipes(..) => true,
            #[cfg(feature = "simulated")]
            Inner::Simulated(..) => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nothing is buffered here.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Inner::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Inner::Unix(stream, _) => Pin::new(stream).poll_shutdown(context),
            Inner::Pipes(pipes, _) => {
                pipes.shut_down();
                Poll::Ready(Ok(()))
            }
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
