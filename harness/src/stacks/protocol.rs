//! The trait that a protocol implements, and the stacks that it consists of.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use calculator::conformance::Profile;
use calculator::{Call, CallError, Client, ClientOptions, Method, Value};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use net::{Address, Scheme};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::anatomy::Anatomy;
use super::destination::Destination;
use super::invoke::{Invocation, InvokeError, Output, one_call};
use super::options::{OptionGroup, Options};
use super::python::Reference;
use super::serve::{ServeContext, ServeError, Serving};

/// Everything the harness knows of a protocol.
pub trait Protocol: Send + Sync {
    /// The name on command lines and in records; also the name of the protocol's default stack.
    fn name(&self) -> &'static str;

    /// The colour of its marks in figures.
    fn colour(&self) -> Colour;

    /// Its stacks, the default one first.
    fn stacks(&'static self) -> Vec<Stack>;

    /// The URLs that its clients take; `None` where there is nothing to connect to.
    fn url_form(&self) -> Option<UrlForm>;

    /// What the messages of `call` and of its reply, `result`, consist of where both ends are of `stack`.
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

    /// The libraries, by their names on crates.io, that write and read its messages.
    fn notation_libraries(&self) -> &'static [&'static str] {
        &[]
    }

    /// The options of its servers, beside those that all servers have.
    fn server_options(&self) -> &'static [&'static OptionGroup] {
        &[]
    }

    /// The options that decide how its clients find and address a server.
    fn client_options(&self) -> &'static [&'static OptionGroup] {
        &[]
    }

    /// The further options of `rpcbench call`.
    fn call_options(&self) -> &'static [&'static OptionGroup] {
        &[]
    }

    /// Whether parameters can be passed by name.
    fn has_named_parameters(&self) -> bool {
        false
    }

    /// Reads a value of the command line, given as JSON, as this protocol's own type where JSON has no such type.
    fn typed(&self, value: Value) -> Value {
        value
    }

    /// What its calculators cannot represent, for the conformance table.
    fn profile(&self) -> Profile {
        Profile::default()
    }

    /// Whether it is a floor, which protocols are compared with, rather than a protocol under comparison.
    fn is_floor(&self) -> bool {
        false
    }

    /// Whether client and server are one process and exchange no messages.
    fn is_in_process(&self) -> bool {
        false
    }

    /// Whether its calls go through a message broker.
    fn needs_broker(&self) -> bool {
        false
    }

    /// The stack that shows the minimum that its broker or its sockets can do, as a second floor for it alone.
    fn own_floor(&self) -> Option<&'static str> {
        None
    }

    /// The version of HTTP that it is carried by.
    fn http_version(&self) -> Option<String> {
        None
    }

    /// How its messages pass the broker where the server of `stack` was started with `server`'s options.
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

    /// How a run keeps the servers of one stack apart from those of others, where the URL alone does not: sets what
    /// that takes in the options of the server, and returns the options of its clients.
    fn separate(&self, _stack: &Stack, _server: &mut Options) -> Options {
        Options::default()
    }

    /// Carries out `rpcbench call`, and passes each line of output to `print`. By default it is one call with one
    /// result.
    fn invoke<'a>(
        &'a self,
        stack: &'static Stack,
        invocation: &'a Invocation,
        print: &'a mut (dyn FnMut(Output) + Send),
    ) -> BoxFuture<'a, Result<(), InvokeError>> {
        async move {
            if invocation.method().is_empty() {
                return Err(InvokeError::Usage(format!("name a method; {} does not list them", stack.name)));
            }
            let call = invocation.call(self.has_named_parameters(), |value| self.typed(value))?;
            let connect = stack.connect(invocation.destination.clone(), invocation.client_options());
            print(Output::Value(one_call(connect, &call, invocation.timeout).await?));
            Ok(())
        }
        .boxed()
    }
}

/// A colour for light and for dark backgrounds. Taken from Okabe and Ito's palette, whose colours
/// people with any kind of colour vision can distinguish, darkened or lightened where the contrast was too low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// Red, green and blue on a light background.
    pub light: [u8; 3],
    /// The same on a dark one.
    pub dark: [u8; 3],
}

/// The URLs of a protocol.
#[derive(Clone, Copy, Debug)]
pub struct UrlForm {
    /// The schemes that its clients take.
    pub schemes: &'static [Scheme],
    /// A URL to show where another one was given.
    pub example: &'static str,
}

/// How messages pass a broker: what decides how much the broker does for each call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryTerms {
    /// The kind of the queue of the requests.
    pub queue: &'static str,
    /// Whether that queue survives a restart of the broker.
    pub durable: bool,
    /// Whether messages are marked to be written to disk.
    pub persistent: bool,
    /// How many requests the broker sends ahead of their acknowledgement; 0 for any number.
    pub prefetch: u16,
    /// Whether messages are acknowledged.
    pub acknowledged: bool,
    /// Whether the broker confirms each message published.
    pub confirmed: bool,
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

/// How a stack's callers are driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// As futures on one current-thread Tokio runtime.
    Tokio,
    /// Each on a dedicated thread, without a runtime: the floors.
    Threads,
}

