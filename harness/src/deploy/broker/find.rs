//! Finds the programs of a broker on this machine.

use super::error::BrokerError;
use super::installation::Installation;
use super::nats::Nats;
use super::rabbitmq::RabbitMq;
use crate::stacks::BrokerKind;

/// Finds the programs of `kind`.
///
/// # Errors
/// [`BrokerError::NotInstalled`] with what to install.
pub(super) fn find(kind: BrokerKind) -> Result<Box<dyn Installation>, BrokerError> {
    Ok(match kind {
        BrokerKind::RabbitMq => Box::new(RabbitMq::find()?),
        BrokerKind::Nats => Box::new(Nats::find()?),
    })
}
