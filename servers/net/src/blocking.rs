//! Blocking listeners and streams, for plain threads.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::counts::{ByteCounts, Counter};
use crate::keepalive;
use crate::listener::bind_host;
use crate::socket_file::{SocketFile, check_length, connect_error};
use crate::{Endpoint, WRITE_STALL_TIMEOUT};

/// The timeout of a connection that is opened only to wake a thread.
const WAKE_TIMEOUT: Duration = Duration::from_millis(100);

/// Accepts connections. The file of a Unix socket is removed on drop.
#[derive(Debug)]
pub struct Listener {
    inner: ListenerInner,
    endpoint: Endpoint,
}

#[derive(Debug)]
enum ListenerInner {
    Tcp(TcpListener),
    Unix(UnixListener, #[expect(dead_code, reason = "held for its drop")] SocketFile),
}

/// A connection. [`Read`] and [`Write`] are also implemented for `&Stream`, so that threads can share it.
#[derive(Debug)]
pub struct Stream(StreamInner);

#[derive(Debug)]
enum StreamInner {
    Tcp(TcpStream),
    Unix(UnixStream, Counter),
}

impl Listener {
    /// Listens, as [`crate::Listener::bind`] does.
    ///
    /// # Errors
    /// The errors of the operating system; [`io::ErrorKind::Unsupported`] for pipes and for a simulated endpoint.
    pub fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp { host, port } => {
                let listener = TcpListener::bind((bind_host(host), *port))?;
                let endpoint = listener.local_addr()?.into();
                Ok(Listener { inner: ListenerInner::Tcp(listener), endpoint })
            }
            Endpoint::Unix(path) => {
                let (listener, file) = SocketFile::bind(path, |path| UnixListener::bind(path))?;
                let endpoint = Endpoint::Unix(std::path::absolute(path)?);
                Ok(Listener { inner: ListenerInner::Unix(listener, file), endpoint })
            }
            Endpoint::Pipes(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "simulated")]
            Endpoint::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The endpoint that it listens on, with the actual port.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Accepts a connection. A write fails if the peer accepts no bytes for [`WRITE_STALL_TIMEOUT`].
    ///
    /// # Errors
    /// The errors of the operating system; [`crate::is_connection_error`] shows whether the listener is affected.
    pub fn accept(&self) -> io::Result<Stream> {
        match &self.inner {
            ListenerInner::Tcp(listener) => {
                let stream = listener.accept()?.0;
                keepalive::enable((&stream).into());
                stream.set_write_timeout(Some(WRITE_STALL_TIMEOUT))?;
                Stream::tcp(stream)
            }
            ListenerInner::Unix(listener, _) => {
                let stream = listener.accept()?.0;
                stream.set_write_timeout(Some(WRITE_STALL_TIMEOUT))?;
                Ok(Stream::unix(stream))
            }
        }
    }

    /// Wakes a thread that waits in [`accept`](Self::accept), which then returns an error or a connection that must be
    /// ignored. The listener cannot be used afterwards.
    pub fn wake(&self) {
        // On Linux, shutting down a listening socket ends an accept. On other systems that fails, and a connection ends
        // the accept. If the queue is full, so that connecting fails, the accept returns one of the queued connections.
        let shut_down = match &self.inner {
            ListenerInner::Tcp(listener) => SockRef::from(listener).shutdown(Shutdown::Both),
            ListenerInner::Unix(listener, _) => SockRef::from(listener).shutdown(Shutdown::Both),
        };
        if shut_down.is_err() {
            let _ = match &self.endpoint {
                Endpoint::Tcp { host, port } if host == "0.0.0.0" => {
                    connect_tcp("127.0.0.1", *port, WAKE_TIMEOUT)
                }
                Endpoint::Tcp { host, port } if host == "::" => connect_tcp("::1", *port, WAKE_TIMEOUT),
                endpoint => connect(endpoint, WAKE_TIMEOUT),
            };
        }
    }
}

