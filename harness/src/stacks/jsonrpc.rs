//! JSON-RPC 2.0 over HTTP.

use std::time::{Duration, Instant};

use calculator::{Call, CallError, Client, Deadline, Limits, Params, Value, json};
use codecs::Format;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_layer::bare::BareClient;
use http_layer::{Http2Client, HttpOptions, HyperClient, ReqwestClient, Transport};
use jsonrpc::wire::{Envelope, ReplyTo, Version, encode_call, write_result};
use jsonrpc::{BatchCall, FIRST_ID, JsonRpcClient};
use serde::{Deserialize, Serialize};

use super::anatomy::{Anatomy, json_len, measure};
use super::destination::Destination;
use super::dissection::json::Member;
use super::dissection::{self, Leg, Part};
use super::facts::{Colour, Role, UrlForm};
use super::http;
use super::invoke::{Invocation, InvokeError, Output, parse_params, parse_value};
use super::method_list;
use super::options::{OptionGroup, Options, OptionsError};
use super::protocol::{Protocol, Stack};
use super::reference::{Reference, reference};
use super::serve::{ServeContext, ServeError, Serving};
use super::tls;
use crate::discovery::Listing;

/// JSON-RPC 2.0 over HTTP.
pub(super) struct Jsonrpc;

/// The options of servers.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
struct ServerOptions {
    /// Accept calls by GET, too
    #[arg(long, help_heading = "JSON-RPC")]
    allow_get: bool,
}

const SERVER: OptionGroup = OptionGroup::of::<ServerOptions>("jsonrpc");

/// The options of clients: what their requests have in addition to the call.
#[derive(Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
struct ClientOptions {
    /// Add this member to every request (repeatable), for example auth=TOKEN for Zabbix up to 6.2. The value is read as the
    /// arguments of `rpcbench call` are; @FILE and env:VARIABLE keep it out of the list of processes
    #[arg(long = "member", id = "member", value_name = "NAME=VALUE", help_heading = "JSON-RPC")]
    members: Vec<String>,
    /// The version of the requests
    #[arg(
        long = "jsonrpc",
        id = "jsonrpc",
        value_name = "VERSION",
        value_enum,
        default_value_t,
        help_heading = "JSON-RPC"
    )]
    version: RequestVersion,
    /// The members of the first option, read and checked.
    #[arg(skip)]
    #[serde(default)]
    checked: Vec<(String, String)>,
}

const CLIENT: OptionGroup = OptionGroup::of::<ClientOptions>("jsonrpc client");

/// The versions of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
enum RequestVersion {
    /// Without a member `jsonrpc`, and only with arguments by position.
    #[value(name = "1.0")]
    V1,
    /// The usual version.
    #[default]
    #[value(name = "2.0")]
    V2,
}

/// The members of a request that no option may set.
const OWN_MEMBERS: [&str; 4] = ["jsonrpc", "method", "params", "id"];

impl ClientOptions {
    /// Reads the value of each member.
    ///
    /// # Errors
    /// A message for people, which does not repeat a value.
    fn read(mut self) -> Result<Self, String> {
        for given in std::mem::take(&mut self.members) {
            let (name, text) = given
                .split_once('=')
                .filter(|(name, _)| !name.is_empty())
                .ok_or("--member: expected NAME=VALUE, for example auth=TOKEN")?;
            if OWN_MEMBERS.contains(&name) {
                return Err(format!("--member {name}: the client sets this member itself"));
            }
            let value = parse_value(text).map_err(|error| format!("--member {name}: {error}"))?;
            let mut json = Vec::new();
            json::write(&mut json, &value).map_err(|error| format!("--member {name}: {error}"))?;
            self.checked.push((name.to_owned(), String::from_utf8_lossy(&json).into_owned()));
        }
        Ok(self)
    }

