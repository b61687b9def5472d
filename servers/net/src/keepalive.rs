//! Detecting peers whose hosts have vanished.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// How long a connection may be idle before the kernel probes whether the peer's host is still there.
const IDLE: Duration = Duration::from_secs(60);

/// The time between two probes. The connection fails when the kernel's maximum of probes, on Linux nine, is unanswered.
const INTERVAL: Duration = Duration::from_secs(10);

/// After how long a listener's connection fails on Linux if the peer's host has vanished while the connection was idle.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(60 + 9 * 10);

/// Turns keepalive on for a connection that a listener has accepted. Without it, a connection to a host that has vanished
/// would stay for ever, since only a server that sends something is informed.
pub(crate) fn enable(socket: SockRef<'_>) {
    let keepalive = TcpKeepalive::new().with_time(IDLE).with_interval(INTERVAL);
    if let Err(error) = socket.set_tcp_keepalive(&keepalive) {
        // Some systems refuse this if the peer has already closed the connection.
        tracing::debug!(%error, "keepalive could not be turned on");
    }
}
