//! What clients and a server negotiate for TLS.

use std::time::Duration;

use net::{TlsConnector, TlsSession};

use super::destination::Destination;
use super::protocol::Stack;
use super::tls::trust;

/// What a handshake with the server, or the broker, at `destination` negotiates, with the settings of the clients of `stack`. `None`
/// where the URL does not ask for TLS, or there is no handshake within `timeout`: the calls of the clients then say why.
pub async fn negotiated(stack: &Stack, destination: &Destination, timeout: Duration) -> Option<TlsSession> {
    stack.protocol.certificate_check(destination)?;
    let address = stack.parse_url(&destination.url).ok()?;
    let connector = TlsConnector::new(&trust(&destination.options).ok()?).ok()?;
    tokio::time::timeout(timeout, connector.negotiate(address.endpoint())).await.ok()?.ok()
}
