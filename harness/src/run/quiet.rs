//! Waiting until nothing passes on the wire any more.

use std::time::Duration;

/// The number of checks whether the wire is quiet; after the last one, the reading is taken as it is.
const MAX_CHECKS: u32 = 50;

/// The pause after connecting, without and with a broker, which delays its confirms.
pub(super) const AFTER_CONNECTING: [Duration; 2] = [Duration::from_millis(25), Duration::from_millis(150)];

/// Waits until two readings, `pause` apart, are equal, and returns the last one.
pub(super) async fn wait_until_quiet<T: PartialEq>(pause: Duration, read: impl Fn() -> T) -> T {
    let mut last = read();
    for _ in 0..MAX_CHECKS {
        tokio::time::sleep(pause).await;
        let now = read();
        if now == last {
            break;
        }
        last = now;
    }
    last
}
