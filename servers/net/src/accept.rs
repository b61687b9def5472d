//! Accepting and serving connections, for all servers.

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{AnomalyCounter, DRAIN_TIMEOUT, Listener, Stream};

/// Serves each connection to `listener` with the future that `serve` returns for it, in a separate task, until `stop` is cancelled. A
/// connection above `max` open ones is closed at once. Then no further connection is accepted, and the others have [`DRAIN_TIMEOUT`] to
/// end; `serve` must end those that are idle.
pub async fn serve_connections<F: Future<Output = ()> + Send + 'static>(
    listener: Listener,
    max: usize,
    stop: &CancellationToken,
    serve: impl Fn(Stream) -> F,
) {
    let refused = AnomalyCounter::new("refused a connection", "connections were refused");
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => check(ended),
            stream = listener.next() => {
                if connections.len() < max {
                    connections.spawn(serve(stream));
                } else {
                    refused.add(format_args!("{max} are open"));
                }
            }
        }
    }
    drop(listener);
    drain(async {
        while let Some(ended) = connections.join_next().await {
            check(ended);
        }
    })
    .await;
}

/// A connection that ends in a panic is a fault of the server. Tests must not pass with it.
fn check(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!("a connection ended in a panic: {error}");
        debug_assert!(!error.is_panic(), "a connection ended in a panic: {error}");
    }
}

/// Waits until the calls of a stopped server have `ended`, at most for [`DRAIN_TIMEOUT`]. Returns whether they have.
pub async fn drain(ended: impl Future) -> bool {
    let ended = tokio::time::timeout(DRAIN_TIMEOUT, ended).await.is_ok();
    if !ended {
        tracing::warn!(
            "calls are still running {} s after the stop; their replies are lost",
            DRAIN_TIMEOUT.as_secs()
        );
    }
    ended
}
