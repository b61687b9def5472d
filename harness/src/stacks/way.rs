//! The ways in which AMQP's stacks send the same messages through the broker.

use amqp::wire::Envelope;
use amqp::{ReplyTo, Transport};

/// How the messages of a stack pass the broker: oslo.messaging's way, and the same with one cost after another left
/// out, so that it can be told what each of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// oslo.messaging's: through a reply queue, acknowledged and confirmed.
    Oslo,
    /// The same without confirms.
    Unconfirmed,
    /// The same without confirms and acknowledgements.
    Unacknowledged,
    /// By direct reply-to, which can have neither, over one connection at each end.
    Enveloped,
    /// The same without the messages' envelope.
    Direct,
}

impl Way {
    /// The way of the stack `name`.
    pub(crate) fn of(name: &str) -> Way {
        match name {
            "amqp-direct" => Way::Direct,
            "amqp-enveloped" => Way::Enveloped,
            "amqp-unacknowledged" => Way::Unacknowledged,
            "amqp-unconfirmed" => Way::Unconfirmed,
            _ => Way::Oslo,
        }
    }

    pub(crate) fn on(self, transport: impl Into<Transport>) -> Transport {
        let transport = transport.into();
        match self {
            Way::Oslo => transport,
            Way::Unconfirmed => transport.confirming(false),
            Way::Unacknowledged => transport.confirming(false).acknowledging(false),
            Way::Enveloped => transport.reply_to(ReplyTo::Direct),
            Way::Direct => transport.reply_to(ReplyTo::Direct).envelope(Envelope::None),
        }
    }
}
