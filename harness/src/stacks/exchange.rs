//! An exchange of a broker, through which the calls of a trial go.

use std::fmt;
use std::num::NonZeroU32;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An exchange with bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// How it routes messages.
    #[schemars(example = &"topic")]
    pub kind: ExchangeKind,
    /// The number of its bindings, up to 10000. One of them leads to the server.
    #[schemars(example = 1000)]
    pub bindings: NonZeroU32,
}

/// How an exchange routes messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExchangeKind {
    /// To the queues that are bound with the routing key of the message. The other bindings have other keys.
    Direct,
    /// To the queues that are bound with a pattern that the routing key matches. The other bindings have patterns that
    /// the key does not match; two of three patterns have a wildcard.
    Topic,
    /// To every queue that is bound. Each other binding leads to a separate queue, which keeps only the last message.
    Fanout,
}

/// Removes an exchange with its bindings.
pub type Undeclare = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

impl ExchangeKind {
    /// The name in scenarios.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ExchangeKind::Direct => "direct",
            ExchangeKind::Topic => "topic",
            ExchangeKind::Fanout => "fanout",
        }
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, bindings) = (self.kind.name(), self.bindings);
        let noun = if bindings == NonZeroU32::MIN { "binding" } else { "bindings" };
        write!(f, "{kind} exchange with {bindings} {noun}")
    }
}
