//! Connecting again after a connection was lost.

use std::time::Duration;

use net::AnomalyCounter;

use crate::connect::TransportError;

/// The delay before the first attempt to reconnect. It doubles with each attempt, up to [`MAX_DELAY`]. oslo.messaging's
/// delay grows to 30 s; with a shorter maximum, callers wait little longer than the outage of the broker lasts.
const MIN_DELAY: Duration = Duration::from_millis(125);
const MAX_DELAY: Duration = Duration::from_millis(500);

/// Calls `open` with growing delays until it succeeds, and logs failed attempts.
pub(crate) async fn reopen<T, F>(open: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, TransportError>>,
{
    let failures = AnomalyCounter::new("cannot reconnect yet", "attempts to reconnect have failed");
    let mut delay = MIN_DELAY;
    loop {
        tokio::time::sleep(delay).await;
        match open().await {
            Ok(opened) => return opened,
            Err(error) => failures.add(error),
        }
        delay = (delay * 2).min(MAX_DELAY);
    }
}
