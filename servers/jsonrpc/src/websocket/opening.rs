//! A stream whose reads are limited until its connection is open.
//!
//! The library keeps the head of the HTTP request that opens a connection, or of the response to it, until it is complete, whatever its
//! length.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use net::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The largest size in bytes of what arrives until a connection is open, as that of the head of a request in HTTP.
const MAX_HEAD: usize = 64 << 10;

/// A stream that fails once more than [`MAX_HEAD`] bytes have arrived and its connection is not open.
#[derive(Debug)]
pub(super) struct Opening {
    stream: Stream,
    /// How many bytes may still arrive.
    left: usize,
    /// Shared with whoever opens the connection: the library gives no access to the stream afterwards.
    is_open: Arc<AtomicBool>,
}

impl Opening {
    /// A stream over which a connection is being opened, and what to call when it is open.
    pub(super) fn new(stream: Stream) -> (Self, impl FnOnce()) {
        let is_open = Arc::new(AtomicBool::new(false));
        let opened = Arc::clone(&is_open);
        (Opening { stream, left: MAX_HEAD, is_open }, move || opened.store(true, Ordering::Relaxed))
    }
}

impl AsyncRead for Opening {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if !self.is_open.load(Ordering::Relaxed) {
            let read = buffer.filled().len() - before;
            self.left = self.left.checked_sub(read).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "the head of the HTTP message is too long")
            })?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Opening {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
