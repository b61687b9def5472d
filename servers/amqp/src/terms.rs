//! On which terms messages pass the broker: what decides how much a broker does for a call.

use crate::publisher::{CONFIRMS, json_properties};
use crate::{ServerOptions, direct, topology};

/// On which terms the messages of a call pass the broker. They are read from the options that the two ends use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Whether the queue of the requests survives a restart of the broker.
    pub durable: bool,
    /// Whether messages are written to disk where their queue survives.
    pub persistent: bool,
    /// How many requests the broker sends ahead of their acknowledgement; 0 for any number.
    pub prefetch: u16,
    /// Whether each message is acknowledged.
    pub acknowledged: bool,
    /// Whether the broker confirms each message published.
    pub confirmed: bool,
}

/// Of [`AmqpClient`](crate::AmqpClient) and [`Server`](crate::Server). A request is acknowledged before it is executed.
#[must_use]
pub fn oslo(options: &ServerOptions) -> Terms {
    Terms {
        durable: topology::SHARED_QUEUE.durable,
        persistent: is_persistent(*json_properties().delivery_mode()),
        prefetch: options.prefetch,
        acknowledged: !topology::CONSUME.no_ack,
        confirmed: CONFIRMS,
    }
}

/// Of [`BareClient`](direct::BareClient) and [`BareServer`](direct::BareServer).
#[must_use]
pub fn bare() -> Terms {
    Terms {
        durable: direct::QUEUE.durable,
        persistent: is_persistent(*direct::properties().delivery_mode()),
        // Without acknowledgements there is nothing that a prefetch could count.
        prefetch: 0,
        acknowledged: !direct::NO_ACK.no_ack,
        confirmed: false,
    }
}

/// Delivery mode 2 of AMQP 0-9-1 is persistent, 1 is not, and neither is a message without one.
fn is_persistent(delivery_mode: Option<u8>) -> bool {
    delivery_mode == Some(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oslo_pays_for_acknowledgements_and_confirms_and_the_floor_does_not() {
        let Terms { durable, persistent, prefetch, acknowledged, confirmed } =
            oslo(&ServerOptions::default());
        assert_eq!((durable, persistent, prefetch), (false, true, 256));
        assert!(acknowledged && confirmed);
        let bare = bare();
        assert!(!bare.durable && !bare.persistent && !bare.acknowledged && !bare.confirmed);
    }
}
