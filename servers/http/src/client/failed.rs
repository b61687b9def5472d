//! Bodies of responses that report a failure by their status.

use std::fmt::Display;
use std::time::Duration;

use axum::body::HttpBody;
use bytes::Bytes;

use crate::body::Chunks;
use crate::timer::within;

/// Reads as much of `body` as arrives within `timeout`, at most `limit` bytes. It may end early or never: the status of
/// its response is known, and the body only explains it. Returns also whether the whole body has arrived.
pub(super) async fn read_failed_body<B>(mut body: B, limit: usize, timeout: Duration) -> (Bytes, bool)
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let mut chunks = Chunks::new(limit);
    let is_complete = {
        let reading = async {
            loop {
                match chunks.read_frame(&mut body).await {
                    Ok(true) => {}
                    end => break end.is_ok(),
                }
            }
        };
        within(timeout, reading).await.unwrap_or(false)
    };
    (chunks.into_body(), is_complete)
}
