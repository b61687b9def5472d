//! The leanest request and reply that RabbitMQ offers: the floor under [`Server`](crate::Server) and
//! [`AmqpClient`](crate::AmqpClient).
//!
//! Requests go through the default exchange to one queue, replies come back by RabbitMQ's *direct reply-to*, which
//! needs no reply queue. There is one connection at each end, no acknowledgement, no confirm, and no envelope: a body
//! is `{"method":"add","args":[2,3]}`, its answer `{"result":5}` or `{"error":{"kind":"…","message":"…"}}`. This is
//! the suite's own format; nobody else speaks it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use calculator::{
    Call, CallError, CallFuture, Client, ClientOptions, Dispatcher, ErrorKind, Limits, Params, Value, json,
};
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, Consumer};
use serde::{Deserialize, Serialize, Serializer};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::link::REPLY_TO;
use crate::pending::Pending;
use crate::publisher::poll_once;
use crate::topology::name;
use crate::{TransportError, TransportUrl};

/// The queue of the requests.
pub(crate) const QUEUE: QueueDeclareOptions = QueueDeclareOptions {
    passive: false,
    durable: false,
    exclusive: false,
    auto_delete: true,
    nowait: false,
};
pub(crate) const NO_ACK: BasicConsumeOptions =
    BasicConsumeOptions { no_local: false, no_ack: true, exclusive: false, nowait: false };
const DRAIN: Duration = Duration::from_secs(4);

/// What requests and answers have in common.
pub(crate) fn properties() -> BasicProperties {
    BasicProperties::default()
}

/// Queues a message to the default exchange; it is written in the background.
fn send(channel: &Channel, routing_key: ShortString, properties: BasicProperties, body: &[u8]) {
    let options = BasicPublishOptions::default();
    // What cannot be sent is noticed where the answer is awaited.
    let _ = poll_once(pin!(channel.basic_publish(name(""), routing_key, options, body, properties)));
}

/// Answers calls from one queue, which exists as long as its server.
pub struct BareServer {
    url: TransportUrl,
    connection: Connection,
    channel: Channel,
    requests: Consumer,
    dispatcher: Dispatcher,
    limits: Limits,
}

impl BareServer {
    /// Connects, declares `queue` and consumes it.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn bind(
        url: &TransportUrl,
        queue: &str,
        dispatcher: Dispatcher,
        limits: Limits,
    ) -> Result<Self, TransportError> {
        let connection = url.connect("bare-server", Duration::from_secs(10)).await?;
        let channel = connection.create_channel().await?;
        channel.queue_declare(name(queue), QUEUE, FieldTable::default()).await?;
        let requests = channel.basic_consume(name(queue), name(""), NO_ACK, FieldTable::default()).await?;
        Ok(BareServer { url: url.clone(), connection, channel, requests, dispatcher, limits })
    }

    /// The broker's URL, without credentials.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.to_string()
    }

    /// Serves until `stop` or the loss of the connection, then finishes the calls in hand, at most 4 s.
    pub async fn run(mut self, stop: CancellationToken) {
        let most =
            u32::try_from(self.limits.max_in_flight.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let in_flight = Arc::new(Semaphore::new(most as usize));
        let mut stopped = pin!(stop.cancelled());
        loop {
            let Ok(permit) = Arc::clone(&in_flight).acquire_owned().await else { return };
            let delivery = tokio::select! {
                biased;
                () = &mut stopped => break,
                delivery = self.requests.next() => delivery,
            };
            let Some(Ok(delivery)) = delivery else { break };
            let (channel, dispatcher, limits) = (self.channel.clone(), self.dispatcher.clone(), self.limits);
            tokio::spawn(async move {
                answer(&channel, &dispatcher, &limits, delivery).await;
                drop(permit);
            });
        }
        let _ = tokio::time::timeout(DRAIN, in_flight.acquire_many(most)).await;
        let _ = self.connection.close(200, "done".into()).await;
    }
}

async fn answer(channel: &Channel, dispatcher: &Dispatcher, limits: &Limits, delivery: Delivery) {
    let result = match decode_call(&delivery.data, limits) {
        Ok(call) => dispatcher.call(call).await,
        Err(error) => Err(error),
    };
    let Some(reply_to) = delivery.properties.reply_to().clone() else { return };
    let mut properties = properties();
    if let Some(id) = delivery.properties.correlation_id().clone() {
        properties = properties.with_correlation_id(id);
    }
    send(channel, reply_to, properties, &encode_answer(&result));
}

/// Calls the server of one queue. Any number of calls may be in flight.
pub struct BareClient {
    queue: ShortString,
    connection: Connection,
    channel: Channel,
    pending: Pending<u64>,
    next: AtomicU64,
    reader: AbortHandle,
}

impl BareClient {
    /// Connects and prepares for replies. A connection that was lost stays so; make a new client then.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] or [`ErrorKind::Timeout`] without a broker.
    pub async fn connect(
        url: &TransportUrl,
        queue: &str,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let connection = url.connect("bare-client", options.timeout).await?;
        let prepared = async {
            let channel = connection.create_channel().await?;
            let arguments = FieldTable::default();
            let replies = channel.basic_consume(name(REPLY_TO), name(""), NO_ACK, arguments).await?;
            Ok((channel, replies))
        };
        let (channel, replies) = prepared.await.map_err(TransportError::Refused)?;
        let pending = Pending::new();
        let reader = tokio::spawn(read(replies, pending.clone(), options.limits)).abort_handle();
        Ok(BareClient { queue: name(queue), connection, channel, pending, next: AtomicU64::new(0), reader })
    }

