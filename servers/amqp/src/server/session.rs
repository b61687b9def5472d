//! A server's connections, from the first request to the last reply.

use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::stream::{SelectAll, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicQosOptions, BasicRejectOptions, QueueDeleteOptions,
};
use lapin::{Channel, Connection};
use net::DRAIN_TIMEOUT;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::handler::execute;
use super::incoming::{decode_request, refusal};
use super::options::Acknowledge;
use super::reply_sender::{Recipient, ReplySender};
use super::state::ServerState;
use crate::compression::Compression;
use crate::connect::TransportError;
use crate::deliveries::{Deliveries, deliveries_of, reason_of_end};
use crate::publisher::{Publisher, close, poll_once};
use crate::topology::{self, short_string, unique_name};
use crate::wire::{Request, WireError};

/// The consumer tags that oslo.messaging uses for the shared queue, the server's queue and the fanout queue.
const CONSUMER_TAGS: [&str; 3] = ["1", "2", "3"];
/// How many requests one acknowledgement covers at most.
const MAX_ACKNOWLEDGED_TOGETHER: usize = 64;

/// Why serving ended.
#[derive(PartialEq)]
pub(super) enum ServeOutcome {
    /// The server was stopped.
    Stopped,
    /// A connection or a channel was lost, or a consumer has ended; the reason.
    ConnectionLost(String),
}

/// The open connections of a server: one that consumes requests and one that publishes replies, or a single one with
/// direct reply-to.
pub(super) struct Session {
    listener: Connection,
    channel: Channel,
    deliveries: SelectAll<Deliveries>,
    fanout_queue: String,
    replies: Arc<ReplySender>,
    /// Messages delivered on the channel so far. The broker numbers them from 1 without gaps.
    delivered: u64,
}

/// A request that was decoded and is about to be executed.
struct AcceptedRequest {
    delivery_tag: u64,
    request: Request,
    recipient: Option<Recipient>,
    permit: OwnedSemaphorePermit,
}

impl Session {
    /// Connects, declares the target's exchanges and queues, and starts their consumers.
    ///
    /// # Errors
    /// [`TransportError`].
    pub(super) async fn open(state: &ServerState) -> Result<Self, TransportError> {
        let ServerState { transport, target, options, .. } = state;
        let direct = transport.is_direct();
        let (listener, publisher) = if direct {
            let connection = transport.connect("server", options.timeout).await?;
            let publisher = Publisher::open_shared(&connection).await?;
            (connection, publisher)
        } else {
            let (listener, sender) = tokio::try_join!(
                transport.connect("requests", options.timeout),
                transport.connect("replies", options.timeout)
            )?;
            (listener, Publisher::open(sender, transport.confirms()).await?)
        };
        let channel = if direct {
            // The broker runs separate Erlang processes for each channel, so one channel for both directions is cheaper
            // than two.
            publisher.channel().clone()
        } else {
            listener.create_channel().await?
        };
        if let Some(prefetch) = options.prefetch_on(transport) {
            channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        }

        let queues = transport.queues();
        let fanout_queue = unique_name(&format!("{}_fanout_", target.topic));
        let names = [target.topic.clone(), target.queue(), fanout_queue.clone()];
        for queue in &names[..2] {
            if direct {
                topology::declare_direct_queue(&channel, queues, queue).await?;
            } else {
                topology::declare_topic_queue(&channel, queues, target, queue).await?;
            }
        }
        topology::declare_fanout_queue(&channel, queues, target, &fanout_queue).await?;
        let mut deliveries = SelectAll::new();
        for (queue, tag) in names.iter().zip(CONSUMER_TAGS) {
            let consumer = topology::consume(&channel, queue, tag, !transport.acknowledges()).await?;
            deliveries.push(deliveries_of(consumer));
        }
        let replies = ReplySender::new(publisher);
        Ok(Session { listener, channel, deliveries, fanout_queue, replies, delivered: 0 })
    }

