//! A client's connections.

use std::borrow::Cow;
use std::collections::HashSet;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use calculator::{CallError, ErrorKind, Limits, Value};
use futures_util::StreamExt;
use lapin::options::BasicAckOptions;
use lapin::{BasicProperties, Channel, Connection, Consumer};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::pending::Pending;
use crate::publisher::{Address, Outcome, Publisher, json_properties, lean_properties, poll_once};
use crate::topology::{self, REPLY_QUEUE_PREFIX, name, unique};
use crate::transport::TransportError;
use crate::wire::Envelope;
use crate::{Target, Transport, wire};

/// The pseudo-queue of RabbitMQ's direct reply-to.
pub(crate) const REPLY_TO: &str = "amq.rabbitmq.reply-to";
/// Replies that are acknowledged at once, and how long the first of them waits for the others, so that the broker holds
/// none of them for long. Nobody else could take them: the queue is this client's own.
const ACKNOWLEDGED_AT_ONCE: u64 = 64;
const ACKNOWLEDGED_AFTER: Duration = Duration::from_millis(10);

/// The connections of a client, made when they are needed and made anew when they were lost.
pub(crate) struct Connections {
    pub(crate) transport: Transport,
    pub(crate) limits: Limits,
    link: Mutex<Option<Arc<Link>>>,
    connecting: tokio::sync::Mutex<()>,
}

impl Connections {
    pub(crate) fn new(transport: Transport, limits: Limits) -> Self {
        Connections { transport, limits, link: Mutex::default(), connecting: tokio::sync::Mutex::default() }
    }

    /// The connections in use, or new ones. Nothing has been sent yet then, so nothing is sent twice.
    pub(crate) async fn link(&self, timeout: Duration) -> Result<Arc<Link>, TransportError> {
        if let Some(link) = self.usable() {
            return Ok(link);
        }
        let _turn = self.connecting.lock().await;
        if let Some(link) = self.usable() {
            return Ok(link);
        }
        let link = Arc::new(Link::open(&self.transport, self.limits, timeout).await?);
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&link));
        Ok(link)
    }

    fn usable(&self) -> Option<Arc<Link>> {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.as_ref().filter(|link| link.usable()).map(Arc::clone)
    }
}

/// One pair of connections, or a single one with direct reply-to, and what belongs to it.
pub(crate) struct Link {
    pub(crate) publisher: Publisher,
    /// `None` with direct reply-to.
    pub(crate) reply_queue: Option<String>,
    pub(crate) pending: Pending<u128>,
    // Held because closing it closes its channels.
    _replies: Connection,
    channel: Channel,
    declared: Mutex<HashSet<String>>,
    limits: Limits,
    reader: AbortHandle,
    /// Calls so far, by which those are known that have no envelope: answers to nobody else come to their channel.
    calls: AtomicU64,
    envelope: Envelope,
}

impl Link {
    async fn open(transport: &Transport, limits: Limits, timeout: Duration) -> Result<Self, TransportError> {
        let pending = Pending::new();
        let (replies, publisher, channel, reply_queue, consumer);
        if transport.is_direct() {
            replies = transport.connect("client", timeout).await?;
            publisher = Publisher::share(&replies).await?;
            // Requests must be published on the channel that consumes the replies.
            channel = publisher.channel().clone();
            consumer = topology::consume(&channel, REPLY_TO, "", !transport.acknowledges()).await?;
            reply_queue = None;
        } else {
            let (connection, requests) = tokio::try_join!(
                transport.connect("replies", timeout),
                transport.connect("requests", timeout)
            )?;
            replies = connection;
            publisher = Publisher::open(requests, transport.confirms()).await?;
            channel = replies.create_channel().await?;
            let queue = unique(REPLY_QUEUE_PREFIX);
            topology::declare_reply_queue(&channel, transport.queues(), &queue).await?;
            consumer = topology::consume(&channel, &queue, "1", !transport.acknowledges()).await?;
            reply_queue = Some(queue);
        }
        let acknowledged = transport.acknowledges().then(|| channel.clone());
        let reader = tokio::spawn(read(consumer, acknowledged, pending.clone(), limits)).abort_handle();
        let declared = Mutex::default();
        Ok(Link {
            publisher,
            reply_queue,
            pending,
            _replies: replies,
            channel,
            declared,
            limits,
            reader,
            calls: AtomicU64::new(0),
            envelope: transport.envelope_of_calls(),
        })
    }

