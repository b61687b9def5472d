//! zerorpc: MessagePack over ZeroMQ.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use calculator::stream::COUNT;
use calculator::{Call, CallError, Client, Deadline, Text, Value};
use codecs::Format;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use net::{AddressError, Endpoint};
use serde::{Deserialize, Serialize};
use zerorpc::{
    CalculatorStreams, DEFAULT_PERIOD, DEFAULT_SLOTS, HeartbeatPeriod, Items, Library, Reply, ZerorpcClient,
    parse_url, url_of,
};

use super::anatomy::{Anatomy, measure};
use super::destination::Destination;
use super::dissection::{self, Leg, Part};
use super::facts::{Colour, End, Role, UrlForm};
use super::invoke::{Invocation, InvokeError, Output};
use super::method_list;
use super::options::OptionGroup;
use super::protocol::{Protocol, Stack};
use super::reference::{Reference, reference};
use super::serve::{ServeContext, ServeError, Serving};
use super::text;
use super::transport::Transport;
use crate::discovery::{Argument, Arguments, Listing, MethodDescription, ValueSource, value_for_name};

/// MessagePack over ZeroMQ.
pub(super) struct Zerorpc;

const OWN: End = End::new("own ZMTP", &["tokio"]);
const ZEROMQ: End = End::new("zeromq", &["zeromq", "tokio"]);
#[cfg(feature = "libzmq")]
const LIBZMQ: End = End::new("libzmq", &["zmq", "tokio"]);

/// The options of servers.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
struct ServerOptions {
    /// Listen on this endpoint, too: tcp://HOST:PORT or ipc://PATH (repeatable)
    #[arg(long, value_name = "ENDPOINT", help_heading = "zerorpc")]
    #[serde(with = "text::list")]
    bind: Vec<EndpointUrl>,
    #[command(flatten)]
    #[serde(flatten)]
    heartbeat: Heartbeat,
}

/// An endpoint, written as a URL of zerorpc.
#[derive(Clone, Debug, PartialEq)]
struct EndpointUrl(Endpoint);

impl FromStr for EndpointUrl {
    type Err = AddressError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        parse_url(url).map(EndpointUrl)
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&url_of(&self.0))
    }
}

const SERVER: OptionGroup = OptionGroup::of::<ServerOptions>("zerorpc");

/// The options of clients.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
struct ClientSettings {
    /// How many items of a stream the server may send before they are read [default: 100]
    #[arg(long, value_name = "ITEMS", help_heading = "zerorpc", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    #[serde(with = "text::option")]
    slots: Option<u32>,
    #[command(flatten)]
    #[serde(flatten)]
    heartbeat: Heartbeat,
}

impl ClientSettings {
    fn slots(&self) -> usize {
        self.slots.and_then(|slots| usize::try_from(slots).ok()).unwrap_or(DEFAULT_SLOTS)
    }
}

/// How often heartbeats are sent, which both ends must agree on.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
struct Heartbeat {
    /// How often to send a heartbeat during a long call, or `none`; must be the same at both ends [default: 5s]
    #[arg(long, value_name = "TIME", help_heading = "zerorpc")]
    #[serde(with = "text::option")]
    heartbeat: Option<Period>,
}

const CLIENT: OptionGroup = OptionGroup::of::<ClientSettings>("zerorpc");

impl Heartbeat {
    fn period(&self) -> HeartbeatPeriod {
        self.heartbeat.map_or(Some(DEFAULT_PERIOD), |Period(period)| period)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Period(HeartbeatPeriod);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Period(None));
        }
        let period = calculator::parse_duration(text).map_err(|error| error.to_string())?;
        if period < Duration::from_millis(10) {
            return Err("expected 10ms or more, or none".to_owned());
        }
        Ok(Period(Some(period)))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(period) => humantime::format_duration(period).fmt(f),
            None => f.write_str("none"),
        }
    }
}

static PYTHON: Reference = reference!("zerorpc", "zerorpc_server.py", &[], "async");

