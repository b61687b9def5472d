//! One pair of a server's connections, from the first request to the last answer.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{self, SelectAll, Stream, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicQosOptions, BasicRejectOptions, QueueDeleteOptions,
};
use lapin::{Channel, Connection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::publisher::{Publisher, close, poll_once};
use crate::received;
use crate::replies::{Recipient, Replies};
use crate::seen::Seen;
use crate::server::{Acknowledge, RpcServerOptions};
use crate::topology::{self, name, unique};
use crate::transport::TransportError;
use crate::wire::{self, Envelope, Failure, Request};
use crate::{RpcDispatcher, Target, Transport};

/// Calls in hand may take that long after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(4);
const TAGS: [&str; 3] = ["1", "2", "3"];
/// Requests that are acknowledged at once.
const MOST_AT_ONCE: usize = 64;

/// What outlives a connection.
pub(crate) struct Work {
    pub(crate) transport: Transport,
    pub(crate) target: Target,
    pub(crate) dispatcher: Arc<RpcDispatcher>,
    pub(crate) options: RpcServerOptions,
    in_flight: Arc<Semaphore>,
    most_in_flight: u32,
    seen: Mutex<Seen>,
}

impl Work {
    pub(crate) fn new(
        transport: Transport,
        target: Target,
        dispatcher: Arc<RpcDispatcher>,
        options: RpcServerOptions,
    ) -> Arc<Self> {
        let most = u32::try_from(options.limits.max_in_flight.max(1)).unwrap_or(u32::MAX);
        let most_in_flight = most.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Arc::new(Work {
            transport,
            target,
            dispatcher,
            options,
            in_flight: Arc::new(Semaphore::new(most_in_flight as usize)),
            most_in_flight,
            seen: Mutex::default(),
        })
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn forget(&self) {
        *self.seen() = Seen::default();
    }
}

/// Why serving ended.
#[derive(PartialEq)]
pub(crate) enum Ending {
    Stopped,
    Lost,
}

/// Deliveries of one queue; `None` when its consumer has ended.
type Deliveries = Pin<Box<dyn Stream<Item = Option<Delivery>> + Send>>;

/// The connections in use.
pub(crate) struct Session {
    listener: Connection,
    channel: Channel,
    deliveries: SelectAll<Deliveries>,
    fanout_queue: String,
    replies: Arc<Replies>,
    /// Messages delivered on the channel so far. The broker numbers them from 1 without gaps.
    received: u64,
}

/// A request that was read, and what it takes to execute it.
struct Accepted {
    tag: u64,
    request: Request,
    recipient: Option<Recipient>,
    permit: OwnedSemaphorePermit,
}

impl Session {
    pub(crate) async fn open(work: &Work) -> Result<Self, TransportError> {
        let Work { transport, target, options, .. } = work;
        let direct = transport.is_direct();
        let (listener, replies) = if direct {
            let connection = transport.connect("server", options.timeout).await?;
            let publisher = Publisher::share(&connection).await?;
            (connection, publisher)
        } else {
            let (listener, sender) = tokio::try_join!(
                transport.connect("requests", options.timeout),
                transport.connect("replies", options.timeout)
            )?;
            (listener, Publisher::open(sender, transport.confirms()).await?)
        };
        let channel = if direct {
            // Each channel is processes of its own in the broker: one for both ways is cheaper than two.
            replies.channel().clone()
        } else {
            listener.create_channel().await?
        };
        if let Some(prefetch) = options.prefetch_on(transport) {
            channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        }

        let queues = transport.queues();
        let fanout_queue = unique(&format!("{}_fanout_", target.topic));
        let names = [target.topic.clone(), target.queue(), fanout_queue.clone()];
        for queue in &names[..2] {
            if direct {
                topology::declare_direct_queue(&channel, queues, queue).await?;
            } else {
                topology::declare_queue(&channel, queues, target, queue).await?;
            }
        }
        topology::declare_fanout_queue(&channel, queues, target, &fanout_queue).await?;
        let mut deliveries = SelectAll::new();
        for (queue, tag) in names.iter().zip(TAGS) {
            let consumer = topology::consume(&channel, queue, tag, !transport.acknowledges()).await?;
            let ended = stream::once(std::future::ready(None));
            deliveries.push(Box::pin(consumer.map(Result::ok).chain(ended)) as Deliveries);
        }
        let replies = Replies::new(replies);
        Ok(Session { listener, channel, deliveries, fanout_queue, replies, received: 0 })
    }

    /// Takes requests until `stop` or the loss of a connection.
    pub(crate) async fn serve(&mut self, work: &Arc<Work>, stop: &CancellationToken) -> Ending {
        let replies = Arc::clone(&self.replies);
        let mut stopped = pin!(stop.cancelled());
        let mut lost = pin!(replies.lost().cancelled());
        let mut accepted = Vec::new();
        loop {
            // Taken before the request: when none is left, requests stay at the broker.
            let permit = tokio::select! {
                biased;
                () = &mut stopped => return Ending::Stopped,
                permit = Arc::clone(&work.in_flight).acquire_owned() => permit,
            };
            let Ok(permit) = permit else { return Ending::Stopped };
            let delivery = tokio::select! {
                biased;
                () = &mut stopped => return Ending::Stopped,
                () = &mut lost => return Ending::Lost,
                delivery = self.deliveries.next() => delivery,
            };
            let Some(Some(delivery)) = delivery else { return Ending::Lost };
            let mut ended = false;
            accepted.extend(self.accept(work, delivery, permit));
            // What else has arrived meanwhile is acknowledged together with it.
            while accepted.len() < MOST_AT_ONCE {
                let Ok(permit) = Arc::clone(&work.in_flight).try_acquire_owned() else { break };
                match self.deliveries.next().now_or_never() {
                    Some(Some(Some(delivery))) => accepted.extend(self.accept(work, delivery, permit)),
                    Some(_) => {
                        ended = true;
                        break;
                    }
                    None => break,
                }
            }
            self.dispatch(work, &mut accepted);
            if ended {
                return Ending::Lost;
            }
        }
    }

    /// Reads a request; one that is no request is turned away here.
    fn accept(&mut self, work: &Work, delivery: Delivery, permit: OwnedSemaphorePermit) -> Option<Accepted> {
        self.received += 1;
        let tag = delivery.delivery_tag;
        // Requests without a body are dropped without a word, as by the reference.
        if delivery.data.is_empty() {
            self.acknowledge(work, tag, false);
            return None;
        }
        let mut request = match received::request(&delivery, &work.options) {
            Ok(request) => request,
            Err(error) => {
                tracing::debug!(%error, "rejected a message");
                if work.transport.acknowledges() {
                    let reject = BasicRejectOptions { requeue: false };
                    let _ = poll_once(pin!(self.channel.basic_reject(tag, reject)));
                }
                return None;
            }
        };
        let id = request.unique_id.as_deref().filter(|id| !id.is_empty());
        let repeated = match (work.options.acknowledge, id) {
            (_, None) => false,
            (Acknowledge::Before, Some(id)) => !work.seen().insert(id),
            // Known only once it has been executed: until then the broker's copy may be the only one.
            (Acknowledge::After, Some(id)) => work.seen().contains(id),
        };
        if repeated {
            tracing::debug!("dropped a repeated message");
            self.acknowledge(work, tag, false);
            return None;
        }
        let asks = request.msg_id.is_some();
        let recipient = Recipient::of(request.reply_queue.take(), delivery.properties.reply_to().as_ref())
            .filter(|_| asks);
        if asks && recipient.is_none() {
            tracing::debug!("there will be no answer to a queue that is no reply queue");
        }
        Some(Accepted { tag, request, recipient, permit })
    }

    /// Acknowledges requests, unless that is for later, and has them executed.
    fn dispatch(&self, work: &Arc<Work>, accepted: &mut Vec<Accepted>) {
        if work.options.acknowledge == Acknowledge::Before {
            let last = accepted.iter().map(|accepted| accepted.tag).max();
            // One acknowledgement for all is right only where every message up to the last has been seen here.
            match last {
                Some(last) if accepted.len() > 1 && last == self.received => {
                    self.acknowledge(work, last, true);
                }
                _ => accepted.iter().for_each(|accepted| self.acknowledge(work, accepted.tag, false)),
            }
        }
        for Accepted { tag, request, recipient, permit } in accepted.drain(..) {
            let (work, replies, channel) =
                (Arc::clone(work), Arc::clone(&self.replies), self.channel.clone());
            tokio::spawn(async move {
                // Only who acknowledges afterwards has a use for it then.
                let id = match work.options.acknowledge {
                    Acknowledge::Before => None,
                    Acknowledge::After => request.unique_id.clone(),
                };
                let answer = execute(&work.dispatcher, request, recipient, &replies).await;
                if work.options.acknowledge == Acknowledge::Before {
                    // Until the broker has the answer, the request counts as one in hand.
                    return replies.send_unwatched(answer, permit).await;
                }
                let answered = match answer {
                    Some((recipient, body)) => replies.send(&recipient, body).await,
                    None => Ok(()),
                };
                if answered.is_ok() {
                    if let Some(id) = id.filter(|id| !id.is_empty()) {
                        work.seen().insert(&id);
                    }
                    acknowledge(&channel, tag, false);
                }
                drop(permit);
            });
        }
    }

    fn acknowledge(&self, work: &Work, tag: u64, multiple: bool) {
        if work.transport.acknowledges() {
            acknowledge(&self.channel, tag, multiple);
        }
    }

    /// Takes no more requests, waits for the calls in hand, and closes the connections.
    pub(crate) async fn end(self, work: &Work) {
        let cancelled = async {
            for tag in TAGS {
                let _ = self.channel.basic_cancel(name(tag), BasicCancelOptions::default()).await;
            }
        };
        let drained = async {
            cancelled.await;
            work.in_flight.acquire_many(work.most_in_flight).await.map(drop)
        };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("stopped with calls unfinished");
        }
        // Queued by the first poll, and carried out before the connection is closed.
        let queue = name(&self.fanout_queue);
        let _ = poll_once(pin!(self.channel.queue_delete(queue, QueueDeleteOptions::default())));
        tokio::join!(close(&self.listener), self.replies.close());
    }
}

fn acknowledge(channel: &Channel, tag: u64, multiple: bool) {
    // Queued by the first poll. When it cannot be sent, the connection is lost and the message comes again.
    let _ = poll_once(pin!(channel.basic_ack(tag, BasicAckOptions { multiple })));
}

/// Executes a request; gives the answer, if it asks for one.
async fn execute(
    dispatcher: &Arc<RpcDispatcher>,
    mut request: Request,
    recipient: Option<Recipient>,
    replies: &Arc<Replies>,
) -> Option<(Recipient, Vec<u8>)> {
    let (msg_id, monitor, envelope) = (request.msg_id.take(), request.monitor, request.envelope);
    let dispatched = AssertUnwindSafe(dispatcher.dispatch(request)).catch_unwind();
    let (Some(msg_id), Some(recipient)) = (msg_id, recipient) else {
        if dispatched.await.is_err() {
            tracing::error!("a handler panicked");
        }
        return None;
    };
    let result = match monitor {
        None => dispatched.await,
        Some(seconds) => {
            let mut dispatched = pin!(dispatched);
            tokio::select! {
                biased;
                result = &mut dispatched => result,
                () = give_signs_of_life(seconds, &msg_id, &recipient, replies) => dispatched.await,
            }
        }
    };
    let result = result.unwrap_or_else(|_| {
        tracing::error!("a handler panicked");
        Err(Failure::builtin("Exception", "the handler panicked"))
    });
    let mut buffer = [0; wire::ID_LEN];
    let (unique_id, envelope): (&str, _) = match &recipient {
        Recipient::Queue(_) => (Uuid::new_v4().simple().encode_lower(&mut buffer), Envelope::V2),
        // What is not acknowledged does not come twice.
        Recipient::Channel(_) => ("", envelope),
    };
    let encoded = result.and_then(|value| Ok(wire::encode_result(&value, &msg_id, unique_id, envelope)?));
    let body = encoded.unwrap_or_else(|failure| wire::encode_failure(&failure, &msg_id, unique_id, envelope));
    Some((recipient, body))
}

/// Tells a caller twice per interval, which is given in seconds, that its call is being worked on. It has no end.
async fn give_signs_of_life(seconds: u64, msg_id: &str, recipient: &Recipient, replies: &Replies) {
    // A day is as good as any longer time.
    let half = Duration::from_secs(seconds.min(86_400)) / 2;
    let mut ticks = interval_at(Instant::now() + half, half);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut buffer = [0; wire::ID_LEN];
        let unique_id = &*Uuid::new_v4().simple().encode_lower(&mut buffer);
        replies
            .send_sign_of_life(recipient, wire::encode_sign_of_life(msg_id, unique_id, Envelope::V2))
            .await;
    }
}
