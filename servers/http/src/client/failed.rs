//! Bodies of responses that report a failure by their status.

use std::fmt::Display;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::HttpBody;
use bytes::Bytes;

use crate::body::Chunks;

/// Reads as much of `body` as arrives within `timeout`, at most `limit` bytes. It may end early or never: the status of
/// its response is known, and the body only explains it.
pub(super) async fn read_failed_body<B>(mut body: B, limit: usize, timeout: Duration) -> Bytes
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let mut chunks = Chunks::new(limit);
    {
        let mut reading = pin!(async { while let Ok(true) = chunks.read_frame(&mut body).await {} });
        // Most bodies arrive with the head. A timer is created only for the others.
        if poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await.is_pending() {
            // Whether the body was complete does not matter.
            let _ = tokio::time::timeout(timeout, reading).await;
        }
    }
    chunks.into_body()
}
