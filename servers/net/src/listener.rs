//! Listening sockets.

use std::io;

use tokio::net::{TcpListener, UnixListener};

use crate::pipes::PipeListener;
#[cfg(feature = "simulated")]
use crate::simulated;
use crate::socket_file::SocketFile;
use crate::{ACCEPT_PAUSE, Endpoint, Stream, keepalive};

/// Accepts connections. The file of its socket, if it has one, is removed on drop.
#[derive(Debug)]
pub struct Listener {
    inner: Inner,
    endpoint: Endpoint,
}

#[derive(Debug)]
enum Inner {
    Tcp(TcpListener),
    Unix(UnixListener, #[expect(dead_code, reason = "held for its drop")] SocketFile),
    Pipes(PipeListener),
    #[cfg(feature = "simulated")]
    Simulated(simulated::Listener),
}

impl Listener {
    /// Listens on `endpoint`; port 0 picks a free port. Connections are queued from now on. A socket file on which no
    /// process listens any more is replaced; any other file is not.
    ///
    /// # Errors
    /// The errors of the operating system: the address is in use, or not one of this machine.
    pub async fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp { host, port } => {
                let listener = TcpListener::bind((bind_host(host), *port)).await?;
                let endpoint = listener.local_addr()?.into();
                Ok(Listener { inner: Inner::Tcp(listener), endpoint })
            }
            Endpoint::Unix(path) => {
                let (listener, file) = SocketFile::bind(path, |path| UnixListener::bind(path))?;
                // A URL needs the whole path.
                let endpoint = Endpoint::Unix(std::path::absolute(path)?);
                Ok(Listener { inner: Inner::Unix(listener, file), endpoint })
            }
            Endpoint::Pipes(path) => {
                let path = std::path::absolute(path)?;
                let inner = Inner::Pipes(PipeListener::bind(&path)?);
                Ok(Listener { inner, endpoint: Endpoint::Pipes(path) })
            }
            #[cfg(feature = "simulated")]
            Endpoint::Simulated(name) => {
                Ok(Listener { inner: Inner::Simulated(simulated::bind(name)?), endpoint: endpoint.clone() })
            }
        }
    }

    /// The endpoint that it listens on, with the actual port.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Accepts a connection. Cancel-safe.
    ///
    /// # Errors
    /// The errors of the operating system; [`is_connection_error`] shows whether the listener is affected.
    pub async fn accept(&self) -> io::Result<Stream> {
        match &self.inner {
            Inner::Tcp(listener) => {
                let stream = listener.accept().await?.0;
                keepalive::enable((&stream).into());
                Stream::tcp(stream)
            }
            Inner::Unix(listener, _) => Ok(Stream::unix(listener.accept().await?.0)),
            Inner::Pipes(listener) => Ok(Stream::pipes(listener.accept().await?)),
            #[cfg(feature = "simulated")]
            Inner::Simulated(listener) => Ok(Stream::simulated(listener.accept().await?)),
        }
    }

    /// Accepts the next connection, however long that takes. Connections that fail before they are accepted are
    /// skipped. If accepting fails for another reason, typically because the process has no file descriptor left, the
    /// failure is logged, and accepting is retried after [`ACCEPT_PAUSE`]. Cancel-safe.
    pub async fn next(&self) -> Stream {
        loop {
            match self.accept().await {
                Ok(stream) => return stream,
                Err(error) if is_connection_error(&error) => {
                    tracing::debug!(%error, "a connection failed before it was accepted");
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// The host to bind for the host `*`.
pub(crate) fn bind_host(host: &str) -> &str {
    if host == "*" { "0.0.0.0" } else { host }
}

/// Whether accepting failed because of the incoming connection alone (accept(2)), so that the listener can still accept
/// others.
#[must_use]
pub fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
