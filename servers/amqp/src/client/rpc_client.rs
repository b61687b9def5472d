//! The client's public handle: settings, calls and casts.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use calculator::{Call, CallError, ErrorKind, Limits, Params, Value};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use super::connection::{ClientConnection, Connector};
use crate::connect::TransportError;
use crate::context::Context;
use crate::errors::{NO_SERVER, REFUSED, reason, undeliverable};
use crate::pending::ReplyWaiter;
use crate::publisher::{Destination, Outcome, oslo_properties};
use crate::serializer::Serializer;
use crate::target::{Target, TargetError};
use crate::topology::short_string;
use crate::transport::Transport;
use crate::version;
use crate::wire::{self, Routing};

/// The default of oslo.messaging's `rpc_response_timeout`.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// The delay between attempts to connect.
const RECONNECT_DELAY: Duration = Duration::from_millis(250);

/// A caller of remote methods, as in oslo.messaging.
///
/// It has two connections, which are opened on demand and reopened after they were lost: one publishes requests with
/// confirms, the other consumes the client's reply queue and acknowledges the replies. Any number of calls may be in
/// flight. Clones share the connections; [`prepare`](Self::prepare) returns one whose settings can be changed.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use amqp::{Context, RpcClient, Target, Transport};
/// use calculator::Call;
///
/// let transport: Transport = "rabbit://guest:guest@localhost/".parse()?;
/// let client = RpcClient::new(&transport, Target::topic("calc"));
/// let call = Call::named("add", [("x".into(), 2.into()), ("y".into(), 3.into())]);
/// assert_eq!(client.call(&Context::new(), &call).await?, 5.into());
///
/// let long_running = client.prepare().version("1.3").timeout(Duration::from_secs(600));
/// long_running.call_monitor_timeout(Duration::from_secs(10)).call(&Context::new(), &call).await?;
/// client.prepare().server("server1").cast(&Context::new(), &call).await?;
/// client.fanout_cast(&Context::new(), &call).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RpcClient {
    connector: Arc<Connector>,
    target: Target,
    timeout: Duration,
    call_monitor_timeout: Option<Duration>,
    version_cap: Option<String>,
    retry: Option<u32>,
    mandatory: bool,
    serializer: Option<Arc<dyn Serializer>>,
    /// The target's destination, set once the target was checked.
    destination: OnceLock<Destination>,
}

impl RpcClient {
    /// Creates a client of `target`, which connects with its first call. Timeout 60 s, no call monitor, no version cap;
    /// without a broker, it retries until the timeout.
    #[must_use]
    pub fn new(transport: &Transport, target: Target) -> Self {
        RpcClient::with_limits(transport, target, Limits::default())
    }

    /// As [`new`](Self::new), with `limits` for the replies that it accepts.
    #[must_use]
    pub fn with_limits(transport: &Transport, target: Target, limits: Limits) -> Self {
        RpcClient {
            connector: Arc::new(Connector::new(transport.clone(), limits)),
            target,
            timeout: DEFAULT_TIMEOUT,
            call_monitor_timeout: None,
            version_cap: None,
            retry: None,
            mandatory: false,
            serializer: None,
            destination: OnceLock::new(),
        }
    }

    /// Returns a client on the same connections, whose settings can be changed independently.
    #[must_use]
    pub fn prepare(&self) -> Self {
        self.clone()
    }

    /// Changes a setting on which the destination depends.
    fn change_destination(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self.destination = OnceLock::new();
        self
    }

    /// Sets the target.
    #[must_use]
    pub fn target(self, target: Target) -> Self {
        self.change_destination(|this| this.target = target)
    }

    /// Sets the target's exchange.
    #[must_use]
    pub fn exchange(self, exchange: impl Into<String>) -> Self {
        self.change_destination(|this| this.target.exchange = exchange.into())
    }

    /// Sets the target's topic.
    #[must_use]
    pub fn topic(self, topic: impl Into<String>) -> Self {
        self.change_destination(|this| this.target.topic = topic.into())
    }

