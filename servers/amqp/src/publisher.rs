//! Publishing with confirms, several messages at a time on one channel.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use lapin::message::BasicReturnMessage;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, Result};

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

/// Whether the broker confirms what a [`Publisher`] publishes.
pub(crate) const CONFIRMS: bool = true;

/// A connection for publishing alone, as oslo.messaging uses one, in confirm mode.
pub(crate) struct Publisher {
    // Held because closing it closes the channel.
    connection: Connection,
    channel: Channel,
    /// lapin numbers a message and queues its frames in two steps; two threads between them would swap confirms.
    numbering: Mutex<()>,
}

impl Publisher {
    pub(crate) async fn open(connection: Connection) -> Result<Self> {
        let channel = connection.create_channel().await?;
        if CONFIRMS {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
        }
        Ok(Publisher { connection, channel, numbering: Mutex::new(()) })
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Publishes `body`. The message is on its way once this future was polled for the first time; it ends with the
    /// broker's confirm.
    pub(crate) async fn publish(
        self: Arc<Self>,
        address: Address,
        properties: BasicProperties,
        body: Vec<u8>,
    ) -> Result<Outcome> {
        let Address { exchange, routing_key, mandatory } = address;
        let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
        let mut publish = pin!(self.channel.basic_publish(exchange, routing_key, options, &body, properties));
        let confirm = match self.first_poll(publish.as_mut()) {
            Poll::Ready(confirm) => confirm?,
            Poll::Pending => publish.await?,
        };
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
        // The broker notices the end of the connection in any case.
        let _ = self.connection.close(200, "done".into()).await;
    }
}

/// Polls a future of lapin's once, which is when it queues its frames, without asking to be woken.
pub(crate) fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
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
