//! Publishing on one channel, by several tasks at once, with or without the broker's confirms.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{Stream, StreamExt};
use lapin::message::BasicReturnMessage;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, Event, Result};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// How often the confirms of messages published in the background are read. Reading each one as it arrives would wake
/// the caller's or server's thread a second time for each call.
const CONFIRM_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How long the closing handshake of a connection may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The destination of a published message.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    /// Whether the broker returns the message when it routes to no queue.
    pub(crate) mandatory: bool,
}

/// The outcome of publishing a message.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The broker has accepted it.
    Confirmed,
    /// The broker returned a mandatory message that routed to no queue. This may be another message than the one that
    /// was published: if one confirm covers several messages, nothing shows to which of them a returned message
    /// belongs.
    Returned(Box<BasicReturnMessage>),
    /// The broker could not accept it.
    Refused,
}

/// A channel for publishing, on a dedicated connection as in oslo.messaging or on a shared one, with or without
/// confirms.
pub(crate) struct Publisher {
    /// The dedicated connection, kept alive because dropping it would close the channel. `None` on a shared connection.
    connection: Option<Connection>,
    channel: Channel,
    confirms: bool,
    /// lapin numbers a message and queues its frames in two steps; if two threads interleaved these steps, their
    /// confirms would be swapped.
    publish_order: Mutex<()>,
    blocked: watch::Receiver<bool>,
    watcher: AbortHandle,
    /// Publications that are completed by a background task, which ends when this sender is dropped.
    background: UnboundedSender<BoxFuture<'static, ()>>,
}

impl Publisher {
    /// Opens a channel on a dedicated connection, with or without confirms.
    pub(crate) async fn open(connection: Connection, confirms: bool) -> Result<Self> {
        let mut this = Publisher::open_shared(&connection).await?;
        if confirms {
            this.channel.confirm_select(ConfirmSelectOptions::default()).await?;
        }
        this.confirms = confirms;
        this.connection = Some(connection);
        Ok(this)
    }

    /// Opens a channel without confirms on a connection that the caller owns.
    pub(crate) async fn open_shared(connection: &Connection) -> Result<Self> {
        let (blocked_sender, blocked) = watch::channel(false);
        let watcher =
            tokio::spawn(watch_blocked(connection.events_listener(), blocked_sender)).abort_handle();
        let channel = connection.create_channel().await?;
        let (background, started) = unbounded_channel();
        tokio::spawn(complete_in_background(started));
        let publish_order = Mutex::new(());
        Ok(Publisher {
            connection: None,
            channel,
            confirms: false,
            publish_order,
            blocked,
            watcher,
            background,
        })
    }

    /// Whether the broker confirms messages of this channel.
    pub(crate) fn confirms(&self) -> bool {
        self.confirms
    }

    /// Starts `publication`, a future that publishes here, and has a background task complete it.
    pub(crate) fn publish_in_background(&self, mut publication: BoxFuture<'static, ()>) {
        if poll_once(publication.as_mut()).is_pending() {
            // This fails only while the runtime shuts down.
            let _ = self.background.send(publication);
        }
    }

    /// The channel on which messages are published.
    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Whether the channel is open.
    pub(crate) fn is_connected(&self) -> bool {
        self.channel.status().connected()
    }

    /// Waits while the broker accepts no messages for lack of memory or disk space. Messages published meanwhile would
    /// accumulate in this process and be sent after their callers have timed out.
    pub(crate) async fn wait_until_unblocked(&self) {
        if *self.blocked.borrow() {
            // An error means that the connection has ended, which publishing will notice.
            let _ = self.blocked.clone().wait_for(|blocked| !*blocked).await;
        }
    }

    /// Publishes `body`. The message is queued for writing by the first poll of the returned future, which completes
    /// with the broker's confirm, or immediately without confirms.
    pub(crate) async fn publish(
        &self,
        destination: Destination,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<Outcome> {
        let Destination { exchange, routing_key, mandatory } = destination;
        // lapin returns a returned message only together with its confirm.
        let mandatory = mandatory && self.confirms;
        let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
        let mut publish = pin!(self.channel.basic_publish(exchange, routing_key, options, body, properties));
        let confirm = match self.first_poll(publish.as_mut()) {
            Poll::Ready(confirm) => confirm?,
            // Without confirms, the first poll completes the publication. The caller detects a lost message by the
            // missing reply.
            Poll::Pending if !self.confirms => return Ok(Outcome::Confirmed),
            Poll::Pending => publish.await?,
        };
        if !self.confirms {
            return Ok(Outcome::Confirmed);
        }
        Ok(match confirm.await? {
            Confirmation::Ack(Some(message)) | Confirmation::Nack(Some(message)) => {
                Outcome::Returned(Box::new(message))
            }
            Confirmation::Ack(None) | Confirmation::NotRequested => Outcome::Confirmed,
            Confirmation::Nack(None) => Outcome::Refused,
        })
    }

    fn first_poll<F: Future>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        let _guard = self.publish_order.lock().unwrap_or_else(PoisonError::into_inner);
        poll_once(future)
    }

    /// Closes the dedicated connection. Does nothing on a shared one.
    pub(crate) async fn close(&self) {
        if let Some(connection) = &self.connection {
            close(connection).await;
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

/// Completes started publications, each at most [`CONFIRM_POLL_INTERVAL`] after the broker has confirmed it.
async fn complete_in_background(mut started: UnboundedReceiver<BoxFuture<'static, ()>>) {
    let mut pending = Vec::new();
    while let Some(first) = started.recv().await {
        pending.push(first);
        while !pending.is_empty() {
            sleep(CONFIRM_POLL_INTERVAL).await;
            while let Ok(next) = started.try_recv() {
                pending.push(next);
            }
            pending.retain_mut(|publication| poll_once(publication.as_mut()).is_pending());
        }
    }
}

/// Keeps `blocked` up to date with the broker's notifications.
async fn watch_blocked(events: impl Stream<Item = Event>, blocked: watch::Sender<bool>) {
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => {
                tracing::warn!(%reason, "the broker accepts no messages");
                blocked.send_replace(true);
            }
            Event::ConnectionUnblocked => {
                tracing::warn!("the broker accepts messages again");
                blocked.send_replace(false);
            }
            // Waiting publishers must notice that the connection is lost.
            Event::Error(_) => drop(blocked.send_replace(false)),
            _ => {}
        }
    }
}

/// Closes a connection. A blocked or broken one cannot complete the handshake, and is dropped after a timeout.
pub(crate) async fn close(connection: &Connection) {
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection.close(200, "done".into())).await;
}

/// Polls one of lapin's futures once, without registering for a wake-up. The first poll queues its frames.
pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The properties of messages with direct reply-to: the minimum, because each property costs time in both peers and in
/// the broker.
pub(crate) fn minimal_properties() -> BasicProperties {
    BasicProperties::default().with_content_type("application/json".into())
}

/// The properties of all messages of oslo.messaging.
pub(crate) fn oslo_properties() -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_headers(FieldTable::default())
        .with_delivery_mode(2)
        .with_priority(0)
}
