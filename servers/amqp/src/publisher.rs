//! Publishing with confirms, several messages at a time on one channel.

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

/// How often it is looked whether the broker has confirmed what nobody waits for. Looking after each confirm would wake
/// the caller's or server's thread a second time for each call.
const CONFIRMS_READ_EVERY: Duration = Duration::from_millis(10);
/// How long a connection may take to close.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where a message goes.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    /// Whether the broker shall return the message when no queue takes it.
    pub(crate) mandatory: bool,
}

/// How the broker received a message.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is the broker's now.
    Confirmed,
    /// A mandatory message that no queue took came back. It need not be the one whose outcome this is: where several
    /// were confirmed at once, nothing says to which confirm a returned message belongs.
    Returned(Box<BasicReturnMessage>),
    /// The broker could not take it.
    Refused,
}

/// A channel for publishing: on a connection of its own as oslo.messaging has it, or on another's; with confirms or
/// without.
pub(crate) struct Publisher {
    // Held, where it is its own, because closing it closes the channel.
    connection: Option<Connection>,
    channel: Channel,
    confirms: bool,
    /// lapin numbers a message and queues its frames in two steps; two threads between them would swap confirms.
    numbering: Mutex<()>,
    blocked: watch::Receiver<bool>,
    watcher: AbortHandle,
    /// Messages whose confirms nobody waits for. Who reads them ends with this.
    unwatched: UnboundedSender<BoxFuture<'static, ()>>,
}

impl Publisher {
    /// Publishes on a connection of its own, with confirms or without.
    pub(crate) async fn open(connection: Connection, confirms: bool) -> Result<Self> {
        let mut this = Publisher::share(&connection).await?;
        if confirms {
            this.channel.confirm_select(ConfirmSelectOptions::default()).await?;
        }
        this.confirms = confirms;
        this.connection = Some(connection);
        Ok(this)
    }

    /// Publishes without confirms on a channel of somebody else's connection.
    pub(crate) async fn share(connection: &Connection) -> Result<Self> {
        let (blocks, blocked) = watch::channel(false);
        let watcher = tokio::spawn(watch_blocking(connection.events_listener(), blocks)).abort_handle();
        let channel = connection.create_channel().await?;
        let (unwatched, publishing) = unbounded_channel();
        tokio::spawn(see_through(publishing));
        let numbering = Mutex::new(());
        Ok(Publisher { connection: None, channel, confirms: false, numbering, blocked, watcher, unwatched })
    }

    /// Whether publishing ends with the broker's confirm.
    pub(crate) fn confirms(&self) -> bool {
        self.confirms
    }

    /// Begins with `publishing`, which publishes here, and ends it when there is time: nobody waits for it.
    pub(crate) fn see_to(&self, mut publishing: BoxFuture<'static, ()>) {
        if poll_once(publishing.as_mut()).is_pending() {
            // There is nobody to take it only when the runtime ends.
            let _ = self.unwatched.send(publishing);
        }
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(crate) fn connected(&self) -> bool {
        self.channel.status().connected()
    }

    /// Waits while the broker takes no messages, for lack of memory or disk space: what is published meanwhile would
    /// pile up on this side and be sent when nobody waits for it any more.
    pub(crate) async fn unblocked(&self) {
        if *self.blocked.borrow() {
            // An error means that the connection has ended, which publishing will notice.
            let _ = self.blocked.clone().wait_for(|blocked| !*blocked).await;
        }
    }

    /// Publishes `body`. The message is on its way once this future was polled for the first time; it ends with the
    /// broker's confirm where there are confirms.
    pub(crate) async fn publish(
        &self,
        address: Address,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<Outcome> {
        let Address { exchange, routing_key, mandatory } = address;
        // Only with its confirm does a returned message come to somebody.
        let mandatory = mandatory && self.confirms;
        let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
        let mut publish = pin!(self.channel.basic_publish(exchange, routing_key, options, body, properties));
        let confirm = match self.first_poll(publish.as_mut()) {
            Poll::Ready(confirm) => confirm?,
            // Without confirms the first poll is all that a message needs; its loss is noticed where its answer is.
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
        let _turn = self.numbering.lock().unwrap_or_else(PoisonError::into_inner);
        poll_once(future)
    }

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

/// Ends what was begun, some time after the broker has confirmed it.
async fn see_through(mut begun: UnboundedReceiver<BoxFuture<'static, ()>>) {
    let mut publishing = Vec::new();
    while let Some(first) = begun.recv().await {
        publishing.push(first);
        while !publishing.is_empty() {
            sleep(CONFIRMS_READ_EVERY).await;
            while let Ok(next) = begun.try_recv() {
                publishing.push(next);
            }
            publishing.retain_mut(|publishing| poll_once(publishing.as_mut()).is_pending());
        }
    }
}

/// Keeps up with whether the broker takes messages.
async fn watch_blocking(events: impl Stream<Item = Event>, blocked: watch::Sender<bool>) {
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => {
                tracing::warn!(%reason, "the broker takes no messages");
                blocked.send_replace(true);
            }
            Event::ConnectionUnblocked => {
                tracing::warn!("the broker takes messages again");
                blocked.send_replace(false);
            }
            // Whoever waits shall notice.
            Event::Error(_) => drop(blocked.send_replace(false)),
            _ => {}
        }
    }
}

/// Says farewell, if the broker listens: a blocked or broken connection cannot, and its end says the same.
pub(crate) async fn close(connection: &Connection) {
    let _ = tokio::time::timeout(FAREWELL, connection.close(200, "done".into())).await;
}

/// Polls a future of lapin's once, which is when it queues its frames, without asking to be woken.
pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The properties of messages with direct reply-to: each one that is left out is read and written a few times less.
pub(crate) fn lean_properties() -> BasicProperties {
    BasicProperties::default().with_content_type("application/json".into())
}

/// The properties of every message of oslo.messaging.
pub(crate) fn json_properties() -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_headers(FieldTable::default())
        .with_delivery_mode(2)
        .with_priority(0)
}
