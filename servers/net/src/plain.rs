//! Connections that carry bytes as they are.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::Endpoint;
use crate::counts::{ByteCounts, Counter};
use crate::peer_end::PeerEnd;
use crate::pipes::{self, Pipes};
#[cfg(feature = "simulated")]
use crate::simulated;
use crate::socket_file::{check_length, connect_error};

/// A connection over any transport without TLS, with the operations of [`Stream`](crate::Stream).
pub(crate) struct PlainStream(Inner);

enum Inner {
    Tcp(TcpStream),
    Unix(UnixStream, Counter),
    Pipes(Pipes, Counter),
    #[cfg(feature = "simulated")]
    Simulated(simulated::Stream, Counter),
}

impl PlainStream {
    /// As [`connect`](crate::connect).
    pub(crate) async fn connect(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp { host, port } => Self::tcp(TcpStream::connect((host.as_str(), *port)).await?),
            Endpoint::Unix(path) => {
                check_length(path)?;
                let connected = UnixStream::connect(path).await;
                Ok(Self::unix(connected.map_err(|error| connect_error(path, error))?))
            }
            Endpoint::Pipes(path) => Ok(Self::pipes(pipes::connect(path).await?)),
            #[cfg(feature = "simulated")]
            Endpoint::Simulated(name) => Ok(Self::simulated(simulated::connect(name).await?)),
        }
    }

    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(PlainStream(Inner::Tcp(stream)))
    }

    #[cfg(test)]
    pub(crate) fn has_keepalive(&self) -> bool {
        match &self.0 {
            Inner::Tcp(stream) => socket2::SockRef::from(stream).keepalive().is_ok_and(|enabled| enabled),
            _ => false,
        }
    }

    pub(crate) fn unix(stream: UnixStream) -> Self {
        PlainStream(Inner::Unix(stream, Counter::new()))
    }

    pub(crate) fn pipes(pipes: Pipes) -> Self {
        PlainStream(Inner::Pipes(pipes, Counter::new()))
    }

    #[cfg(feature = "simulated")]
    pub(crate) fn simulated(stream: simulated::Stream) -> Self {
        PlainStream(Inner::Simulated(stream, Counter::new()))
    }

    /// As [`Stream::bytes_counted`](crate::Stream::bytes_counted).
    pub(crate) fn bytes_counted(&self) -> Option<ByteCounts> {
        match &self.0 {
            Inner::Tcp(_) => None,
            Inner::Unix(_, counter) | Inner::Pipes(_, counter) => Some(counter.read()),
            #[cfg(feature = "simulated")]
            Inner::Simulated(_, counter) => Some(counter.read()),
        }
    }

    /// As [`Stream::poll_read_ready`](crate::Stream::poll_read_ready).
    pub(crate) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Tcp(stream) => stream.poll_read_ready(context),
            Inner::Unix(stream, _) => stream.poll_read_ready(context),
            Inner::Pipes(pipes, _) => pipes.receiver.poll_read_ready(context),
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, _) => stream.poll_read_ready(context),
        }
    }

    /// As [`Stream::poll_write_ready`](crate::Stream::poll_write_ready).
    pub(crate) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Tcp(stream) => stream.poll_write_ready(context),
            Inner::Unix(stream, _) => stream.poll_write_ready(context),
            Inner::Pipes(pipes, _) => pipes.sender()?.poll_write_ready(context),
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, _) => stream.poll_write_ready(context),
        }
    }

    /// As [`Stream::peer_end`](crate::Stream::peer_end).
    pub(crate) fn peer_end(&self) -> PeerEnd {
        match &self.0 {
            Inner::Tcp(stream) => PeerEnd::of(stream.ready(Interest::READABLE | Interest::WRITABLE)),
            Inner::Unix(stream, _) => PeerEnd::of(stream.ready(Interest::READABLE | Interest::WRITABLE)),
            Inner::Pipes(pipes, _) => pipes.peer_end(),
            #[cfg(feature = "simulated")]
            Inner::Simulated(stream, _) => stream.peer_end(),
        }
    }

    /// As [`Stream::try_read_buf`](crate::Stream::try_read_buf).
    pub(crate) fn try_read_buf<B: BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
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

    /// As [`Stream::try_write`](crate::Stream::try_write).
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
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

    /// The same for several slices, in one system call where the transport has one for that.
    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.0 {
            Inner::Tcp(stream) => stream.try_write_vectored(slices),
            _ => self.try_write(first_of(slices)),
        }
    }
}

impl fmt::Debug for PlainStream {
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

/// The first of `slices` that is not empty.
fn first_of<'a>(slices: &'a [IoSlice<'_>]) -> &'a [u8] {
    slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice)
}

/// Repeats `attempt` whenever `poll_ready` says so, until it does not block.
pub(crate) fn poll_attempts<T>(
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

impl AsyncRead for PlainStream {
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
            Inner::Simulated(stream, counter) => {
                let read = || stream.try_read_buf(buffer).map(|read| counter.add_received(read));
                poll_attempts(|| stream.poll_read_ready(context), read)
            }
        }
    }
}

impl AsyncWrite for PlainStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Inner::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Inner::Unix(stream, counter) => counted(Pin::new(stream).poll_write(context, bytes), counter),
            Inner::Pipes(pipes, counter) => {
                counted(Pin::new(pipes.sender_mut()?).poll_write(context, bytes), counter)
            }
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
            #[cfg(feature = "simulated")]
            Inner::Simulated(..) => self.poll_write(context, first_of(slices)),
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