    /// What clients put around their calls.
    ///
    /// # Errors
    /// When a member is not JSON.
    fn envelope(&self) -> Result<Envelope, OptionsError> {
        let version = match self.version {
            RequestVersion::V1 => Version::V1,
            RequestVersion::V2 => Version::V2,
        };
        let member = |(name, text): &(String, String)| {
            let value = json::read(text.as_bytes(), &Limits::default());
            Ok((name.clone(), value.map_err(|error| OptionsError::invalid(&CLIENT, error))?))
        };
        Ok(Envelope { version, members: self.checked.iter().map(member).collect::<Result<_, _>>()? })
    }
}

/// Additional options of `rpcbench call`.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
struct CallOptions {
    /// Send a notification, which is not answered
    #[arg(long, help_heading = "JSON-RPC")]
    notify: bool,
    /// Send several calls in one request; the argument `,` separates them
    #[arg(long, help_heading = "JSON-RPC")]
    batch: bool,
}

const CALL: OptionGroup = OptionGroup::of::<CallOptions>("jsonrpc call");

static PYTHON: Reference = reference!("jsonrpclib-pelix", "jsonrpc_server.py", &[], "blocking");
static NODE: Reference = reference!(JavaScript, "Node.js http", "jsonrpc");
static JAYSON: Reference = reference!(JavaScript, "jayson", "jayson");
static GO: Reference = reference!(Go, "Go net/http", "jsonrpc");

#[cfg(feature = "jsonrpsee")]
const JSONRPSEE: super::facts::End = super::facts::End::new("jsonrpsee", &["jsonrpsee", "hyper", "tokio"]);

