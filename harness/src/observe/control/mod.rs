//! The control port of a server: reports the resource usage and the sockets of its process, and switches faults on and off.
//!
//! The protocol is a line of text for a line of JSON, so that `nc` can speak it. It works across machines and containers,
//! where the process cannot be observed from outside. A connection begins with the line `token TOKEN`, which has no reply
//! if the token is right. The other lines:
//!
//! | line | reply |
//! |---|---|
//! | `stats` | [`Stats`] |
//! | `usage` | [`UsageReport`], which takes the server less time than [`Stats`] |
//! | `reset` | resets the recorded peak memory to the current memory; [`Stats`] |
//! | `faults on`, `faults off` | switches the faults that the server was started with; [`Stats`] |
//! | `clock` | [`Clock`] |
//!
//! The reply to any other line is `{"error": …}`; after a wrong token, the server closes the connection.

mod client;
mod server;
mod token;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::wire::StreamBytes;
use crate::sys::{SocketStats, Usage};

pub use client::{read_usage, request_stats, reset_peak_memory, sample_clock};
pub use server::serve;
pub use token::{TOKEN_VARIABLE, Token, TokenError};

/// Maximum length of a request line; the rest of a longer one is read as the next line.
const MAX_REQUEST_BYTES: u64 = 256;
/// How long to wait for a connection, for a whole request, or for a whole reply.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The address of a control port, and the token that it asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ControlPort {
    /// The address.
    pub address: SocketAddr,
    /// The token.
    pub token: Token,
}

/// What a server reports about its process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Process id on the server's machine.
    pub pid: u32,
    /// Resource usage.
    #[serde(flatten)]
    pub usage: UsageReport,
    /// Connected TCP sockets, without those of this control port; absent where the system does not report them.
    pub sockets: Option<Vec<SocketStats>>,
    /// Bytes over Unix sockets, as the server counted them; absent in replies of older versions.
    #[serde(default)]
    pub streams: Option<StreamBytes>,
    /// Number of threads, including that of this control port; absent where the system does not report it.
    #[serde(default)]
    pub threads: Option<u32>,
    /// The cores that the process may run on.
    #[serde(default)]
    pub cores: Vec<usize>,
    /// Number of calls dispatched since the server started.
    pub calls: u64,
}

/// The resources that a server's process has used, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageReport {
    /// Resource usage; absent where the system does not report it.
    pub usage: Option<Usage>,
    /// When the usage was read, by the monotonic clock of the server's machine, in nanoseconds.
    #[serde(default)]
    pub usage_at_ns: Option<u64>,
    /// Identifies the boot of the server's machine; a container has that of its host. Absent where the system does not
    /// report it.
    #[serde(default)]
    pub boot: Option<String>,
}

/// The time by a server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Nanoseconds since the beginning of 1970, UTC.
    pub unix_ns: u64,
}

impl Clock {
    /// The time by the clock of this machine.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { unix_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX) }
    }
}

#[cfg(test)]
mod tests;
