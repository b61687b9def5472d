//! The trait that a protocol implements, and the stacks that it consists of.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use calculator::conformance::Profile;
use calculator::{Call, CallError, Client, ClientOptions, ErrorKind, Method, Value};
use codecs::Format;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use net::Address;
use serde::{Serialize, Serializer};

use super::anatomy::Anatomy;
use super::broker_kind::BrokerKind;
use super::destination::Destination;
use super::dissection::{Leg, Part};
use super::exchange::{Exchange, Undeclare};
use super::facts::{Colour, DeliveryTerms, Driver, End, Role, UrlForm};
use super::invoke::{Invocation, InvokeError, Output, one_call};
use super::option_values::OptionValues;
use super::options::{OptionGroup, Options};
use super::reference::Reference;
use super::serve::{ServeContext, ServeError, Serving};
use super::tls::CertificateCheck;
use super::transport::Transport;
use super::way::Way;
use crate::discovery::Listing;

/// The most servers of one stack that run at the same time: those of a topology.
pub const MAX_INSTANCES: usize = 32;

/// Everything the harness knows of a protocol.
pub trait Protocol: Send + Sync {
    /// The name on command lines and in records; also the name of the protocol's default stack.
    fn name(&self) -> &'static str;

    /// The colour of the protocol in figures.
    fn colour(&self) -> Colour;

    /// The stacks of the protocol, the default one first.
    fn stacks(&'static self) -> Vec<Stack>;

    /// The form of URLs that clients accept; `None` where there is nothing to connect to.
    fn url_form(&self) -> Option<UrlForm>;

    /// Checks the parts of a URL that have a meaning only in this protocol, such as its options.
    ///
    /// # Errors
    /// A human-readable message, which does not repeat the URL.
    fn check_url(&self, _url: &str) -> Result<(), String> {
        Ok(())
    }

    /// Human-readable remarks about a URL that can be used, such as options without an effect. They do not repeat values.
    fn url_notes(&self, _url: &str) -> Vec<String> {
        vec![]
    }

    /// The lengths of the request for `call` and of the reply with `result`, if both ends are of `stack`.
    ///
    /// # Errors
    /// For values that the protocol cannot represent.
    fn anatomy(
        &self,
        stack: &Stack,
        destination: &Destination,
        call: &Call,
        result: &Value,
    ) -> Result<[Anatomy; 2], CallError>;

    /// Cuts the bytes of a call that go one way into parts with their meanings; `None` for bytes that are not understood. All
    /// bytes are in a part.
    fn dissect(&self, _leg: Leg, _bytes: &[u8]) -> Option<Vec<Part>> {
        None
    }

    /// The format of `[[codec]]` that is closest to that of the messages; `None` where there is none.
    fn codec_format(&self) -> Option<Format> {
        None
    }

    /// The libraries that encode and decode messages, by their names on crates.io.
    fn notation_libraries(&self) -> &'static [&'static str] {
        &[]
    }

