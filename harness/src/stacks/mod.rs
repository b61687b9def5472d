//! The registry: every stack by name, how it is served and how it is called.
//!
//! A stack is one client library and one server library that speak one protocol. Adding one is a row of [`ALL`] and
//! the functions it names, or the function and the reference server.

mod anatomy;
mod connect;
pub mod libraries;
mod reference;
mod serve;
mod table;
mod variant;
mod way;

pub use anatomy::Anatomy;
pub use reference::{PYTHON_VARIABLE, Reference, no_python};
pub use serve::{Runtime, ServeError, ServeOptions, Serving};
pub use table::ALL;
pub use variant::{at_the_place_of, base_name};
pub(crate) use way::Way;

use std::sync::Arc;

use amqp::{QueueKind, Target};
use calculator::{Call, CallError, Client, ClientOptions, Method, Protocol, Value};
use futures_util::future::BoxFuture;
use http_layer::http::HeaderMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a stack's callers are driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// As futures of one current-thread Tokio runtime.
    Tokio,
    /// Each on a thread of its own, without a runtime: the floors.
    Threads,
}

/// What a stack is for in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Measured in every block, so that the others can be held against it.
    Floor,
    /// The protocol over its usual library: what the protocol's plain name stands for.
    Default,
    /// The protocol over the leanest library at hand.
    Leanest,
    /// Both at once: there is only one library.
    DefaultAndLeanest,
    /// The least that AMQP's broker can do: a floor for AMQP alone.
    BrokerFloor,
    /// The same code of ours over another library, so that the library can be told from the protocol.
    Alternative,
    /// The protocol with one of its costs left out, so that it can be told what that is; in no ranking.
    Step,
    /// The protocol's reference library as the server, to hold ours against; in no ranking.
    Reference,
    /// A stack whose server is reached another way, to find out what the way costs; in no ranking.
    Variant,
}

/// Where a client finds its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The server's URL, or the broker's for AMQP. May hold credentials: never shown.
    pub url: String,
    /// Whom an AMQP message is for; other protocols' servers are found by their URL alone.
    pub target: Target,
    /// The kind of an AMQP server's queues; `None` is what the URL says.
    pub queues: Option<QueueKind>,
    /// Headers that go with every request over HTTP beside the protocol's own. May hold credentials: never shown.
    pub headers: HeaderMap,
}

impl Address {
    /// The server at `url`, of the default topic where it is an AMQP server.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let target = Target::topic(DEFAULT_TOPIC);
        Address { url: url.into(), target, queues: None, headers: HeaderMap::new() }
    }
}

/// The topic of AMQP servers that name none.
pub const DEFAULT_TOPIC: &str = "calc";
/// The exchange of AMQP servers that name none: oslo.messaging's `control_exchange`.
pub const DEFAULT_EXCHANGE: &str = "openstack";

/// A client that is ready to call, or why there is none.
pub type Connecting = BoxFuture<'static, Result<Arc<dyn Client>, CallError>>;
type Connect = fn(Address, ClientOptions) -> Connecting;
type Anatomise = fn(&Address, &Call, &Value) -> anatomy::Messages;
type Serve = fn(ServeOptions) -> BoxFuture<'static, Result<Serving, ServeError>>;

/// What a stack is served by.
#[derive(Clone, Copy)]
enum Server {
    /// The process of the caller: there is none.
    None,
    /// This program.
    Own(Serve),
    /// A reference implementation.
    Reference(&'static Reference),
}

/// A stack.
#[derive(Clone)]
pub struct Stack {
    /// The name on command lines and in records.
    pub name: &'static str,
    /// The protocol it speaks.
    pub protocol: Protocol,
    /// The client's library.
    pub client: &'static str,
    /// The server's library.
    pub server: &'static str,
    /// What it is for.
    pub role: Role,
    /// Whether several calls may be in flight on one connection.
    pub multiplexes: bool,
    /// How its callers are driven.
    pub driver: Driver,
    connect: Connect,
    anatomy: Anatomise,
    served_by: Server,
}

impl Stack {
    /// What the messages of `call` and of its answer, `result`, consist of where both ends are of this stack.
    ///
    /// # Errors
    /// For values that the protocol has no form for.
    pub fn anatomy(&self, address: &Address, call: &Call, result: &Value) -> Result<[Anatomy; 2], CallError> {
        (self.anatomy)(address, call, result)
    }

    /// Opens one connection. Must be awaited inside a Tokio runtime unless the driver is [`Driver::Threads`].
    pub fn connect(&self, address: Address, options: ClientOptions) -> Connecting {
        (self.connect)(address, options)
    }

