//! The calling end.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use calculator::{Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, Limits, Value};
use futures_util::StreamExt;
use lapin::options::BasicAckOptions;
use lapin::{BasicProperties, Channel, Connection, Consumer};
use tokio::task::AbortHandle;
use uuid::Uuid;

use crate::pending::Pending;
use crate::publisher::{Address, Outcome, Publisher, json_properties, poll_once};
use crate::topology::{self, REPLY_QUEUE_PREFIX, name, unique};
use crate::transport::TransportError;
use crate::wire::{self, Routing};
use crate::{Target, TransportUrl};

/// A client of one target, with oslo.messaging's two connections: one that publishes with confirms, one that consumes
/// the client's own reply queue and acknowledges each reply.
///
/// Any number of calls may be in flight. A call ends with its reply and does not wait for the confirm of its request,
/// but a request that the broker refused or returned fails its call. As with oslo.messaging by default, a call to a
/// topic without a server is no error of the broker's: it ends at the caller's deadline, unless
/// [`at_least_once`](Self::at_least_once) is set. After a lost connection the next call connects anew.
pub struct AmqpClient {
    url: TransportUrl,
    target: Target,
    options: ClientOptions,
    mandatory: bool,
    link: Mutex<Arc<Link>>,
    reconnecting: tokio::sync::Mutex<()>,
}

impl AmqpClient {
    /// Connects to the broker and declares what a caller of `target` needs.
    ///
    /// [`ClientOptions::timeout`] bounds the connecting, and is the time after which the broker discards a request
    /// that no server took.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] or [`ErrorKind::Timeout`] without a broker, [`ErrorKind::InvalidArguments`] for a
    /// target that cannot be.
    pub async fn connect(
        url: &TransportUrl,
        target: Target,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let invalid = |message: String| CallError::new(ErrorKind::InvalidArguments, message);
        target.check().map_err(|error| invalid(error.to_string()))?;
        let link = Link::open(url, &target, options).await?;
        Ok(AmqpClient {
            url: url.clone(),
            target,
            options: options.clone(),
            mandatory: false,
            link: Mutex::new(Arc::new(link)),
            reconnecting: tokio::sync::Mutex::new(()),
        })
    }

    /// Has the broker return requests that no queue takes, which fails them at once as undeliverable:
    /// oslo.messaging's `at_least_once` transport option.
    #[must_use]
    pub fn at_least_once(mut self) -> Self {
        self.mandatory = true;
        self
    }

    /// Sends `call` without asking for an answer, to one server of the target or, with `fanout`, to all of them. It
    /// returns when the broker has confirmed the message, which says nothing of a server.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] when the broker did not take it, and what JSON has no form for.
    pub async fn cast(&self, call: &Call) -> Result<(), CallError> {
        let link = self.link().await?;
        let unique_id = Uuid::new_v4().simple().to_string();
        let body = wire::encode_request(call, &self.target, None, &unique_id)?;
        let publisher = Arc::clone(&link.publisher);
        let outcome = publisher.publish(link.address(&self.target, self.mandatory), json_properties(), body);
        match outcome.await {
            Ok(Outcome::Confirmed) => Ok(()),
            Ok(Outcome::Returned(_)) => Err(undeliverable("no server of this target")),
            Ok(Outcome::Refused) => Err(undeliverable("the broker refused the message")),
            Err(error) => Err(undeliverable(error)),
        }
    }

    async fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        if self.target.fanout {
            let message = "a call goes to one server; only a cast can go to all (fanout)";
            return Err(CallError::new(ErrorKind::InvalidArguments, message));
        }
        let link = self.link().await?;
        let msg_id = Uuid::new_v4();
        let mut buffers = [[0; wire::ID_LEN]; 2];
        let [msg_text, unique_text] = &mut buffers;
        let routing = Routing {
            msg_id: (&*msg_id.simple().encode_lower(msg_text)).into(),
            reply_queue: link.reply_queue.as_str().into(),
        };
        let unique_id = Uuid::new_v4().simple().encode_lower(unique_text);
        let body = wire::encode_request(call, &self.target, Some(&routing), unique_id)?;
        let waiter = link.pending.enter(msg_id.as_u128())?;
        let address = link.address(&self.target, self.mandatory);
        // Apart from the call, so that a call which ends early leaves no confirm unread.
        tokio::spawn(deliver(
            Arc::clone(&link.publisher),
            link.pending.clone(),
            msg_id.as_u128(),
            (address, link.properties.clone(), body),
            self.options.limits,
        ));
        waiter.answer().await
    }

    /// The connections in use, or new ones where they were lost. Nothing has been sent yet, so nothing is sent twice.
    async fn link(&self) -> Result<Arc<Link>, CallError> {
        let current = self.current();
        if current.usable() {
            return Ok(current);
        }
        let _turn = self.reconnecting.lock().await;
        let current = self.current();
        if current.usable() {
            return Ok(current);
        }
        let link = Arc::new(Link::open(&self.url, &self.target, &self.options).await?);
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&link);
        Ok(link)
    }

    fn current(&self) -> Arc<Link> {
        Arc::clone(&self.link.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Client for AmqpClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.exchange(call))
    }
}

