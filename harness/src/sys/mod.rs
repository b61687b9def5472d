//! What the operating system tells and does for a measurement: cores, scheduling, clocks of other processes, the
//! kernel's own count of a socket's bytes.
//!
//! Most of it only Linux has. `portable` is what any other system gets: every question is answered with "not
//! observable" (`None`) or with [`Unsupported`](std::io::ErrorKind::Unsupported), never with a guess. Building with
//! `RUSTFLAGS=--cfg rpcbench_portable` uses it on Linux too, which is how it is tested.

#[cfg(all(target_os = "linux", not(rpcbench_portable)))]
mod linux;
#[cfg(any(not(target_os = "linux"), rpcbench_portable))]
mod portable;

#[cfg(all(target_os = "linux", not(rpcbench_portable)))]
use linux as imp;
#[cfg(any(not(target_os = "linux"), rpcbench_portable))]
use portable as imp;

use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether this build can observe and control what a full measurement needs.
pub const FULL: bool = imp::FULL;

/// What the kernel knows of one TCP connection of this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketStats {
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub peer: SocketAddr,
    /// Payload bytes handed to the network, retransmissions not counted twice.
    pub sent: u64,
    /// Payload bytes received in order.
    pub received: u64,
    /// Segments sent that carried payload, those sent twice counted twice; bare acknowledgements are not counted.
    #[serde(default)]
    pub segments_sent: u64,
    /// Segments received that carried payload.
    #[serde(default)]
    pub segments_received: u64,
    /// Whether `TCP_NODELAY` is set.
    pub nodelay: bool,
    /// `SO_SNDBUF` in bytes as the kernel accounts for it.
    pub send_buffer: u32,
    /// `SO_RCVBUF` in bytes as the kernel accounts for it.
    pub receive_buffer: u32,
    /// The algorithm of `TCP_CONGESTION`; empty where the system does not tell.
    #[serde(default)]
    pub congestion: String,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// CPU time of all its threads, user and system, in nanoseconds.
    pub cpu_ns: u64,
    /// Times a thread gave up its core to wait.
    pub voluntary_switches: u64,
    /// Times a thread was made to give up its core.
    pub involuntary_switches: u64,
    /// Peak resident memory in bytes since the start or the last [`reset_peak_memory`].
    pub peak_rss: u64,
}

/// The cores this process may run on, in ascending order. At least one.
#[must_use]
pub fn allowed_cores() -> Vec<usize> {
    imp::allowed_cores()
}

/// Restricts the calling thread, and the threads and processes it starts from now on, to `cores`.
///
/// # Errors
/// The system's refusal, or [`io::ErrorKind::Unsupported`].
pub fn pin_current_thread(cores: &[usize]) -> io::Result<()> {
    imp::pin_current_thread(cores)
}

/// Starts `command` restricted to `cores`, or unrestricted where `cores` is empty.
///
/// The mask is inherited from a thread that lives for nothing else, so that the caller's own stays as it is.
///
/// # Errors
/// When the cores are refused or the program cannot be started.
pub fn spawn_on(mut command: Command, cores: &[usize]) -> io::Result<Child> {
    if cores.is_empty() {
        return command.spawn();
    }
    std::thread::scope(|scope| {
        let starter = scope.spawn(move || {
            pin_current_thread(cores)?;
            command.spawn()
        });
        starter.join().unwrap_or_else(|_| Err(io::Error::other("the starting thread panicked")))
    })
}

/// Puts the calling thread below every ordinary one (`SCHED_IDLE`): it runs only where its core would idle.
///
/// # Errors
/// The system's refusal, or [`io::ErrorKind::Unsupported`].
pub fn become_idle_priority() -> io::Result<()> {
    imp::become_idle_priority()
}

/// Wakes a task at a moment to within microseconds, where the system can; Tokio's own timer counts milliseconds.
pub use imp::Timer;

/// Lets the calling thread's sleeps end when they should: the system would otherwise let them take 50 µs longer, to wake
/// up less often. Does nothing where there is no such setting.
pub fn sleep_precisely() {
    imp::sleep_precisely();
}

/// How much earlier than needed a sleeper is woken: about what waking up takes where the core is awake.
const LEAD: Duration = Duration::from_micros(40);
/// What is nearer than this is waited for without sleeping: going to sleep and waking up takes as long.
const NEAR: Duration = Duration::from_micros(5);

/// Of a wait of `left`, what is slept; `None` where sleeping is not worth while. The rest is spent looking at the clock,
/// which is done only before waits that are long beside it: a generator of many calls must not look busier than it is.
fn time_asleep(left: Duration) -> Option<Duration> {
    match left.checked_sub(LEAD) {
        Some(asleep) if asleep >= LEAD => Some(asleep),
        _ => (left > NEAR).then_some(left),
    }
}

