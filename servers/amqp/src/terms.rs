//! On which terms messages pass the broker: what decides how much a broker does for a call.

use crate::publisher::{json_properties, lean_properties};
use crate::{QueueKind, RpcServerOptions, Transport, direct};

/// On which terms the messages of a call pass the broker. They are read from the options that the two ends use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The kind of the queue of the requests.
    pub queue: QueueKind,
    /// Whether messages are written to disk where their queue survives a restart of the broker.
    pub persistent: bool,
    /// How many requests the broker sends ahead of their acknowledgement; 0 for any number.
    pub prefetch: u16,
    /// Whether messages are acknowledged, each by itself or several at once.
    pub acknowledged: bool,
    /// Whether the broker confirms each message published.
    pub confirmed: bool,
}

/// Of [`RpcClient`](crate::RpcClient) and an [`RpcServer`](crate::RpcServer) with `options`, both on `transport`.
#[must_use]
pub fn rpc(transport: &Transport, options: &RpcServerOptions) -> Terms {
    let properties = if transport.is_direct() { lean_properties() } else { json_properties() };
    Terms {
        queue: transport.queues().kind,
        persistent: is_persistent(*properties.delivery_mode()),
        prefetch: options.prefetch_on(transport).unwrap_or(0),
        acknowledged: transport.acknowledges(),
        confirmed: transport.confirms(),
    }
}

/// Of [`BareClient`](direct::BareClient) and [`BareServer`](direct::BareServer).
#[must_use]
pub fn bare() -> Terms {
    Terms {
        queue: if direct::QUEUE.durable { QueueKind::Durable } else { QueueKind::Transient },
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
    use crate::ReplyTo;

    fn terms(url: &str, way: ReplyTo, options: &RpcServerOptions) -> Terms {
        rpc(&url.parse::<Transport>().unwrap().reply_to(way), options)
    }

    #[test]
    fn reply_queues_pay_for_acknowledgements_and_confirms_and_direct_reply_to_does_not() {
        let options = RpcServerOptions::default();
        let Terms { queue, persistent, prefetch, acknowledged, confirmed } =
            terms("rabbit://h/", ReplyTo::Queue, &options);
        assert_eq!((queue, persistent, prefetch), (QueueKind::Transient, true, 256));
        assert!(acknowledged && confirmed);
        assert_eq!(terms("rabbit://h/", ReplyTo::Direct, &options), bare());
        let bare = bare();
        assert!(!bare.persistent && !bare.acknowledged && !bare.confirmed);
        assert_eq!((bare.queue, bare.prefetch), (QueueKind::Transient, 0));
    }

    #[test]
    fn what_the_url_and_the_options_say_is_what_is_told() {
        let options = RpcServerOptions { prefetch: 7, ..RpcServerOptions::default() };
        let of = |url| terms(url, ReplyTo::Queue, &options);
        assert_eq!((of("rabbit://h/").queue, of("rabbit://h/").prefetch), (QueueKind::Transient, 7));
        let durable = of("rabbit://h/?amqp_durable_queues=true&rabbit_qos_prefetch_count=9");
        assert_eq!((durable.queue, durable.prefetch), (QueueKind::Durable, 9));
        let direct = terms("rabbit://h/?rabbit_quorum_queue=true", ReplyTo::Direct, &options);
        assert_eq!((direct.queue, direct.prefetch), (QueueKind::Quorum, 0));
    }
}
