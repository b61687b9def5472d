//! A client's connections.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use calculator::Limits;
use lapin::{BasicProperties, Channel, Connection};
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::reply_reader::read_replies;
use crate::connect::TransportError;
use crate::errors::{NO_SERVER, REFUSED, reason, undeliverable};
use crate::pending::PendingCalls;
use crate::publisher::{Destination, Outcome, Publisher, minimal_properties, oslo_properties};
use crate::target::Target;
use crate::topology::{self, DIRECT_REPLY_TO, REPLY_QUEUE_PREFIX, short_string, unique_name};
use crate::transport::Transport;
use crate::wire::{self, Envelope};

/// Opens the connection of a client on demand, and again after it was lost.
pub(super) struct Connector {
    pub(super) transport: Transport,
    limits: Limits,
    current: Mutex<Option<Arc<ClientConnection>>>,
    connecting: tokio::sync::Mutex<()>,
}

impl Connector {
    pub(super) fn new(transport: Transport, limits: Limits) -> Self {
        Connector { transport, limits, current: Mutex::default(), connecting: tokio::sync::Mutex::default() }
    }

    /// Returns the open connection, or opens one. Nothing has been sent at that point, so nothing is sent twice.
    ///
    /// # Errors
    /// [`TransportError`].
    pub(super) async fn connection(
        &self,
        timeout: Duration,
    ) -> Result<Arc<ClientConnection>, TransportError> {
        if let Some(connection) = self.usable() {
            return Ok(connection);
        }
        let _guard = self.connecting.lock().await;
        if let Some(connection) = self.usable() {
            return Ok(connection);
        }
        let connection = Arc::new(ClientConnection::open(&self.transport, self.limits, timeout).await?);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&connection));
        Ok(connection)
    }

    fn usable(&self) -> Option<Arc<ClientConnection>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|connection| connection.is_usable()).map(Arc::clone)
    }
}

/// The two connections of a client, for requests and replies, or a single one with direct reply-to.
pub(super) struct ClientConnection {
    pub(super) publisher: Publisher,
    /// `None` with direct reply-to.
    pub(super) reply_queue: Option<String>,
    pub(super) pending: PendingCalls<u128>,
    /// Kept alive because dropping it would close its channel.
    _replies: Connection,
    reply_channel: Channel,
    /// The exchanges declared on this connection.
    declared: Mutex<HashSet<String>>,
    limits: Limits,
    reader: AbortHandle,
    /// The number of calls so far. It is the id of calls without an envelope, whose replies only reach this channel.
    calls: AtomicU64,
    envelope: Envelope,
}

impl ClientConnection {
    async fn open(transport: &Transport, limits: Limits, timeout: Duration) -> Result<Self, TransportError> {
        let pending = PendingCalls::new();
        let (replies, publisher, reply_channel, reply_queue, consumer);
        if transport.is_direct() {
            replies = transport.connect("client", timeout).await?;
            publisher = Publisher::open_shared(&replies).await?;
            // Direct reply-to requires that requests are published on the channel that consumes the replies.
            reply_channel = publisher.channel().clone();
            let no_ack = !transport.acknowledges();
            consumer = topology::consume(&reply_channel, DIRECT_REPLY_TO, "", no_ack).await?;
            reply_queue = None;
        } else {
            let (connection, requests) = tokio::try_join!(
                transport.connect("replies", timeout),
                transport.connect("requests", timeout)
            )?;
            replies = connection;
            publisher = Publisher::open(requests, transport.confirms()).await?;
            reply_channel = replies.create_channel().await?;
            let queue = unique_name(REPLY_QUEUE_PREFIX);
            topology::declare_reply_queue(&reply_channel, transport.queues(), &queue).await?;
            consumer = topology::consume(&reply_channel, &queue, "1", !transport.acknowledges()).await?;
            reply_queue = Some(queue);
        }
        let acknowledged = transport.acknowledges().then(|| reply_channel.clone());
        let reader =
            tokio::spawn(read_replies(consumer, acknowledged, pending.clone(), limits)).abort_handle();
        Ok(ClientConnection {
            publisher,
            reply_queue,
            pending,
            _replies: replies,
            reply_channel,
            declared: Mutex::default(),
            limits,
            reader,
            calls: AtomicU64::new(0),
            envelope: transport.call_envelope(),
        })
    }

    /// Creates the id of a call: the number under which it is pending, and its text form.
    pub(super) fn new_call_id<'a>(&self, buffer: &'a mut [u8; wire::ID_LEN]) -> (u128, Cow<'a, str>) {
        if self.envelope == Envelope::V2 {
            let id = Uuid::new_v4();
            return (id.as_u128(), (&*id.simple().encode_lower(buffer)).into());
        }
        let id = self.calls.fetch_add(1, Ordering::Relaxed);
        (id.into(), format!("{id:0width$x}", width = wire::SHORT_ID_LEN).into())
    }

    fn is_usable(&self) -> bool {
        !self.pending.is_lost() && self.reply_channel.status().connected() && self.publisher.is_connected()
    }

    /// Declares the exchange of `target`: each topic exchange once, but fanout exchanges every time, because the broker
    /// deletes them with the last server's queue.
    pub(super) async fn declare(&self, transport: &Transport, target: &Target) -> lapin::Result<()> {
        let (channel, queues) = (self.publisher.channel(), transport.queues());
        if target.fanout {
            return topology::declare_fanout_exchange(channel, queues, target).await;
        }
        if transport.is_direct() {
            // The default exchange always exists.
            return Ok(());
        }
        let declared = || self.declared.lock().unwrap_or_else(PoisonError::into_inner);
        if declared().contains(&target.exchange) {
            return Ok(());
        }
        topology::declare_topic_exchange(channel, queues, target).await?;
        declared().insert(target.exchange.clone());
        Ok(())
    }

    /// The properties of a call. After `expiration` the broker discards a call that no server has received; with direct
    /// reply-to it discards calls with the queue, when the last server is gone.
    pub(super) fn call_properties(&self, expiration: Duration) -> BasicProperties {
        match self.reply_queue {
            Some(_) => oslo_properties().with_expiration(expiration.as_millis().to_string().into()),
            None => minimal_properties().with_reply_to(short_string(DIRECT_REPLY_TO)),
        }
    }

    /// Publishes the request of the call `id`, and fails the call if the broker does not accept it.
    pub(super) async fn publish_call(
        self: Arc<Self>,
        id: u128,
        destination: Destination,
        properties: BasicProperties,
        body: Vec<u8>,
    ) {
        match self.publisher.publish(destination, properties, &body).await {
            Ok(Outcome::Confirmed) => {}
            Ok(Outcome::Returned(message)) => {
                // The returned message may belong to another call, which only its body identifies.
                let returned = wire::read_request(&message.delivery.data, &self.limits).ok();
                if let Some(returned) = returned.and_then(|request| wire::parse_id(&request.msg_id?)) {
                    self.pending.complete(returned, Err(undeliverable(NO_SERVER)));
                }
            }
            Ok(Outcome::Refused) => self.pending.complete(id, Err(undeliverable(REFUSED))),
            Err(error) => self.pending.fail_all(&format!("cannot publish the request: {}", reason(&error))),
        }
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
