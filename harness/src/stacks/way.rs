//! The ways in which a client sends.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The way in which a client sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// One server answers, and the client waits for the answer.
    #[default]
    Call,
    /// One server gets the message. There is no answer: the client goes on when the broker has confirmed the message, or when
    /// it is written if the stack has no confirms.
    Cast,
    /// Like `cast`, but every server gets the message.
    Fanout,
    /// An event, which one of the listeners gets. The client goes on when the broker has confirmed it.
    Notify,
}

impl Way {
    /// The name in scenarios.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Way::Call => "call",
            Way::Cast => "cast",
            Way::Fanout => "fanout",
            Way::Notify => "notify",
        }
    }

    /// Whether the client waits for an answer.
    #[must_use]
    pub fn is_call(self) -> bool {
        self == Way::Call
    }

    /// How many of `receivers` get a message.
    #[must_use]
    pub fn receivers_of(self, receivers: u64) -> u64 {
        if self == Way::Fanout { receivers } else { 1 }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
