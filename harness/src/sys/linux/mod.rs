//! Linux.
//!
//! The only module of the workspace with `unsafe` code. `getsockopt(TCP_INFO)`, `sched_setscheduler(SCHED_IDLE)`, `mallopt` and
//! `malloc_trim` have no safe wrapper; each takes numbers or one plain structure on the stack. Tokio requires a promise that the
//! `timerfd` it watches stays the same descriptor, and the standard library one about a function that runs between fork and
//! exec.
#![allow(unsafe_code)]

mod connections;
mod cores;
mod groups;
mod run_queue;

pub(super) use connections::{connections, local_ports};
pub(super) use cores::core_times;
pub(super) use groups::cpu_quota;
pub(super) use run_queue::{keep_run_queue_delay, own_threads};

use std::fs;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::socket::{SockaddrStorage, getpeername, getsockname};
use nix::sys::timerfd::{ClockId as TimerClock, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::ClockId;
use nix::unistd::{Pid, getpid, getppid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::types::{Machine, SocketStats, Usage, UsageReading};
use super::wait::{SHORTEST_SLEEP, sleep_time};

pub(super) const FULL: bool = true;

const CALLING_THREAD: Pid = Pid::from_raw(0);

pub(super) fn allowed_cores() -> Vec<usize> {
    let cores: Vec<_> = sched_getaffinity(CALLING_THREAD)
        .map(|set| (0..CpuSet::count()).filter(|core| set.is_set(*core).unwrap_or(false)).collect())
        .unwrap_or_default();
    if cores.is_empty() { vec![0] } else { cores }
}

pub(super) fn pin_current_thread(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core)?;
    }
    Ok(sched_setaffinity(CALLING_THREAD, &set)?)
}

#[cfg(target_env = "gnu")]
pub(super) fn return_unused_memory() {
    const MMAP_THRESHOLD_BYTES: libc::c_int = 4 << 20;
    const TRIM_THRESHOLD_BYTES: libc::c_int = 8 << 20;
    for (parameter, value) in
        [(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES), (libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)]
    {
        // SAFETY: `mallopt` takes two integers and locks the state that it changes. An error leaves that as it was.
        unsafe { libc::mallopt(parameter, value) };
    }
}

#[cfg(not(target_env = "gnu"))]
pub(super) fn return_unused_memory() {}

#[cfg(target_env = "gnu")]
pub(super) fn release_free_memory() {
    // SAFETY: `malloc_trim` takes a number and locks the heap that it changes.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
pub(super) fn release_free_memory() {}

pub(super) fn become_idle_priority() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: pid 0 is the calling thread, and `parameters` is a valid structure that the kernel only reads.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A `timerfd`.
#[derive(Debug)]
pub struct Timer(AsyncFd<Descriptor>);

#[derive(Debug)]
struct Descriptor(TimerFd);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The last part of a longer wait, during which the task does not yield: one look of the runtime at its sockets was
/// measured to take up to this long.
const SPIN_TIME: Duration = Duration::from_micros(12);

impl Timer {
    /// Creates a timer that is driven by the current Tokio runtime.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let timer =
            TimerFd::new(TimerClock::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        // SAFETY: the descriptor is owned, always the same, and closed only when it is dropped.
        Ok(Timer(unsafe { AsyncFd::register_with_interest(Descriptor(timer), Interest::READABLE) }?))
    }

    /// Waits until `deadline`. Returns at once when it has passed.
    ///
    /// # Errors
    /// When the system cannot set or watch the timer.
    pub async fn wait_until(&mut self, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(sleep) = sleep_time(left) {
            let wake_at = deadline - (left - sleep);
            self.0.get_ref().0.set(Expiration::OneShot(sleep.into()), TimerSetTimeFlags::empty())?;
            while Instant::now() < wake_at {
                // The expiry need not be read: setting the timer again discards it.
                self.0.readable().await?.clear_ready();
            }
        }
        let spin = if left > SHORTEST_SLEEP { SPIN_TIME } else { Duration::ZERO };
        while Instant::now() + spin < deadline {
            // Other tasks may run meanwhile.
            tokio::task::yield_now().await;
        }
        while Instant::now() < deadline {
            std::hint::spin_loop();
        }
        Ok(())
    }
}

pub(super) fn sleep_precisely() {
    // If this fails, sleeps are only less exact.
    let _ = prctl::set_timerslack(1);
}

pub(super) fn allow_many_connections() {
    // If this fails, opening one connection too many reports the error.
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

pub(super) fn max_open_files() -> Option<u64> {
    getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(_, hard)| hard)
}

pub(super) fn ignores_signal(number: i32) -> Option<bool> {
    // A bit mask in hexadecimal, in which signal 1 is the lowest bit (proc_pid_status(5)).
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some(mask >> u32::try_from(number - 1).ok()? & 1 == 1)
}

pub(super) const CONTINUE: Signal = Signal::SIGCONT;
pub(super) const KILL: Signal = Signal::SIGKILL;

/// Sends `signal` to the process that `command` starts whenever the thread that was its parent ends. Another thread then
/// takes its place, until the whole process has ended (PR_SET_PDEATHSIG(2const)).
pub(super) fn signal_with_parent(command: &mut Command, signal: Signal) {
    let parent = getpid();
    let prepare = move || {
        prctl::set_pdeathsig(signal)?;
        // The parent may have ended before the signal was set.
        if getppid() == parent { Ok(()) } else { Err(io::Error::from(io::ErrorKind::BrokenPipe)) }
    };
    // SAFETY: the closure runs between fork and exec, where only async-signal-safe functions may be called. It makes two
    // system calls, and neither allocates memory nor takes a lock.
    unsafe { command.pre_exec(prepare) };
}

pub(super) fn is_running(pid: u32) -> Option<bool> {
    // The field after the program's name, which is in parentheses and may contain spaces (proc_pid_stat(5)).
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => {
            Some(!matches!(stat.rsplit_once(')')?.1.trim_start().chars().next()?, 'T' | 't' | 'Z' | 'X'))
        }
        Err(_) => Some(false),
    }
}

