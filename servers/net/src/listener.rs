//! Listening sockets.

use std::io;

use tokio::net::{TcpListener, UnixListener};

#[cfg(feature = "simulated")]
use crate::simulated;
use crate::socket_file::SocketFile;
use crate::{ACCEPT_PAUSE, Endpoint, Stream};

/// Accepts connections. The file of a Unix socket is removed on drop.
#[derive(Debug)]
pub struct Listener {
    inner: Inner,
    endpoint: Endpoint,
}

#[derive(Debug)]
enum Inner {
    Tcp(TcpListener),
    Unix(UnixListener, #[expect(dead_code, reason = "held for its drop")] SocketFile),
    #[cfg(feature = "simulated")]
    Simulated(simulated::Listener),
}

impl Listener {
    /// Listens on `endpoint`; port 0 picks one. Connections queue from now on. The file of a Unix socket on which no
    /// process listens any more is replaced; no other file is.
    ///
    /// # Errors
    /// Those of the operating system: the address is in use, or not one of this machine.
    pub async fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp { host, port } => {
                let listener = TcpListener::bind((bind_host(host), *port)).await?;
                let endpoint = listener.local_addr()?.into();
                Ok(Listener { inner: Inner::Tcp(listener), endpoint })
            }
            Endpoint::Unix(path) => {
                let (listener, file) = SocketFile::bind(path, |path| UnixListener::bind(path))?;
                Ok(Listener { inner: Inner::Unix(listener, file), endpoint: endpoint.clone() })
            }
            #[cfg(feature = "simulated")]
            Endpoint::Simulated(name) => {
                Ok(Listener { inner: Inner::Simulated(simulated::bind(name)?), endpoint: endpoint.clone() })
            }
        }
    }

    /// What it listens on, with the port that was picked.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Accepts a connection. Cancel-safe.
    ///
    /// # Errors
    /// Those of the operating system; [`is_about_one_connection`] tells whether the listener is affected.
    pub async fn accept(&self) -> io::Result<Stream> {
        match &self.inner {
            Inner::Tcp(listener) => Stream::tcp(listener.accept().await?.0),
            Inner::Unix(listener, _) => Ok(Stream::unix(listener.accept().await?.0)),
            #[cfg(feature = "simulated")]
            Inner::Simulated(listener) => Ok(Stream::simulated(listener.accept().await?)),
        }
    }

    /// Accepts the next connection, however long that takes. Connections that fail before they are accepted are skipped;
    /// when nothing can be accepted, typically because the process has no file descriptor left, that is logged and tried
    /// again after [`ACCEPT_PAUSE`]. Cancel-safe.
    pub async fn next(&self) -> Stream {
        loop {
            match self.accept().await {
                Ok(stream) => return stream,
                Err(error) if is_about_one_connection(&error) => {
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

/// Whether accepting failed because of the one connection that was to be accepted (accept(2)), rather than the listener
/// or the process.
#[must_use]
pub fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
