//! Listening sockets.

use std::io;

use tokio::net::{TcpListener, UnixListener};

use crate::pipes::PipeListener;
use crate::plain::PlainStream;
#[cfg(feature = "simulated")]
use crate::simulated;
use crate::socket_file::SocketFile;
use crate::{ACCEPT_PAUSE, Address, Endpoint, Scheme, Stream, TlsAcceptor, keepalive};

/// Accepts connections. The file of its socket, if it has one, is removed on drop.
#[derive(Debug)]
pub struct Listener {
    inner: Inner,
    endpoint: Endpoint,
    /// What makes connections over TLS of those that it accepts; absent without TLS.
    tls: Option<TlsAcceptor>,
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
        let (inner, endpoint) = match endpoint {
            Endpoint::Tcp { host, port } => {
                let listener = TcpListener::bind((bind_host(host), *port)).await?;
                let endpoint = listener.local_addr()?.into();
                (Inner::Tcp(listener), endpoint)
            }
            Endpoint::Unix(path) => {
                let (listener, file) = SocketFile::bind(path, |path| UnixListener::bind(path))?;
                // A URL needs the whole path.
                (Inner::Unix(listener, file), Endpoint::Unix(std::path::absolute(path)?))
            }
            Endpoint::Pipes(path) => {
                let path = std::path::absolute(path)?;
                (Inner::Pipes(PipeListener::bind(&path)?), Endpoint::Pipes(path))
            }
            #[cfg(feature = "simulated")]
            Endpoint::Simulated(name) => (Inner::Simulated(simulated::bind(name)?), endpoint.clone()),
        };
        Ok(Listener { inner, endpoint, tls: None })
    }

    /// Accepts connections over TLS if there is an acceptor `tls`. Their handshake is completed by reading from them.
    #[must_use]
    pub fn with_tls(self, tls: Option<TlsAcceptor>) -> Self {
        Listener { tls, ..self }
    }

    /// The URL that clients connect to, in the first of `schemes` that can express it, with `path` (which is empty or begins with `/`,
    /// percent-encoded). It has TLS if the listener has. Empty if no scheme can.
    #[must_use]
    pub fn url(&self, schemes: &[Scheme], path: &str) -> String {
        self.url_with(self.tls.is_some(), schemes, path)
    }

    /// The same for a server that makes connections over TLS of those that it accepts, if `tls` is set.
    #[must_use]
    pub fn url_with(&self, tls: bool, schemes: &[Scheme], path: &str) -> String {
        let fitting: Vec<_> = schemes.iter().copied().filter(|scheme| scheme.has_tls() == tls).collect();
        let address = Address::from_endpoint(&self.endpoint, &fitting, path);
        address.map(|address| address.to_string()).unwrap_or_default()
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
        let stream = match &self.inner {
            Inner::Tcp(listener) => {
                let stream = listener.accept().await?.0;
                keepalive::enable((&stream).into());
                PlainStream::tcp(stream)?
            }
            Inner::Unix(listener, _) => PlainStream::unix(listener.accept().await?.0),
            Inner::Pipes(listener) => PlainStream::pipes(listener.accept().await?),
            #[cfg(feature = "simulated")]
            Inner::Simulated(listener) => PlainStream::simulated(listener.accept().await?),
        };
        match &self.tls {
            Some(tls) => tls.over(stream),
            None => Ok(stream.into()),
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