/// Sleeps until `moment`, the last microseconds awake; not at all where it has passed. Only as precise as
/// [`sleep_precisely`] made the thread.
pub fn sleep_until(moment: Instant) {
    if let Some(asleep) = time_asleep(moment.saturating_duration_since(Instant::now())) {
        std::thread::sleep(asleep);
    }
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
}

/// Lets this process have as many descriptors open as it is allowed to at all; the usual limit is 1,024. Does nothing where
/// there is no such limit.
pub fn allow_many_connections() {
    imp::allow_many_connections();
}

/// Every connected TCP socket of this process; `None` where the system does not tell.
#[must_use]
pub fn sockets() -> Option<Vec<SocketStats>> {
    imp::sockets()
}

/// How many threads this process has; `None` where the system does not tell.
#[must_use]
pub fn threads() -> Option<u32> {
    imp::threads()
}

/// What process `pid` has used so far; `None` where the system does not tell or the process is gone.
#[must_use]
pub fn usage(pid: u32) -> Option<Usage> {
    imp::usage(pid)
}

/// Makes the peak memory of `pid` start anew from what it holds now. Does nothing where that cannot be done.
pub fn reset_peak_memory(pid: u32) {
    imp::reset_peak_memory(pid);
}

/// Time that the hypervisor kept from this machine's cores since boot, summed over the cores.
#[must_use]
pub fn steal_time() -> Option<Duration> {
    imp::steal_time()
}

/// Which start of which machine this is, the same in every container on it; `None` where the system does not tell.
#[must_use]
pub fn boot_id() -> Option<String> {
    imp::boot_id()
}

/// How many processes wanted to run on average in the last minute.
#[must_use]
pub fn load_average() -> Option<f64> {
    imp::load_average()
}

/// Facts about the machine that a reader of a record needs; what the system does not tell is left out.
#[must_use]
pub fn machine() -> Machine {
    imp::machine()
}

/// Facts about the machine that a run was made on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Operating system and kernel version.
    pub system: String,
    /// Processor architecture.
    pub architecture: String,
    /// The processor's name.
    pub processor: Option<String>,
    /// Number of cores that the run could use.
    pub cores: usize,
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Whether a hypervisor is underneath.
    pub virtualised: Option<bool>,
    /// The frequency governor of the first core, where there is one.
    pub governor: Option<String>,
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
    fn a_build_that_cannot_observe_says_so() {
        let me = std::process::id();
        assert_eq!(usage(me).is_some(), FULL);
        assert_eq!(sockets().is_some(), FULL);
        assert_eq!(threads().is_some_and(|threads| threads > 0), FULL);
        assert_eq!(pin_current_thread(&allowed_cores()).is_ok(), FULL);
        assert_eq!(steal_time().is_some(), FULL);
    }

    #[cfg(not(rpcbench_portable))]
    #[cfg(target_os = "linux")]
    mod on_linux {
        use super::*;
        use std::io::{Read, Write};
        use std::net::{TcpListener, TcpStream};

        #[test]
        fn bytes_and_options_of_a_connection_are_the_kernels() {
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
            // The kernel's counter of the passive end includes no handshake either.
            assert_eq!((server.sent, server.received, server.nodelay), (77, 1234, false));
            assert_eq!((client.segments_sent, client.segments_received), (1, 1));
            assert!(!client.congestion.is_empty() && client.congestion == server.congestion);
        }

        #[test]
        fn switches_of_threads_that_have_ended_still_count() {
            let before = usage(std::process::id()).unwrap();
            let (sender, receiver) = std::sync::mpsc::channel::<()>();
            let waiting = std::thread::spawn(move || receiver.recv());
            std::thread::sleep(Duration::from_millis(10));
            sender.send(()).unwrap();
            waiting.join().unwrap().unwrap();
            assert!(usage(std::process::id()).unwrap().voluntary_switches > before.voluntary_switches);
        }

        #[test]
        fn cpu_time_grows_with_work() {
            let before = usage(std::process::id()).unwrap();
            let begun = std::time::Instant::now();
            while begun.elapsed() < Duration::from_millis(30) {
                std::hint::spin_loop();
            }
            let after = usage(std::process::id()).unwrap();
            assert!(after.cpu_ns > before.cpu_ns);
            assert!(after.peak_rss > 0);
        }

        #[test]
        fn a_started_process_keeps_to_its_cores_and_the_caller_to_its_own() {
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