pub(super) fn thread_limits() -> String {
    let limit = |resource, name: &str, unit: u64| {
        let (soft, _) = getrlimit(resource).ok()?;
        (soft != RLIM_INFINITY).then(|| format!("ulimit {name} is {}", soft / unit))
    };
    // The number of processes and threads of the user, and the address space, in which each thread has a stack.
    let own = [limit(Resource::RLIMIT_NPROC, "-u", 1), limit(Resource::RLIMIT_AS, "-v", 1024)];
    // Lines `ID:CONTROLLERS:PATH`; version 2 has a single hierarchy without controllers (cgroups(7)).
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let max = groups.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let folder = if controllers.is_empty() { "" } else { "/pids" };
        let applies = matches!(controllers, "" | "pids");
        let max =
            fs::read_to_string(format!("/sys/fs/cgroup{folder}{path}/pids.max")).ok().filter(|_| applies)?;
        max.trim().parse::<u64>().ok().map(|limit| format!("pids.max of the control group is {limit}"))
    });
    own.into_iter().flatten().chain(max).collect::<Vec<_>>().join(", ")
}

pub(super) fn sockets() -> Option<Vec<SocketStats>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").ok()?.flatten() {
        let is_socket = fs::read_link(entry.path())
            .is_ok_and(|target| target.to_str().is_some_and(|target| target.starts_with("socket:")));
        let descriptor = entry.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok());
        if let (true, Some(descriptor)) = (is_socket, descriptor) {
            found.extend(tcp_socket(descriptor));
        }
    }
    // Duplicated descriptors refer to the same socket.
    found.sort_unstable_by_key(|socket| (socket.local, socket.peer));
    found.dedup_by_key(|socket| (socket.local, socket.peer));
    Some(found)
}

/// Reads the counters and options of a socket. `None` if the descriptor is not a connected TCP socket, or has been
/// closed since it was listed.
fn tcp_socket(descriptor: RawFd) -> Option<SocketStats> {
    let peer = ip_address(getpeername::<SockaddrStorage>(descriptor).ok()?)?;
    let local = ip_address(getsockname::<SockaddrStorage>(descriptor).ok()?)?;
    let info: libc::tcp_info = socket_option(descriptor, libc::IPPROTO_TCP, libc::TCP_INFO)?;
    let congestion: [u8; TCP_CA_NAME_MAX] =
        socket_option(descriptor, libc::IPPROTO_TCP, libc::TCP_CONGESTION)?;
    let nodelay: libc::c_int = socket_option(descriptor, libc::IPPROTO_TCP, libc::TCP_NODELAY)?;
    let send_buffer: libc::c_int = socket_option(descriptor, libc::SOL_SOCKET, libc::SO_SNDBUF)?;
    let receive_buffer: libc::c_int = socket_option(descriptor, libc::SOL_SOCKET, libc::SO_RCVBUF)?;
    Some(SocketStats {
        local,
        peer,
        // tcpi_bytes_acked would count the SYN as a byte. tcpi_bytes_sent includes retransmissions.
        sent: info.tcpi_bytes_sent.saturating_sub(info.tcpi_bytes_retrans),
        received: info.tcpi_bytes_received,
        segments_sent: info.tcpi_data_segs_out.into(),
        segments_received: info.tcpi_data_segs_in.into(),
        nodelay: nodelay != 0,
        send_buffer: u32::try_from(send_buffer).unwrap_or(0),
        receive_buffer: u32::try_from(receive_buffer).unwrap_or(0),
        congestion: until_zero(&congestion),
    })
}