impl Protocol for Jsonrpc {
    fn name(&self) -> &'static str {
        "jsonrpc"
    }

    fn colour(&self) -> Colour {
        Colour { light: [0xD5, 0x5E, 0x00], dark: [0xF5, 0x8A, 0x4B] }
    }

    fn url_form(&self) -> Option<UrlForm> {
        Some(http::URL_FORM)
    }

    fn http_version(&self, server: &Options) -> Option<String> {
        http::version(server)
    }

    fn notation_libraries(&self) -> &'static [&'static str] {
        &["serde_json"]
    }

    fn server_options(&self) -> &'static [&'static OptionGroup] {
        &[&http::SERVER, &SERVER]
    }

    fn client_options(&self) -> &'static [&'static OptionGroup] {
        &[&http::CLIENT, &tls::TLS, &CLIENT]
    }

    fn call_options(&self) -> &'static [&'static OptionGroup] {
        &[&CALL]
    }

    fn prepare_client_options(&self, options: &mut Options) -> Result<(), String> {
        http::prepare(options)?;
        let given: ClientOptions = options.get(&CLIENT).map_err(|error| error.to_string())?;
        options.set(&CLIENT, &given.read()?).map_err(|error| error.to_string())
    }

    fn has_named_parameters(&self) -> bool {
        true
    }

    fn has_batches(&self) -> bool {
        true
    }

    fn stacks(&'static self) -> Vec<Stack> {
        let hyper = |name, role| Stack::new(self, name, role, http::HYPER, connect::<HyperClient>);
        vec![
            Stack::new(self, "jsonrpc", Role::Default, http::REQWEST, connect::<ReqwestClient>)
                .served_by(http::AXUM, serve)
                .with_transports(http::TRANSPORTS),
            hyper("jsonrpc-hyper", Role::Minimal)
                .served_by(http::AXUM, serve)
                .with_transports(http::HYPER_TRANSPORTS)
                .with_client(http::HTTP2_TRANSPORTS, connect::<Http2Client>),
            Stack::new(self, "jsonrpc-bare", Role::Step, http::BARE, connect::<BareClient>)
                .served_by(http::BARE, serve_bare)
                .with_transports(http::TRANSPORTS),
            #[cfg(feature = "jsonrpsee")]
            hyper("jsonrpc-jsonrpsee", Role::Alternative).served_by(JSONRPSEE, serve_jsonrpsee),
            hyper("jsonrpc-python", Role::Reference).served_by_reference(&PYTHON),
            hyper("jsonrpc-node", Role::Reference).served_by_reference(&NODE),
            hyper("jsonrpc-jayson", Role::Reference).served_by_reference(&JAYSON),
            hyper("jsonrpc-go", Role::Reference).served_by_reference(&GO),
        ]
    }

    fn anatomy(
        &self,
        _: &Stack,
        destination: &Destination,
        call: &Call,
        result: &Value,
    ) -> Result<[Anatomy; 2], CallError> {
        let envelope = destination.options.get::<ClientOptions>(&CLIENT)?.envelope()?;
        anatomy_in(&envelope, call, result)
    }

    fn dissect(&self, _: Leg, bytes: &[u8]) -> Option<Vec<Part>> {
        dissection::http::parts(bytes, http::REQUEST_LINE, |body| dissection::json::object(body, member))
    }

    fn codec_format(&self) -> Option<Format> {
        Some(Format::JsonUntyped)
    }

    /// By `rpc.discover`, which says most, or `system.listMethods`.
    fn list_methods<'a>(
        &'a self,
        stack: &'static Stack,
        destination: &'a Destination,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Option<Listing>, CallError>> {
        method_list::of_server(stack, destination, timeout, method_list::Asks::DiscoveryFirst).boxed()
    }

    /// Makes a call, or sends a notification or a batch; lists the methods where none is named.
    fn invoke<'a>(
        &'a self,
        stack: &'static Stack,
        invocation: &'a Invocation,
        print: &'a mut (dyn FnMut(Output) + Send),
    ) -> BoxFuture<'a, Result<(), InvokeError>> {
        async move {
            let CallOptions { notify, batch } = invocation.options.get(&CALL)?;
            let calls = calls_of(invocation, notify, batch)?;
            let destination = invocation.destination.clone();
            let mut deadline = Deadline::new(invocation.timeout);
            if !notify && !batch {
                let client = stack.connect(destination, invocation.client_options()).await?;
                let output = match calls.as_slice() {
                    [BatchCall::Call(call)] if !call.method.is_empty() => {
                        Output::Value(deadline.within(Instant::now(), client.call(call)).await?)
                    }
                    _ => Output::Text(list_methods(&*client, &mut deadline).await?),
                };
                print(output);
                return Ok(());
            }
            let client = connect::<HyperClient>(destination, invocation.client_options()).await?;
            let results = match calls.as_slice() {
                [BatchCall::Notification(call)] if !batch => {
                    deadline.within(Instant::now(), client.notify(call)).await?;
                    vec![]
                }
                calls => deadline.within(Instant::now(), client.batch(calls)).await?,
            };
            for result in results.into_iter().flatten() {
                print(result.map_or_else(Output::Error, Output::Value));
            }
            Ok(())
        }
        .boxed()
    }
}

/// The anatomy of a call with `envelope` in its request.
///
/// # Errors
/// For a call that JSON cannot represent.
pub(super) fn anatomy_in(
    envelope: &Envelope,
    call: &Call,
    result: &Value,
) -> Result<[Anatomy; 2], CallError> {
    let mut reply = Vec::new();
    let to = ReplyTo { id: &FIRST_ID.to_string(), version: envelope.version };
    write_result(&mut reply, to, result);
    measure(call, result, [encode_call(envelope, call, FIRST_ID)?.len(), reply.len()], json_len)
}

/// What the member `name` of a request or a response is.
pub(super) fn member(name: &str) -> Member {
    match name {
        "jsonrpc" => Member::Envelope("version of JSON-RPC"),
        "method" => Member::Envelope("name of the method"),
        "params" => Member::Arguments,
        "result" => Member::Result,
        "id" => Member::Envelope("id of the call, which the reply repeats"),
        _ => Member::Envelope("another member"),
    }
}

