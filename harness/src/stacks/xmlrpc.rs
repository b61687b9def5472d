//! XML-RPC over HTTP.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use calculator::conformance::{IntegerWidth, Profile};
use calculator::{Call, CallError, Deadline, ErrorKind, Value};
use codecs::Format;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_layer::bare::BareClient;
use http_layer::{HttpOptions, HyperClient, ReqwestClient, Transport};
use serde::{Deserialize, Serialize};
use xmlrpc::XmlRpcClient;
use xmlrpc::wire::EncodeOptions;

use super::anatomy::{Anatomy, measure};
use super::destination::Destination;
use super::dissection::{self, Leg, Part};
use super::facts::{Colour, Role, UrlForm};
use super::http;
use super::invoke::{Invocation, InvokeError, Output};
use super::method_list;
use super::options::{OptionGroup, Options, OptionsError};
use super::protocol::{Protocol, Stack};
use super::reference::{Reference, reference};
use super::serve::{ServeContext, ServeError, Serving};
use super::tls;
use crate::discovery::Listing;

/// XML-RPC over HTTP.
pub(super) struct Xmlrpc;

/// The options of servers.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
struct ServerOptions {
    /// Send null as <nil/> instead of a fault
    #[arg(long, help_heading = "XML-RPC")]
    allow_none: bool,
}

const SERVER: OptionGroup = OptionGroup::of::<ServerOptions>("xmlrpc");

/// The options of clients.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
struct ClientOptions {
    /// Send null as <nil/>, which not every server accepts
    #[arg(long, help_heading = "XML-RPC")]
    allow_none: bool,
}

const CLIENT: OptionGroup = OptionGroup::of::<ClientOptions>("xmlrpc");

static PYTHON: Reference = reference!("Python SimpleXMLRPCServer", "xmlrpc_server.py", &[], "blocking");
static PYTHON_THREADS: Reference =
    reference!("Python SimpleXMLRPCServer, ThreadingMixIn", "xmlrpc_server.py", &["--threads"], "threads");

impl Protocol for Xmlrpc {
    fn name(&self) -> &'static str {
        "xmlrpc"
    }

    fn colour(&self) -> Colour {
        Colour { light: [0xC4, 0x6A, 0x9C], dark: [0xE5, 0x9C, 0xC6] }
    }

    fn url_form(&self) -> Option<UrlForm> {
        Some(http::URL_FORM)
    }

    fn http_version(&self, server: &Options) -> Option<String> {
        http::version(server)
    }

    fn notation_libraries(&self) -> &'static [&'static str] {
        &["quick-xml"]
    }

    fn server_options(&self) -> &'static [&'static OptionGroup] {
        &[&http::SERVER, &SERVER]
    }

    fn client_options(&self) -> &'static [&'static OptionGroup] {
        &[&http::CLIENT, &tls::TLS, &CLIENT]
    }

    fn prepare_client_options(&self, options: &mut Options) -> Result<(), String> {
        http::prepare(options)
    }

    /// An `<int>` has 32 bits.
    fn profile(&self) -> Profile {
        Profile { integer_width: IntegerWidth::Bits32, ..Profile::default() }
    }

    /// Reads `{"base64": …}`, `{"dateTime.iso8601": …}` and `{"i8": …}`, inside lists and maps too.
    fn typed(&self, value: Value) -> Value {
        match value {
            Value::List(items) => Value::List(items.into_iter().map(|item| self.typed(item)).collect()),
            Value::Map(members) => {
                match &*members {
                    [(name, Value::Str(text))] if name == "base64" => {
                        if let Ok(bytes) = BASE64.decode(text) {
                            return bytes.into();
                        }
                    }
                    [(name, Value::Str(text))] if name == "dateTime.iso8601" => {
                        return Value::DateTime(text.as_str().into());
                    }
                    // The form of integers that the encoder sends as `i8`.
                    [(name, Value::Int(int))] if name == "i8" => {
                        return Value::BigInt(int.to_string().into());
                    }
                    _ => {}
                }
                Value::Map(members.into_iter().map(|(name, value)| (name, self.typed(value))).collect())
            }
            scalar => scalar,
        }
    }

    fn has_batches(&self) -> bool {
        true
    }

    fn stacks(&'static self) -> Vec<Stack> {
        let hyper = |name, role| Stack::new(self, name, role, http::HYPER, connect::<HyperClient>);
        vec![
            Stack::new(self, "xmlrpc", Role::Default, http::REQWEST, connect::<ReqwestClient>)
                .served_by(http::AXUM, serve)
                .with_transports(http::TRANSPORTS),
            hyper("xmlrpc-hyper", Role::Minimal)
                .served_by(http::AXUM, serve)
                .with_transports(http::TRANSPORTS),
            Stack::new(self, "xmlrpc-bare", Role::Step, http::BARE, connect::<BareClient>)
                .served_by(http::BARE, serve_bare)
                .with_transports(http::TRANSPORTS),
            hyper("xmlrpc-python", Role::Reference).served_by_reference(&PYTHON),
            hyper("xmlrpc-python-threads", Role::Reference).served_by_reference(&PYTHON_THREADS),
        ]
    }

    /// By `system.listMethods`, with signatures where the server knows them.
    fn list_methods<'a>(
        &'a self,
        stack: &'static Stack,
        destination: &'a Destination,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Option<Listing>, CallError>> {
        method_list::of_server(stack, destination, timeout, method_list::Asks::Introspection).boxed()
    }

    /// Makes a call; lists the methods where none is named.
    fn invoke<'a>(
        &'a self,
        stack: &'static Stack,
        invocation: &'a Invocation,
        print: &'a mut (dyn FnMut(Output) + Send),
    ) -> BoxFuture<'a, Result<(), InvokeError>> {
        async move {
            let call = invocation.call(false, |value| self.typed(value))?;
            let client = stack.connect(invocation.destination.clone(), invocation.client_options()).await?;
            let mut deadline = Deadline::new(invocation.timeout);
            if call.method.is_empty() {
                let methods =
                    method_list::by_introspection(&*client, &mut deadline, method_list::Details::Help)
                        .await?;
                let methods =
                    methods.map_err(|error| method_list::not_listed(&["system.listMethods"], &error))?;
                print(Output::Text(method_list::table(&methods)));
                return Ok(());
            }
            let result = deadline.within(Instant::now(), client.call(&call)).await;
            print(Output::Value(result.map_err(with_hint)?));
            Ok(())
        }
        .boxed()
    }

    fn anatomy(
        &self,
        _: &Stack,
        _: &Destination,
        call: &Call,
        result: &Value,
    ) -> Result<[Anatomy; 2], CallError> {
        use xmlrpc::wire::{encode_call, encode_response, encode_value};
        let options = EncodeOptions::default();
        let lengths = [encode_call(call, &options)?.len(), encode_response(result, &options)?.len()];
        measure(call, result, lengths, |value| encode_value(value, &options).map(|text| text.len()))
    }

    fn dissect(&self, leg: Leg, bytes: &[u8]) -> Option<Vec<Part>> {
        dissection::http::parts(bytes, http::REQUEST_LINE, |body| {
            dissection::xml::document(body, leg.message)
        })
    }

    fn codec_format(&self) -> Option<Format> {
        Some(Format::Xml)
    }
}

