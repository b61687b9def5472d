//! The serving end.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use calculator::{CallError, Dispatcher, Limits};
use futures_util::stream::{self, SelectAll, Stream, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicQosOptions, BasicRejectOptions, QueueDeleteOptions,
};
use lapin::{Channel, Connection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::endpoint;
use crate::publisher::{Publisher, poll_once};
use crate::replies::{Replies, is_reply_queue};
use crate::seen::Seen;
use crate::topology::{self, name, unique};
use crate::transport::TransportError;
use crate::wire::{self, Failure, Request};
use crate::{Target, TargetError, TransportUrl};

/// Calls in hand may take that long after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(4);
/// oslo.messaging's `kombu_reconnect_delay` and the most that its back-off grows to.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);
const RECONNECT_DELAY_STEP: Duration = Duration::from_secs(2);
const RECONNECT_DELAY_MOST: Duration = Duration::from_secs(30);
const TAGS: [&str; 3] = ["1", "2", "3"];

/// What a server can be told besides whom it serves.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    /// What the server accepts. Requests beyond [`Limits::max_in_flight`] stay at the broker.
    pub limits: Limits,
    /// Messages that the broker sends ahead of their acknowledgement, per queue (basic.qos). oslo.messaging sets no
    /// bound by default and buffers a whole queue in memory; clients cannot tell the difference. Default 256.
    pub prefetch: u16,
    /// How long connecting may take. Default 10 s.
    pub timeout: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions { limits: Limits::default(), prefetch: 256, timeout: Duration::from_secs(10) }
    }
}

/// Why a server cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The target is no server's.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// There is no broker, or it refused.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// A server of one target in the manner of oslo.messaging: it consumes the queue of its topic, the queue of its own
/// name and a fanout queue, acknowledges each request *before* it is executed (at most once: a request in a server
/// that dies is lost), and answers on a second connection with a publisher confirm each.
pub struct Server {
    work: Arc<Work>,
    session: Session,
}

/// What outlives a connection.
struct Work {
    url: TransportUrl,
    target: Target,
    dispatcher: Dispatcher,
    options: ServerOptions,
    in_flight: Arc<Semaphore>,
    most_in_flight: u32,
}

impl Server {
    /// Connects, declares the target's exchanges and queues, and returns when the broker has registered the three
    /// consumers: from then on a call reaches this server, and is answered once [`run`](Self::run) is polled.
    ///
    /// # Errors
    /// [`ServerError`]; a target needs a topic and a server name.
    pub async fn bind(
        url: &TransportUrl,
        target: Target,
        dispatcher: Dispatcher,
        options: ServerOptions,
    ) -> Result<Server, ServerError> {
        target.check()?;
        if target.server.is_none() {
            return Err(TargetError::NoServer.into());
        }
        let most_in_flight = u32::try_from(options.limits.max_in_flight.max(1)).unwrap_or(u32::MAX);
        let most_in_flight = most_in_flight.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        let work = Arc::new(Work {
            url: url.clone(),
            target,
            dispatcher,
            options,
            in_flight: Arc::new(Semaphore::new(most_in_flight as usize)),
            most_in_flight,
        });
        let session = Session::open(&work).await?;
        Ok(Server { work, session })
    }

    /// The broker's URL, without credentials.
    #[must_use]
    pub fn url(&self) -> String {
        self.work.url.to_string()
    }

    /// Serves until `stop`, then finishes the calls in hand, at most 4 s, and leaves the broker as it was but for the
    /// topic's queues. A lost connection is made anew, after 1 s at first and every 30 s in the end.
    pub async fn run(self, stop: CancellationToken) {
        let Server { work, mut session } = self;
        while session.serve(&work, &stop).await == Ending::Lost {
            tracing::warn!(broker = %work.url, "lost the broker; connecting anew");
            match stop.run_until_cancelled(Session::reopen(&work)).await {
                Some(reopened) => session = reopened,
                None => return,
            }
        }
        session.end(&work).await;
    }
}

/// Why serving ended.
#[derive(PartialEq)]
enum Ending {
    Stopped,
    Lost,
}

/// Deliveries of one queue; `None` when its consumer has ended.
type Deliveries = Pin<Box<dyn Stream<Item = Option<Delivery>> + Send>>;

/// One pair of connections.
struct Session {
    listener: Connection,
    channel: Channel,
    deliveries: SelectAll<Deliveries>,
    fanout_queue: String,
    replies: Arc<Replies>,
    seen: Seen,
}

impl Session {
    async fn open(work: &Work) -> Result<Self, TransportError> {
        let Work { url, target, options, .. } = work;
        let (listener, sender) = tokio::try_join!(
            url.connect("requests", options.timeout),
            url.connect("replies", options.timeout)
        )?;
        let replies = Replies::new(Publisher::open(sender).await?);
        let channel = listener.create_channel().await?;
        channel.basic_qos(options.prefetch, BasicQosOptions::default()).await?;

        let fanout_queue = unique(&format!("{}_fanout_", target.topic));
        let queues = [target.topic.clone(), target.queue(), fanout_queue.clone()];
        topology::declare_queue(&channel, target, &queues[0]).await?;
        topology::declare_queue(&channel, target, &queues[1]).await?;
        topology::declare_fanout_queue(&channel, target, &fanout_queue).await?;
        let mut deliveries = SelectAll::new();
        for (queue, tag) in queues.iter().zip(TAGS) {
            let consumer = topology::consume(&channel, queue, tag).await?;
            let ended = stream::once(std::future::ready(None));
            deliveries.push(Box::pin(consumer.map(Result::ok).chain(ended)) as Deliveries);
        }
        Ok(Session { listener, channel, deliveries, fanout_queue, replies, seen: Seen::default() })
    }