    /// Binds this stack's server.
    ///
    /// # Errors
    /// When the address cannot be bound, or the stack has no server of its own.
    pub async fn serve(&self, options: ServeOptions) -> Result<Serving, ServeError> {
        match self.served_by {
            Server::Own(serve) => serve(options).await,
            Server::None | Server::Reference(_) => Err(ServeError::NoServer(self.name)),
        }
    }

    /// The reference implementation that serves it, where one does.
    #[must_use]
    pub fn reference(&self) -> Option<&'static Reference> {
        match self.served_by {
            Server::Reference(reference) => Some(reference),
            Server::None | Server::Own(_) => None,
        }
    }

    /// Whether its server has `method`. `echo` is this suite's own: reference servers lack it.
    #[must_use]
    pub fn has(&self, method: Method) -> bool {
        method != Method::Echo || self.reference().is_none()
    }

    /// Whether it has a server process of its own; `inproc` has none.
    #[must_use]
    pub fn has_server(&self) -> bool {
        !matches!(self.served_by, Server::None)
    }

    /// Whether `url` is one that its clients can use, as far as that can be told from its scheme.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn check_url(&self, url: &str) -> Result<(), String> {
        let (schemes, example): (&[&str], _) = match self.protocol {
            Protocol::Inproc => return Err("inproc is called in this process and has no URL".to_owned()),
            Protocol::Rest | Protocol::Xmlrpc | Protocol::Jsonrpc => (&["http"], "http://127.0.0.1:8080/"),
            Protocol::Tcp => (&["tcp"], "tcp://127.0.0.1:4242"),
            Protocol::Zerorpc => (&["tcp", "ipc"], "tcp://127.0.0.1:4242"),
            Protocol::Amqp => (&["amqp", "rabbit", "kombu"], "amqp://USER:PASSWORD@HOST:5672/"),
        };
        match url.split_once("://") {
            Some((scheme, rest)) if schemes.contains(&scheme) && !rest.is_empty() => Ok(()),
            Some(("https" | "amqps", _)) => {
                Err(format!("TLS is not built in; {} takes {example}", self.name))
            }
            // Not repeated here: it may hold a password.
            _ => Err(format!("{} takes a URL such as {example}", self.name)),
        }
    }

    /// Whether its calls go through a message broker.
    #[must_use]
    pub fn needs_broker(&self) -> bool {
        self.protocol == Protocol::Amqp
    }

    /// The stack of that name. `STACK@LABEL` is a variant of STACK.
    ///
    /// # Errors
    /// [`UnknownStack`], which lists the valid names.
    pub fn named(name: &str) -> Result<&'static Stack, UnknownStack> {
        variant::named(name)
    }

    /// The stack that a protocol's plain name stands for.
    #[must_use]
    pub fn default_of(protocol: Protocol) -> &'static Stack {
        // Every protocol's name is a stack's name; a test holds the table to it.
        ALL.iter().find(|stack| stack.name == protocol.name()).unwrap_or(&ALL[0])
    }
}

/// A name that is no stack's.
#[derive(Debug, thiserror::Error)]
#[error("unknown stack `{0}`; the stacks are {list}", list = ALL.iter().map(|stack| stack.name).collect::<Vec<_>>().join(", "))]
pub struct UnknownStack(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_has_the_stack_of_its_name_and_names_are_unique() {
        for protocol in Protocol::ALL {
            let stack = Stack::default_of(protocol);
            assert_eq!((stack.name, stack.protocol), (protocol.name(), protocol));
        }
        for (i, stack) in ALL.iter().enumerate() {
            assert!(ALL[i + 1..].iter().all(|other| other.name != stack.name));
            assert!(stack.name.starts_with(stack.protocol.name()));
        }
    }

    #[test]
    fn a_url_that_a_client_could_not_use_is_told_without_repeating_it() {
        let check = |stack: &str, url: &str| Stack::named(stack).unwrap().check_url(url);
        for (stack, url) in [
            ("rest", "http://h:1/"),
            ("zerorpc", "ipc:///tmp/s"),
            ("amqp", "rabbit://u:p@h/v"),
            ("amqp-bare", "amqp://h"),
        ] {
            assert_eq!(check(stack, url), Ok(()));
        }
        for (stack, url) in
            [("rest", "tcp://h:1"), ("rest", "h:1"), ("amqp", "http://u:secret@h/"), ("tcp", "tcp://")]
        {
            let message = check(stack, url).unwrap_err();
            assert!(message.contains("takes a URL such as") && !message.contains("secret"), "{message}");
        }
        assert!(check("xmlrpc", "https://h/").unwrap_err().contains("TLS"));
    }

    #[test]
    fn an_unknown_stack_is_answered_with_the_known_ones() {
        let Err(error) = Stack::named("soap") else { panic!("there is no such stack") };
        assert!(error.to_string().contains("soap") && error.to_string().contains("rest-hyper"));
    }
}
