//! Notifications (oslo.messaging's `notify`): events that a service tells of, whoever may listen.
//!
//! A [`Notifier`] publishes to the topic exchange under `topic.priority`, into a queue of that name, which it declares,
//! so that what it tells before there is a listener is not lost. A [`Listener`] consumes the queues of the priorities
//! that it is interested in; listeners of the same topic share the work. A notification is acknowledged when the
//! listener has handled it, and delivered again when it asks for that.

use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use calculator::{CallError, ErrorKind, Limits, Value};
use futures_util::stream::{SelectAll, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicQosOptions, BasicRejectOptions};
use lapin::{Channel, Connection, Consumer};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::link::{REFUSED, undeliverable};
use crate::publisher::{Address, Outcome, Publisher, close, json_properties};
use crate::topology::{self, name};
use crate::wire;
use crate::{Context, Target, Transport, TransportError};

pub use crate::wire::Notification;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// As that of calls and casts.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
const RECONNECT_DELAY: Duration = Duration::from_secs(1);
/// Notifications that the broker sends ahead of their acknowledgement, per queue.
const PREFETCH: u16 = 256;

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Priority {
    /// For the books.
    Audit,
    /// For finding faults.
    Debug,
    /// That something happened as it should.
    Info,
    /// That something may go wrong.
    Warn,
    /// That something went wrong.
    Error,
    /// That nothing goes any more.
    Critical,
    /// A measured value.
    Sample,
}

impl Priority {
    /// Every priority, in oslo.messaging's order.
    pub const ALL: [Priority; 7] = [
        Priority::Audit,
        Priority::Debug,
        Priority::Info,
        Priority::Warn,
        Priority::Error,
        Priority::Critical,
        Priority::Sample,
    ];

    /// The name, as the queue's name ends.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Priority::Audit => "audit",
            Priority::Debug => "debug",
            Priority::Info => "info",
            Priority::Warn => "warn",
            Priority::Error => "error",
            Priority::Critical => "critical",
            Priority::Sample => "sample",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn queue_of(topic: &str, priority: Priority) -> String {
    format!("{topic}.{priority}")
}

/// Tells of events. It connects with the first one, and anew when the connection was lost.
pub struct Notifier {
    transport: Transport,
    target: Target,
    publisher_id: String,
    timeout: Duration,
    link: Mutex<Option<Link>>,
}

struct Link {
    publisher: Arc<Publisher>,
    declared: HashSet<Priority>,
}

impl Notifier {
    /// A notifier of the topic of `target`, `notifications` as a rule, on its exchange.
    #[must_use]
    pub fn new(transport: &Transport, target: Target, publisher_id: impl Into<String>) -> Self {
        Notifier {
            transport: transport.clone(),
            target,
            publisher_id: publisher_id.into(),
            timeout: DEFAULT_TIMEOUT,
            link: Mutex::default(),
        }
    }

    /// How long telling of an event may take, connecting included. Default 60 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Tells of an event, and returns when the broker has the notification.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] or [`ErrorKind::Timeout`] when the broker may not have
    /// taken it, and what JSON has no form for.
    pub async fn notify(
        &self,
        context: &Context,
        priority: Priority,
        event_type: &str,
        payload: Value,
    ) -> Result<(), CallError> {
        let notification = Notification {
            message_id: Uuid::new_v4().to_string(),
            publisher_id: self.publisher_id.clone(),
            event_type: event_type.to_owned(),
            priority: priority.name().to_ascii_uppercase(),
            timestamp: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S%.6f").to_string(),
            payload,
            context: context.clone(),
        };
        let body = wire::encode_notification(&notification, &Uuid::new_v4().simple().to_string())?;
        timeout(self.timeout, self.publish(priority, &body)).await.unwrap_or_else(|_| {
            let message = format!("the broker took nothing within {} ms", self.timeout.as_millis());
            Err(CallError::new(ErrorKind::Timeout, message))
        })
    }

    async fn publish(&self, priority: Priority, body: &[u8]) -> Result<(), CallError> {
        let publisher = self.publisher(priority).await?;
        publisher.unblocked().await;
        let routing_key = name(&queue_of(&self.target.topic, priority));
        let address = Address { exchange: name(&self.target.exchange), routing_key, mandatory: false };
        match publisher.publish(address, json_properties(), body).await {
            Ok(Outcome::Confirmed) => Ok(()),
            Ok(Outcome::Refused | Outcome::Returned(_)) => Err(undeliverable(REFUSED)),
            Err(error) => Err(undeliverable(error)),
        }
    }