/// Adds to the error of a call with an integer beyond 32 bits how to send it.
fn with_hint(mut error: CallError) -> CallError {
    if error.kind == ErrorKind::Overflow && error.remote.is_none() {
        error.message.push_str("; an argument {\"i8\": …} is sent as an integer of 64 bits");
    }
    error
}

async fn connect<T: Transport>(
    destination: Destination,
    options: calculator::ClientOptions,
) -> Result<XmlRpcClient<T>, CallError> {
    let ClientOptions { allow_none } = destination.options.get(&CLIENT)?;
    let client = XmlRpcClient::connect(&destination.url, http::access(&destination)?, &options).await?;
    Ok(client.allow_none(allow_none))
}

async fn serve(context: ServeContext) -> Result<Serving, ServeError> {
    let tls = context.acceptor(http_layer::ALPN)?;
    let (options, bind_error) =
        (server_options(&context, http::http_options(&context)?)?, context.bind_error());
    let server =
        xmlrpc::Server::bind(&context.listen, context.dispatcher, options).await.map_err(bind_error)?;
    let server = server.with_tls(tls);
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}

async fn serve_bare(context: ServeContext) -> Result<Serving, ServeError> {
    let tls = context.acceptor(http_layer::ALPN)?;
    let options = server_options(&context, http::bare_http_options(&context)?)?;
    let bind_error = context.bind_error();
    let server =
        xmlrpc::BareServer::bind(&context.listen, context.dispatcher, options).await.map_err(bind_error)?;
    let server = server.with_tls(tls);
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}

fn server_options(context: &ServeContext, http: HttpOptions) -> Result<xmlrpc::ServerOptions, OptionsError> {
    let ServerOptions { allow_none } = context.options.get(&SERVER)?;
    Ok(xmlrpc::ServerOptions { http, allow_none })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_dates_are_read_inside_lists_and_maps() {
        let json = |text: &str| calculator::json::read(text.as_bytes(), &Default::default()).unwrap();
        let typed = |text: &str| Xmlrpc.typed(json(text));
        assert_eq!(typed(r#"{"base64": "AP8="}"#), Value::from(vec![0, 255]));
        assert_eq!(typed(r#"{"base64": "?"}"#), json(r#"{"base64": "?"}"#));
        assert_eq!(typed(r#"{"i8": 5}"#), Value::BigInt("5".into()));
        assert_eq!(typed(r#"{"i8": "5"}"#), json(r#"{"i8": "5"}"#));
        let date = Value::DateTime("20261126T10:00:00".into());
        assert_eq!(
            typed(r#"[{"at": {"dateTime.iso8601": "20261126T10:00:00"}}]"#),
            Value::list(vec![Value::map(vec![("at".into(), date)])])
        );
    }
}