    /// Accepts requests until `stop` is cancelled or a connection is lost.
    pub(super) async fn serve(&mut self, state: &Arc<ServerState>, stop: &CancellationToken) -> ServeOutcome {
        let replies = Arc::clone(&self.replies);
        let mut stopped = pin!(stop.cancelled());
        let mut lost = pin!(replies.lost().cancelled());
        let mut accepted = Vec::new();
        loop {
            // Acquired before the request is received: without a free permit, requests stay at the broker.
            let permit = tokio::select! {
                biased;
                () = &mut stopped => return ServeOutcome::Stopped,
                permit = Arc::clone(&state.in_flight).acquire_owned() => permit,
            };
            let Ok(permit) = permit else { return ServeOutcome::Stopped };
            let delivery = tokio::select! {
                biased;
                () = &mut stopped => return ServeOutcome::Stopped,
                () = &mut lost => {
                    let reason = format!("cannot send a reply: {}", replies.lost_reason());
                    return ServeOutcome::ConnectionLost(reason);
                }
                delivery = self.deliveries.next() => delivery,
            };
            let delivery = match delivery {
                Some(Ok(delivery)) => delivery,
                ended => return ServeOutcome::ConnectionLost(reason_of_end(ended)),
            };
            let mut end = None;
            accepted.extend(self.accept(state, delivery, permit));
            // Requests that have arrived meanwhile are acknowledged together with this one.
            while accepted.len() < MAX_ACKNOWLEDGED_TOGETHER {
                let Ok(permit) = Arc::clone(&state.in_flight).try_acquire_owned() else { break };
                match self.deliveries.next().now_or_never() {
                    Some(Some(Ok(delivery))) => accepted.extend(self.accept(state, delivery, permit)),
                    Some(ended) => {
                        end = Some(reason_of_end(ended));
                        break;
                    }
                    None => break,
                }
            }
            self.execute(state, &mut accepted);
            if let Some(reason) = end {
                return ServeOutcome::ConnectionLost(reason);
            }
        }
    }

    /// Decodes a request. Malformed and repeated ones are rejected or dropped here, with `None`. The caller of a malformed
    /// one gets a failure if its ids can be read.
    fn accept(
        &mut self,
        state: &ServerState,
        delivery: Delivery,
        permit: OwnedSemaphorePermit,
    ) -> Option<AcceptedRequest> {
        self.delivered += 1;
        let delivery_tag = delivery.delivery_tag;
        // As in oslo.messaging, an empty message is acknowledged and dropped.
        if delivery.data.is_empty() {
            self.acknowledge(state, delivery_tag, false);
            return None;
        }
        let mut request = match decode_request(&delivery, &state.options) {
            Ok(request) => request,
            Err(error) => {
                self.refuse(state, delivery, error, permit);
                return None;
            }
        };
        let unique_id = request.unique_id.as_deref().filter(|id| !id.is_empty());
        let repeated = match (state.options.acknowledge, unique_id) {
            (_, None) => false,
            (Acknowledge::Before, Some(id)) => !state.deduplicator().insert(id),
            // Inserted only after execution: until then the broker may hold the only other copy.
            (Acknowledge::After, Some(id)) => state.deduplicator().contains(id),
        };
        if repeated {
            tracing::debug!("dropped a repeated message");
            self.acknowledge(state, delivery_tag, false);
            return None;
        }
        let is_call = request.msg_id.is_some();
        let reply_to = delivery.properties.reply_to().as_ref();
        let recipient = Recipient::from_request(request.reply_queue.take(), reply_to).filter(|_| is_call);
        if is_call && recipient.is_none() {
            state.unanswerable.add("it names no valid reply queue");
        }
        Some(AcceptedRequest { delivery_tag, request, recipient, permit })
    }

