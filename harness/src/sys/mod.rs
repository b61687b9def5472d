//! Operating system services for measuring: cores, scheduling, precise timers, resource usage of processes, and the
//! kernel's byte counts of sockets.
//!
//! Most of this exists on Linux only. On other systems `portable` takes its place, which never guesses: it returns
//! `None` or [`Unsupported`](std::io::ErrorKind::Unsupported). Build with `RUSTFLAGS=--cfg rpcbench_portable` to use it
//! on Linux; the tests do.

#[cfg(all(target_os = "linux", not(rpcbench_portable)))]
mod linux;
#[cfg(any(not(target_os = "linux"), rpcbench_portable))]
mod portable;
mod secret;
mod types;
mod wait;

#[cfg(all(target_os = "linux", not(rpcbench_portable)))]
use linux as imp;
#[cfg(any(not(target_os = "linux"), rpcbench_portable))]
use portable as imp;

pub use secret::Secret;
pub use types::{Connection, CoreTime, CpuQuota, Machine, SocketStats, Usage, UsageReading};
pub use wait::sleep_until;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// Whether this build can observe and control everything that a full measurement needs.
pub const FULL: bool = imp::FULL;

/// The environment variable `name`; `None` where it is not set, or set to nothing, which is how a script unsets it.
#[must_use]
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The cores this process may run on, in ascending order. At least one.
#[must_use]
pub fn allowed_cores() -> Vec<usize> {
    imp::allowed_cores()
}

/// Restricts the calling thread to `cores`, and all threads and processes that it starts from now on.
///
/// # Errors
/// The system's error, or [`io::ErrorKind::Unsupported`].
pub fn pin_current_thread(cores: &[usize]) -> io::Result<()> {
    imp::pin_current_thread(cores)
}

/// Starts `command` restricted to `cores`; unrestricted if `cores` is empty.
///
/// The child inherits its affinity mask from a temporary thread, so that the mask of the caller does not change.
///
/// # Errors
/// When the system rejects the cores or the program cannot be started.
pub fn spawn_on(mut command: Command, cores: &[usize]) -> io::Result<Child> {
    if cores.is_empty() {
        return command.spawn();
    }
    std::thread::scope(|scope| {
        let starter = std::thread::Builder::new().spawn_scoped(scope, move || {
            pin_current_thread(cores)?;
            command.spawn()
        })?;
        starter.join().unwrap_or_else(|_| Err(io::Error::other("the starting thread panicked")))
    })
}

/// Lets the process that `command` starts continue, if it is stopped (SIGSTOP), when this process ends. It can then notice
/// that, because a pipe to this process has ended. Does nothing on systems without such a signal.
pub fn continue_with_parent(command: &mut Command) {
    imp::signal_with_parent(command, imp::CONTINUE);
}

/// Kills the process that `command` starts when the calling thread ends, even if this process is killed. Does nothing on
/// systems without such a signal.
pub fn kill_with_parent(command: &mut Command) {
    imp::signal_with_parent(command, imp::KILL);
}

/// Lets a child process continue that is stopped (SIGSTOP). The child must not have been waited for, since its process id
/// may otherwise be that of another process.
pub fn continue_child(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // An error means that it has just ended.
        let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
    }
}

/// Sends `signal` to the process group that the child process `leader` leads. The child must not have been waited for.
pub fn signal_group(leader: &Child, signal: Signal) {
    if let Ok(pid) = i32::try_from(leader.id()) {
        // An error means that it has just ended.
        let _ = killpg(Pid::from_raw(pid), signal);
    }
}

/// Whether process `pid` runs or waits, rather than being stopped or having ended; `None` where the system does not report
/// it.
#[must_use]
pub fn is_running(pid: u32) -> Option<bool> {
    imp::is_running(pid)
}

/// The limits on processes and threads that apply to this process, in words; empty where the system does not report them.
#[must_use]
pub fn thread_limits() -> String {
    imp::thread_limits()
}

/// Makes the allocator return freed memory to the system: blocks of 4 MiB or more at once, and the rest beyond 8 MiB. By
/// default, glibc raises both limits to what a long message has once taken. Does nothing with other allocators.
pub fn return_unused_memory() {
    imp::return_unused_memory();
}

/// Returns the free memory of this process to the system, so that its resident memory grows again with what it allocates. Does
/// nothing with other allocators than glibc's.
pub fn release_free_memory() {
    imp::release_free_memory();
}

/// Gives the calling thread the scheduling policy `SCHED_IDLE`: it runs only when its core would otherwise idle.
///
/// # Errors
/// The system's error, or [`io::ErrorKind::Unsupported`].
pub fn become_idle_priority() -> io::Result<()> {
    imp::become_idle_priority()
}

