//! RPC over RabbitMQ, in the manner of oslo.messaging.

mod brokered;
mod exchanges;
mod options;
mod ways;

use amqp::wire::{Envelope, Routing};
use amqp::{
    Acknowledge, AmqpClient, Context, QueueKind, REPLY_QUEUE_PREFIX, ReplyTo, RpcServerOptions, Target,
    Transport, TransportUrl,
};
use calculator::{Call, CallError, ErrorKind, Value};
use codecs::Format;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use self::options::{AcknowledgeWhen, CLIENT, ClientOptions, SERVER, ServerOptions};
use super::anatomy::{Anatomy, json_len, measure};
use super::brokered::Brokered;
use super::casts::{self, CALL};
use super::destination::Destination;
use super::dissection::{self, Leg, Part};
use super::facts::{Colour, End, Role, UrlForm};
use super::invoke::{Invocation, InvokeError, Output};
use super::options::{OptionGroup, Options, OptionsError};
use super::protocol::{Protocol, Stack};
use super::reference::{Reference, reference};
use super::serve::{ServeContext, ServeError, ServerSettings, Serving};
use super::stack_name::base_name;
use super::tls::{self, CertificateCheck};

/// RPC over RabbitMQ, in the manner of oslo.messaging.
pub(super) struct Amqp;

const LAPIN: End = End::new("lapin", &["lapin", "tokio"]);

/// How the messages of a stack pass through the broker: as oslo.messaging sends them, with its features left out one
/// after the other, and with a safer queue, to show the cost of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    /// As oslo.messaging: through a reply queue, acknowledged and confirmed.
    Oslo,
    /// Like [`Self::Oslo`], through a quorum queue: replicated, durable, every message on disk. Reply queues stay transient.
    Quorum,
    /// Like [`Self::Oslo`], without publisher confirms.
    Unconfirmed,
    /// Like [`Self::Oslo`], without confirms and acknowledgements.
    Unacknowledged,
    /// By direct reply-to, which has no confirms and no acknowledgements, over one connection at each end.
    Enveloped,
    /// Like [`Self::Enveloped`], without oslo.messaging's envelope around messages.
    Direct,
    /// The minimal work of the broker for a call, without oslo.messaging.
    Bare,
}

/// Every stack that this program serves: its name, its role, its delivery.
const STACKS: [(&str, Role, Delivery); 7] = [
    ("amqp", Role::Default, Delivery::Oslo),
    ("amqp-quorum", Role::Step, Delivery::Quorum),
    ("amqp-unconfirmed", Role::Step, Delivery::Unconfirmed),
    ("amqp-unacknowledged", Role::Step, Delivery::Unacknowledged),
    ("amqp-enveloped", Role::Step, Delivery::Enveloped),
    ("amqp-direct", Role::Minimal, Delivery::Direct),
    ("amqp-bare", Role::BrokerFloor, Delivery::Bare),
];

/// The stack that oslo.messaging serves.
const REFERENCE: &str = "amqp-python";

/// The transports of the connections to the broker beside TCP.
const TRANSPORTS: &[super::transport::Transport] = &[super::transport::Transport::Tls];

/// The exchange of servers with quorum queues, which survives a restart of the broker, in the runs where the default one
/// does not: an exchange is declared one way only. Its name is as long as that of the default one, so that a call takes the
/// same bytes.
const QUORUM_EXCHANGE: &str = "quorumrpc";

impl Delivery {
    /// The delivery of the stack with the name `stack`; [`Self::Oslo`] for a reference server.
    fn of(stack: &str) -> Delivery {
        let row = STACKS.iter().find(|(name, ..)| *name == base_name(stack));
        row.map_or(Delivery::Oslo, |(_, _, delivery)| *delivery)
    }

    fn transport(self, url: TransportUrl, queues: Option<QueueKind>) -> Transport {
        let transport = queues.into_iter().fold(Transport::from(url), Transport::queue_kind);
        match self {
            Delivery::Oslo | Delivery::Bare => transport,
            Delivery::Quorum => transport.queue_kind(QueueKind::Quorum),
            Delivery::Unconfirmed => transport.publisher_confirms(false),
            Delivery::Unacknowledged => transport.publisher_confirms(false).acknowledgements(false),
            Delivery::Enveloped => transport.reply_to(ReplyTo::Direct),
            Delivery::Direct => transport.reply_to(ReplyTo::Direct).envelope(Envelope::None),
        }
    }
}

static PYTHON: Reference = Reference {
    options: |settings: &ServerSettings| {
        // The suite's own stacks reject options that cannot be read, so the defaults suffice here.
        let ServerOptions { topic, server, .. } = settings.options.protocol.get(&SERVER).unwrap_or_default();
        vec![format!("--topic={topic}"), format!("--server={server}")]
    },
    accepts: &["--topic", "--server"],
    ..reference!("oslo.messaging", "oslo_server.py", &[], "threads")
};