    async fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        let body = encode_call(call)?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut waiter = self.pending.enter(id, None)?;
        let properties =
            properties().with_reply_to(name(REPLY_TO)).with_correlation_id(name(&format!("{id:016x}")));
        if !self.connection.status().connected() {
            self.pending.lose("the connection to the broker was lost");
        }
        send(&self.channel, self.queue.clone(), properties, &body);
        waiter.answer().await
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

async fn read(mut replies: Consumer, pending: Pending<u64>, limits: Limits) {
    while let Some(Ok(delivery)) = replies.next().await {
        let id = delivery.properties.correlation_id().as_ref();
        if let Some(id) = id.and_then(|id| u64::from_str_radix(id.as_str(), 16).ok()) {
            pending.answer(id, decode_answer(&delivery.data, &limits));
        }
    }
    pending.lose("the connection to the broker was lost");
}

#[derive(Serialize, Deserialize)]
struct Request<M, A> {
    method: M,
    args: A,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Response<V> {
    Result(V),
    Error { kind: ErrorKind, message: String },
}

struct Arguments<'a>(&'a Params);

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Params::Positional(values) => serializer.collect_seq(values),
            Params::Named(members) => serializer.collect_map(members.iter().map(|(name, v)| (name, v))),
        }
    }
}

fn internal(error: serde_json::Error) -> CallError {
    CallError::new(ErrorKind::Internal, error.to_string())
}

/// The body of a call.
///
/// # Errors
/// As [`json::write`], for a value that JSON has no form for.
pub fn encode_call(call: &Call) -> Result<Vec<u8>, CallError> {
    call.params.values().try_for_each(json::check_representable)?;
    serde_json::to_vec(&Request { method: &call.method, args: Arguments(&call.params) }).map_err(internal)
}

fn decode_call(body: &[u8], limits: &Limits) -> Result<Call, CallError> {
    let Request { method, args } = decode::<Request<String, Value>>(body, limits)?;
    let params = match args {
        Value::List(values) => Params::Positional(values),
        Value::Map(members) => Params::Named(members),
        _ => return Err(CallError::new(ErrorKind::Malformed, "args is neither a list nor an object")),
    };
    Ok(Call { method: method.into(), params })
}

/// The body of an answer. A result that JSON has no form for becomes the error that says so.
#[must_use]
pub fn encode_answer(result: &Result<Value, CallError>) -> Vec<u8> {
    let representable = |value| json::check_representable(value).map(|()| value);
    let response = match result.as_ref().map_err(Clone::clone).and_then(representable) {
        Ok(value) => Response::Result(value),
        Err(error) => Response::Error { kind: error.kind, message: error.message },
    };
    serde_json::to_vec(&response).unwrap_or_default()
}

fn decode_answer(body: &[u8], limits: &Limits) -> Result<Value, CallError> {
    match decode::<Response<Value>>(body, limits)? {
        Response::Result(value) => Ok(value),
        Response::Error { kind, message } => Err(CallError::new(kind, message)),
    }
}

fn decode<'a, T: Deserialize<'a>>(body: &'a [u8], limits: &Limits) -> Result<T, CallError> {
    if body.len() > limits.max_body {
        return Err(CallError::new(ErrorKind::TooLarge, format!("{} bytes", body.len())));
    }
    json::check_depth(body, limits)?;
    serde_json::from_slice(body).map_err(|error| CallError::new(ErrorKind::Malformed, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_answers_are_compact_json() {
        let limits = Limits::default();
        let call = Call::positional("add", [2.into(), 3.into()]);
        let body = encode_call(&call).unwrap();
        assert_eq!(str::from_utf8(&body).unwrap(), r#"{"method":"add","args":[2,3]}"#);
        assert_eq!(decode_call(&body, &limits).unwrap(), call);
        let named = Call::named("hello", [("name".to_owned(), "é".into())]);
        assert_eq!(decode_call(&encode_call(&named).unwrap(), &limits).unwrap(), named);

        let body = encode_answer(&Ok(Value::Float(5.0)));
        assert_eq!(str::from_utf8(&body).unwrap(), r#"{"result":5.0}"#);
        assert_eq!(decode_answer(&body, &limits), Ok(Value::Float(5.0)));
        let error = CallError::new(ErrorKind::ZeroDivision, "by zero");
        let body = encode_answer(&Err(error.clone()));
        assert_eq!(
            str::from_utf8(&body).unwrap(),
            r#"{"error":{"kind":"zero-division","message":"by zero"}}"#
        );
        assert_eq!(decode_answer(&body, &limits), Err(error));
        let body = encode_answer(&Ok(Value::Float(f64::NAN)));
        assert_eq!(decode_answer(&body, &limits).unwrap_err().kind, ErrorKind::NotRepresentable);
    }

    #[test]
    fn what_is_no_call_is_refused() {
        let limits = Limits::default();
        for body in ["", "{}", r#"{"method":1,"args":[]}"#, r#"{"method":"add","args":1}"#] {
            assert_eq!(decode_call(body.as_bytes(), &limits).unwrap_err().kind, ErrorKind::Malformed);
        }
        let limits = Limits { max_body: 4, ..limits };
        assert_eq!(decode_answer(b"{\"result\":1}", &limits).unwrap_err().kind, ErrorKind::TooLarge);
    }
}
