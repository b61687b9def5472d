//! The settings and libraries that each stack actually ran with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Party;
use crate::sys::SocketStats;

/// What a stack actually ran with, apart from the options of its sockets. Unknown facts of a server that was already
/// running are absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fairness {
    /// The stack.
    pub stack: String,
    /// The calling end.
    pub client: Process,
    /// The answering end; absent where it was already running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Process>,
    /// Whether several calls may be in flight on one connection.
    pub multiplexes: bool,
    /// Whether call after call went over the same connections; absent where it could not be observed, or there is no
    /// connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<bool>,
    /// How messages are compressed on the way.
    pub compression: String,
    /// What was negotiated for TLS; absent without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFacts>,
    /// How connections are encrypted.
    pub encryption: String,
    /// The version of HTTP; absent for other protocols.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// The delivery settings of the broker; absent for protocols without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<BrokerTerms>,
}

/// What a client and the server, or the broker, negotiated in a handshake with the settings of all connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TlsFacts {
    /// The version, such as `TLS 1.3`.
    pub version: String,
    /// The cipher suite, by its name at IANA.
    pub cipher: String,
}

/// What a process of a stack ran with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// The runtime, with its number of worker threads.
    pub runtime: String,
    /// How handlers are run; absent for a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor: Option<String>,
    /// The number of threads of the process with one client connected, including those of the control port; absent for a
    /// client, whose process is the harness's, and where the system does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// The libraries between the call and the socket, the most characteristic first.
    pub libraries: Vec<Library>,
}

/// A library as this program was built with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Library {
    /// The name on crates.io.
    pub name: String,
    /// The version.
    pub version: String,
}

/// The delivery settings of messages that pass the broker. Those that a foreign server chose are absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BrokerTerms {
    /// The broker's name and version as it reports them; absent if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The kind of the queue of the requests: `transient`, `durable`, or `quorum`, which is replicated. NATS has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Whether the queue of the requests survives a restart of the broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durable: Option<bool>,
    /// Whether messages are marked to be kept on disk (delivery mode 2), which the broker does in durable queues.
    pub persistent: bool,
    /// The largest number of unacknowledged requests that the broker delivers; 0 for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefetch: Option<u16>,
    /// Whether each message is acknowledged.
    pub acknowledged: bool,
    /// Whether the broker confirms each message published.
    pub confirmed: bool,
}

/// The actual options of the TCP sockets of a stack, read back from the sockets. Sockets with equal options are one
/// entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SocketFacts {
    /// The stack.
    pub stack: String,
    /// The end that the sockets belong to: client or server.
    pub end: Party,
    /// The number of these sockets for one client.
    pub connections: usize,
    /// Whether `TCP_NODELAY` is set.
    pub nodelay: bool,
    /// `SO_SNDBUF` in bytes as the kernel accounts for it.
    pub send_buffer: u32,
    /// `SO_RCVBUF` in bytes as the kernel accounts for it.
    pub receive_buffer: u32,
    /// The algorithm of `TCP_CONGESTION`; empty where the system does not report it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub congestion: String,
}

impl SocketFacts {
    /// The options of `sockets`, the sockets of one `end` of `stack`.
    pub fn of<'a>(stack: &str, end: Party, sockets: impl IntoIterator<Item = &'a SocketStats>) -> Vec<Self> {
        let mut all: Vec<SocketFacts> = Vec::new();
        for socket in sockets {
            let facts = SocketFacts {
                stack: stack.to_owned(),
                end,
                connections: 1,
                nodelay: socket.nodelay,
                send_buffer: socket.send_buffer,
                receive_buffer: socket.receive_buffer,
                congestion: socket.congestion.clone(),
            };
            match all.iter_mut().find(|known| SocketFacts { connections: 1, ..(*known).clone() } == facts) {
                Some(known) => known.connections += 1,
                None => all.push(facts),
            }
        }
        all
    }
}