    /// Rejects a message that cannot be read, and answers it with a failure if it names its call and its reply queue.
    fn refuse(
        &self,
        state: &ServerState,
        delivery: Delivery,
        error: WireError,
        permit: OwnedSemaphorePermit,
    ) {
        state.unreadable.add(&error);
        if state.transport.acknowledges() {
            let reject = BasicRejectOptions { requeue: false };
            let _ = poll_once(pin!(self.channel.basic_reject(delivery.delivery_tag, reject)));
        }
        let (replies, max_body) = (Arc::clone(&self.replies), state.options.limits.max_body);
        if Compression::of(&delivery.properties) != Some(Compression::Zlib) {
            let refusal = refusal(&delivery, &error, max_body);
            tokio::spawn(async move { replies.send_in_background(refusal, permit).await });
            return;
        }
        let refusals = Arc::clone(&state.refusals);
        let Some(place) = refusals.place() else {
            state.unanswerable.add("too many compressed messages are being refused");
            return;
        };
        tokio::spawn(async move {
            let refusal = refusals.run(place, move || refusal(&delivery, &error, max_body)).await.flatten();
            replies.send_in_background(refusal, permit).await;
        });
    }

    /// Acknowledges requests, if they are acknowledged before execution, and spawns their execution.
    fn execute(&self, state: &Arc<ServerState>, accepted: &mut Vec<AcceptedRequest>) {
        if state.options.acknowledge == Acknowledge::Before {
            let last = accepted.iter().map(|accepted| accepted.delivery_tag).max();
            // One acknowledgement for all is correct only if every message up to the last one was delivered here.
            match last {
                Some(last) if accepted.len() > 1 && last == self.delivered => {
                    self.acknowledge(state, last, true);
                }
                _ => {
                    for accepted in &*accepted {
                        self.acknowledge(state, accepted.delivery_tag, false);
                    }
                }
            }
        }
        for AcceptedRequest { delivery_tag, request, recipient, permit } in accepted.drain(..) {
            let (state, replies, channel) =
                (Arc::clone(state), Arc::clone(&self.replies), self.channel.clone());
            tokio::spawn(async move {
                // Needed after the execution only if the request is acknowledged then.
                let unique_id = match state.options.acknowledge {
                    Acknowledge::Before => None,
                    Acknowledge::After => request.unique_id.clone(),
                };
                let reply = execute(&state.dispatcher, request, recipient, &replies).await;
                if state.options.acknowledge == Acknowledge::Before {
                    // The request counts as in progress until the broker has accepted the reply.
                    return replies.send_in_background(reply, permit).await;
                }
                let sent = match reply {
                    Some((recipient, body)) => replies.send(&recipient, body).await,
                    None => Ok(()),
                };
                if sent.is_ok() {
                    if let Some(id) = unique_id.filter(|id| !id.is_empty()) {
                        state.deduplicator().insert(&id);
                    }
                    acknowledge(&channel, delivery_tag, false);
                }
                drop(permit);
            });
        }
    }

    fn acknowledge(&self, state: &ServerState, delivery_tag: u64, multiple: bool) {
        if state.transport.acknowledges() {
            acknowledge(&self.channel, delivery_tag, multiple);
        }
    }

    /// Stops consuming, waits for the calls in progress, and closes the connections.
    pub(super) async fn close(self, state: &ServerState) {
        let cancelled = async {
            for tag in CONSUMER_TAGS {
                let _ = self.channel.basic_cancel(short_string(tag), BasicCancelOptions::default()).await;
            }
        };
        let drained = async {
            cancelled.await;
            state.in_flight.acquire_many(state.max_in_flight).await.map(drop)
        };
        if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            tracing::warn!("stopped with unfinished calls");
        }
        // Queued by the first poll, and carried out before the connection is closed.
        let queue = short_string(&self.fanout_queue);
        let _ = poll_once(pin!(self.channel.queue_delete(queue, QueueDeleteOptions::default())));
        tokio::join!(close(&self.listener), self.replies.close());
    }
}

/// Queues an acknowledgement of one message, or of all up to it if `multiple`.
fn acknowledge(channel: &Channel, delivery_tag: u64, multiple: bool) {
    // If it cannot be sent, the connection is lost and the broker redelivers the message.
    let _ = poll_once(pin!(channel.basic_ack(delivery_tag, BasicAckOptions { multiple })));
}
