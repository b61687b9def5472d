//! Finds the programs of a broker on this machine.

use super::error::BrokerError;
use super::installation::Installation;
use super::nats::Nats;
use super::rabbitmq::RabbitMq;
use crate::stacks::BrokerKind;

/// Finds the programs of `kind`. The broker also accepts TLS if `with_tls` is set and it is RabbitMQ.
///
/// # Errors
/// [`BrokerError::NotInstalled`] with what to install; [`BrokerError::Start`] if its certificate cannot be made.
pub(super) fn find(kind: BrokerKind, with_tls: bool) -> Result<Box<dyn Installation>, BrokerError> {
    Ok(match kind {
        BrokerKind::RabbitMq if with_tls => Box::new(RabbitMq::find()?.with_tls()?),
        BrokerKind::RabbitMq => Box::new(RabbitMq::find()?),
        BrokerKind::Nats => Box::new(Nats::find()?),
    })
}