/// A timer for async tasks, precise to microseconds where the system allows it. Tokio's own has a resolution of 1 ms.
pub use imp::Timer;

/// Makes sleeps of the calling thread end on time. By default Linux may extend each by 50 µs, to wake up less often. Does
/// nothing on systems without such a setting.
pub fn sleep_precisely() {
    imp::sleep_precisely();
}

/// Raises the limit on open file descriptors (usually 1,024) to the maximum that this process may set. Does nothing on
/// systems without such a limit.
pub fn allow_many_connections() {
    imp::allow_many_connections();
}

/// The largest number of file descriptors that this process may have open, once [`allow_many_connections`] was called; `None`
/// where the system does not report it.
#[must_use]
pub fn max_open_files() -> Option<u64> {
    imp::max_open_files()
}

/// Whether this process ignores the signal with this number; `None` where the system does not report it.
#[must_use]
pub fn ignores_signal(number: i32) -> Option<bool> {
    imp::ignores_signal(number)
}

/// All connected TCP sockets of this process; `None` where the system does not report them.
#[must_use]
pub fn sockets() -> Option<Vec<SocketStats>> {
    imp::sockets()
}

/// The open TCP connections of the processes `pids`, each once; `None` where the system does not report them, or one of the
/// processes has ended.
#[must_use]
pub fn connections(pids: &[u32]) -> Option<BTreeSet<Connection>> {
    imp::connections(pids)
}

/// The number of ports that the system gives to connections; `None` where it does not report it.
#[must_use]
pub fn local_ports() -> Option<u32> {
    imp::local_ports()
}

/// Number of threads of this process; `None` where the system does not report it.
#[must_use]
pub fn threads() -> Option<u32> {
    imp::threads()
}

/// The ids of the threads of this process; none where the system does not report them.
#[must_use]
pub fn own_threads() -> Vec<u32> {
    imp::own_threads()
}

/// Keeps the run-queue delay of the calling thread, which is about to end, for later readings of this process.
pub fn keep_run_queue_delay() {
    imp::keep_run_queue_delay();
}

/// The CPU time that process `pid` has used, and none of its other figures, which take longer to read; `None` where the system
/// does not report it or the process has ended.
#[must_use]
pub fn cpu_time(pid: u32) -> Option<UsageReading> {
    imp::cpu_time(pid)
}

/// Resources that process `pid` has used; `None` where the system does not report them or the process has ended.
#[must_use]
pub fn usage(pid: u32) -> Option<UsageReading> {
    imp::usage(pid, &[])
}

/// Resources that this process has used, with the run-queue delay of its threads but `except`; `None` where the system does
/// not report them.
#[must_use]
pub fn own_usage(except: &[u32]) -> Option<UsageReading> {
    imp::usage(std::process::id(), except)
}

/// The resident memory of process `pid` in bytes; `None` where the system does not report it or the process has ended.
#[must_use]
pub fn resident_memory(pid: u32) -> Option<u64> {
    imp::resident_memory(pid)
}

/// Resets the recorded peak memory of process `pid` to its current memory. Does nothing where that is not possible.
pub fn reset_peak_memory(pid: u32) {
    imp::reset_peak_memory(pid);
}

/// The current value of the monotonic clock that all processes of this machine share, in nanoseconds; `None` where the
/// system has no such clock.
#[must_use]
pub fn monotonic_ns() -> Option<u64> {
    imp::monotonic_ns()
}

/// What each core of this machine did since boot, by its number; `None` where the system does not report it.
#[must_use]
pub fn core_times() -> Option<BTreeMap<usize, CoreTime>> {
    imp::core_times()
}

/// The smallest CPU quota of the control groups of this process; `None` where it has none.
#[must_use]
pub fn cpu_quota() -> Option<CpuQuota> {
    imp::cpu_quota()
}

/// Identifies one boot of one machine, and is the same in all containers on it; `None` where the system does not report
/// it.
#[must_use]
pub fn boot_id() -> Option<String> {
    imp::boot_id()
}

/// The one-minute load average: the mean number of processes that were running or ready to run.
#[must_use]
pub fn load_average() -> Option<f64> {
    imp::load_average()
}

/// Facts about this machine; those that the system does not report are absent.
#[must_use]
pub fn machine() -> Machine {
    imp::machine()
}

