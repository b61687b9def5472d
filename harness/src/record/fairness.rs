//! What each stack really ran with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Party;
use crate::sys::SocketStats;

/// The options that the TCP sockets of a stack really have, read back from them. Sockets with equal options are one
/// entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SocketFacts {
    /// The stack.
    pub stack: String,
    /// Whose sockets: the client's or the server's.
    pub end: Party,
    /// How many there are for one client.
    pub connections: usize,
    /// Whether `TCP_NODELAY` is set.
    pub nodelay: bool,
    /// `SO_SNDBUF` in bytes as the kernel accounts for it.
    pub send_buffer: u32,
    /// `SO_RCVBUF` in bytes as the kernel accounts for it.
    pub receive_buffer: u32,
    /// The algorithm of `TCP_CONGESTION`; empty where the system does not tell.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub congestion: String,
}

impl SocketFacts {
    /// The options of `sockets`, which are those of one `end` of `stack`.
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
