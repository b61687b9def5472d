//! RPC over NATS: request and reply, with the messages of oslo.messaging.

use std::sync::Arc;
use std::time::Duration;

use calculator::{Call, CallError, CallFuture, Client, ErrorKind, Value};
use codecs::Format;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nats::bare::{BareClient, BareServer};
use nats::{Broker, NatsClient, Recipients, Subject};
use serde::{Deserialize, Serialize};

use super::anatomy::{Anatomy, json_len, measure};
use super::broker_kind::BrokerKind;
use super::brokered::Brokered;
use super::casts::{self, CALL};
use super::destination::{Connecting, Destination};
use super::dissection::{self, Leg, Part};
use super::facts::{Colour, DeliveryTerms, End, Role, UrlForm};
use super::invoke::{Invocation, InvokeError, Output};
use super::options::{OptionGroup, Options};
use super::protocol::{Protocol, Stack};
use super::reference::{Reference, reference};
use super::serve::{ServeContext, ServeError, ServerSettings, Serving};
use super::stack_name::base_name;
use super::topics::topic_prefix;
use super::way::Way;

/// Request and reply over NATS.
pub(super) struct Nats;

const ASYNC_NATS: End = End::new("async-nats", &["async-nats", "tokio"]);
const TOKIO: End = End::new("tokio", &["tokio"]);

/// The stack with the minimal client and server.
const BARE: &str = "nats-bare";

/// The default subject of servers, and with it that of clients.
const DEFAULT_SUBJECT: &str = "calc";

/// The options of servers.
#[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
struct ServerOptions {
    /// The subject, to which casts for all of its servers are sent with `.fanout` behind it
    #[arg(long, value_name = "S", default_value = DEFAULT_SUBJECT, help_heading = "NATS")]
    subject: String,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions { subject: DEFAULT_SUBJECT.to_owned() }
    }
}

const SERVER: OptionGroup = OptionGroup::of::<ServerOptions>("nats");

/// The options by which a client addresses a server.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
struct ClientOptions {
    /// The subject
    #[arg(long, value_name = "S", help_heading = "NATS")]
    subject: Option<String>,
}

const CLIENT: OptionGroup = OptionGroup::of::<ClientOptions>("nats");

static PYTHON: Reference = Reference {
    options: |settings: &ServerSettings| {
        // The suite's own stacks reject options that cannot be read, so the defaults suffice here.
        let ServerOptions { subject } = settings.options.protocol.get(&SERVER).unwrap_or_default();
        vec![format!("--subject={subject}")]
    },
    accepts: &["--subject"],
    ..reference!("nats-py", "nats_server.py", &[], "blocking")
};

impl Protocol for Nats {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn colour(&self) -> Colour {
        Colour { light: [0x5C, 0x2A, 0x00], dark: [0xB0, 0x6A, 0x30] }
    }

    fn url_form(&self) -> Option<UrlForm> {
        Some(UrlForm { schemes: nats::SCHEMES, example: "nats://USER:PASSWORD@HOST:4222" })
    }

    fn check_url(&self, url: &str) -> Result<(), String> {
        url.parse::<Broker>().map(drop).map_err(|error| error.to_string())
    }

    fn brokered(&self) -> Option<&dyn Brokered> {
        Some(self)
    }

    fn own_floor(&self) -> Option<&'static str> {
        Some(BARE)
    }

    fn notation_libraries(&self) -> &'static [&'static str] {
        &["serde_json"]
    }

    fn server_options(&self) -> &'static [&'static OptionGroup] {
        &[&SERVER]
    }

    fn client_options(&self) -> &'static [&'static OptionGroup] {
        &[&CLIENT]
    }

    /// Checks the subject.
    fn prepare_client_options(&self, options: &mut Options) -> Result<(), String> {
        let client: ClientOptions = options.get(&CLIENT).map_err(|error| error.to_string())?;
        let subject = client.subject.map(|subject| subject.parse::<Subject>());
        subject.transpose().map(drop).map_err(|error| error.to_string())
    }

    fn call_options(&self) -> &'static [&'static OptionGroup] {
        &[&CALL]
    }

    fn has_named_parameters(&self) -> bool {
        true
    }

    fn stacks(&'static self) -> Vec<Stack> {
        let usual = |name, role| {
            Stack::new(self, name, role, ASYNC_NATS, connect).sharing_connections(connect_all).multiplexing()
        };
        let bare = Stack::new(self, BARE, Role::BrokerFloor, TOKIO, connect_bare);
        vec![
            usual("nats", Role::DefaultAndMinimal).served_by(ASYNC_NATS, serve),
            bare.served_by(TOKIO, serve_bare).multiplexing(),
            usual("nats-python", Role::Reference).served_by_reference(&PYTHON),
        ]
    }

    fn anatomy(
        &self,
        stack: &Stack,
        _: &Destination,
        call: &Call,
        result: &Value,
    ) -> Result<[Anatomy; 2], CallError> {
        let lengths = if stack.base_name() == BARE {
            use amqp::bare::{encode_call, encode_reply};
            [encode_call(call)?.len(), encode_reply(&Ok(result.clone())).len()]
        } else {
            let id = "0".repeat(nats::ID_LEN);
            [nats::encode_request(call, &id)?.len(), nats::encode_result(result, &id)?.len()]
        };
        measure(call, result, lengths, json_len)
    }

    fn dissect(&self, _: Leg, bytes: &[u8]) -> Option<Vec<Part>> {
        dissection::nats::parts(bytes)
    }

    fn codec_format(&self) -> Option<Format> {
        Some(Format::JsonUntyped)
    }

    /// Makes a call, or sends a cast and returns when it is written.
    fn invoke<'a>(
        &'a self,
        stack: &'static Stack,
        invocation: &'a Invocation,
        print: &'a mut (dyn FnMut(Output) + Send),
    ) -> BoxFuture<'a, Result<(), InvokeError>> {
        let connect_in = |way, destination, options| self.connect_in(stack.name, way, destination, options);
        casts::invoke(stack, invocation, print, connect_in).boxed()
    }
}

