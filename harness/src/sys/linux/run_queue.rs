//! How long threads were ready to run and waited for a core, from /proc/PID/task/TID/schedstat.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Mutex, PoisonError};

use nix::unistd::gettid;

/// The largest number of threads whose delays are read, each from a file. With more, the reading would take a notable part of
/// a window.
const MAX_THREADS: usize = 256;

/// The threads of this process that have ended, or are about to.
static ENDED: Mutex<Ended> = Mutex::new(Ended { total_ns: 0, still_listed: BTreeSet::new() });

struct Ended {
    /// Their delays.
    total_ns: u64,
    /// Those that the system may still list.
    still_listed: BTreeSet<u32>,
}

impl Ended {
    /// Keeps the `delay` of a thread that is about to end, once.
    fn keep(&mut self, thread: u32, delay: u64) {
        if self.still_listed.insert(thread) {
            self.total_ns += delay;
        }
    }

    /// The delays of these threads and of the `living` ones but `except`, each thread counted once.
    fn add_to(&mut self, living: &[(u32, u64)], except: &[u32]) -> u64 {
        // A number that is not listed any more may come back as that of another thread.
        self.still_listed.retain(|thread| living.iter().any(|(number, _)| number == thread));
        let counted = |thread: &u32| !except.contains(thread) && !self.still_listed.contains(thread);
        let of_living = living.iter().filter(|(thread, _)| counted(thread)).map(|(_, delay)| delay);
        self.total_ns + of_living.sum::<u64>()
    }
}

pub(in crate::sys) fn own_threads() -> Vec<u32> {
    threads(std::process::id())
}

pub(in crate::sys) fn keep_run_queue_delay() {
    let thread = gettid().as_raw();
    let (Ok(number), Some(delay)) = (u32::try_from(thread), delay("/proc/thread-self/schedstat")) else {
        return;
    };
    ENDED.lock().unwrap_or_else(PoisonError::into_inner).keep(number, delay);
}

pub(super) fn run_queue_ns(pid: u32, except: &[u32]) -> Option<u64> {
    let of_thread = |thread: u32| Some((thread, delay(&format!("/proc/{pid}/task/{thread}/schedstat"))?));
    let threads = threads(pid);
    if threads.len() > MAX_THREADS {
        return None;
    }
    let living: Vec<_> = threads.into_iter().filter_map(of_thread).collect();
    if living.is_empty() {
        return None;
    }
    if pid == std::process::id() {
        return Some(ENDED.lock().unwrap_or_else(PoisonError::into_inner).add_to(&living, except));
    }
    Some(living.iter().map(|(_, delay)| delay).sum())
}

fn threads(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return vec![] };
    tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect()
}

/// The delay in the file `path`, in nanoseconds; `None` if the thread has ended.
fn delay(path: &str) -> Option<u64> {
    parse(&fs::read_to_string(path).ok()?)
}

/// The second of the numbers: time on a core, time on the run queue, and how often the thread was put on a core. A kernel
/// that does not count writes zeros.
fn parse(schedstat: &str) -> Option<u64> {
    let numbers: Vec<u64> = schedstat.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [_, delay, times] = numbers[..] else { return None };
    (times > 0).then_some(delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_is_the_second_number_of_a_kernel_that_counts() {
        assert_eq!(parse("486045 1200 3\n"), Some(1_200));
        assert_eq!(parse("0 0 0\n"), None);
        assert_eq!(parse("1 2\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn each_thread_counts_once_and_those_left_out_never() {
        let mut ended = Ended { total_ns: 50, still_listed: BTreeSet::from([7, 8]) };
        // Thread 7 has kept its delay, but is still listed; thread 8 has gone.
        assert_eq!(ended.add_to(&[(1, 1_000), (2, 30), (7, 20)], &[1]), 80);
        // The number 7 is now that of another thread, after a reading that did not list it.
        assert_eq!(ended.add_to(&[(1, 1_000), (2, 40)], &[1]), 90);
        assert_eq!(ended.add_to(&[(1, 1_000), (2, 40), (7, 3)], &[1]), 93);
    }

    #[test]
    fn a_thread_that_keeps_its_delay_is_not_counted_again() {
        let mut ended = Ended { total_ns: 0, still_listed: BTreeSet::new() };
        ended.keep(7, 20);
        ended.keep(7, 20);
        assert_eq!(ended.total_ns, 20);
        assert_eq!(ended.add_to(&[(7, 20)], &[]), 20);
    }
}