/// Connects to `endpoint`, at each address of a name in turn. Each attempt, and later each read and each write, may take
/// `timeout`.
///
/// # Errors
/// The errors of the operating system; for a name with several addresses, the error of the last one;
/// [`io::ErrorKind::TimedOut`] for a timeout of zero; [`io::ErrorKind::Unsupported`] for pipes and for a simulated endpoint.
pub fn connect(endpoint: &Endpoint, timeout: Duration) -> io::Result<Stream> {
    if timeout.is_zero() {
        // To the operating system, a timeout of zero would be none at all.
        return Err(io::ErrorKind::TimedOut.into());
    }
    match endpoint {
        Endpoint::Tcp { host, port } => connect_tcp(host, *port, timeout),
        Endpoint::Unix(path) => {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            // For a Unix socket this bounds connecting, too, which waits while the listener's queue is full.
            socket.set_write_timeout(Some(timeout))?;
            socket.set_read_timeout(Some(timeout))?;
            check_length(path)?;
            socket.connect(&SockAddr::unix(path)?).map_err(|error| connect_error(path, error))?;
            Ok(Stream::unix(socket.into()))
        }
        Endpoint::Pipes(_) => Err(io::ErrorKind::Unsupported.into()),
        #[cfg(feature = "simulated")]
        Endpoint::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn connect_tcp(host: &str, port: u16, timeout: Duration) -> io::Result<Stream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name resolves to no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                return Stream::tcp(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Stream {
    fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Stream(StreamInner::Tcp(stream)))
    }

    fn unix(stream: UnixStream) -> Self {
        Stream(StreamInner::Unix(stream, Counter::new()))
    }

    /// Ends one direction or both. A thread that waits in a read or a write returns.
    ///
    /// # Errors
    /// The errors of the operating system: the peer has closed the connection.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match &self.0 {
            StreamInner::Tcp(stream) => stream.shutdown(how),
            StreamInner::Unix(stream, _) => stream.shutdown(how),
        }
    }

    /// The bytes read and written so far. `None` if the kernel counts them (TCP).
    #[must_use]
    pub fn bytes_counted(&self) -> Option<ByteCounts> {
        match &self.0 {
            StreamInner::Tcp(_) => None,
            StreamInner::Unix(_, counter) => Some(counter.read()),
        }
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            StreamInner::Tcp(stream) => (&*stream).read(buffer),
            StreamInner::Unix(stream, counter) => {
                (&*stream).read(buffer).inspect(|read| counter.add_received(*read))
            }
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            StreamInner::Tcp(stream) => (&*stream).write(bytes),
            StreamInner::Unix(stream, counter) => {
                (&*stream).write(bytes).inspect(|written| counter.add_sent(*written))
            }
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.0 {
            StreamInner::Tcp(stream) => (&*stream).write_vectored(slices),
            StreamInner::Unix(stream, counter) => {
                (&*stream).write_vectored(slices).inspect(|written| counter.add_sent(*written))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_connections_notice_peers_that_vanish_or_do_not_read() {
        let folder = tempfile::tempdir().unwrap();
        for endpoint in [Endpoint::loopback(), Endpoint::Unix(folder.path().join("s"))] {
            let listener = Listener::bind(&endpoint).unwrap();
            let _client = connect(listener.endpoint(), WAKE_TIMEOUT).unwrap();
            match listener.accept().unwrap().0 {
                StreamInner::Tcp(stream) => {
                    assert_eq!(stream.write_timeout().unwrap(), Some(WRITE_STALL_TIMEOUT));
                    assert!(SockRef::from(&stream).keepalive().unwrap());
                }
                StreamInner::Unix(stream, _) => {
                    assert_eq!(stream.write_timeout().unwrap(), Some(WRITE_STALL_TIMEOUT));
                }
            }
        }
    }
}
