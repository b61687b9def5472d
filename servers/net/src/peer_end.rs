//! Whether the other end of a connection is still there.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::Ready;

/// How long a server goes on with a call whose client has shut down its sending side. TCP does not show whether such a
/// client has closed the connection or still waits for the reply, as netcat does.
pub const HALF_CLOSED_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a server looks whether the client of a call in progress has left, if that client has sent more than one
/// request: the unread bytes hide the event of its leaving.
pub const PIPELINED_CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// The state of the other end of a connection, as far as it is known without reading or writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerEnd {
    /// It may send more, or is known to read.
    Open,
    /// It sends no more. TCP does not show whether it still reads: the peer has either shut down its sending side, or
    /// closed the connection.
    HalfClosed,
    /// It neither sends nor reads any more.
    Closed,
}

impl PeerEnd {
    /// The state that the `readiness` of a socket shows: what the event queue has reported so far, without a system call.
    pub(crate) fn of(readiness: impl Future<Output = io::Result<Ready>>) -> Self {
        // Pending if the socket is ready for nothing, and then it is open.
        match pin!(readiness).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(ready)) if ready.is_write_closed() => PeerEnd::Closed,
            Poll::Ready(Ok(ready)) if ready.is_read_closed() => PeerEnd::HalfClosed,
            _ => PeerEnd::Open,
        }
    }
}
