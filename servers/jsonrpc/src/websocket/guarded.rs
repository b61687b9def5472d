//! A server's stream, whose writes must make progress.

use std::fmt::Display;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_layer::WriteStall;
use net::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// A stream that fails to write if its peer accepts nothing for [`net::WRITE_STALL_TIMEOUT`].
pub(super) struct Guarded {
    stream: Stream,
    write_stall: WriteStall,
}

impl Guarded {
    pub(super) fn new(stream: Stream) -> Self {
        Guarded { stream, write_stall: WriteStall::default() }
    }

    /// Completes once the peer has left.
    pub(super) async fn departed(&self) {
        self.stream.departed().await;
    }

    /// Answers what is not an opening handshake, because of `reason`, and closes the connection.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub(super) async fn refuse(&mut self, reason: &impl Display) -> io::Result<()> {
        let body = format!("expected the opening handshake of a WebSocket: {reason}\n");
        let response = format!(
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.write_all(response.as_bytes()).await?;
        self.linger().await
    }

    /// Shuts down the sending side, and discards what arrives until the peer has done the same: if bytes were left unread, the
    /// connection would be reset, and the peer might not receive what was sent last.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub(super) async fn linger(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let mut discarded = [0; 4096];
        while self.stream.read(&mut discarded).await? > 0 {}
        Ok(())
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.write_stall.limit(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
