//! Ends connections whose client does not read.

use std::io;
use std::task::{Context, Poll, ready};

use net::WRITE_STALL_TIMEOUT;

use crate::timer::Timer;

/// Limits how long the writes of a connection make no progress.
#[derive(Debug, Default)]
pub struct WriteStall(Timer);

impl WriteStall {
    /// Turns `written`, the outcome of a write, into an error if nothing could be written for [`WRITE_STALL_TIMEOUT`].
    pub fn limit(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.0.stop();
            return written;
        }
        self.poll_timeout(context)
    }

    /// The same for the outcome of a flush, which only has to wait over TLS: what was written before is encrypted by then. The next
    /// write stops the timer.
    pub fn limit_flush(
        &mut self,
        context: &mut Context<'_>,
        flushed: Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        if flushed.is_ready() { flushed } else { self.poll_timeout(context) }
    }

    /// Starts the timer unless it runs; an error once it is over.
    fn poll_timeout<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        ready!(self.0.poll(WRITE_STALL_TIMEOUT, context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read the response")))
    }
}