    /// Restricts the target to one server of the topic.
    #[must_use]
    pub fn server(self, server: impl Into<String>) -> Self {
        self.change_destination(|this| this.target.server = Some(server.into()))
    }

    /// Sets the namespace of the methods.
    #[must_use]
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        self.change_destination(|this| this.target.namespace = Some(namespace.into()))
    }

    /// Sets the interface version that the calls need, `major.minor`.
    #[must_use]
    pub fn version(self, version: impl Into<String>) -> Self {
        self.change_destination(|this| this.target.version = Some(version.into()))
    }

    /// Sets how long a call may wait for its reply, and a cast for its confirm, including connecting. After that time the
    /// broker discards a call that no server has received.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Requests heartbeats, and fails a call when its server sends none for `interval`, which is at least 2 s and sent in
    /// whole seconds. With it, a dead server is noticed early even though the timeout is long.
    #[must_use]
    pub fn call_monitor_timeout(mut self, interval: Duration) -> Self {
        self.call_monitor_timeout = Some(interval);
        self
    }

    /// Rejects calls that need a version which servers of version `cap` do not support, for use during an upgrade,
    /// while old servers may still run.
    #[must_use]
    pub fn version_cap(self, cap: impl Into<String>) -> Self {
        self.change_destination(|this| this.version_cap = Some(cap.into()))
    }

    /// Sets how many times connecting to the broker is retried before a call fails. Default: until the call's timeout.
    /// A request that may have been sent is never sent again.
    #[must_use]
    pub fn retry(mut self, attempts: u32) -> Self {
        self.retry = Some(attempts);
        self
    }

    /// Publishes with the mandatory flag: calls and casts for which no queue exists fail immediately as undeliverable.
    /// It is oslo.messaging's `at_least_once` transport option. It needs confirms, so with direct reply-to it has no
    /// effect.
    #[must_use]
    pub fn at_least_once(self) -> Self {
        self.change_destination(|this| this.mandatory = true)
    }

    /// Sets the conversion of arguments, results and contexts.
    #[must_use]
    pub fn serializer(mut self, serializer: impl Serializer) -> Self {
        self.serializer = Some(Arc::new(serializer));
        self
    }

    /// Whether the version cap permits calls that need `version`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArguments`] for a malformed version.
    pub fn can_send_version(&self, version: &str) -> Result<bool, CallError> {
        let Some(cap) = &self.version_cap else { return Ok(true) };
        version::is_compatible(cap, version).map_err(|_| {
            CallError::new(ErrorKind::InvalidArguments, "a version is MAJOR.MINOR or MAJOR.MINOR.REVISION")
        })
    }

    /// Connects now rather than with the first call.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] or [`ErrorKind::Timeout`] without a broker, [`ErrorKind::InvalidArguments`] for an
    /// invalid target.
    pub async fn connect(&self) -> Result<(), CallError> {
        self.target.check().map_err(invalid_target)?;
        let connection = self.connection().await?;
        self.declare(&connection).await
    }

    /// The name of this client's reply queue; `None` with direct reply-to. Connects if necessary.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn reply_queue(&self) -> Result<Option<String>, CallError> {
        Ok(self.connection().await?.reply_queue.clone())
    }

    /// Calls a method of one server of the target and awaits its result.
    ///
    /// By default, as with oslo.messaging, the broker reports no error for a topic without servers: the call ends at its
    /// timeout, unless [`at_least_once`](Self::at_least_once) is set.
    ///
    /// # Errors
    /// The failure that the server reported, with the class of the remote exception; [`ErrorKind::Timeout`];
    /// [`ErrorKind::Undeliverable`] if the call may not have reached a server;
    /// [`ErrorKind::UnsupportedVersion`] above the version cap.
    pub async fn call(&self, context: &Context, call: &Call) -> Result<Value, CallError> {
        let Some(serializer) = &self.serializer else {
            return self.with_timeout(self.call_without_timeout(context, call)).await;
        };
        let sent_context = serializer.serialize_context(context);
        let call = serialize_arguments(serializer.as_ref(), context, call)?;
        let result = self.with_timeout(self.call_without_timeout(&sent_context, &call)).await?;
        serializer.deserialize_entity(context, result)
    }

    /// Sends a call without requesting a reply. Returns when the broker has accepted the message, even if the topic has
    /// no server.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] or [`ErrorKind::Timeout`] if the broker may not have accepted it,
    /// [`ErrorKind::NotRepresentable`] or [`ErrorKind::Overflow`] for an argument that JSON cannot represent.
    pub async fn cast(&self, context: &Context, call: &Call) -> Result<(), CallError> {
        let Some(serializer) = &self.serializer else {
            return self.with_timeout(self.publish_cast(context, call)).await;
        };
        let sent_context = serializer.serialize_context(context);
        let call = serialize_arguments(serializer.as_ref(), context, call)?;
        self.with_timeout(self.publish_cast(&sent_context, &call)).await
    }

    /// Sends a call to every server of the topic, without requesting replies.
    ///
    /// # Errors
    /// As [`cast`](Self::cast).
    pub async fn fanout_cast(&self, context: &Context, call: &Call) -> Result<(), CallError> {
        let fanout = self.prepare().change_destination(|this| this.target.fanout = true);
        fanout.cast(context, call).await
    }

    async fn with_timeout<T>(
        &self,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        timeout_at(Instant::now() + self.timeout, work).await.unwrap_or_else(|_| {
            let message = format!("no answer within {} ms", self.timeout.as_millis());
            Err(CallError::new(ErrorKind::Timeout, message))
        })
    }

    /// Returns the open connection or opens one, with retries.
    async fn connection(&self) -> Result<Arc<ClientConnection>, CallError> {
        let deadline = Instant::now() + self.timeout;
        let mut retries = 0;
        loop {
            let error = match self.connector.connection(self.timeout).await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            // Stops before the deadline, because the last error is more informative than a timeout.
            if self.retry.is_some_and(|max| retries >= max) || Instant::now() + RECONNECT_DELAY * 2 > deadline
            {
                return Err(error.into());
            }
            tracing::debug!(%error, "cannot connect yet");
            retries += 1;
            sleep(RECONNECT_DELAY).await;
        }
    }

    async fn declare(&self, connection: &ClientConnection) -> Result<(), CallError> {
        let declared = connection.declare(&self.connector.transport, &self.target).await;
        declared.map_err(|error| TransportError::Refused(error).into())
    }

    /// The target's destination.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArguments`] for an invalid target or version, [`ErrorKind::UnsupportedVersion`] above the
    /// version cap.
    fn destination(&self) -> Result<Destination, CallError> {
        if let Some(destination) = self.destination.get() {
            return Ok(destination.clone());
        }
        self.target.check().map_err(invalid_target)?;
        let version = self.target.version.as_deref().unwrap_or(version::DEFAULT);
        if self.can_send_version(version)? {
            return Ok(self.destination.get_or_init(|| self.destination_of(&self.target)).clone());
        }
        let cap = self.version_cap.as_deref().unwrap_or_default();
        let message = format!("the call needs version {version}, and the version cap is {cap}");
        Err(CallError::new(ErrorKind::UnsupportedVersion, message))
    }

    fn destination_of(&self, target: &Target) -> Destination {
        let mandatory = self.mandatory;
        if target.fanout {
            let exchange = short_string(&target.fanout_exchange());
            return Destination { exchange, routing_key: short_string(""), mandatory };
        }
        // With direct reply-to, requests take the shortest route: the default exchange, which routes by queue name.
        let exchange = if self.connector.transport.is_direct() { "" } else { &target.exchange };
        let (exchange, routing_key) = (short_string(exchange), short_string(&target.queue()));
        Destination { exchange, routing_key, mandatory }
    }

    async fn publish_cast(&self, context: &Context, call: &Call) -> Result<(), CallError> {
        let destination = self.destination()?;
        let mut buffer = [0; wire::ID_LEN];
        let unique_id = wire::new_id(&mut buffer);
        let body = wire::encode_request(call, &self.target, context, None, unique_id)?;
        let connection = self.connection().await?;
        self.declare(&connection).await?;
        connection.publisher.wait_until_unblocked().await;
        match connection.publisher.publish(destination, oslo_properties(), &body).await {
            Ok(Outcome::Confirmed) => Ok(()),
            Ok(Outcome::Returned(_)) => Err(undeliverable(NO_SERVER)),
            Ok(Outcome::Refused) => Err(undeliverable(REFUSED)),
            Err(error) => Err(undeliverable(reason(&error))),
        }
    }

    /// Performs a call whose only timeout is that of the call monitor.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub(super) async fn call_without_timeout(
        &self,
        context: &Context,
        call: &Call,
    ) -> Result<Value, CallError> {
        if self.target.fanout {
            let message = "a call goes to one server; only a cast can go to all (fanout)";
            return Err(CallError::new(ErrorKind::InvalidArguments, message));
        }
        let destination = self.destination()?;
        let mandatory = destination.mandatory;
        let connection = self.connection().await?;
        self.declare(&connection).await?;
        let mut buffers = [[0; wire::ID_LEN]; 2];
        let [msg_id_buffer, unique_id_buffer] = &mut buffers;
        let (id, msg_id) = connection.new_call_id(msg_id_buffer);
        let routing = Routing {
            msg_id,
            reply_queue: connection.reply_queue.as_deref().map(Into::into),
            envelope: self.connector.transport.call_envelope(),
            call_monitor_timeout: self.call_monitor_timeout.map(|interval| interval.as_secs()),
        };
        let unique_id: &str = match connection.reply_queue {
            Some(_) => wire::new_id(unique_id_buffer),
            // Messages that are not acknowledged are never redelivered, and need no unique id.
            None => "",
        };
        let body = wire::encode_request(call, &self.target, context, Some(&routing), unique_id)?;
        connection.publisher.wait_until_unblocked().await;
        let heartbeats = self.call_monitor_timeout.map(|_| Arc::new(Notify::new()));
        let mut waiter = connection.pending.register(id, heartbeats.clone())?;
        let properties = connection.call_properties(self.timeout);
        let publication = Arc::clone(&connection).publish_call(id, destination, properties, body);
        if !connection.publisher.confirms() {
            publication.await;
        } else if mandatory {
            // Spawned, because the confirm must be read even if the call ends early.
            tokio::spawn(publication);
        } else {
            // A refusal, which is rare, is therefore noticed slightly later.
            connection.publisher.publish_in_background(Box::pin(publication));
        }
        match heartbeats.zip(self.call_monitor_timeout) {
            Some((heartbeats, interval)) => await_monitored(&mut waiter, &heartbeats, interval).await,
            None => waiter.result().await,
        }
    }
}