/// An instant of this process as a value of [`monotonic_ns`].
#[must_use]
pub fn to_monotonic_ns(instant: Instant) -> Option<u64> {
    let (now, now_ns) = (Instant::now(), monotonic_ns()?);
    match now.checked_duration_since(instant) {
        Some(ago) => now_ns.checked_sub(u64::try_from(ago.as_nanos()).ok()?),
        None => now_ns.checked_add(u64::try_from((instant - now).as_nanos()).ok()?),
    }
}

/// The instant at which [`monotonic_ns`] had, or will have, the value `ns`.
#[must_use]
pub fn from_monotonic_ns(ns: u64) -> Option<Instant> {
    let (now, now_ns) = (Instant::now(), monotonic_ns()?);
    match now_ns.checked_sub(ns) {
        Some(ago) => now.checked_sub(Duration::from_nanos(ago)),
        None => now.checked_add(Duration::from_nanos(ns - now_ns)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_at_least_one_core() {
        assert!(!allowed_cores().is_empty());
        assert!(machine().cores > 0);
    }

    #[test]
    fn a_build_without_full_observation_returns_nothing() {
        let me = std::process::id();
        assert_eq!(usage(me).is_some(), FULL);
        assert_eq!(sockets().is_some(), FULL);
        assert_eq!(threads().is_some_and(|threads| threads > 0), FULL);
        assert_eq!(pin_current_thread(&allowed_cores()).is_ok(), FULL);
        assert_eq!(
            core_times().is_some_and(|cores| allowed_cores().iter().all(|core| cores.contains_key(core))),
            FULL
        );
        assert_eq!(monotonic_ns().is_some(), FULL);
    }

    #[test]
    fn an_instant_survives_the_way_through_the_monotonic_clock() {
        let instant = Instant::now();
        if let Some(back) = to_monotonic_ns(instant).and_then(from_monotonic_ns) {
            let error = back.max(instant) - back.min(instant);
            assert!(error < Duration::from_millis(100), "{error:?}");
        }
        assert_eq!(to_monotonic_ns(instant).is_some(), FULL);
    }

    #[cfg(not(rpcbench_portable))]
    #[cfg(target_os = "linux")]
    mod on_linux {
        use super::*;
        use std::io::{Read, Write};
        use std::net::{TcpListener, TcpStream};

        #[test]
        fn sockets_reports_bytes_and_options_of_a_connection() {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            client.set_nodelay(true).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            client.write_all(&[7; 1234]).unwrap();
            server.read_exact(&mut [0; 1234]).unwrap();
            server.write_all(&[7; 77]).unwrap();
            client.read_exact(&mut [0; 77]).unwrap();

            let all = sockets().unwrap();
            let own = client.local_addr().unwrap();
            let of = |local| all.iter().find(|s| s.local == local).cloned().unwrap();
            let (client, server) = (of(own), of(listener.local_addr().unwrap()));
            assert_eq!((client.sent, client.received, client.nodelay), (1234, 77, true));
            // The accepting end does not count the handshake either.
            assert_eq!((server.sent, server.received, server.nodelay), (77, 1234, false));
            assert_eq!((client.segments_sent, client.segments_received), (1, 1));
            assert!(!client.congestion.is_empty() && client.congestion == server.congestion);
        }

        #[test]
        fn context_switches_of_ended_threads_are_included() {
            let switches = || usage(std::process::id()).unwrap().usage.voluntary_switches;
            let before = switches();
            // A thread that sleeps gives up its core, whatever the others do.
            std::thread::spawn(|| std::thread::sleep(Duration::from_millis(1))).join().unwrap();
            assert!(switches() > before);
        }

        #[test]
        fn cpu_time_grows_with_work() {
            let before = usage(std::process::id()).unwrap();
            let started = Instant::now();
            while started.elapsed() < Duration::from_millis(30) {
                std::hint::spin_loop();
            }
            let after = usage(std::process::id()).unwrap();
            assert!(after.usage.cpu_ns > before.usage.cpu_ns);
            assert!(after.usage.peak_rss > 0);
            assert!(before.at < started && after.at >= started + Duration::from_millis(30));
        }

        #[test]
        fn spawn_on_pins_the_child_and_leaves_the_caller_alone() {
            let before = allowed_cores();
            let core = *before.last().unwrap();
            let mut command = Command::new("cat");
            command.arg("/proc/self/status").stdout(std::process::Stdio::piped());
            let output = spawn_on(command, &[core]).unwrap().wait_with_output().unwrap();
            let status = String::from_utf8(output.stdout).unwrap();
            let line = status.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap();
            assert_eq!(line.split_whitespace().nth(1), Some(core.to_string().as_str()));
            assert_eq!(allowed_cores(), before);
        }
    }
}
