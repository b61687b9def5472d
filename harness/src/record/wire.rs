//! The wire ledger: the bytes of a call on the wire, and their purpose.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::load::Operation;
use crate::observe::wire::Traffic;

/// Bytes of one call as the kernel counted them on the sockets of its two ends, over many calls on the same connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Wire {
    /// The stack.
    pub stack: String,
    /// The operation. Of `add` it is always add(2, 3), so that counts can be compared for equality.
    pub operation: Operation,
    /// The information in arguments and result, in bytes, independent of the protocol.
    pub payload: Traffic,
    /// Bytes per call on the client's connections. For AMQP these are the client's two of the four hops.
    pub per_call: Traffic,
    /// Bytes that the client's connections took before the first call. What another connection took that was closed
    /// before, as zerorpc's client opens one to check whether the server listens, is not included.
    pub setup: Traffic,
    /// Bytes per call on the connections between broker and server: the other two hops of AMQP. Absent for protocols
    /// without a broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind_broker: Option<Traffic>,
    /// The bytes of the call hop by hop in the order of the call, each divided by purpose: two hops between client and
    /// server, four through a broker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
    /// Whether every counted call took exactly these bytes. Where it is false, most calls did.
    #[serde(default)]
    pub exact: bool,
    /// Where the bytes were counted.
    #[serde(default)]
    pub counted_by: CountedBy,
}

impl Wire {
    /// The bytes of a call in both directions on all of its connections: through a broker on those of the client and of the
    /// server.
    #[must_use]
    pub fn on_all_connections(&self) -> f64 {
        [Some(self.per_call), self.behind_broker]
            .into_iter()
            .flatten()
            .map(|bytes| bytes.up + bytes.down)
            .sum()
    }

    /// The bytes of a call that opens its connection: those of a call on an open one, and those that the client's connections
    /// take before it. The hops stay those of a call on an open connection.
    #[must_use]
    pub fn on_a_new_connection(&self) -> Self {
        let Traffic { up, down } = self.per_call;
        let per_call = Traffic { up: up + self.setup.up, down: down + self.setup.down };
        Wire { per_call, ..self.clone() }
    }
}

/// Where the bytes of a connection were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CountedBy {
    /// By the kernel, on the socket: TCP. Records of older versions hold no others.
    #[default]
    Kernel,
    /// By this suite's own stream, as it read and wrote: Unix sockets, of which the kernel keeps no count.
    Stream,
    /// By the stream at the other end of the connection, because a library owns the socket at this end.
    Peer,
}

/// One direction of one connection, or of all connections between the same two parties, over one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hop {
    /// The sender.
    pub from: Party,
    /// The receiver.
    pub to: Party,
    /// Bytes in all, without the headers of TCP and IP.
    pub bytes: u64,
    /// The purpose of the bytes; absent if the messages of the other end are not known byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
    /// TCP segments with payload, on average. Bare acknowledgements are not counted: how many there are is a matter of
    /// timing.
    pub packets: f64,
}

/// A process that sends and receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// The calling process.
    Client,
    /// The process that forwards messages.
    Broker,
    /// The answering process.
    Server,
}

impl Party {
    /// The name of the party.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Party::Client => "client",
            Party::Broker => "broker",
            Party::Server => "server",
        }
    }
}

/// The bytes of a hop by purpose. The parts add up to all bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Parts {
    /// The arguments, or on the way back the result, as the protocol writes values: `2` in JSON, `<value><int>2</int>
    /// </value>` in XML-RPC, one octet in MessagePack, 8 of the floor's 64.
    pub arguments: u64,
    /// The rest of the message: the method's name, names of parameters, ids, versions, brackets.
    pub envelope: u64,
    /// Everything outside the message: lines and headers of HTTP; frame headers and delimiters of ZeroMQ; frames,
    /// methods and properties of AMQP, acknowledgements and confirms that travel this way included.
    pub framing: u64,
}

impl Parts {
    /// The parts of a hop of `bytes` that carried a message of `message` bytes with values of `values` bytes; `None`
    /// if the parts would not add up.
    #[must_use]
    pub fn of(bytes: u64, values: usize, message: usize) -> Option<Self> {
        let (arguments, message) = (u64::try_from(values).ok()?, u64::try_from(message).ok()?);
        Some(Parts {
            arguments,
            envelope: message.checked_sub(arguments)?,
            framing: bytes.checked_sub(message)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_all_bytes_or_are_none() {
        let parts = Parts::of(100, 2, 13).unwrap();
        assert_eq!(parts, Parts { arguments: 2, envelope: 11, framing: 87 });
        assert_eq!(parts.arguments + parts.envelope + parts.framing, 100);
        assert_eq!(Parts::of(12, 2, 13), None);
        assert_eq!(Parts::of(100, 14, 13), None);
    }
}
