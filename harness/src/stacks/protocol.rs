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
use super::brokered::Brokered;
use super::destination::{Connecting, Destination};
use super::dissection::{Leg, Part};
use super::facts::{Colour, Driver, End, Role, UrlForm};
use super::invoke::{Invocation, InvokeError, Output, one_call};
use super::option_values::OptionValues;
use super::options::{OptionGroup, Options};
use super::reference::Reference;
use super::serve::{ServeContext, ServeError, Serving};
use super::tls::{self, CertificateCheck};
use super::transport::Transport;
use super::way::Way;
use crate::discovery::Listing;

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
    fn prepare_client_options(&self, options: &mut Options) -> Result<(), String> {
        tls::read_authorities(options)
    }

    /// How the certificate of the server, or the broker, at `destination` is checked; `None` where the URL does not ask for
    /// TLS.
    fn certificate_check(&self, destination: &Destination) -> Option<CertificateCheck> {
        tls::of_url(&destination.url, self.url_form()?.schemes, &destination.options)
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

    /// Whether the result of a call can be a stream ([`Client::call_stream`]), and all servers have
    /// [`COUNT`](calculator::stream::COUNT).
    fn has_streams(&self) -> bool {
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

    /// What the protocol does at the message broker through which calls go; `None` where clients connect to servers.
    fn brokered(&self) -> Option<&dyn Brokered> {
        None
    }

    /// Whether calls go through a message broker.
    fn needs_broker(&self) -> bool {
        self.brokered().is_some()
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

pub(super) type Connect = Arc<dyn Fn(Destination, ClientOptions) -> Connecting + Send + Sync>;
pub(super) type ConnectAll = Arc<
    dyn Fn(Vec<Destination>, ClientOptions) -> BoxFuture<'static, Result<Vec<Arc<dyn Client>>, CallError>>
        + Send
        + Sync,
>;
pub(super) type Serve =
    Arc<dyn Fn(ServeContext) -> BoxFuture<'static, Result<Serving, ServeError>> + Send + Sync>;

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
    pub(super) connect: Connect,
    /// How clients connect over transports that need another client.
    pub(super) other_clients: Vec<(Transport, Connect)>,
    /// How one component connects to several servers; `None` where it has a separate connection to each.
    pub(super) connect_all: Option<ConnectAll>,
    pub(super) served_by: ServedBy,
}

impl Stack {
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
        let ways = || self.protocol.brokered().map_or(&[][..], |broker| broker.ways(self.name));
        way.is_call() || (is_own && ways().contains(&way))
    }

    /// Whether calls can go through an [`Exchange`](super::Exchange).
    #[must_use]
    pub fn has_exchanges(&self) -> bool {
        self.protocol.brokered().is_some_and(|broker| broker.has_exchanges(self.name))
    }

    /// Opens one connection that sends in `way`, like [`Self::connect`].
    pub fn connect_in(&self, way: Way, destination: Destination, options: ClientOptions) -> Connecting {
        if way.is_call() {
            return self.connect(destination, options);
        }
        if let Some(broker) = self.protocol.brokered() {
            return broker.connect_in(self.name, way, destination, options);
        }
        let message = format!("{} has no {way}", self.name);
        async { Err(CallError::new(ErrorKind::InvalidArguments, message)) }.boxed()
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

    /// Whether the result of a call can be a stream.
    #[must_use]
    pub fn has_streams(&self) -> bool {
        self.has_server() && self.protocol.has_streams()
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
        self.protocol.brokered().map(Brokered::kind)
    }

    /// Whether calls go through a message broker.
    #[must_use]
    pub fn needs_broker(&self) -> bool {
        self.protocol.needs_broker()
    }

    /// The libraries between a call and the socket at `end`, the client or the server of this stack: first the
    /// transport and the libraries below it, then those that encode messages and, with `tls`, encrypt them.
    pub fn libraries(&self, end: End, tls: bool) -> impl Iterator<Item = &'static str> {
        let encrypts = tls.then_some("rustls");
        end.libraries.iter().chain(self.protocol.notation_libraries()).copied().chain(encrypts)
    }
}