/// Awaits a result while there is a heartbeat in every `interval`.
async fn await_monitored(
    waiter: &mut ReplyWaiter<u128>,
    heartbeats: &Notify,
    interval: Duration,
) -> Result<Value, CallError> {
    let result = waiter.result();
    tokio::pin!(result);
    loop {
        tokio::select! {
            biased;
            result = &mut result => return result,
            () = heartbeats.notified() => {}
            () = sleep(interval) => {
                let message = format!("no heartbeat from the server within {} ms", interval.as_millis());
                return Err(CallError::new(ErrorKind::Timeout, message));
            }
        }
    }
}

fn serialize_arguments(
    serializer: &dyn Serializer,
    context: &Context,
    call: &Call,
) -> Result<Call, CallError> {
    let mut call = call.clone();
    let serialize = |value: &mut Value| {
        serializer.serialize_entity(context, std::mem::replace(value, Value::Null)).map(|new| *value = new)
    };
    match &mut call.params {
        Params::Positional(values) => values.iter_mut().try_for_each(serialize)?,
        Params::Named(members) => members.iter_mut().map(|(_, value)| value).try_for_each(serialize)?,
    }
    Ok(call)
}

fn invalid_target(error: TargetError) -> CallError {
    CallError::new(ErrorKind::InvalidArguments, error.to_string())
}
