//! Independent work on all cores.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The results of `work` for each of `items`, in their order. The work is divided among as many threads as there are cores.
///
/// # Panics
/// When `work` does.
pub(super) fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let index = next.fetch_add(1, Ordering::Relaxed);
        Some((index, items.get(index)?))
    };
    let run = || std::iter::from_fn(take).map(|(index, item)| (index, work(item))).collect::<Vec<_>>();
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(items.len());
    let mut all = thread::scope(|scope| {
        // Where the system permits no further thread, those that there are do all the work.
        let start = |_| thread::Builder::new().spawn_scoped(scope, run).ok();
        let others: Vec<_> = (1..threads).filter_map(start).collect();
        let mut all = run();
        for other in others {
            all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    });
    all.sort_unstable_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_have_the_order_of_the_items() {
        for count in [0, 1, 2, 1_000] {
            let items: Vec<u32> = (0..count).collect();
            // The first items take the longest.
            let work =
                |item: &u32| (*item..count).map(std::hint::black_box).fold(1, |sum: u32, step| sum + step);
            assert_eq!(map(&items, work), items.iter().map(work).collect::<Vec<_>>());
        }
    }

    #[test]
    #[should_panic(expected = "the item 7")]
    fn a_panic_is_passed_on() {
        map(&[1, 3, 7, 9], |item| assert_ne!(*item, 7, "the item 7"));
    }
}
