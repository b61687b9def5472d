//! Detecting peers whose hosts have vanished.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// How long a connection may be idle before the kernel probes whether the peer's host is still there.
const IDLE: Duration = Duration::from_secs(60);

/// The time between two probes.
const INTERVAL: Duration = Duration::from_secs(10);

/// The number of unanswered probes after which the connection fails.
const PROBES: u32 = 9;

/// After how long a listener's connection fails if the peer's host has vanished while the connection was idle.
pub const KEEPALIVE_TIMEOUT: Duration = IDLE.saturating_add(INTERVAL.saturating_mul(PROBES));

/// Turns keepalive on for a connection that a listener has accepted. Without it, a connection to a host that has vanished
/// would stay forever, since only a server that sends something is informed.
pub(crate) fn enable(socket: SockRef<'_>) {
    let keepalive = TcpKeepalive::new().with_time(IDLE).with_interval(INTERVAL).with_retries(PROBES);
    if let Err(error) = socket.set_tcp_keepalive(&keepalive) {
        // Some systems refuse this if the peer has already closed the connection.
        tracing::debug!(%error, "keepalive could not be turned on");
    }
}