impl Protocol for Zerorpc {
    fn name(&self) -> &'static str {
        "zerorpc"
    }

    fn colour(&self) -> Colour {
        Colour { light: [0x00, 0x9E, 0x73], dark: [0x35, 0xC7, 0x9D] }
    }

    fn url_form(&self) -> Option<UrlForm> {
        Some(UrlForm { schemes: zerorpc::SCHEMES, example: "tcp://127.0.0.1:4242" })
    }

    fn notation_libraries(&self) -> &'static [&'static str] {
        &["rmp"]
    }

    fn has_streams(&self) -> bool {
        true
    }

    fn own_floor(&self) -> Option<&'static str> {
        Some("tcp-libzmq")
    }

    fn server_options(&self) -> &'static [&'static OptionGroup] {
        &[&SERVER]
    }

    fn client_options(&self) -> &'static [&'static OptionGroup] {
        &[&CLIENT]
    }

    fn stacks(&'static self) -> Vec<Stack> {
        let stack = |name, role, end, library| {
            Stack::new(self, name, role, end, move |destination, options| {
                connect(library, destination, options)
            })
            .multiplexing()
            .with_transports(&[Transport::Unix])
        };
        let serves = |library| move |context| serve(library, context);
        vec![
            stack("zerorpc", Role::DefaultAndMinimal, OWN, Library::Own).served_by(OWN, serves(Library::Own)),
            stack("zerorpc-zeromq", Role::Alternative, ZEROMQ, Library::Zeromq)
                .served_by(ZEROMQ, serves(Library::Zeromq)),
            #[cfg(feature = "libzmq")]
            stack("zerorpc-libzmq", Role::Alternative, LIBZMQ, Library::Libzmq)
                .served_by(LIBZMQ, serves(Library::Libzmq)),
            stack("zerorpc-python", Role::Reference, OWN, Library::Own).served_by_reference(&PYTHON),
        ]
    }

    fn anatomy(
        &self,
        _: &Stack,
        _: &Destination,
        call: &Call,
        result: &Value,
    ) -> Result<[Anatomy; 2], CallError> {
        use zerorpc::wire::{ChannelEvent, ID_LEN, Id, encode_value, write_call, write_event};
        let id = [b'0'; ID_LEN];
        let (mut request, mut reply) = (Vec::new(), Vec::new());
        write_call(&mut request, &id, &call.method, call.params.as_positional()?)?;
        write_event(&mut reply, &id, Id::Bin(&id), ChannelEvent::Result(result))?;
        let lengths = [request.len(), reply.len()];
        measure(call, result, lengths, |value| encode_value(value).map(|bytes| bytes.len()))
    }

    fn dissect(&self, leg: Leg, bytes: &[u8]) -> Option<Vec<Part>> {
        dissection::zmtp::parts(bytes, |body| dissection::zerorpc::event(body, leg.message))
    }

    fn codec_format(&self) -> Option<Format> {
        Some(Format::MsgpackUntyped)
    }

    /// By `_zerorpc_inspect`, or where the server's Python no longer supports it, by `_zerorpc_list`.
    fn list_methods<'a>(
        &'a self,
        stack: &'static Stack,
        destination: &'a Destination,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Option<Listing>, CallError>> {
        async move {
            let options = calculator::ClientOptions { timeout, ..calculator::ClientOptions::default() };
            let client = connect(library_of(stack), destination.clone(), options).await?;
            let mut listing = Deadline::new(timeout).within(Instant::now(), listed_methods(&client)).await?;
            // Servers do not say whose results are streams. Of this suite's, it is known; a call of a scenario has one answer.
            listing.methods.retain(|method| (&*method.name, &*method.help) != (COUNT.name, COUNT.doc));
            Ok(Some(listing))
        }
        .boxed()
    }

    /// Calls a method and prints its result, or each item of a stream as it arrives; lists the methods where none is
    /// named. The timeout covers only the first item: a stream may take any time.
    fn invoke<'a>(
        &'a self,
        stack: &'static Stack,
        invocation: &'a Invocation,
        print: &'a mut (dyn FnMut(Output) + Send),
    ) -> BoxFuture<'a, Result<(), InvokeError>> {
        async move {
            let call = invocation.call(false, |value| value)?;
            let mut deadline = Deadline::new(invocation.timeout);
            let destination = invocation.destination.clone();
            let slots = destination.options.get::<ClientSettings>(&CLIENT)?.slots();
            let client = connect(library_of(stack), destination, invocation.client_options()).await?;
            if call.method.is_empty() {
                let listing = deadline.within(Instant::now(), listed_methods(&client)).await?;
                print(Output::Text(method_list::table(&listing)));
                return Ok(());
            }
            match deadline.within(Instant::now(), client.open(&call, slots)).await? {
                Reply::Value(value) => print(Output::Value(value)),
                Reply::Items(items) => print_each(items, print).await?,
            }
            Ok(())
        }
        .boxed()
    }
}

/// The library whose sockets the clients of `stack` use.
fn library_of(stack: &Stack) -> Library {
    match stack.client {
        ZEROMQ => Library::Zeromq,
        #[cfg(feature = "libzmq")]
        LIBZMQ => Library::Libzmq,
        _ => Library::Own,
    }
}

