//! Whether the other end of a connection is still there.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::io::Ready;

/// The state of the other end of a connection, as far as it is known without reading or writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerEnd {
    /// It may send more.
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
