//! The answers to compressed messages that are refused: they must be decompressed to find out whom to answer.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest number of refused messages that wait for their turn. Each keeps its body and a permit of the server.
const MAX_WAITING: usize = 64;

/// Decompresses refused messages, one at a time: each may take the memory of a whole body, and each thread that does it a
/// stack and a heap.
#[derive(Debug)]
pub(super) struct Refusals {
    places: Arc<Semaphore>,
    turn: Semaphore,
}

impl Refusals {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Refusals { places: Arc::new(Semaphore::new(MAX_WAITING)), turn: Semaphore::new(1) })
    }

    /// A place for a message; `None` if too many wait already.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Runs `work` on another thread when the turn of the `place` has come. `None` if it panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        place: OwnedSemaphorePermit,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _turn = self.turn.acquire().await.ok()?;
        let done = tokio::task::spawn_blocking(work).await.ok();
        drop(place);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_so_many_messages_wait_and_one_is_decompressed_at_a_time() {
        let refusals = Refusals::new();
        let (started, begun) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let place = refusals.place().unwrap();
        let first = tokio::spawn({
            let refusals = Arc::clone(&refusals);
            async move { refusals.run(place, move || (started.send(()).unwrap(), released.recv().unwrap())).await }
        });
        tokio::task::spawn_blocking(move || begun.recv().unwrap()).await.unwrap();
        let mut waiting: Vec<_> = (1..MAX_WAITING).map(|_| refusals.place().unwrap()).collect();
        assert!(refusals.place().is_none());
        let mut second = Box::pin(refusals.run(waiting.pop().unwrap(), || ()));
        assert!(futures_util::poll!(&mut second).is_pending());
        release.send(()).unwrap();
        first.await.unwrap().unwrap();
        second.await.unwrap();
        drop(waiting);
        assert_eq!((0..=MAX_WAITING).map_while(|_| refusals.place()).collect::<Vec<_>>().len(), MAX_WAITING);
    }
}
