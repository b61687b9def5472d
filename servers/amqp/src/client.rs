//! The calling end.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use calculator::{Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, Limits, Params, Value};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use crate::link::{Connections, Link, NO_SERVER, REFUSED, undeliverable};
use crate::pending::Waiter;
use crate::publisher::{Address, Outcome, json_properties};
use crate::topology::name;
use crate::transport::TransportError;
use crate::wire::{self, Routing};
use crate::{Context, Serializer, Target, TargetError, Transport, version};

/// oslo.messaging's `rpc_response_timeout`.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a client waits before it looks for a lost broker again.
const RECONNECT_DELAY: Duration = Duration::from_millis(250);

/// A caller of remote methods, in the manner of oslo.messaging.
///
/// It has two connections, made when they are needed and made anew when they were lost: one that publishes with
/// confirms, one that consumes the client's own reply queue and acknowledges the replies. Any number of calls may be in
/// flight. All clones share the connections; [`prepare`](Self::prepare) makes one whose calls go elsewhere, or have
/// another timeout.
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
/// let call = Call::named("add", [("x".to_owned(), 2.into()), ("y".to_owned(), 3.into())]);
/// assert_eq!(client.call(&Context::new(), &call).await?, 5.into());
///
/// let patient = client.prepare().version("1.3").timeout(Duration::from_secs(600));
/// patient.call_monitor_timeout(Duration::from_secs(10)).call(&Context::new(), &call).await?;
/// client.prepare().server("server1").cast(&Context::new(), &call).await?;
/// client.fanout_cast(&Context::new(), &call).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RpcClient {
    connections: Arc<Connections>,
    target: Target,
    timeout: Duration,
    monitor: Option<Duration>,
    version_cap: Option<String>,
    retry: Option<u32>,
    mandatory: bool,
    serializer: Option<Arc<dyn Serializer>>,
    /// Where calls go, once the target has passed every check.
    route: OnceLock<Address>,
}

impl RpcClient {
    /// A client of `target`, which connects with its first call: timeout 60 s, no call monitor, no version cap, looks
    /// for a missing broker until the timeout.
    #[must_use]
    pub fn new(transport: &Transport, target: Target) -> Self {
        RpcClient::with_limits(transport, target, Limits::default())
    }

    /// The same with other limits of what it accepts.
    #[must_use]
    pub fn with_limits(transport: &Transport, target: Target, limits: Limits) -> Self {
        RpcClient {
            connections: Arc::new(Connections::new(transport.clone(), limits)),
            target,
            timeout: DEFAULT_TIMEOUT,
            monitor: None,
            version_cap: None,
            retry: None,
            mandatory: false,
            serializer: None,
            route: OnceLock::new(),
        }
    }

    /// A client over the same connections, for other settings.
    #[must_use]
    pub fn prepare(&self) -> Self {
        self.clone()
    }

    /// The same client after a change to what its calls' route depends on.
    fn rerouted(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self.route = OnceLock::new();
        self
    }

    /// Calls on another exchange.
    #[must_use]
    pub fn exchange(self, exchange: impl Into<String>) -> Self {
        self.rerouted(|this| this.target.exchange = exchange.into())
    }

    /// Calls of another topic.
    #[must_use]
    pub fn topic(self, topic: impl Into<String>) -> Self {
        self.rerouted(|this| this.target.topic = topic.into())
    }

    /// Calls of one server of the topic.
    #[must_use]
    pub fn server(self, server: impl Into<String>) -> Self {
        self.rerouted(|this| this.target.server = Some(server.into()))
    }

