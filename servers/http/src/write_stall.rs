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
        ready!(self.0.poll(WRITE_STALL_TIMEOUT, context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read the response")))
    }
}