/// What a stack is for in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Measured in every block, so that the others can be compared with it.
    Floor,
    /// The protocol over its usual library: what the protocol's plain name stands for.
    Default,
    /// The protocol over the smallest library available.
    #[serde(alias = "leanest")]
    Minimal,
    /// Both at once: there is only one library.
    #[serde(alias = "default-and-leanest")]
    DefaultAndMinimal,
    /// The minimum that AMQP's broker can do: a floor for AMQP alone.
    BrokerFloor,
    /// Our code over another library, to separate the library's cost from the protocol's.
    Alternative,
    /// The protocol with some of its costs left out, to show what each of them is; in no ranking.
    Step,
    /// The protocol's reference library as the server, to compare ours with; in no ranking.
    Reference,
    /// A stack whose server is reached another way, to show what the way costs; in no ranking.
    Variant,
}

impl Role {
    /// The role in a few words, for lists.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Role::Floor => "floor",
            Role::Default => "default",
            Role::Minimal => "minimal",
            Role::DefaultAndMinimal => "default and minimal",
            Role::BrokerFloor => "AMQP's floor",
            Role::Alternative => "alternative library",
            Role::Step => "intermediate step",
            Role::Reference => "reference server",
            Role::Variant => "server reached another way",
        }
    }
}

/// One end of a stack: the library that carries its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The library's name, for people.
    pub name: &'static str,
    /// It and what it stands on, by their names on crates.io.
    pub libraries: &'static [&'static str],
    /// Its threads and where handlers run, where no Tokio runtime decides that.
    pub threads: Option<(&'static str, &'static str)>,
}

impl End {
    /// An end that runs on a Tokio runtime.
    #[must_use]
    pub const fn new(name: &'static str, libraries: &'static [&'static str]) -> Self {
        End { name, libraries, threads: None }
    }

    /// The same, but on dedicated threads: `runtime` describes them, `executor` where handlers run.
    #[must_use]
    pub const fn on_threads(mut self, runtime: &'static str, executor: &'static str) -> Self {
        self.threads = Some((runtime, executor));
        self
    }
}

/// A client that is ready to call, or why there is none.
pub type Connecting = BoxFuture<'static, Result<Arc<dyn Client>, CallError>>;
type Connect = Arc<dyn Fn(Destination, ClientOptions) -> Connecting + Send + Sync>;
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
    /// What it is for.
    pub role: Role,
    /// Whether several calls may be in flight on one connection.
    pub multiplexes: bool,
    /// How its callers are driven.
    pub driver: Driver,
    connect: Connect,
    served_by: ServedBy,
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
        let connect = move |destination, options| -> Connecting {
            connect(destination, options)
                .map(|client| client.map(|client| Arc::new(client) as Arc<dyn Client>))
                .boxed()
        };
        Stack {
            name,
            protocol: ProtocolRef::new(protocol),
            client,
            server: End::new("same process", &[]),
            role,
            multiplexes: false,
            driver: Driver::Tokio,
            connect: Arc::new(connect),
            served_by: ServedBy::None,
        }
    }

    /// The same, served by this program.
    #[must_use]
    pub fn served_by<F>(self, server: End, serve: impl Fn(ServeContext) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Serving, ServeError>> + Send + 'static,
    {
        let serve: Serve = Arc::new(move |context| serve(context).boxed());
        Stack { server, served_by: ServedBy::Own(serve), ..self }
    }

    /// The same, served by a reference implementation.
    #[must_use]
    pub fn referring_to(self, reference: &'static Reference) -> Self {
        Stack {
            server: End::new(reference.title, &[]),
            served_by: ServedBy::Reference(reference),
            role: Role::Reference,
            ..self
        }
    }

    /// The same under another name, for another purpose.
    #[must_use]
    pub fn renamed(&self, name: &'static str, role: Role) -> Self {
        Stack { name, role, ..self.clone() }
    }

    /// The same, with callers on threads instead of a runtime.
    #[must_use]
    pub fn on_threads(self) -> Self {
        Stack { driver: Driver::Threads, ..self }
    }

    /// The same, with any number of calls in flight on one connection.
    #[must_use]
    pub fn multiplexing(self) -> Self {
        Stack { multiplexes: true, ..self }
    }

    /// What the messages of `call` and of its reply, `result`, consist of where both ends are of this stack.
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

    /// The reference implementation that serves it, if one does.
    #[must_use]
    pub fn reference(&self) -> Option<&'static Reference> {
        match self.served_by {
            ServedBy::Reference(reference) => Some(reference),
            ServedBy::None | ServedBy::Own(_) => None,
        }
    }

    /// Whether its server has `method`. `echo` exists only in this suite: reference servers lack it.
    #[must_use]
    pub fn has(&self, method: Method) -> bool {
        method != Method::Echo || self.reference().is_none()
    }

    /// Whether it has a server process; `inproc` has none.
    #[must_use]
    pub fn has_server(&self) -> bool {
        !matches!(self.served_by, ServedBy::None)
    }

    /// Takes apart a URL that its clients can use.
    ///
    /// # Errors
    /// What is expected instead. Of the URL, no more than scheme, host and port is repeated: it may hold a password.
    pub fn parse_url(&self, url: &str) -> Result<Address, String> {
        let Some(UrlForm { schemes, example }) = self.protocol.url_form() else {
            return Err(format!("{} is called in this process and has no URL", self.name));
        };
        Address::parse(url, schemes)
            .map_err(|error| format!("{} takes a URL such as {example}: {error}", self.name))
    }

    /// Whether its calls go through a message broker.
    #[must_use]
    pub fn needs_broker(&self) -> bool {
        self.protocol.needs_broker()
    }

    /// The libraries between a call and the socket of `end`, which is one of its two: first that of the transport and
    /// what it stands on, then that of the notation.
    pub fn libraries(&self, end: End) -> impl Iterator<Item = &'static str> {
        end.libraries.iter().chain(self.protocol.notation_libraries()).copied()
    }
}
