//! Whether calls share connections.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether calls go over connections that stay open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionUse {
    /// Connections are opened before the first call, and stay open.
    #[default]
    Kept,
    /// Each call opens a new connection, and closes it after the answer. The time of a call includes opening it. Over AMQP it
    /// is a new connection to the broker.
    PerCall,
}

impl ConnectionUse {
    /// Whether connections stay open.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub fn is_kept(&self) -> bool {
        *self == ConnectionUse::Kept
    }
}

impl fmt::Display for ConnectionUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConnectionUse::Kept => "kept",
            ConnectionUse::PerCall => "per-call",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_displayed_as_it_is_recorded() {
        for connection in [ConnectionUse::Kept, ConnectionUse::PerCall] {
            assert_eq!(serde_json::to_value(connection).unwrap(), connection.to_string());
        }
    }
}