async fn connect(
    library: Library,
    destination: Destination,
    options: calculator::ClientOptions,
) -> Result<ZerorpcClient, CallError> {
    let settings: ClientSettings = destination.options.get(&CLIENT)?;
    let client = ZerorpcClient::connect_by(library, &destination.url, &options, settings.heartbeat.period());
    Ok(client.await?.with_slots(settings.slots()))
}

async fn serve(library: Library, context: ServeContext) -> Result<Serving, ServeError> {
    let ServerOptions { bind, heartbeat } = context.options.get(&SERVER)?;
    let accepts = zerorpc::ServerOptions { limits: context.limits, heartbeat: heartbeat.period() };
    let failed = context.bind_error();
    let mut server = zerorpc::Server::bind_by(library, &context.listen, context.dispatcher, accepts)
        .await
        .map_err(failed)?
        .with_streams(CalculatorStreams);
    for url in bind {
        let failed = |source| ServeError::Bind { address: url.to_string(), source };
        server.bind_another(&url.0).await.map_err(failed)?;
    }
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}

async fn print_each(mut items: Items, print: &mut (dyn FnMut(Output) + Send)) -> Result<(), CallError> {
    while let Some(item) = items.next().await {
        print(Output::Value(item?));
    }
    Ok(())
}

async fn listed_methods(client: &ZerorpcClient) -> Result<Listing, CallError> {
    let ask =
        async |method: &'static str, args: Vec<Value>| client.call(&Call::positional(method, args)).await;
    let (source, methods) = match ask("_zerorpc_inspect", vec![]).await {
        Ok(inspected) => ("_zerorpc_inspect", inspected_methods(&inspected)?),
        Err(error) if error.kind.is_transport() => return Err(error),
        // zerorpc-python 0.6.3 inspects with a function that Python 3.11 has removed.
        Err(_) => {
            let Value::List(names) = ask("_zerorpc_list", vec![]).await? else {
                return Err(method_list::unreadable());
            };
            let mut methods = Vec::with_capacity(names.len());
            for name in names {
                let help = ask("_zerorpc_help", vec![name.clone()]).await?;
                methods
                    .push(MethodDescription::named(method_list::text_of(&name), method_list::help_of(&help)));
            }
            ("_zerorpc_list", methods)
        }
    };
    Ok(Listing { source: source.to_owned(), methods })
}

fn inspected_methods(inspected: &Value) -> Result<Vec<MethodDescription>, CallError> {
    let Some(Value::Map(methods)) = inspected.get("methods") else { return Err(method_list::unreadable()) };
    let argument = |arg: &Value| {
        let name = method_list::text_of(arg.get("name")?);
        let default = arg.get("default").and_then(method_list::json_of);
        let (value, source) = match default {
            Some(value) => (value, ValueSource::Default),
            None => (value_for_name(&name), ValueSource::Guess),
        };
        (name != "self").then_some(Argument { name, value, source })
    };
    let described = |(name, details): &(Text, Value)| {
        let help = method_list::help_of(details.get("doc").unwrap_or(&Value::Null));
        let arguments = match details.get("args") {
            Some(Value::List(args)) => Arguments::Positional(args.iter().filter_map(argument).collect()),
            _ => Arguments::Unknown,
        };
        MethodDescription { arguments, ..MethodDescription::named(name.to_string(), help) }
    };
    Ok(methods.iter().map(described).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_listed_with_parameters_and_defaults() {
        let arg = |name: &str, default: Option<i64>| {
            let default = default.map(|value| ("default".into(), Value::Int(value)));
            Value::map([("name".into(), Value::from(name))].into_iter().chain(default).collect())
        };
        let method = |args: Vec<Value>, doc: Value| {
            Value::map(vec![("args".into(), Value::list(args)), ("doc".into(), doc)])
        };
        let methods = vec![
            (
                "add".into(),
                method(
                    vec![arg("self", None), arg("x", None), arg("y", Some(2))],
                    "\n  x + y\n\nMore.".into(),
                ),
            ),
            ("plain".into(), method(vec![], Value::Null)),
        ];
        let inspected = Value::map(vec![("methods".into(), Value::map(methods))]);
        let methods = inspected_methods(&inspected).unwrap();
        let listing = Listing { source: String::new(), methods };
        assert_eq!(method_list::table(&listing), "add(x, y=2)  x + y\nplain()\n");
        let values: Vec<_> =
            listing.methods[0].arguments.all().iter().map(|argument| argument.value.clone()).collect();
        assert_eq!(values, [1, 2]);
        assert!(inspected_methods(&Value::Null).is_err());
    }

    #[test]
    fn a_heartbeat_period_is_read_back_as_it_was_written() {
        for text in ["none", "5s", "10ms"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
        assert!("9ms".parse::<Period>().is_err());
    }
}