    /// A new identity for a call, and how it is written.
    pub(crate) fn identify<'a>(&self, buffer: &'a mut [u8; wire::ID_LEN]) -> (u128, Cow<'a, str>) {
        if self.envelope == Envelope::V2 {
            let id = Uuid::new_v4();
            return (id.as_u128(), (&*id.simple().encode_lower(buffer)).into());
        }
        let id = self.calls.fetch_add(1, Ordering::Relaxed);
        (id.into(), format!("{id:0width$x}", width = wire::SHORT_ID_LEN).into())
    }

    fn usable(&self) -> bool {
        !self.pending.is_lost() && self.channel.status().connected() && self.publisher.connected()
    }

    /// Has the exchange of `target` declared: each one once, but a fanout exchange every time, because it vanishes
    /// with the last server's queue.
    pub(crate) async fn declare(&self, transport: &Transport, target: &Target) -> lapin::Result<()> {
        let (channel, queues) = (self.publisher.channel(), transport.queues());
        if target.fanout {
            return topology::declare_fanout_exchange(channel, queues, target).await;
        }
        if transport.is_direct() {
            // The default exchange, which is always there.
            return Ok(());
        }
        let declared = || self.declared.lock().unwrap_or_else(PoisonError::into_inner);
        if declared().contains(&target.exchange) {
            return Ok(());
        }
        topology::declare_exchange(channel, queues, target).await?;
        declared().insert(target.exchange.clone());
        Ok(())
    }

    /// The properties of a call, which the broker discards after `expiration` where no server takes it; with direct
    /// reply-to its queue vanishes with the last server instead.
    pub(crate) fn properties(&self, expiration: Duration) -> BasicProperties {
        match self.reply_queue {
            Some(_) => json_properties().with_expiration(expiration.as_millis().to_string().into()),
            None => lean_properties().with_reply_to(name(REPLY_TO)),
        }
    }

    /// Publishes a request and fails its call if the broker does not take it.
    pub(crate) async fn deliver(
        self: Arc<Self>,
        msg_id: u128,
        address: Address,
        properties: BasicProperties,
        body: Vec<u8>,
    ) {
        match self.publisher.publish(address, properties, &body).await {
            Ok(Outcome::Confirmed) => {}
            Ok(Outcome::Returned(message)) => {
                // Which request came back, only the message itself says for certain.
                let returned = wire::read_request(&message.delivery.data, &self.limits).ok();
                if let Some(returned) = returned.and_then(|request| parse_id(&request.msg_id?)) {
                    self.pending.answer(returned, Err(undeliverable(NO_SERVER)));
                }
            }
            Ok(Outcome::Refused) => self.pending.answer(msg_id, Err(undeliverable(REFUSED))),
            Err(error) => self.pending.lose(&error.to_string()),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

pub(crate) const NO_SERVER: &str = "no server of this target";
pub(crate) const REFUSED: &str = "the broker refused the message";

pub(crate) fn undeliverable(reason: impl std::fmt::Display) -> CallError {
    CallError::new(ErrorKind::Undeliverable, reason.to_string())
}

fn parse_id(text: &str) -> Option<u128> {
    if text.len() < wire::ID_LEN {
        return u64::from_str_radix(text, 16).ok().map(Into::into);
    }
    Uuid::try_parse(text).ok().map(|id| id.as_u128())
}

/// Hands replies to their calls until the connection ends, and acknowledges them on `channel`, where there is one.
async fn read(mut replies: Consumer, channel: Option<Channel>, pending: Pending<u128>, limits: Limits) {
    let (mut unacknowledged, mut last) = (0, 0);
    let mut due = pin!(sleep(ACKNOWLEDGED_AFTER));
    loop {
        let delivery = tokio::select! {
            biased;
            delivery = replies.next() => delivery,
            () = &mut due, if unacknowledged > 0 => {
                acknowledge(channel.as_ref(), last);
                unacknowledged = 0;
                continue;
            }
        };
        let Some(Ok(delivery)) = delivery else { break };
        match wire::read_reply(&delivery.data, &limits) {
            Ok(reply) => hand_over(&pending, reply),
            Err(error) => tracing::debug!(%error, "dropped a reply"),
        }
        if channel.is_none() {
            continue;
        }
        last = delivery.delivery_tag;
        unacknowledged += 1;
        if unacknowledged == 1 {
            due.as_mut().reset(Instant::now() + ACKNOWLEDGED_AFTER);
        }
        if unacknowledged == ACKNOWLEDGED_AT_ONCE {
            acknowledge(channel.as_ref(), last);
            unacknowledged = 0;
        }
    }
    pending.lose("the connection to the broker was lost");
}

fn acknowledge(channel: Option<&Channel>, last: u64) {
    if let Some(channel) = channel {
        // Queued by the first poll; the broker's view of it is of no interest to a call.
        let _ = poll_once(pin!(channel.basic_ack(last, BasicAckOptions { multiple: true })));
    }
}

fn hand_over(pending: &Pending<u128>, reply: wire::Reply) {
    let Some(id) = parse_id(&reply.msg_id) else {
        tracing::debug!("dropped a reply to nobody");
        return;
    };
    match reply.result {
        result if reply.ending || result.is_err() => pending.answer(id, result),
        // A null result before the end says that the server still works on it.
        Ok(Value::Null) | Err(_) => pending.sign_of_life(id),
        Ok(value) => pending.keep(id, value),
    }
}