impl Protocol for Amqp {
    fn name(&self) -> &'static str {
        "amqp"
    }

    fn colour(&self) -> Colour {
        Colour { light: [0xC9, 0x8A, 0x00], dark: [0xF0, 0xBB, 0x3C] }
    }

    fn url_form(&self) -> Option<UrlForm> {
        Some(UrlForm { schemes: amqp::SCHEMES, example: "amqp://USER:PASSWORD@HOST:5672/" })
    }

    fn check_url(&self, url: &str) -> Result<(), String> {
        url.parse::<TransportUrl>().map(drop).map_err(|error| error.to_string())
    }

    fn url_notes(&self, url: &str) -> Vec<String> {
        let ignored =
            url.parse::<TransportUrl>().map(|url| url.ignored_options().to_vec()).unwrap_or_default();
        ignored
            .into_iter()
            .map(|name| format!("the option `{name}` of the broker's URL has no effect"))
            .collect()
    }

    fn brokered(&self) -> Option<&dyn Brokered> {
        Some(self)
    }

    fn own_floor(&self) -> Option<&'static str> {
        Some("amqp-bare")
    }

    fn notation_libraries(&self) -> &'static [&'static str] {
        &["serde_json"]
    }

    fn server_options(&self) -> &'static [&'static OptionGroup] {
        &[&SERVER]
    }

    fn client_options(&self) -> &'static [&'static OptionGroup] {
        &[&CLIENT, &tls::TLS]
    }

    /// Checks the names of exchange, topic and server, and reads the certificates of authorities.
    fn prepare_client_options(&self, options: &mut Options) -> Result<(), String> {
        let client: ClientOptions = options.get(&CLIENT).map_err(|error| error.to_string())?;
        client.target().check().map_err(|error| error.to_string())?;
        tls::read_authorities(options)
    }

    fn certificate_check(&self, destination: &Destination) -> Option<CertificateCheck> {
        transport_url(destination).ok()?.tls().map(|_| tls::certificate_check(&destination.options))
    }

    fn call_options(&self) -> &'static [&'static OptionGroup] {
        &[&CALL]
    }

    fn has_named_parameters(&self) -> bool {
        true
    }

    fn stacks(&'static self) -> Vec<Stack> {
        let ours = STACKS.map(|(name, role, delivery)| match delivery {
            Delivery::Bare => Stack::new(self, name, role, LAPIN, connect_bare)
                .served_by(LAPIN, serve_bare)
                .multiplexing()
                .with_transports(TRANSPORTS),
            _ => Stack::new(self, name, role, LAPIN, move |destination, options| {
                connect(delivery, destination, options)
            })
            .served_by(LAPIN, move |context| serve(delivery, context))
            .sharing_connections(move |destinations, options| connect_all(delivery, destinations, options))
            .multiplexing()
            .with_transports(TRANSPORTS),
        });
        let python = Stack::new(self, REFERENCE, Role::Reference, LAPIN, |destination, options| {
            connect(Delivery::Oslo, destination, options)
        })
        .sharing_connections(|destinations, options| connect_all(Delivery::Oslo, destinations, options));
        ours.into_iter().chain([python.served_by_reference(&PYTHON).multiplexing()]).collect()
    }

    fn anatomy(
        &self,
        stack: &Stack,
        destination: &Destination,
        call: &Call,
        result: &Value,
    ) -> Result<[Anatomy; 2], CallError> {
        let id = "0".repeat(amqp::wire::ID_LEN);
        let (msg_id, reply_queue, envelope, unique_id) = match Delivery::of(stack.name) {
            Delivery::Oslo | Delivery::Quorum | Delivery::Unconfirmed | Delivery::Unacknowledged => {
                (id.as_str(), Some(format!("{REPLY_QUEUE_PREFIX}{id}")), Envelope::V2, id.as_str())
            }
            // The properties of the message name the reply queue; no message is sent twice.
            Delivery::Enveloped => (id.as_str(), None, Envelope::V2, ""),
            // The inner message alone, with an id that is unique on one channel.
            Delivery::Direct => (&id[..amqp::wire::SHORT_ID_LEN], None, Envelope::None, ""),
            Delivery::Bare => return bare_anatomy(call, result),
        };
        let routing = Routing {
            msg_id: msg_id.into(),
            reply_queue: reply_queue.map(Into::into),
            envelope,
            call_monitor_timeout: None,
        };
        let target = client_options(destination)?.target();
        oslo_anatomy(&target, call, result, &routing, unique_id)
    }

    fn dissect(&self, leg: Leg, bytes: &[u8]) -> Option<Vec<Part>> {
        dissection::amqp::parts(bytes, leg)
    }

    fn codec_format(&self) -> Option<Format> {
        Some(Format::JsonUntyped)
    }

    /// Makes a call, or sends a cast and returns when the broker has received it.
    fn invoke<'a>(
        &'a self,
        stack: &'static Stack,
        invocation: &'a Invocation,
        print: &'a mut (dyn FnMut(Output) + Send),
    ) -> BoxFuture<'a, Result<(), InvokeError>> {
        let connect_in = |way, destination: Destination, options| {
            async move {
                let client = client_options(&destination)?;
                let transport = Delivery::Oslo.transport(transport_url(&destination)?, client.queues);
                ways::connect(&transport, client.target(), way, &options).await
            }
            .boxed()
        };
        casts::invoke(stack, invocation, print, connect_in).boxed()
    }
}