/// Size of a congestion control algorithm's name, including the final zero (linux/tcp.h).
const TCP_CA_NAME_MAX: usize = 16;

/// The text before the first zero byte.
fn until_zero(octets: &[u8]) -> String {
    let end = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
    String::from_utf8_lossy(&octets[..end]).into_owned()
}

fn ip_address(address: SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::from((v4.ip(), v4.port())));
    }
    address.as_sockaddr_in6().map(|v6| SocketAddr::from((v6.ip(), v6.port())))
}

/// A plain structure for which every bit pattern is valid, like the kernel's option structures.
trait Plain: Copy {}
impl Plain for libc::tcp_info {}
impl Plain for libc::c_int {}
impl Plain for [u8; TCP_CA_NAME_MAX] {}

/// Reads a socket option. Fields that an older kernel does not fill are zero.
fn socket_option<T: Plain>(descriptor: RawFd, level: libc::c_int, name: libc::c_int) -> Option<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut length = libc::socklen_t::try_from(size_of::<T>()).ok()?;
    // SAFETY: `value` has space for `length` bytes, of which the kernel writes at most as many. A descriptor that has been
    // closed gives an error, not undefined behaviour.
    let result =
        unsafe { libc::getsockopt(descriptor, level, name, value.as_mut_ptr().cast(), &raw mut length) };
    // SAFETY: all bytes were zeroed above, and every bit pattern is valid for `T: Plain`.
    (result == 0).then(|| unsafe { value.assume_init() })
}

pub(super) fn threads() -> Option<u32> {
    u32::try_from(fs::read_dir("/proc/self/task").ok()?.count()).ok()
}

pub(super) fn cpu_time(pid: u32) -> Option<UsageReading> {
    // /proc/PID/stat counts ticks of 10 ms; the CPU clock of the process counts nanoseconds.
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(i32::try_from(pid).ok()?)).ok()?;
    let cpu = Duration::from(clock.now().ok()?);
    let at = Instant::now();
    Some(UsageReading {
        usage: Usage { cpu_ns: u64::try_from(cpu.as_nanos()).ok()?, ..Usage::default() },
        at,
    })
}

pub(super) fn usage(pid: u32, except: &[u32]) -> Option<UsageReading> {
    let UsageReading { mut usage, at } = cpu_time(pid)?;
    if pid == std::process::id() {
        // Unlike /proc, this includes threads that have ended, such as the callers of a trial.
        let own = getrusage(UsageWho::RUSAGE_SELF).ok()?;
        usage.voluntary_switches = u64::try_from(own.voluntary_context_switches()).unwrap_or(0);
        usage.involuntary_switches = u64::try_from(own.involuntary_context_switches()).unwrap_or(0);
    } else {
        for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
            let Ok(status) = fs::read_to_string(thread.path().join("status")) else { continue };
            usage.voluntary_switches += field(&status, "voluntary_ctxt_switches:").unwrap_or(0);
            usage.involuntary_switches += field(&status, "nonvoluntary_ctxt_switches:").unwrap_or(0);
        }
    }
    usage.run_queue_ns = run_queue::run_queue_ns(pid, except);
    usage.throttled_ns = groups::throttled_ns(pid);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    usage.peak_rss = field(&status, "VmHWM:").unwrap_or(0) * 1024;
    Some(UsageReading { usage, at })
}

pub(super) fn resident_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    field(&status, "VmRSS:").map(|kib| kib * 1024)
}

pub(super) fn monotonic_ns() -> Option<u64> {
    let now = Duration::from(ClockId::CLOCK_MONOTONIC.now().ok()?);
    u64::try_from(now.as_nanos()).ok()
}

/// The number that follows `name` in a `name: value` file of /proc.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

pub(super) fn reset_peak_memory(pid: u32) {
    // 5 resets the peak (proc_pid_clear_refs(5)). Without permission, the peak is that since the process started.
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

pub(super) fn boot_id() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

pub(super) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

pub(super) fn machine() -> Machine {
    let trimmed = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor_field = |name: &str| {
        processors
            .lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
    };
    Machine {
        system: format!("Linux {}", trimmed("/proc/sys/kernel/osrelease").unwrap_or_default()),
        architecture: std::env::consts::ARCH.to_owned(),
        processor: processor_field("model name"),
        cores: allowed_cores().len(),
        memory: fs::read_to_string("/proc/meminfo")
            .ok()
            .and_then(|text| field(&text, "MemTotal:"))
            .map(|kib| kib * 1024),
        virtualised: processor_field("flags").map(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
        governor: trimmed("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    }
}
