//! Connections of servers: handshakes over TLS, and their end.

use std::fmt::Display;
use std::pin::pin;

use hyper_util::server::graceful::GracefulConnection;
use net::{Stream, TlsAcceptor, TlsServerStream};
use tokio_util::sync::CancellationToken;

/// Completes the handshake of a connection over TLS. `None` if that fails, or `stop` is cancelled before.
pub async fn accept_tls(
    tls: &TlsAcceptor,
    stream: Stream,
    stop: &CancellationToken,
) -> Option<TlsServerStream> {
    let accepted = tokio::select! {
        biased;
        accepted = tls.accept(stream) => accepted,
        () = stop.cancelled() => return None,
    };
    accepted.inspect_err(|error| tracing::debug!(%error, "a TLS handshake failed")).ok()
}

/// Drives `connection` until it ends. Once `stop` is cancelled, it accepts no further request, and ends with those in progress.
pub async fn drive<C>(connection: C, stop: &CancellationToken)
where
    C: GracefulConnection,
    C::Error: Display,
{
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}