    /// Calls in a namespace.
    #[must_use]
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        self.rerouted(|this| this.target.namespace = Some(namespace.into()))
    }

    /// Calls that need a version, `major.minor`.
    #[must_use]
    pub fn version(self, version: impl Into<String>) -> Self {
        self.rerouted(|this| this.target.version = Some(version.into()))
    }

    /// How long a call may wait for its answer, and a cast for its confirm; connecting included. The broker discards a
    /// call that no server has taken by then.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Gives a call up when its server gives no sign of life for that long, at least 2 s and sent in whole seconds,
    /// so that a call that takes long can have a long timeout and a dead server is noticed nevertheless.
    #[must_use]
    pub fn call_monitor_timeout(mut self, interval: Duration) -> Self {
        self.monitor = Some(interval);
        self
    }

    /// Refuses calls that need a version which a server of version `cap` does not have: for the time in which old
    /// servers may be left.
    #[must_use]
    pub fn version_cap(self, cap: impl Into<String>) -> Self {
        self.rerouted(|this| this.version_cap = Some(cap.into()))
    }

    /// How often a broker that cannot be reached is tried again before a call fails; by default until its timeout.
    /// What may have been sent already is never sent again.
    #[must_use]
    pub fn retry(mut self, attempts: u32) -> Self {
        self.retry = Some(attempts);
        self
    }

    /// Has the broker return messages that no queue takes, which fails them at once as undeliverable: oslo.messaging's
    /// `at_least_once` transport option. It needs confirms, so with direct reply-to it has no effect.
    #[must_use]
    pub fn at_least_once(self) -> Self {
        self.rerouted(|this| this.mandatory = true)
    }

    /// What arguments, results and contexts pass.
    #[must_use]
    pub fn serializer(mut self, serializer: impl Serializer) -> Self {
        self.serializer = Some(Arc::new(serializer));
        self
    }

    /// Whether the version cap lets calls of `version` pass.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArguments`] for what is no version.
    pub fn can_send_version(&self, version: &str) -> Result<bool, CallError> {
        let Some(cap) = &self.version_cap else { return Ok(true) };
        version::compatible(cap, version).map_err(|_| {
            CallError::new(ErrorKind::InvalidArguments, "a version is MAJOR.MINOR or MAJOR.MINOR.REVISION")
        })
    }

    /// Connects now rather than with the first call.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] or [`ErrorKind::Timeout`] without a broker, [`ErrorKind::InvalidArguments`] for a
    /// target that cannot be.
    pub async fn connect(&self) -> Result<(), CallError> {
        self.target.check().map_err(invalid)?;
        let link = self.link().await?;
        self.declare(&link, &self.target).await
    }

    /// The queue that this client's replies come to; `None` with direct reply-to. It connects where that is yet to be
    /// done.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn reply_queue(&self) -> Result<Option<String>, CallError> {
        Ok(self.link().await?.reply_queue.clone())
    }

    /// Calls a method of one server of the target and awaits its result.
    ///
    /// As with oslo.messaging by default, a call to a topic without a server is no error of the broker's: it ends at
    /// its timeout, unless [`at_least_once`](Self::at_least_once) is set.
    ///
    /// # Errors
    /// The failure that the server reported, with the class of the remote exception; [`ErrorKind::Timeout`];
    /// [`ErrorKind::Undeliverable`] where the call may not have reached a server;
    /// [`ErrorKind::UnsupportedVersion`] above the version cap.
    pub async fn call(&self, context: &Context, call: &Call) -> Result<Value, CallError> {
        let Some(serializer) = &self.serializer else {
            return self.in_time(self.exchange_messages(context, call)).await;
        };
        let sent = serializer.serialize_context(context);
        let call = serialized(serializer.as_ref(), context, call)?;
        let result = self.in_time(self.exchange_messages(&sent, &call)).await?;
        serializer.deserialize_entity(context, result)
    }

    /// Sends a call without asking for an answer. It returns when the broker has the message, which says nothing of a
    /// server.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] or [`ErrorKind::Timeout`] when the broker may not have taken it, and what JSON has
    /// no form for.
    pub async fn cast(&self, context: &Context, call: &Call) -> Result<(), CallError> {
        let Some(serializer) = &self.serializer else {
            return self.in_time(self.send(context, call)).await;
        };
        let sent = serializer.serialize_context(context);
        let call = serialized(serializer.as_ref(), context, call)?;
        self.in_time(self.send(&sent, &call)).await
    }

    /// Sends a call to every server of the topic, as [`cast`](Self::cast) does to one.
    ///
    /// # Errors
    /// As [`cast`](Self::cast).
    pub async fn fanout_cast(&self, context: &Context, call: &Call) -> Result<(), CallError> {
        let all = self.prepare().rerouted(|this| this.target.fanout = true);
        all.cast(context, call).await
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        timeout_at(Instant::now() + self.timeout, work).await.unwrap_or_else(|_| {
            let message = format!("no answer within {} ms", self.timeout.as_millis());
            Err(CallError::new(ErrorKind::Timeout, message))
        })
    }

    /// The connections; without a broker, tries again as often as was asked for.
    async fn link(&self) -> Result<Arc<Link>, CallError> {
        let deadline = Instant::now() + self.timeout;
        let mut attempts = 0;
        loop {
            let failed = match self.connections.link(self.timeout).await {
                Ok(link) => return Ok(link),
                Err(error) => error,
            };
            // The last reason says more than that time has run out.
            if self.retry.is_some_and(|most| attempts >= most)
                || Instant::now() + RECONNECT_DELAY * 2 > deadline
            {
                return Err(failed.into());
            }
            tracing::debug!(error = %failed, "still no broker");
            attempts += 1;
            sleep(RECONNECT_DELAY).await;
        }
    }

    async fn declare(&self, link: &Link, target: &Target) -> Result<(), CallError> {
        let declared = link.declare(&self.connections.transport, target).await;
        declared.map_err(|error| TransportError::Refused(error).into())
    }

    /// Where calls go.
    ///
    /// # Errors
    /// What can be refused without a broker.
    fn route(&self) -> Result<Address, CallError> {
        if let Some(route) = self.route.get() {
            return Ok(route.clone());
        }
        let target = &self.target;
        target.check().map_err(invalid)?;
        let version = target.version.as_deref().unwrap_or(version::DEFAULT);
        if self.can_send_version(version)? {
            return Ok(self.route.get_or_init(|| self.address(target)).clone());
        }
        let cap = self.version_cap.as_deref().unwrap_or_default();
        let message = format!("the call needs version {version}, and the version cap is {cap}");
        Err(CallError::new(ErrorKind::UnsupportedVersion, message))
    }

    fn address(&self, target: &Target) -> Address {
        let mandatory = self.mandatory;
        if target.fanout {
            let exchange = name(&target.fanout_exchange());
            return Address { exchange, routing_key: name(""), mandatory };
        }
        // The default exchange, which finds a queue by its name, is the shortest way to it.
        let exchange = if self.connections.transport.is_direct() { "" } else { &target.exchange };
        Address { exchange: name(exchange), routing_key: name(&target.queue()), mandatory }
    }

    async fn send(&self, context: &Context, call: &Call) -> Result<(), CallError> {
        let (target, route) = (&self.target, self.route()?);
        let unique_id = Uuid::new_v4().simple().to_string();
        let body = wire::encode_request(call, target, context, None, &unique_id)?;
        let link = self.link().await?;
        self.declare(&link, target).await?;
        link.publisher.unblocked().await;
        match link.publisher.publish(route, json_properties(), &body).await {
            Ok(Outcome::Confirmed) => Ok(()),
            Ok(Outcome::Returned(_)) => Err(undeliverable(NO_SERVER)),
            Ok(Outcome::Refused) => Err(undeliverable(REFUSED)),
            Err(error) => Err(undeliverable(error)),
        }
    }

    /// A call without a deadline of its own but the call monitor's.
    async fn exchange_messages(&self, context: &Context, call: &Call) -> Result<Value, CallError> {
        let target = &self.target;
        if target.fanout {
            let message = "a call goes to one server; only a cast can go to all (fanout)";
            return Err(CallError::new(ErrorKind::InvalidArguments, message));
        }
        let route = self.route()?;
        let mandatory = route.mandatory;
        let link = self.link().await?;
        self.declare(&link, target).await?;
        let mut buffers = [[0; wire::ID_LEN]; 2];
        let [msg_buffer, unique_buffer] = &mut buffers;
        let (id, msg_id) = link.identify(msg_buffer);
        let routing = Routing {
            msg_id,
            reply_queue: link.reply_queue.as_deref().map(Into::into),
            envelope: self.connections.transport.envelope_of_calls(),
            monitor: self.monitor.map(|interval| interval.as_secs()),
        };
        let unique_id: &str = match link.reply_queue {
            Some(_) => Uuid::new_v4().simple().encode_lower(unique_buffer),
            // What is not acknowledged does not come twice.
            None => "",
        };
        let body = wire::encode_request(call, target, context, Some(&routing), unique_id)?;
        link.publisher.unblocked().await;
        let signs = self.monitor.map(|_| Arc::new(Notify::new()));
        let mut waiter = link.pending.enter(id, signs.clone())?;
        let delivery = Arc::clone(&link).deliver(id, route, link.properties(self.timeout), body);
        if !link.publisher.confirms() {
            delivery.await;
        } else if mandatory {
            // Apart from the call, so that a call which ends early leaves no confirm unread.
            tokio::spawn(delivery);
        } else {
            // What the broker refuses, which is rare, is found out a little later.
            link.publisher.see_to(Box::pin(delivery));
        }
        match signs.zip(self.monitor) {
            Some((signs, interval)) => monitored(&mut waiter, &signs, interval).await,
            None => waiter.answer().await,
        }
    }
}

