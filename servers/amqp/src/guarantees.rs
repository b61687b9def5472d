//! The delivery guarantees of each way of calling, which determine how much work a broker does for a call.

use crate::bare::channel as bare;
use crate::publisher::{minimal_properties, oslo_properties};
use crate::queues::QueueKind;
use crate::server::RpcServerOptions;
use crate::transport::Transport;

/// The delivery guarantees of a call's messages, derived from the options that both peers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryGuarantees {
    /// The kind of the request queue.
    pub queue: QueueKind,
    /// Whether messages are written to disk if their queue survives a restart of the broker.
    pub persistent: bool,
    /// The maximum number of unacknowledged requests that the broker sends per queue; 0 for no limit.
    pub prefetch: u16,
    /// Whether consumers acknowledge messages, individually or several at once.
    pub acknowledged: bool,
    /// Whether the broker confirms each published message.
    pub confirmed: bool,
}

impl DeliveryGuarantees {
    /// The guarantees of an [`RpcClient`](crate::RpcClient) and an [`RpcServer`](crate::RpcServer) with `options` on
    /// `transport`.
    #[must_use]
    pub fn rpc(transport: &Transport, options: &RpcServerOptions) -> Self {
        let properties = if transport.is_direct() { minimal_properties() } else { oslo_properties() };
        DeliveryGuarantees {
            queue: transport.queues().kind,
            persistent: is_persistent(*properties.delivery_mode()),
            prefetch: options.prefetch_on(transport).unwrap_or(0),
            acknowledged: transport.acknowledges(),
            confirmed: transport.confirms(),
        }
    }

    /// The guarantees of a [`BareClient`](crate::bare::BareClient) and a [`BareServer`](crate::bare::BareServer).
    #[must_use]
    pub fn bare() -> Self {
        DeliveryGuarantees {
            queue: if bare::QUEUE.durable { QueueKind::Durable } else { QueueKind::Transient },
            persistent: is_persistent(*bare::properties().delivery_mode()),
            // A prefetch count limits unacknowledged messages, so without acknowledgements there is none.
            prefetch: 0,
            acknowledged: !bare::CONSUME.no_ack,
            confirmed: false,
        }
    }
}

/// Delivery mode 2 of AMQP 0-9-1 is persistent; mode 1 and messages without a mode are not.
fn is_persistent(delivery_mode: Option<u8>) -> bool {
    delivery_mode == Some(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::ReplyTo;

    fn guarantees(url: &str, reply_to: ReplyTo, options: &RpcServerOptions) -> DeliveryGuarantees {
        DeliveryGuarantees::rpc(&url.parse::<Transport>().unwrap().reply_to(reply_to), options)
    }

    #[test]
    fn reply_queues_have_acknowledgements_and_confirms_and_direct_reply_to_has_none() {
        let options = RpcServerOptions::default();
        let DeliveryGuarantees { queue, persistent, prefetch, acknowledged, confirmed } =
            guarantees("rabbit://h/", ReplyTo::Queue, &options);
        assert_eq!((queue, persistent, prefetch), (QueueKind::Transient, true, 256));
        assert!(acknowledged && confirmed);
        let bare = DeliveryGuarantees::bare();
        assert_eq!(guarantees("rabbit://h/", ReplyTo::Direct, &options), bare);
        assert!(!bare.persistent && !bare.acknowledged && !bare.confirmed);
        assert_eq!((bare.queue, bare.prefetch), (QueueKind::Transient, 0));
    }

    #[test]
    fn options_of_the_url_take_precedence_over_the_server_s() {
        let options = RpcServerOptions { prefetch: 7, ..RpcServerOptions::default() };
        let of = |url| guarantees(url, ReplyTo::Queue, &options);
        assert_eq!((of("rabbit://h/").queue, of("rabbit://h/").prefetch), (QueueKind::Transient, 7));
        let durable = of("rabbit://h/?amqp_durable_queues=true&rabbit_qos_prefetch_count=9");
        assert_eq!((durable.queue, durable.prefetch), (QueueKind::Durable, 9));
        let direct = guarantees("rabbit://h/?rabbit_quorum_queue=true", ReplyTo::Direct, &options);
        assert_eq!((direct.queue, direct.prefetch), (QueueKind::Quorum, 0));
    }
}
