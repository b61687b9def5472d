//! Where sockets are found, `tcp://HOST:PORT` and `ipc://PATH`, and the streams between them.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;

/// How long to wait before accepting again when the system has no descriptor or memory left for a connection.
const EXHAUSTED: Duration = Duration::from_millis(10);

/// A place to bind or to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `tcp://HOST:PORT`; the host is a name or an address. Where to bind, `*` stands for every address, and the port
    /// `0` or `*` for any that is free.
    Tcp {
        /// The host, without the brackets of an IPv6 address.
        host: String,
        /// The port.
        port: u16,
    },
    /// `ipc://PATH`: a socket in the file system.
    Ipc(PathBuf),
}

/// A text that is no [`Endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give tcp://HOST:PORT or ipc://PATH")]
pub struct EndpointError;

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("ipc://").filter(|path| !path.is_empty()) {
            return Ok(Endpoint::Ipc(path.into()));
        }
        let (host, port) =
            text.strip_prefix("tcp://").and_then(|rest| rest.rsplit_once(':')).ok_or(EndpointError)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = if port == "*" { 0 } else { port.parse().map_err(|_| EndpointError)? };
        if host.is_empty() {
            return Err(EndpointError);
        }
        Ok(Endpoint::Tcp { host: host.to_owned(), port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Endpoint::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Endpoint::Ipc(path) => write!(f, "ipc://{}", path.display()),
        }
    }
}

impl Endpoint {
    /// Opens a stream to it.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn connect(&self) -> io::Result<Stream> {
        match self {
            Endpoint::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Endpoint::Ipc(path) => Ok(Stream::Ipc(UnixStream::connect(path).await?)),
        }
    }

    /// Listens on it. A path that nobody listens on any more is taken over, as libzmq does.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn bind(&self) -> io::Result<Listener> {
        match self {
            Endpoint::Tcp { host, port } => {
                let host = if host == "*" { "0.0.0.0" } else { host };
                Ok(Listener::Tcp(TcpListener::bind((host, *port)).await?))
            }
            Endpoint::Ipc(path) => {
                let abandoned = matches!(
                    UnixStream::connect(path).await,
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused
                );
                if abandoned {
                    std::fs::remove_file(path)?;
                }
                Ok(Listener::Ipc { listener: UnixListener::bind(path)?, path: path.clone() })
            }
        }
    }
}

/// Accepts streams. A socket in the file system goes with it.
#[derive(Debug)]
pub enum Listener {
    /// On an address.
    Tcp(TcpListener),
    /// On a path.
    Ipc {
        /// The socket.
        listener: UnixListener,
        /// Where it lies.
        path: PathBuf,
    },
}

impl Listener {
    /// What to connect to.
    ///
    /// # Errors
    /// The operating system's.
    pub fn endpoint(&self) -> io::Result<Endpoint> {
        Ok(match self {
            Listener::Tcp(listener) => {
                let address = listener.local_addr()?;
                Endpoint::Tcp { host: address.ip().to_string(), port: address.port() }
            }
            Listener::Ipc { path, .. } => Endpoint::Ipc(path.clone()),
        })
    }

    /// Accepts streams, for ever, and makes a task of `serve` for each.
    pub async fn serve_each<F>(&self, tasks: &mut JoinSet<()>, serve: impl Fn(Stream) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            match self.accept().await {
                Ok(stream) => {
                    tasks.spawn(serve(stream));
                    while tasks.try_join_next().is_some() {}
                }
                Err(error) => {
                    tracing::warn!("a connection was not accepted: {error}");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Listener::Ipc { listener, .. } => Ok(Stream::Ipc(listener.accept().await?.0)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Ipc { path, .. } = self {
            // Gone already, or nothing that can be done about.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What another library's socket has to be able to do to take a stream's place. Its octets are those of ZMTP's messages
/// after the handshake; one task polls.
pub trait Carrier: Send + Sync {
    /// Whether something can be read.
    ///
    /// # Errors
    /// What ends the connection.
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether something can be written.
    ///
    /// # Errors
    /// What ends the connection.
    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Appends a message that has come, as octets; tells how many. None at the end of the connection.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`], or what ends the connection.
    fn try_read(&self, space: &mut Vec<u8>) -> io::Result<usize>;

    /// Sends the message that `octets` begin with; tells how many it takes.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`], or what ends the connection.
    fn try_write(&self, octets: &[u8]) -> io::Result<usize>;
}

/// A stream to a peer.
pub enum Stream {
    /// Over TCP, with `TCP_NODELAY`.
    Tcp(TcpStream),
    /// Over a socket in the file system.
    Ipc(UnixStream),
    /// Over another library's socket.
    Carried(Box<dyn Carrier>),
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stream::Tcp(stream) => stream.fmt(f),
            Stream::Ipc(stream) => stream.fmt(f),
            Stream::Carried(_) => f.write_str("Carried"),
        }
    }
}

impl Stream {
    pub(super) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(stream) => stream.poll_read_ready(context),
            Stream::Ipc(stream) => stream.poll_read_ready(context),
            Stream::Carried(carrier) => carrier.poll_readable(context),
        }
    }

    pub(super) fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(stream) => stream.poll_write_ready(context),
            Stream::Ipc(stream) => stream.poll_write_ready(context),
            Stream::Carried(carrier) => carrier.poll_writable(context),
        }
    }

    pub(super) fn try_read(&self, space: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.try_read_buf(space),
            Stream::Ipc(stream) => stream.try_read_buf(space),
            Stream::Carried(carrier) => carrier.try_read(space),
        }
    }

    pub(super) fn try_write(&self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.try_write(octets),
            Stream::Ipc(stream) => stream.try_write(octets),
            Stream::Carried(carrier) => carrier.try_write(octets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_written() {
        for text in ["tcp://127.0.0.1:4242", "tcp://[::1]:1", "tcp://host:65535", "ipc:///tmp/s", "ipc://s"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!("tcp://*:*".parse(), Ok(Endpoint::Tcp { host: "*".to_owned(), port: 0 }));
        for text in
            ["", "http://h:1", "tcp://", "tcp://h", "tcp://:1", "tcp://h:65536", "ipc://", "127.0.0.1:1"]
        {
            assert_eq!(text.parse::<Endpoint>(), Err(EndpointError), "{text}");
        }
    }
}