    /// The options of servers, in addition to those that servers of every protocol have.
    fn server_options(&self) -> &'static [&'static OptionGroup] {
        &[]
    }

    /// The options that decide how clients find and address a server.
    fn client_options(&self) -> &'static [&'static OptionGroup] {
        &[]
    }

    /// Prepares client options for use: reads values that are kept in files, and checks those that no message may repeat
    /// and that clap therefore does not check. Preparing them again changes nothing.
    ///
    /// # Errors
    /// A human-readable message.
    fn prepare_client_options(&self, _options: &mut Options) -> Result<(), String> {
        Ok(())
    }

    /// How the certificate of the server, or the broker, at `destination` is checked; `None` where the URL does not ask for
    /// TLS.
    fn certificate_check(&self, _destination: &Destination) -> Option<CertificateCheck> {
        None
    }

    /// Additional options of `rpcbench call`.
    fn call_options(&self) -> &'static [&'static OptionGroup] {
        &[]
    }

    /// Whether parameters can be passed by name.
    fn has_named_parameters(&self) -> bool {
        false
    }

    /// Why the client of `stack` cannot call `method`, as the end of a sentence, if it cannot.
    fn method_obstacle(&self, _stack: &Stack, _method: &str) -> Option<String> {
        None
    }

    /// Whether several calls can be sent in one message ([`Client::call_batch`]).
    fn has_batches(&self) -> bool {
        false
    }

    /// Whether a call can be an HTTP request with a verb and a path, as [`rest::RequestHead`] writes it.
    fn has_requests(&self) -> bool {
        false
    }

    /// Reads a value of the command line, given as JSON, as this protocol's own type where JSON has no such type.
    fn typed(&self, value: Value) -> Value {
        value
    }

    /// The values that the protocol cannot represent, for the conformance table.
    fn profile(&self) -> Profile {
        Profile::default()
    }

    /// Whether the protocol is a floor, a lower bound for the others, rather than a protocol under comparison.
    fn is_floor(&self) -> bool {
        false
    }

    /// Whether client and server are one process and exchange no messages.
    fn is_in_process(&self) -> bool {
        false
    }

    /// The message broker through which calls go; `None` where clients connect to servers.
    fn broker(&self) -> Option<BrokerKind> {
        None
    }

    /// Whether calls go through a message broker.
    fn needs_broker(&self) -> bool {
        self.broker().is_some()
    }

    /// The stack that shows the minimal cost of the broker or of the socket library: an additional floor for this protocol
    /// only.
    fn own_floor(&self) -> Option<&'static str> {
        None
    }

    /// The version of HTTP that carries the messages, and what servers with the options `server` add to it; `None` where
    /// HTTP does not carry them.
    fn http_version(&self, _server: &Options) -> Option<String> {
        None
    }

    /// How messages pass through the broker if the server of `stack` was started with the options `server`; `None` without
    /// a broker.
    fn delivery_terms(
        &self,
        _stack: &Stack,
        _destination: &Destination,
        _server: &Options,
    ) -> Option<DeliveryTerms> {
        None
    }

    /// The name and version of the broker at `url`; `None` where there is none or it does not report them.
    fn broker_product(&self, _url: String, _timeout: Duration) -> BoxFuture<'static, Option<String>> {
        async { None }.boxed()
    }

    /// Separates the server of `stack` from other servers at the same URL, as AMQP does by a topic for each: changes the
    /// options of the server, and returns the options with which clients address it. `instance` counts the servers of
    /// the same stack that run at the same time, from 0; there are at most [`MAX_INSTANCES`].
    fn separate(&self, _stack: &Stack, _instance: usize, _server: &mut Options) -> Options {
        Options::default()
    }

    /// Whether the calls of `stack` can go through an [`Exchange`].
    fn has_exchanges(&self, _stack: &Stack) -> bool {
        false
    }

    /// Makes clients with the options `clients` call through `exchange`.
    fn route(&self, _exchange: Exchange, _clients: &mut Options) {}

    /// Declares `exchange` for clients that call the server at `destination`, which runs already. Returns what removes it.
    ///
    /// # Errors
    /// A human-readable message, which does not repeat the URL.
    fn declare(
        &self,
        _destination: Destination,
        _exchange: Exchange,
        _timeout: Duration,
    ) -> BoxFuture<'static, Result<Undeclare, String>> {
        let message = format!("{} has no exchanges", self.name());
        async { Err(message) }.boxed()
    }

    /// The ways in which clients of `stack` can send, other than calls.
    fn ways(&self, _stack: &Stack) -> &'static [Way] {
        &[]
    }

    /// Opens a client that sends in `way`, one of [`Self::ways`]. Its calls end with null when the message was confirmed or
    /// written.
    fn connect_in(&self, _stack: &Stack, way: Way, _: Destination, _: ClientOptions) -> Connecting {
        let message = format!("{} has no {way}", self.name());
        async { Err(CallError::new(ErrorKind::InvalidArguments, message)) }.boxed()
    }

    /// Changes the options of a server so that it executes what is sent in `way`.
    fn receive(&self, _way: Way, _server: &mut Options) {}

    /// Removes what a server that was started with the options `server` has left at the broker at `url`.
    ///
    /// # Errors
    /// A human-readable message, which does not repeat the URL.
    fn remove_leftovers(
        &self,
        _url: String,
        _server: Options,
        _timeout: Duration,
    ) -> BoxFuture<'static, Result<(), String>> {
        async { Ok(()) }.boxed()
    }

    /// Asks the server at `destination` which methods it has, by a client of `stack`. `Ok(None)` where servers of this protocol
    /// cannot be asked.
    ///
    /// # Errors
    /// Of a server that does not answer, or does not list its methods.
    fn list_methods<'a>(
        &'a self,
        _stack: &'static Stack,
        _destination: &'a Destination,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Option<Listing>, CallError>> {
        async { Ok(None) }.boxed()
    }

    /// Executes `rpcbench call`, and passes each line of output to `print`. The default implementation makes one call with
    /// one result.
    fn invoke<'a>(
        &'a self,
        stack: &'static Stack,
        invocation: &'a Invocation,
        print: &'a mut (dyn FnMut(Output) + Send),
    ) -> BoxFuture<'a, Result<(), InvokeError>> {
        async move {
            let (named, typed) = (self.has_named_parameters(), |value| self.typed(value));
            let call = invocation.named_call(stack.name, named, typed)?;
            let connect = stack.connect(invocation.destination.clone(), invocation.client_options());
            print(Output::Value(one_call(connect, &call, invocation.timeout).await?));
            Ok(())
        }
        .boxed()
    }
}

