//! The protocols of the suite.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::conformance::{IntegerWidth, Profile};

/// A protocol, or one of the two floors that every protocol is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// A plain function call through the whole measuring path.
    Inproc,
    /// A fixed binary request and reply on a raw socket.
    Tcp,
    /// JSON over HTTP, a resource per method.
    Rest,
    /// XML-RPC over HTTP.
    Xmlrpc,
    /// JSON-RPC over HTTP.
    Jsonrpc,
    /// zerorpc: MessagePack over ZeroMQ.
    Zerorpc,
    /// RPC over RabbitMQ in the manner of oslo.messaging.
    Amqp,
}

impl Protocol {
    /// Every protocol, floors first.
    pub const ALL: [Protocol; 7] = [
        Protocol::Inproc,
        Protocol::Tcp,
        Protocol::Rest,
        Protocol::Xmlrpc,
        Protocol::Jsonrpc,
        Protocol::Zerorpc,
        Protocol::Amqp,
    ];

    /// The protocol's name on command lines and in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Inproc => "inproc",
            Protocol::Tcp => "tcp",
            Protocol::Rest => "rest",
            Protocol::Xmlrpc => "xmlrpc",
            Protocol::Jsonrpc => "jsonrpc",
            Protocol::Zerorpc => "zerorpc",
            Protocol::Amqp => "amqp",
        }
    }

    /// What the conformance table needs to know of the protocol.
    #[must_use]
    pub fn conformance_profile(self) -> Profile {
        match self {
            Protocol::Xmlrpc => Profile { integer_width: IntegerWidth::Bits32 },
            _ => Profile::default(),
        }
    }

    /// Whether this is a floor rather than a protocol under comparison.
    #[must_use]
    pub fn is_floor(self) -> bool {
        matches!(self, Protocol::Inproc | Protocol::Tcp)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no protocol's.
#[derive(Debug, thiserror::Error)]
#[error("unknown protocol `{0}`; the protocols are inproc, tcp, rest, xmlrpc, jsonrpc, zerorpc, amqp")]
pub struct UnknownProtocol(String);

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.name() == name)
            .ok_or_else(|| UnknownProtocol(name.to_owned()))
    }
}