fn undeliverable(reason: impl std::fmt::Display) -> CallError {
    CallError::new(ErrorKind::Undeliverable, reason.to_string())
}

/// Publishes a request and fails its call if the broker does not take it.
async fn deliver(
    publisher: Arc<Publisher>,
    pending: Pending<u128>,
    msg_id: u128,
    (address, properties, body): (Address, BasicProperties, Vec<u8>),
    limits: Limits,
) {
    match publisher.publish(address, properties, body).await {
        Ok(Outcome::Confirmed) => {}
        Ok(Outcome::Returned(message)) => {
            // Which request came back, only the message itself says for certain.
            let returned = wire::read_request(&message.delivery.data, &limits).ok();
            if let Some(returned) = returned.and_then(|request| parse_id(&request.msg_id?)) {
                pending.answer(returned, Err(undeliverable("no server of this target")));
            }
        }
        Ok(Outcome::Refused) => pending.answer(msg_id, Err(undeliverable("the broker refused the request"))),
        Err(error) => pending.lose(&error.to_string()),
    }
}

fn parse_id(text: &str) -> Option<u128> {
    Uuid::try_parse(text).ok().map(|id| id.as_u128())
}

/// One client's connections and what belongs to them.
struct Link {
    publisher: Arc<Publisher>,
    reply_queue: String,
    replies: Connection,
    channel: Channel,
    pending: Pending<u128>,
    /// Of a call; a cast has no expiration.
    properties: BasicProperties,
    reader: AbortHandle,
}

impl Link {
    async fn open(
        url: &TransportUrl,
        target: &Target,
        options: &ClientOptions,
    ) -> Result<Self, TransportError> {
        let (replies, requests) = tokio::try_join!(
            url.connect("replies", options.timeout),
            url.connect("requests", options.timeout)
        )?;
        let publisher = Publisher::open(requests).await?;
        if target.fanout {
            topology::declare_fanout_exchange(publisher.channel(), target).await?;
        } else {
            topology::declare_exchange(publisher.channel(), target).await?;
        }
        let channel = replies.create_channel().await?;
        let reply_queue = unique(REPLY_QUEUE_PREFIX);
        topology::declare_reply_queue(&channel, &reply_queue).await?;
        let consumer = topology::consume(&channel, &reply_queue, "1").await?;
        let pending = Pending::new();
        let reader = read(consumer, channel.clone(), pending.clone(), options.limits);
        Ok(Link {
            publisher: Arc::new(publisher),
            reply_queue,
            replies,
            channel,
            pending,
            properties: json_properties().with_expiration(options.timeout.as_millis().to_string().into()),
            reader: tokio::spawn(reader).abort_handle(),
        })
    }

    fn usable(&self) -> bool {
        !self.pending.is_lost()
            && self.replies.status().connected()
            && self.channel.status().connected()
            && self.publisher.channel().status().connected()
    }

    fn address(&self, target: &Target, mandatory: bool) -> Address {
        if target.fanout {
            let exchange = name(&target.fanout_exchange());
            return Address { exchange, routing_key: name(""), mandatory };
        }
        Address { exchange: name(&target.exchange), routing_key: name(&target.queue()), mandatory }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Hands replies to their calls until the connection ends.
async fn read(mut replies: Consumer, channel: Channel, pending: Pending<u128>, limits: Limits) {
    while let Some(Ok(delivery)) = replies.next().await {
        match wire::read_reply(&delivery.data, &limits) {
            Ok(reply) => {
                match parse_id(&reply.msg_id) {
                    Some(id) if reply.ending || reply.result.is_err() => pending.answer(id, reply.result),
                    // A null result before the end is a sign of life.
                    Some(id) => match reply.result {
                        Ok(Value::Null) | Err(_) => {}
                        Ok(value) => pending.keep(id, value),
                    },
                    None => tracing::debug!("dropped a reply to nobody"),
                }
            }
            Err(error) => tracing::debug!(%error, "dropped a reply"),
        }
        // Queued by the first poll; the broker's view of it is of no interest to the call.
        let _ = poll_once(pin!(channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default())));
    }
    pending.lose("the connection to the broker was lost");
}
