//! What the operating system reports: facts about the machine, and figures of processes and sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kernel's figures for one TCP connection of this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketStats {
    /// The address of this end.
    pub local: SocketAddr,
    /// The address of the other end.
    pub peer: SocketAddr,
    /// Payload bytes sent; retransmitted bytes count once.
    pub sent: u64,
    /// Payload bytes received in order.
    pub received: u64,
    /// Segments with payload that were sent, each retransmission included. Bare acknowledgements are not counted.
    #[serde(default)]
    pub segments_sent: u64,
    /// Segments with payload that were received.
    #[serde(default)]
    pub segments_received: u64,
    /// Whether `TCP_NODELAY` is set.
    pub nodelay: bool,
    /// `SO_SNDBUF` in bytes, including the kernel's bookkeeping.
    pub send_buffer: u32,
    /// `SO_RCVBUF` in bytes, including the kernel's bookkeeping.
    pub receive_buffer: u32,
    /// The algorithm of `TCP_CONGESTION`; empty where the system does not report it.
    #[serde(default)]
    pub congestion: String,
}

/// A TCP connection, whichever of its ends was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection([SocketAddr; 2]);

impl Connection {
    /// The connection between these two addresses.
    #[must_use]
    pub fn new(one: SocketAddr, other: SocketAddr) -> Self {
        Connection([one.min(other), one.max(other)])
    }
}

/// Resources that a process has used since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// CPU time of all its threads, user and system, in nanoseconds.
    pub cpu_ns: u64,
    /// Voluntary context switches: a thread gave up its core to wait.
    pub voluntary_switches: u64,
    /// Involuntary context switches: the scheduler took a thread off its core.
    pub involuntary_switches: u64,
    /// Peak resident memory in bytes, since the start or the last [`reset_peak_memory`](super::reset_peak_memory).
    pub peak_rss: u64,
    /// Time that its threads were ready to run and waited for a core, in nanoseconds. Threads that have ended are missing,
    /// so that this can decrease. Absent where the system does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_queue_ns: Option<u64>,
    /// Time during which the CPU quota of one of its control groups was used up, in nanoseconds, summed over the cores.
    /// Absent where the system does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled_ns: Option<u64>,
}

impl Usage {
    /// The usage of two processes together: sums, of the peak memory the larger one, and of the time under a quota the longer
    /// one, since both may be in the same control group.
    #[must_use]
    pub fn with(self, other: Usage) -> Self {
        Usage {
            cpu_ns: self.cpu_ns.saturating_add(other.cpu_ns),
            voluntary_switches: self.voluntary_switches.saturating_add(other.voluntary_switches),
            involuntary_switches: self.involuntary_switches.saturating_add(other.involuntary_switches),
            peak_rss: self.peak_rss.max(other.peak_rss),
            run_queue_ns: self.run_queue_ns.zip(other.run_queue_ns).map(|(a, b)| a.saturating_add(b)),
            throttled_ns: self.throttled_ns.max(other.throttled_ns),
        }
    }
}

/// What a core did since boot, apart from running processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreTime {
    /// Time with nothing to run.
    pub idle: Duration,
    /// Time spent on interrupts. A kernel that does not measure this precisely counts it towards the processes' CPU time, too.
    pub interrupts: Duration,
    /// Time in which the hypervisor ran something else on it.
    pub stolen: Duration,
}

impl CoreTime {
    /// The unit in which the system reports these times: 1/100 s (proc_stat(5)).
    pub const RESOLUTION: Duration = Duration::from_millis(10);
}

/// The smallest CPU quota that applies to this process.
#[derive(Clone, Debug, PartialEq)]
pub struct CpuQuota {
    /// How many cores it amounts to.
    pub cores: f64,
    /// The folder of the control group that has it.
    pub group: String,
}

/// The usage of a process with the instant at which it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageReading {
    /// The figures.
    pub usage: Usage,
    /// When the CPU clock was read.
    pub at: Instant,
}

/// Facts about the machine on which a run was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Operating system and kernel version.
    pub system: String,
    /// Processor architecture.
    pub architecture: String,
    /// Model name of the processor.
    pub processor: Option<String>,
    /// Number of cores that the run could use.
    pub cores: usize,
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Whether the machine is a virtual one.
    pub virtualised: Option<bool>,
    /// The frequency governor of the first core, where there is one.
    pub governor: Option<String>,
}

impl Machine {
    /// The processor and the number of cores.
    #[must_use]
    pub fn name(&self) -> String {
        let processor = self.processor.as_ref().unwrap_or(&self.architecture);
        format!("{processor}, {} core{}", self.cores, if self.cores == 1 { "" } else { "s" })
    }
}
