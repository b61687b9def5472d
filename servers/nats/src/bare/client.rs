//! The bare client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use amqp::PendingCalls;
use amqp::bare::{decode_reply, encode_call};
use calculator::{Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, Limits, Value};
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::connection::{Connection, Event, Incoming};
use crate::broker::Broker;
use crate::connect::undeliverable;
use crate::message::check_size;
use crate::subject::Subject;
use crate::wire::{Message, NO_RESPONDERS, write_publish, write_subscribe};

/// The id of the only subscription.
const REPLIES: u64 = 1;
/// Bytes of the id of a call at the end of its inbox: a counter in hexadecimal.
const ID_LEN: usize = 8;

/// Calls the servers of one subject. Any number of calls may be in flight.
pub struct BareClient {
    connection: Arc<Connection>,
    subject: Subject,
    /// The beginning of the inboxes for replies.
    inbox: String,
    pending: PendingCalls<u32>,
    next_id: AtomicU32,
    reader: AbortHandle,
}

impl BareClient {
    /// Connects and subscribes to replies. The client does not reconnect when the connection is lost.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] or [`ErrorKind::Timeout`] without a broker, [`ErrorKind::Malformed`] if the peer is none.
    pub async fn connect(
        broker: &Broker,
        subject: &Subject,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let (id, _) = Uuid::new_v4().as_u64_pair();
        let inbox = format!("_INBOX.{id:016x}.");
        let all = format!("{inbox}*");
        let incoming = Connection::open(
            broker,
            "rpcbench-bare-client",
            |out| write_subscribe(out, &all, None, REPLIES),
            &options.limits,
            options.timeout,
        )
        .await?;
        let (connection, pending) = (Arc::clone(&incoming.connection), PendingCalls::new());
        let reader = tokio::spawn(read_replies(incoming, inbox.len(), pending.clone(), options.limits));
        Ok(BareClient {
            connection,
            subject: subject.clone(),
            inbox,
            pending,
            next_id: AtomicU32::new(0),
            reader: reader.abort_handle(),
        })
    }

    async fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        let body = encode_call(call)?;
        check_size(&body, self.connection.max_payload)?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut waiter = self.pending.register(id, None)?;
        let inbox = format!("{}{id:0ID_LEN$x}", self.inbox);
        let subject = self.subject.as_str().as_bytes();
        self.connection.send(|out| write_publish(out, subject, Some(inbox.as_bytes()), &body))?;
        waiter.result().await
    }
}

impl Client for BareClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.exchange(call))
    }
}

impl Drop for BareClient {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Completes calls with their replies until the connection ends. The id of a call follows the first `prefix` bytes of its
/// inbox.
async fn read_replies(mut incoming: Incoming, prefix: usize, pending: PendingCalls<u32>, limits: Limits) {
    let id_of = |message: &Message| {
        let id = str::from_utf8(message.subject.get(prefix..)?).ok()?;
        let is_ours = message.subscription == REPLIES && id.len() == ID_LEN;
        u32::from_str_radix(id, 16).ok().filter(|_| is_ours)
    };
    let end = loop {
        let (message, result) = match incoming.next().await {
            Ok(Event::Message(message)) if message.status == Some(NO_RESPONDERS) => {
                (message, Err(undeliverable("no server has subscribed to the subject")))
            }
            Ok(Event::Message(message)) => {
                let result = decode_reply(&message.payload, &limits);
                (message, result)
            }
            Ok(Event::TooLarge(message, bytes)) => {
                (message, Err(CallError::new(ErrorKind::TooLarge, format!("a reply of {bytes} bytes"))))
            }
            Ok(Event::Pong) => continue,
            Err(error) => break error,
        };
        if let Some(id) = id_of(&message) {
            pending.complete(id, result);
        }
    };
    pending.fail_all(&end.message);
}