    async fn reopen(work: &Work) -> Self {
        let mut delay = RECONNECT_DELAY;
        loop {
            tokio::time::sleep(delay).await;
            match Session::open(work).await {
                Ok(session) => return session,
                Err(error) => tracing::warn!(%error, "still no broker"),
            }
            delay = (delay + RECONNECT_DELAY_STEP).min(RECONNECT_DELAY_MOST);
        }
    }

    /// Takes requests until `stop` or the loss of a connection.
    async fn serve(&mut self, work: &Arc<Work>, stop: &CancellationToken) -> Ending {
        let replies = Arc::clone(&self.replies);
        let mut stopped = pin!(stop.cancelled());
        let mut lost = pin!(replies.lost().cancelled());
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
            match delivery {
                Some(Some(delivery)) => self.receive(work, &delivery, permit),
                Some(None) | None => return Ending::Lost,
            }
        }
    }

    /// Reads a request, acknowledges it, and has it executed.
    fn receive(&mut self, work: &Arc<Work>, delivery: &Delivery, permit: OwnedSemaphorePermit) {
        // Requests without a body are dropped without a word, as by the reference.
        if delivery.data.is_empty() {
            return self.acknowledge(delivery);
        }
        let request = match read(delivery, &work.options.limits) {
            Ok(request) => request,
            Err(error) => {
                tracing::debug!(%error, "rejected a message");
                let reject = BasicRejectOptions { requeue: false };
                let _ = poll_once(pin!(self.channel.basic_reject(delivery.delivery_tag, reject)));
                return;
            }
        };
        self.acknowledge(delivery);
        if request.unique_id.as_deref().is_some_and(|id| self.seen.again(id)) {
            tracing::debug!("dropped a repeated message");
            return;
        }
        let (work, replies) = (Arc::clone(work), Arc::clone(&self.replies));
        tokio::spawn(async move {
            execute(&work.dispatcher, request, replies).await;
            drop(permit);
        });
    }

    fn acknowledge(&self, delivery: &Delivery) {
        // Queued by the first poll. When it cannot be sent, the connection is lost and the message comes again.
        let _ = poll_once(pin!(self.channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default())));
    }

    /// Takes no more requests, waits for the calls in hand, and closes the connections.
    async fn end(self, work: &Work) {
        for tag in TAGS {
            let _ = self.channel.basic_cancel(name(tag), BasicCancelOptions::default()).await;
        }
        if tokio::time::timeout(DRAIN, work.in_flight.acquire_many(work.most_in_flight)).await.is_err() {
            tracing::warn!("stopped with calls unfinished");
        }
        let queue = name(&self.fanout_queue);
        let _ = self.channel.queue_delete(queue, QueueDeleteOptions::default()).await;
        let _ = self.listener.close(200, "done".into()).await;
        self.replies.close().await;
    }
}

/// Reads a request whose properties say that it is one.
fn read(delivery: &Delivery, limits: &Limits) -> Result<Request, wire::WireError> {
    let properties = &delivery.properties;
    let is =
        |property: Option<&str>, value| property.is_none_or(|property| property.eq_ignore_ascii_case(value));
    let content_type = properties.content_type().as_ref().map(|text| text.as_str());
    let encoding = properties.content_encoding().as_ref().map(|text| text.as_str());
    let compressed =
        properties.headers().as_ref().is_some_and(|headers| headers.inner().contains_key("compression"));
    if content_type.is_none() || !is(content_type, "application/json") || !is(encoding, "utf-8") || compressed
    {
        return Err(wire::WireError::Malformed("only uncompressed application/json is read".to_owned()));
    }
    wire::read_request(&delivery.data, limits)
}

/// Executes a request and answers it, if it asks for an answer.
async fn execute(dispatcher: &Dispatcher, mut request: Request, replies: Arc<Replies>) {
    let (msg_id, queue) = (request.msg_id.take(), request.reply_queue.take());
    let result = match endpoint::accept(request) {
        Ok(call) => {
            let method = call.method.clone();
            dispatcher.call(call).await.map_err(|error| Failure::of(error, &method))
        }
        Err(failure) => Err(failure),
    };
    let (Some(msg_id), Some(queue)) = (msg_id, queue) else { return };
    if !is_reply_queue(&queue) {
        tracing::debug!("dropped an answer to a queue that is no reply queue");
        return;
    }
    let mut buffer = [0; wire::ID_LEN];
    let unique_id = &*Uuid::new_v4().simple().encode_lower(&mut buffer);
    let encoded = result.and_then(|value| {
        let unanswerable = |error: CallError| Failure::of(error, "");
        wire::encode_result(&value, &msg_id, unique_id).map_err(unanswerable)
    });
    let body = encoded.unwrap_or_else(|failure| wire::encode_failure(&failure, &msg_id, unique_id));
    replies.send(&queue, body).await;
}