impl Brokered for Nats {
    fn kind(&self) -> BrokerKind {
        BrokerKind::Nats
    }

    /// The broker stores no message: a subject is no queue.
    fn delivery_terms(&self, _: &str, _: &Destination, _: &Options) -> Option<DeliveryTerms> {
        Some(DeliveryTerms {
            queue: "none: a subject",
            durable: false,
            persistent: false,
            prefetch: 0,
            acknowledged: false,
            confirmed: false,
        })
    }

    fn product(&self, url: String, timeout: Duration) -> BoxFuture<'static, Option<String>> {
        async move { nats::broker_version(&url, timeout).await }.boxed()
    }

    /// Assigns a subject to each server, so that another one does not answer.
    fn separate(&self, stack: &str, instance: usize, server: &mut Options) -> Options {
        let subject = format!("{}-{stack}", topic_prefix(instance));
        let mut clients = Options::default();
        // Both are plain values, which JSON can always represent.
        let _ = server.set(&SERVER, &ServerOptions { subject: subject.clone() });
        let _ = clients.set(&CLIENT, &ClientOptions { subject: Some(subject) });
        clients
    }

    fn ways(&self, stack: &str) -> &'static [Way] {
        if base_name(stack) == BARE { &[] } else { &[Way::Cast, Way::Fanout] }
    }

    fn connect_in(
        &self,
        _: &str,
        way: Way,
        destination: Destination,
        options: calculator::ClientOptions,
    ) -> Connecting {
        async move {
            let recipients = if way == Way::Fanout { Recipients::All } else { Recipients::One };
            let client = connect(destination, options).await?;
            Ok(Arc::new(Casts { client, recipients }) as Arc<dyn Client>)
        }
        .boxed()
    }
}

/// Casts. A call ends with null when the message is written: the broker confirms none.
struct Casts {
    client: NatsClient,
    recipients: Recipients,
}

impl Client for Casts {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(async move { self.client.cast(call, self.recipients).await.map(|()| Value::Null) })
    }
}

/// The subject of the server at `destination`.
fn subject(destination: &Destination) -> Result<Subject, CallError> {
    let ClientOptions { subject } = destination.options.get(&CLIENT)?;
    let subject = subject.as_deref().unwrap_or(DEFAULT_SUBJECT).parse();
    subject
        .map_err(|error: nats::SubjectError| CallError::new(ErrorKind::InvalidArguments, error.to_string()))
}

/// The broker at `destination`. Errors do not repeat the URL: it may hold a password.
fn broker(destination: &Destination) -> Result<Broker, CallError> {
    let parsed = destination.url.parse::<Broker>();
    parsed.map_err(|error| CallError::new(ErrorKind::Undeliverable, error.to_string()))
}

async fn connect(
    destination: Destination,
    options: calculator::ClientOptions,
) -> Result<NatsClient, CallError> {
    NatsClient::connect(&broker(&destination)?, &subject(&destination)?, &options).await
}

/// Connects one client, and lets it call each of the servers at `destinations`, which are behind the same broker.
async fn connect_all(
    destinations: Vec<Destination>,
    options: calculator::ClientOptions,
) -> Result<Vec<NatsClient>, CallError> {
    let Some(first) = destinations.first() else { return Ok(vec![]) };
    let client = connect(first.clone(), options).await?;
    destinations.iter().map(|destination| Ok(client.for_subject(&subject(destination)?))).collect()
}

async fn connect_bare(
    destination: Destination,
    options: calculator::ClientOptions,
) -> Result<BareClient, CallError> {
    BareClient::connect(&broker(&destination)?, &subject(&destination)?, &options).await
}

/// The broker and the subject of a server.
fn place(context: &ServeContext) -> Result<(Broker, Subject), ServeError> {
    let url = context.broker(Nats.name(), Nats.url_form())?;
    let broker = url.parse::<Broker>().map_err(|error| ServeError::Setting(error.to_string()))?;
    let ServerOptions { subject } = context.options.get(&SERVER)?;
    let subject = subject.parse::<Subject>().map_err(|error| ServeError::Setting(error.to_string()))?;
    Ok((broker, subject))
}

async fn serve(context: ServeContext) -> Result<Serving, ServeError> {
    let (broker, subject) = place(&context)?;
    let server = nats::Server::bind(&broker, &subject, context.dispatcher, context.limits)
        .await
        .map_err(|error| ServeError::Broker(error.to_string()))?;
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}

async fn serve_bare(context: ServeContext) -> Result<Serving, ServeError> {
    let (broker, subject) = place(&context)?;
    let server = BareServer::bind(&broker, &subject, context.dispatcher, context.limits)
        .await
        .map_err(|error| ServeError::Broker(error.to_string()))?;
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}