async fn list_methods(client: &dyn Client, deadline: &mut Deadline) -> Result<String, InvokeError> {
    let help = method_list::Details::Help;
    if let Ok(methods) = method_list::by_introspection(client, deadline, help).await? {
        return Ok(method_list::table(&methods));
    }
    let methods = method_list::by_discovery(client, deadline).await?;
    let methods =
        methods.map_err(|error| method_list::not_listed(&["system.listMethods", "rpc.discover"], &error))?;
    Ok(method_list::table(&methods))
}

/// The calls that `invocation` asks for. Those of a batch are separated by `,`; all of them are notifications where
/// `notify` is set.
fn calls_of(invocation: &Invocation, notify: bool, batch: bool) -> Result<Vec<BatchCall>, InvokeError> {
    let usage = |message: &str| InvokeError::Usage(message.to_owned());
    let version = invocation.destination.options.get::<ClientOptions>(&CLIENT)?.version;
    if batch && version == RequestVersion::V1 {
        return Err(usage("JSON-RPC 1.0 has no batches"));
    }
    if !batch && invocation.method().is_empty() && (notify || invocation.words.len() > 1) {
        return Err(usage("name a method"));
    }
    let mut calls = Vec::new();
    for words in invocation.words.split(|word| batch && word == ",") {
        let Some((method, arguments)) =
            words.split_first().filter(|(method, _)| !batch || !method.is_empty())
        else {
            return Err(usage("a method is missing beside a `,`"));
        };
        let params = parse_params(arguments, true, |value| value).map_err(InvokeError::Usage)?;
        if matches!(params, Params::Named(_)) && version == RequestVersion::V1 {
            return Err(usage("JSON-RPC 1.0 has no named parameters; give the arguments by position"));
        }
        let call = Call { method: method.clone().into(), params };
        calls.push(if notify { BatchCall::Notification(call) } else { BatchCall::Call(call) });
    }
    Ok(calls)
}

async fn connect<T: Transport>(
    destination: Destination,
    options: calculator::ClientOptions,
) -> Result<JsonRpcClient<T>, CallError> {
    let envelope = destination.options.get::<ClientOptions>(&CLIENT)?.envelope()?;
    let client = JsonRpcClient::connect(&destination.url, http::access(&destination)?, &options).await?;
    Ok(client.with_envelope(envelope))
}

async fn serve(context: ServeContext) -> Result<Serving, ServeError> {
    let version = http::served_version(&context);
    let tls = context.acceptor(version.alpn())?;
    let (options, bind_error) =
        (server_options(&context, http::http_options(&context)?)?, context.bind_error());
    let server =
        jsonrpc::Server::bind(&context.listen, context.dispatcher, options).await.map_err(bind_error)?;
    let server = server.with_tls(tls).with_version(version);
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}

async fn serve_bare(context: ServeContext) -> Result<Serving, ServeError> {
    let tls = context.acceptor(http_layer::ALPN)?;
    let options = server_options(&context, http::bare_http_options(&context)?)?;
    let bind_error = context.bind_error();
    let server =
        jsonrpc::BareServer::bind(&context.listen, context.dispatcher, options).await.map_err(bind_error)?;
    let server = server.with_tls(tls);
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}

fn server_options(context: &ServeContext, http: HttpOptions) -> Result<jsonrpc::ServerOptions, OptionsError> {
    let ServerOptions { allow_get } = context.options.get(&SERVER)?;
    Ok(jsonrpc::ServerOptions { http, allow_get })
}

#[cfg(feature = "jsonrpsee")]
async fn serve_jsonrpsee(context: ServeContext) -> Result<Serving, ServeError> {
    if http::http_options(&context)?.allowed_origins != http_layer::AllowedOrigins::None {
        return Err(ServeError::Setting(
            "--allow-origin: jsonrpsee's server has no such option here".to_owned(),
        ));
    }
    let bind_error = context.bind_error();
    let server = jsonrpc::JsonrpseeServer::bind(&context.listen, context.dispatcher, context.limits)
        .await
        .map_err(bind_error)?;
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}