/// A protocol of the list. Serialises as its name.
#[derive(Clone, Copy)]
pub struct ProtocolRef(&'static dyn Protocol);

impl ProtocolRef {
    /// A reference to `protocol`.
    #[must_use]
    pub const fn new(protocol: &'static dyn Protocol) -> Self {
        ProtocolRef(protocol)
    }

    /// The protocol, for as long as the program runs.
    #[must_use]
    pub fn get(self) -> &'static dyn Protocol {
        self.0
    }
}

impl Deref for ProtocolRef {
    type Target = dyn Protocol;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl PartialEq for ProtocolRef {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for ProtocolRef {}

impl fmt::Debug for ProtocolRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for ProtocolRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for ProtocolRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A client that is ready to call, or why there is none.
pub type Connecting = BoxFuture<'static, Result<Arc<dyn Client>, CallError>>;
type Connect = Arc<dyn Fn(Destination, ClientOptions) -> Connecting + Send + Sync>;
type ConnectAll = Arc<
    dyn Fn(Vec<Destination>, ClientOptions) -> BoxFuture<'static, Result<Vec<Arc<dyn Client>>, CallError>>
        + Send
        + Sync,
>;
type Serve = Arc<dyn Fn(ServeContext) -> BoxFuture<'static, Result<Serving, ServeError>> + Send + Sync>;

/// What serves a stack.
#[derive(Clone)]
pub enum ServedBy {
    /// The process of the caller: there is no server.
    None,
    /// This program.
    Own(Serve),
    /// A reference implementation.
    Reference(&'static Reference),
}

/// One client library and one server library that speak one protocol.
#[derive(Clone)]
pub struct Stack {
    /// The name on command lines and in records.
    pub name: &'static str,
    /// The protocol it speaks.
    pub protocol: ProtocolRef,
    /// The client's library.
    pub client: End,
    /// The server's library.
    pub server: End,
    /// The purpose in a comparison.
    pub role: Role,
    /// Whether several calls may be in flight on one connection.
    pub multiplexes: bool,
    /// How callers are driven.
    pub driver: Driver,
    /// What carries its bytes.
    pub transport: Transport,
    /// The transports that client and server have beside TCP.
    pub(super) transports: &'static [Transport],
    connect: Connect,
    /// How clients connect over transports that need another client.
    other_clients: Vec<(Transport, Connect)>,
    /// How one component connects to several servers; `None` where it has a separate connection to each.
    connect_all: Option<ConnectAll>,
    served_by: ServedBy,
}

/// Erases the type of the clients that `connect` opens.
fn erased<F, C>(connect: impl Fn(Destination, ClientOptions) -> F + Send + Sync + 'static) -> Connect
where
    F: Future<Output = Result<C, CallError>> + Send + 'static,
    C: Client + 'static,
{
    Arc::new(move |destination, options| -> Connecting {
        connect(destination, options)
            .map(|client| client.map(|client| Arc::new(client) as Arc<dyn Client>))
            .boxed()
    })
}

impl Stack {
    /// A stack of `protocol` whose clients `connect` opens. It has no server yet.
    pub fn new<F, C>(
        protocol: &'static dyn Protocol,
        name: &'static str,
        role: Role,
        client: End,
        connect: impl Fn(Destination, ClientOptions) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<C, CallError>> + Send + 'static,
        C: Client + 'static,
    {
        Stack {
            name,
            protocol: ProtocolRef::new(protocol),
            client,
            server: End::new("same process", &[]),
            role,
            multiplexes: false,
            driver: Driver::Tokio,
            transport: Transport::Tcp,
            transports: &[],
            connect: erased(connect),
            other_clients: vec![],
            connect_all: None,
            served_by: ServedBy::None,
        }
    }

    /// Lets one component call several servers over the connections that `connect_all` opens once. It returns a client for each
    /// destination, in their order.
    #[must_use]
    pub fn sharing_connections<F, C>(
        self,
        connect_all: impl Fn(Vec<Destination>, ClientOptions) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Vec<C>, CallError>> + Send + 'static,
        C: Client + 'static,
    {
        let connect_all: ConnectAll = Arc::new(move |destinations, options| {
            let clients = connect_all(destinations, options);
            let shared = |client: C| Arc::new(client) as Arc<dyn Client>;
            clients.map(move |clients| clients.map(|all| all.into_iter().map(shared).collect())).boxed()
        });
        Stack { connect_all: Some(connect_all), ..self }
    }

    /// Sets the server of this program that `serve` starts, over the library `server`.
    #[must_use]
    pub fn served_by<F>(self, server: End, serve: impl Fn(ServeContext) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Serving, ServeError>> + Send + 'static,
    {
        let serve: Serve = Arc::new(move |context| serve(context).boxed());
        Stack { server, served_by: ServedBy::Own(serve), ..self }
    }

    /// Sets a reference implementation as the server, which listens on TCP ports only.
    #[must_use]
    pub fn served_by_reference(self, reference: &'static Reference) -> Self {
        Stack {
            server: End::new(reference.title, &[]),
            served_by: ServedBy::Reference(reference),
            role: Role::Reference,
            transports: &[],
            ..self
        }
    }

    /// Makes clients connect by `connect` over `transport`.
    #[must_use]
    pub fn with_client<F, C>(
        mut self,
        transport: Transport,
        connect: impl Fn(Destination, ClientOptions) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<C, CallError>> + Send + 'static,
        C: Client + 'static,
    {
        self.other_clients.push((transport, erased(connect)));
        self
    }

    /// A copy of this stack with another name and role, over `transport`.
    #[must_use]
    pub fn variant(&self, name: &'static str, role: Role, transport: Transport) -> Self {
        let other = self.other_clients.iter().find(|(of, _)| *of == transport);
        let connect = other.map_or(&self.connect, |(_, connect)| connect);
        Stack { name, role, transport, connect: Arc::clone(connect), ..self.clone() }
    }

    /// Runs callers on threads instead of a runtime.
    #[must_use]
    pub fn on_threads(self) -> Self {
        Stack { driver: Driver::Threads, ..self }
    }

    /// Allows any number of calls in flight on one connection.
    #[must_use]
    pub fn multiplexing(self) -> Self {
        Stack { multiplexes: true, ..self }
    }

    /// The lengths of the request for `call` and of the reply with `result`, if both ends are of this stack.
    ///
    /// # Errors
    /// For values that the protocol cannot represent.
    pub fn anatomy(
        &self,
        destination: &Destination,
        call: &Call,
        result: &Value,
    ) -> Result<[Anatomy; 2], CallError> {
        self.protocol.anatomy(self, destination, call, result)
    }

    /// Opens one connection. Must be awaited inside a Tokio runtime unless the driver is [`Driver::Threads`].
    pub fn connect(&self, destination: Destination, options: ClientOptions) -> Connecting {
        (self.connect)(destination, options)
    }

    /// Connects one component to the servers at `destinations`: over connections that they share where the protocol allows it,
    /// as AMQP does, and otherwise over a separate one to each. Returns a client for each destination, in their order. Must be
    /// awaited like [`Self::connect`].
    ///
    /// # Errors
    /// When a server, or the broker, cannot be reached.
    pub async fn connect_all(
        &self,
        destinations: Vec<Destination>,
        options: ClientOptions,
    ) -> Result<Vec<Arc<dyn Client>>, CallError> {
        if let Some(connect_all) = &self.connect_all {
            return connect_all(destinations, options).await;
        }
        let mut clients = Vec::with_capacity(destinations.len());
        for destination in destinations {
            clients.push(self.connect(destination, options.clone()).await?);
        }
        Ok(clients)
    }

    /// Whether clients can send in `way`, and servers of this program count what they receive.
    #[must_use]
    pub fn has_way(&self, way: Way) -> bool {
        let is_own = matches!(self.served_by, ServedBy::Own(_));
        way.is_call() || (is_own && self.protocol.ways(self).contains(&way))
    }

    /// Opens one connection that sends in `way`, like [`Self::connect`].
    pub fn connect_in(&self, way: Way, destination: Destination, options: ClientOptions) -> Connecting {
        match way {
            Way::Call => self.connect(destination, options),
            Way::Cast | Way::Fanout | Way::Notify => {
                self.protocol.connect_in(self, way, destination, options)
            }
        }
    }

    /// Binds this stack's server.
    ///
    /// # Errors
    /// When the address cannot be bound, or the stack has no server in this program.
    pub async fn serve(&self, context: ServeContext) -> Result<Serving, ServeError> {
        match &self.served_by {
            ServedBy::Own(serve) => serve(context).await,
            ServedBy::None | ServedBy::Reference(_) => Err(ServeError::NoServer(self.name)),
        }
    }

    /// The reference implementation that serves this stack, if one does.
    #[must_use]
    pub fn reference(&self) -> Option<&'static Reference> {
        match self.served_by {
            ServedBy::Reference(reference) => Some(reference),
            ServedBy::None | ServedBy::Own(_) => None,
        }
    }

    /// Whether the server has `method`. `echo` exists only in this suite: reference servers lack it.
    #[must_use]
    pub fn has(&self, method: Method) -> bool {
        method != Method::Echo || self.reference().is_none()
    }

    /// Whether clients can send several calls in one message, and the server is one of this program, which answers them.
    #[must_use]
    pub fn has_batches(&self) -> bool {
        matches!(self.served_by, ServedBy::Own(_)) && self.protocol.has_batches()
    }

    /// Whether the executor of the server's handlers can be chosen. A reference implementation has its own, and a floor with
    /// dedicated threads runs handlers on them.
    #[must_use]
    pub fn has_executors(&self) -> bool {
        matches!(self.served_by, ServedBy::Own(_)) && self.server.threads.is_none()
    }

    /// Whether a scenario can set the options `values` of the server: it is one of this program, and its protocol has them.
    #[must_use]
    pub fn has_server_options(&self, values: &OptionValues) -> bool {
        let is_own = matches!(self.served_by, ServedBy::Own(_));
        values.is_empty() || (is_own && values.belong_to(self.protocol.server_options()))
    }

    /// Whether this stack has a server process; `inproc` has none.
    #[must_use]
    pub fn has_server(&self) -> bool {
        !matches!(self.served_by, ServedBy::None)
    }

    /// Parses a URL that clients of this stack can use.
    ///
    /// # Errors
    /// A message that states what was expected. It repeats only scheme, host and port of the URL, which may hold a
    /// password.
    pub fn parse_url(&self, url: &str) -> Result<Address, String> {
        let Some(UrlForm { schemes, example }) = self.protocol.url_form() else {
            return Err(format!("{} is called in this process and has no URL", self.name));
        };
        let refused = |reason: String| format!("{} takes a URL such as {example}: {reason}", self.name);
        let address = Address::parse(url, schemes).map_err(|error| refused(error.to_string()))?;
        self.protocol.check_url(url).map_err(refused)?;
        Ok(address)
    }

    /// The message broker through which calls go; `None` where clients connect to servers.
    #[must_use]
    pub fn broker(&self) -> Option<BrokerKind> {
        self.protocol.broker()
    }

    /// Whether calls go through a message broker.
    #[must_use]
    pub fn needs_broker(&self) -> bool {
        self.broker().is_some()
    }

    /// The libraries between a call and the socket at `end`, the client or the server of this stack: first the
    /// transport and the libraries below it, then those that encode messages and encrypt them.
    pub fn libraries(&self, end: End) -> impl Iterator<Item = &'static str> {
        let encrypts = self.transport.has_tls().then_some("rustls");
        end.libraries.iter().chain(self.protocol.notation_libraries()).copied().chain(encrypts)
    }
}
