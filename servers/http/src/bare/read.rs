//! Reading from a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::wire::Inbox;

/// Reads once from `stream`, to `inbox`, in which `missing` bytes of a message are expected. Returns the number of bytes; 0 at
/// the end of the stream. Cancel-safe.
pub(super) async fn read(stream: &mut net::Stream, inbox: &mut Inbox, missing: usize) -> io::Result<usize> {
    stream.read_buf(inbox.space(missing)).await
}

/// Reads and discards until the peer has sent everything.
pub(super) async fn discard(stream: &mut net::Stream) {
    let mut buffer = [0; 4096];
    // Reading takes part in Tokio's scheduling: a peer that sends without a pause does not keep others waiting.
    while stream.read(&mut buffer).await.is_ok_and(|len| len > 0) {}
}

/// Whether the peer has left, or has sent something, since its last message. Without a system call unless there is an event.
pub(super) fn has_event(stream: &mut net::Stream, context: &mut Context<'_>) -> bool {
    let mut byte = [0; 1];
    Pin::new(stream).poll_read(context, &mut ReadBuf::new(&mut byte)).is_ready()
}

/// Ready when something can be read from `stream`, or it has failed.
pub(super) fn poll_readable(stream: &net::Stream, context: &mut Context<'_>) -> Poll<()> {
    stream.poll_read_ready(context).map(drop)
}