fn oslo_anatomy(
    target: &Target,
    call: &Call,
    result: &Value,
    routing: &Routing<'_>,
    unique_id: &str,
) -> Result<[Anatomy; 2], CallError> {
    use amqp::wire::{encode_request, encode_result, encode_value};
    let request = encode_request(call, target, &Context::new(), Some(routing), unique_id)?;
    let reply = encode_result(result, &routing.msg_id, unique_id, routing.envelope)?;
    measure(call, result, [request.len(), reply.len()], |value| match routing.envelope {
        Envelope::V2 => encode_value(value).map(|text| text.len()),
        Envelope::None => json_len(value),
    })
}

fn bare_anatomy(call: &Call, result: &Value) -> Result<[Anatomy; 2], CallError> {
    use amqp::bare::{encode_call, encode_reply};
    measure(call, result, [encode_call(call)?.len(), encode_reply(&Ok(result.clone())).len()], json_len)
}

fn client_options(destination: &Destination) -> Result<ClientOptions, OptionsError> {
    destination.options.get(&CLIENT)
}

/// The broker's URL with the certificates that are accepted. Errors do not repeat it: it may hold a password.
fn transport_url(destination: &Destination) -> Result<TransportUrl, CallError> {
    let unusable = |error: amqp::UrlError| CallError::new(ErrorKind::Undeliverable, error.to_string());
    let url: TransportUrl = destination.url.parse().map_err(unusable)?;
    Ok(url.trusting(tls::trust(&destination.options)?))
}

async fn connect(
    delivery: Delivery,
    destination: Destination,
    options: calculator::ClientOptions,
) -> Result<AmqpClient, CallError> {
    let client = client_options(&destination)?;
    let transport = delivery.transport(transport_url(&destination)?, client.queues);
    AmqpClient::connect(&transport, client.target(), &options).await
}

/// Connects one client, and lets it call each of the servers at `destinations`, which are behind the same broker.
async fn connect_all(
    delivery: Delivery,
    destinations: Vec<Destination>,
    options: calculator::ClientOptions,
) -> Result<Vec<AmqpClient>, CallError> {
    let Some(first) = destinations.first() else { return Ok(vec![]) };
    let client = connect(delivery, first.clone(), options).await?;
    destinations
        .iter()
        .map(|destination| Ok(client.for_target(client_options(destination)?.target())))
        .collect()
}

async fn connect_bare(
    destination: Destination,
    options: calculator::ClientOptions,
) -> Result<amqp::bare::BareClient, CallError> {
    let client = client_options(&destination)?;
    let via = client.via.clone();
    let topic = client.target().topic;
    let connected = amqp::bare::BareClient::connect(&transport_url(&destination)?, &topic, &options).await?;
    Ok(match via {
        Some(exchange) => connected.via(&exchange),
        None => connected,
    })
}

fn broker_url(context: &ServeContext) -> Result<TransportUrl, ServeError> {
    let url = context.broker(Amqp.name(), Amqp.url_form())?;
    let url: TransportUrl =
        url.parse().map_err(|error: amqp::UrlError| ServeError::Setting(error.to_string()))?;
    Ok(url.trusting(tls::trust(&context.options)?))
}

async fn serve(delivery: Delivery, context: ServeContext) -> Result<Serving, ServeError> {
    let url = broker_url(&context)?;
    let ServerOptions { exchange, topic, server, queues, ack, prefetch, decompress, notifications } =
        context.options.get(&SERVER)?;
    let accepts = RpcServerOptions {
        limits: context.limits,
        acknowledge: match ack {
            AcknowledgeWhen::Before => Acknowledge::Before,
            AcknowledgeWhen::After => Acknowledge::After,
        },
        prefetch,
        decompress,
        ..RpcServerOptions::default()
    };
    let target = Target { exchange, ..Target::topic(topic).server(server) };
    let transport = delivery.transport(url, queues);
    let server = amqp::Server::bind(&transport, target.clone(), context.dispatcher.clone(), accepts);
    let server = server.await.map_err(|error| match error {
        amqp::ServerError::Target(error) => ServeError::Setting(error.to_string()),
        amqp::ServerError::Transport(error) => ServeError::Broker(error.to_string()),
    })?;
    let (url, stop) = (server.url(), context.stop);
    if !notifications {
        return Ok(Serving { url, run: server.run(stop).boxed() });
    }
    let listener = ways::listen(&transport, target, context.dispatcher).await;
    let listener = listener.map_err(|error| ServeError::Broker(error.to_string()))?;
    let run = async move {
        tokio::join!(server.run(stop.clone()), listener.run(stop));
    };
    Ok(Serving { url, run: run.boxed() })
}

async fn serve_bare(context: ServeContext) -> Result<Serving, ServeError> {
    let url = broker_url(&context)?;
    let ServerOptions { topic, .. } = context.options.get(&SERVER)?;
    let server = amqp::bare::BareServer::bind(&url, &topic, context.dispatcher, context.limits)
        .await
        .map_err(|error| ServeError::Broker(error.to_string()))?;
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}
