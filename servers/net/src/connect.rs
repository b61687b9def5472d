//! Opening connections.

use std::io;

use crate::plain::PlainStream;
use crate::{Endpoint, Stream, TlsConnector};

/// Connects to `endpoint`. A name that resolves to several addresses is tried at each of them in turn.
///
/// # Errors
/// The errors of the operating system.
pub async fn connect(endpoint: &Endpoint) -> io::Result<Stream> {
    PlainStream::connect(endpoint).await.map(Stream::from)
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