    /// The connection, with the queue of `priority` declared once on each.
    async fn publisher(&self, priority: Priority) -> Result<Arc<Publisher>, TransportError> {
        let mut link = self.link.lock().await;
        if link.as_ref().is_none_or(|link| !link.publisher.connected()) {
            let connection = self.transport.connect("notifier", CONNECT_TIMEOUT).await?;
            let publisher = Arc::new(Publisher::open(connection, true).await?);
            *link = Some(Link { publisher, declared: HashSet::new() });
        }
        let Some(Link { publisher, declared }) = &mut *link else {
            return Err(TransportError::Timeout {
                broker: self.transport.url().to_string(),
                after: CONNECT_TIMEOUT,
            });
        };
        if !declared.contains(&priority) {
            let queue = queue_of(&self.target.topic, priority);
            topology::declare_queue(publisher.channel(), self.transport.queues(), &self.target, &queue)
                .await?;
            declared.insert(priority);
        }
        Ok(Arc::clone(publisher))
    }
}

/// What a listener made of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done with.
    Handled,
    /// It shall come again, to this listener or another one.
    Requeue,
}

type Handler = Box<dyn Fn(Notification) -> Verdict + Send + Sync>;

/// Listens to the events of a topic.
pub struct Listener {
    transport: Transport,
    target: Target,
    priorities: Vec<Priority>,
    limits: Limits,
    handler: Handler,
    session: Session,
}

struct Session {
    connection: Connection,
    channel: Channel,
    consumers: SelectAll<Consumer>,
}

impl Listener {
    /// Connects, declares the queues of these priorities and consumes them. `handler` is called once
    /// [`run`](Self::run) is polled, for one notification at a time; one in which it panics comes again.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn bind(
        transport: &Transport,
        target: Target,
        priorities: &[Priority],
        handler: impl Fn(Notification) -> Verdict + Send + Sync + 'static,
    ) -> Result<Self, TransportError> {
        let session = Session::open(transport, &target, priorities).await?;
        Ok(Listener {
            transport: transport.clone(),
            target,
            priorities: priorities.to_vec(),
            limits: Limits::default(),
            handler: Box::new(handler),
            session,
        })
    }

    /// Listens until `stop`. A lost connection is made anew.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let delivery = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                delivery = self.session.consumers.next() => delivery,
            };
            match delivery {
                Some(Ok(delivery)) => self.receive(&delivery).await,
                _ => match stop.run_until_cancelled(self.reopen()).await {
                    Some(session) => self.session = session,
                    None => return,
                },
            }
        }
        close(&self.session.connection).await;
    }

    async fn receive(&self, delivery: &Delivery) {
        let verdict = match wire::read_notification(&delivery.data, &self.limits) {
            Ok(notification) => catch_unwind(AssertUnwindSafe(|| (self.handler)(notification)))
                .unwrap_or_else(|_| {
                    tracing::error!("a listener panicked");
                    Verdict::Requeue
                }),
            Err(error) => {
                tracing::debug!(%error, "rejected a notification");
                let reject = BasicRejectOptions { requeue: false };
                let _ = self.session.channel.basic_reject(delivery.delivery_tag, reject).await;
                return;
            }
        };
        // What cannot be sent now comes again with the next connection.
        let _ = match verdict {
            Verdict::Handled => {
                self.session.channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await
            }
            Verdict::Requeue => {
                let reject = BasicRejectOptions { requeue: true };
                self.session.channel.basic_reject(delivery.delivery_tag, reject).await
            }
        };
    }

    async fn reopen(&self) -> Session {
        loop {
            tracing::warn!(broker = %self.transport.url(), "lost the broker; connecting anew");
            tokio::time::sleep(RECONNECT_DELAY).await;
            match Session::open(&self.transport, &self.target, &self.priorities).await {
                Ok(session) => return session,
                Err(error) => tracing::warn!(%error, "still no broker"),
            }
        }
    }
}

impl Session {
    async fn open(
        transport: &Transport,
        target: &Target,
        priorities: &[Priority],
    ) -> Result<Self, TransportError> {
        let connection = transport.connect("listener", CONNECT_TIMEOUT).await?;
        let channel = connection.create_channel().await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let mut consumers = SelectAll::new();
        for priority in priorities {
            let queue = queue_of(&target.topic, *priority);
            topology::declare_queue(&channel, transport.queues(), target, &queue).await?;
            consumers.push(topology::consume(&channel, &queue, priority.name(), false).await?);
        }
        Ok(Session { connection, channel, consumers })
    }
}