/// Awaits an answer as long as there are signs of life.
async fn monitored(
    waiter: &mut Waiter<u128>,
    signs: &Notify,
    interval: Duration,
) -> Result<Value, CallError> {
    let answer = waiter.answer();
    tokio::pin!(answer);
    loop {
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            () = signs.notified() => {}
            () = sleep(interval) => {
                let message = format!("no sign of life from the server within {} ms", interval.as_millis());
                return Err(CallError::new(ErrorKind::Timeout, message));
            }
        }
    }
}

fn serialized(serializer: &dyn Serializer, context: &Context, call: &Call) -> Result<Call, CallError> {
    let mut call = call.clone();
    let each = |value: &mut Value| {
        serializer.serialize_entity(context, std::mem::replace(value, Value::Null)).map(|new| *value = new)
    };
    match &mut call.params {
        Params::Positional(values) => values.iter_mut().try_for_each(each)?,
        Params::Named(members) => members.iter_mut().map(|(_, value)| value).try_for_each(each)?,
    }
    Ok(call)
}

fn invalid(error: TargetError) -> CallError {
    CallError::new(ErrorKind::InvalidArguments, error.to_string())
}

/// An [`RpcClient`] behind the suite's own contract: an empty context, and the caller sets the deadlines. A call that
/// finds no broker fails at once.
pub struct AmqpClient(RpcClient);

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
        transport: &Transport,
        target: Target,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let client =
            RpcClient::with_limits(transport, target, options.limits).timeout(options.timeout).retry(0);
        client.connect().await?;
        Ok(AmqpClient(client))
    }

    /// As [`RpcClient::at_least_once`].
    #[must_use]
    pub fn at_least_once(self) -> Self {
        AmqpClient(self.0.at_least_once())
    }

    /// Sends `call` without asking for an answer, to one server of the target or, with `fanout`, to all of them.
    ///
    /// # Errors
    /// As [`RpcClient::cast`].
    pub async fn cast(&self, call: &Call) -> Result<(), CallError> {
        self.0.cast(&Context::new(), call).await
    }
}

impl Client for AmqpClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        const NOBODY: &Context = &Context::new();
        Box::pin(self.0.exchange_messages(NOBODY, call))
    }
}
