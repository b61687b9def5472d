//! The TCP or TLS connection below a broker's connection, and the handshake on it.
//!
//! lapin can connect itself, but it keeps the memory of each attempt to which no peer answers, and the thread and the
//! socket of each handshake that is given up. Both would add up while a broker is away.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use async_rs::Runtime;
use async_rs::traits::{Reactor, RuntimeKit};
use lapin::tcp::AMQPUriTcpExt;
use lapin::uri::AMQPUri;
use lapin::{AsyncTcpStream, Connection, ConnectionProperties, Result};
use net::{Endpoint, TlsConnector};
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::tls_runtime::tls_runtime;

/// Connects to the host of `uri` and completes the handshake. If the returned future is dropped before, the connection
/// is closed.
pub(crate) async fn open(uri: AMQPUri, properties: ConnectionProperties) -> Result<Connection> {
    let runtime = lapin::runtime::default_runtime()?;
    let stream = uri.connect_async(&runtime).await?;
    // The URI never asks for TLS.
    let AsyncTcpStream::Plain(plain) = &stream else {
        return Err(io::Error::from(io::ErrorKind::Unsupported).into());
    };
    let unfinished = Unfinished::of(plain.get_ref())?;
    complete(uri, runtime, stream, unfinished, properties).await
}

/// Connects to `endpoint` over TLS and completes the handshake of AMQP, like [`open`].
pub(crate) async fn open_tls(
    tls: &TlsConnector,
    endpoint: &Endpoint,
    uri: AMQPUri,
    properties: ConnectionProperties,
) -> Result<Connection> {
    let stream = tls.connect(endpoint).await?;
    let unfinished = Unfinished::of(stream.get_ref().0)?;
    let stream = AsyncTcpStream::Plain(stream.compat());
    complete(uri, tls_runtime(), stream, unfinished, properties).await
}

/// Completes the handshake of AMQP on `stream`, whose socket is `unfinished`.
async fn complete<K>(
    uri: AMQPUri,
    runtime: Runtime<K>,
    stream: AsyncTcpStream<<K as Reactor>::TcpStream>,
    unfinished: Unfinished,
    properties: ConnectionProperties,
) -> Result<Connection>
where
    K: RuntimeKit + Clone + Send + 'static,
{
    let stream = Mutex::new(Some(stream));
    let take_stream = async move |_, _| {
        let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A second attempt would need another connection.
        stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted).into())
    };
    let connection = Connection::connector(uri, runtime, take_stream, properties).await?;
    unfinished.complete();
    Ok(connection)
}

/// The socket of a handshake. Shuts it down when dropped, which ends the thread that reads from it.
struct Unfinished(Option<TcpStream>);

impl Unfinished {
    fn of(socket: &impl AsFd) -> io::Result<Self> {
        Ok(Unfinished(Some(socket.as_fd().try_clone_to_owned()?.into())))
    }

    /// Leaves the socket open.
    fn complete(mut self) {
        self.0.take();
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(socket) = &self.0 {
            // An error means that the peer has closed the connection already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_handshake_that_is_given_up_closes_its_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri: AMQPUri = format!("amqp://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let opening = tokio::spawn(open(uri, ConnectionProperties::default()));
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut header = [0; 8];
        peer.read_exact(&mut header).await.unwrap();
        opening.abort();
        let end = tokio::time::timeout(Duration::from_secs(60), peer.read(&mut header)).await;
        assert_eq!(end.expect("the connection ends").unwrap(), 0);
    }
}
