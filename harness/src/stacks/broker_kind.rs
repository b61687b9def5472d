//! The message brokers that protocols go through.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A message broker, of which a run can start a private one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum BrokerKind {
    /// RabbitMQ, for AMQP.
    #[value(name = "rabbitmq")]
    RabbitMq,
    /// The server of NATS.
    Nats,
}

impl BrokerKind {
    /// All kinds.
    pub const ALL: [BrokerKind; 2] = [BrokerKind::RabbitMq, BrokerKind::Nats];

    /// The name on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            BrokerKind::RabbitMq => "rabbitmq",
            BrokerKind::Nats => "nats",
        }
    }

    /// The name of the product, for people.
    #[must_use]
    pub fn product(self) -> &'static str {
        match self {
            BrokerKind::RabbitMq => "RabbitMQ",
            BrokerKind::Nats => "nats-server",
        }
    }
}

/// The name of the product.
impl fmt::Display for BrokerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.product())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_on_command_lines() {
        for kind in BrokerKind::ALL {
            let value = clap::ValueEnum::to_possible_value(&kind).unwrap();
            assert_eq!(value.get_name(), kind.name());
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
