//! Receiving and acknowledging replies.

use std::pin::pin;
use std::time::Duration;

use calculator::{CallError, ErrorKind, Limits, Value};
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use lapin::{Channel, Consumer};
use net::AnomalyCounter;
use tokio::time::{Instant, sleep};

use crate::compression::{decompressed, routing_of};
use crate::errors::end_of_consumer;
use crate::pending::PendingCalls;
use crate::publisher::poll_once;
use crate::wire::{self, Reply, WireError};

/// How many replies one acknowledgement covers at most.
const MAX_ACKNOWLEDGED_TOGETHER: u64 = 64;
/// How long a reply may wait to be acknowledged together with later ones. Until then the broker keeps a copy, which no
/// other consumer can receive, because only this client consumes the queue.
const MAX_ACKNOWLEDGEMENT_DELAY: Duration = Duration::from_millis(10);

/// Completes calls with their replies until the connection ends. Acknowledges the replies on `channel`, if it is given.
pub(super) async fn read_replies(
    mut replies: Consumer,
    channel: Option<Channel>,
    pending: PendingCalls<u128>,
    limits: Limits,
) {
    let (mut unacknowledged, mut last_tag) = (0, 0);
    let mut due = pin!(sleep(MAX_ACKNOWLEDGEMENT_DELAY));
    let unreadable = AnomalyCounter::new("dropped a reply", "replies were dropped");
    let end = loop {
        let delivery = tokio::select! {
            biased;
            delivery = replies.next() => delivery,
            () = &mut due, if unacknowledged > 0 => {
                acknowledge(channel.as_ref(), last_tag);
                unacknowledged = 0;
                continue;
            }
        };
        let delivery = match delivery {
            Some(Ok(delivery)) => delivery,
            ended => break end_of_consumer(ended.and_then(Result::err).as_ref()),
        };
        match wire::read_reply(&delivery.data, &limits) {
            Ok(reply) => handle_reply(&pending, reply),
            Err(error) => handle_unreadable_reply(&pending, &delivery, &limits, error, &unreadable),
        }
        if channel.is_none() {
            continue;
        }
        last_tag = delivery.delivery_tag;
        unacknowledged += 1;
        if unacknowledged == 1 {
            due.as_mut().reset(Instant::now() + MAX_ACKNOWLEDGEMENT_DELAY);
        }
        if unacknowledged == MAX_ACKNOWLEDGED_TOGETHER {
            acknowledge(channel.as_ref(), last_tag);
            unacknowledged = 0;
        }
    };
    pending.fail_all(&end);
}

/// Queues an acknowledgement of all replies up to `last_tag`.
fn acknowledge(channel: Option<&Channel>, last_tag: u64) {
    if let Some(channel) = channel {
        // The first poll queues it; no call depends on whether the broker receives it.
        let _ = poll_once(pin!(channel.basic_ack(last_tag, BasicAckOptions { multiple: true })));
    }
}

/// Handles a reply that cannot be read as it is: decompresses it, or else fails the call to which it belongs. `error` is
/// that of a reply that is not compressed.
fn handle_unreadable_reply(
    pending: &PendingCalls<u128>,
    delivery: &Delivery,
    limits: &Limits,
    error: WireError,
    unreadable: &AnomalyCounter,
) {
    let (error, routing) = match decompressed(delivery, limits.max_body) {
        None => (error, wire::read_routing(&delivery.data)),
        Some(Err(error)) => (error.into(), routing_of(delivery, limits.max_body)),
        Some(Ok(text)) => match wire::read_reply(&text, limits) {
            Ok(reply) => return handle_reply(pending, reply),
            Err(error) => (error, wire::read_routing(&text)),
        },
    };
    match routing.msg_id.as_deref().and_then(wire::parse_id) {
        Some(id) => {
            let kind = match error {
                WireError::TooLarge(_) => ErrorKind::TooLarge,
                WireError::Malformed(_) | WireError::Version => ErrorKind::Malformed,
            };
            pending.complete(id, Err(CallError::new(kind, format!("the reply cannot be read: {error}"))));
        }
        None => unreadable.add(error),
    }
}

fn handle_reply(pending: &PendingCalls<u128>, reply: Reply) {
    let Some(id) = wire::parse_id(&reply.msg_id) else {
        tracing::debug!("dropped a reply with an unknown id");
        return;
    };
    match reply.result {
        result if reply.ending || result.is_err() => pending.complete(id, result),
        // A null result before the last message is a heartbeat.
        Ok(Value::Null) | Err(_) => pending.heartbeat(id),
        Ok(value) => pending.set_partial_result(id, value),
    }
}
