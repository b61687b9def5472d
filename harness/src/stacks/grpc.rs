//! gRPC: Protocol Buffers over HTTP/2.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use calculator::{Calculator, Call, CallError, ClientOptions, Deadline, Value};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use grpc::{AnyClient, H2Client, ReflectedClient};

use super::anatomy::{Anatomy, measure};
use super::destination::Destination;
use super::dissection::{self, Leg, Part};
use super::facts::{Colour, End, Role, UrlForm};
use super::invoke::{Invocation, InvokeError, Output, one_call};
use super::method_list;
use super::options::{OptionGroup, Options};
use super::protocol::{Protocol, Stack};
use super::reference::{Reference, reference};
use super::serve::{ServeContext, ServeError, ServerSettings, Serving};
use super::tls;
use super::transport::Transport;
use crate::discovery::{Argument, Arguments, Listing, MethodDescription, ValueSource};

/// Protocol Buffers over HTTP/2.
pub(super) struct Grpc;

const TONIC: End = End::new("tonic", &["tonic", "hyper", "h2", "tokio"]);
const H2: End = End::new("h2", &["h2", "tokio"]);

/// How a server is asked for its methods.
const SOURCE: &str = "server reflection";

/// The transports of the servers of this suite and their clients beside TCP.
const TRANSPORTS: &[Transport] = &[Transport::Unix, Transport::Tls, Transport::TlsResumed];

static PYTHON: Reference =
    Reference { options: definitions, ..reference!("grpcio", "grpc_server.py", &[], "threads") };

/// The definitions of the messages, of which the reference server makes its classes.
fn definitions(_: &ServerSettings) -> Vec<String> {
    vec![format!("--definitions={}", STANDARD.encode(grpc::descriptor::encoded(&Calculator)))]
}

impl Protocol for Grpc {
    fn name(&self) -> &'static str {
        "grpc"
    }

    fn colour(&self) -> Colour {
        Colour { light: [0x33, 0x22, 0x88], dark: [0xB8, 0xAE, 0xF5] }
    }

    fn url_form(&self) -> Option<UrlForm> {
        Some(UrlForm { schemes: grpc::SCHEMES, example: "grpc://127.0.0.1:50051" })
    }

    fn client_options(&self) -> &'static [&'static OptionGroup] {
        &[&tls::TLS]
    }

    fn http_version(&self, _: &Options) -> Option<String> {
        Some("HTTP/2.0".to_owned())
    }

    fn notation_libraries(&self) -> &'static [&'static str] {
        &["prost"]
    }

    fn has_named_parameters(&self) -> bool {
        true
    }

    fn has_streams(&self) -> bool {
        true
    }

    /// The minimal client has the messages of the calculator only.
    fn method_obstacle(&self, stack: &Stack, method: &str) -> Option<String> {
        let is_known = grpc::method_path(method).is_ok() || stack.base_name() == self.name();
        let reason =
            || format!("{} calls methods of {} only, by their names alone", stack.name, grpc::SERVICE);
        (!is_known).then(reason)
    }

    fn stacks(&'static self) -> Vec<Stack> {
        let h2 = |name, role| {
            Stack::new(self, name, role, H2, |destination: Destination, options| async move {
                let tls = tls::settings(&destination.options)?;
                H2Client::connect_trusting(&destination.url, tls, &options).await
            })
            .multiplexing()
        };
        let tonic = |destination: Destination, options| async move {
            let tls = tls::settings(&destination.options)?;
            AnyClient::connect_trusting(&destination.url, tls, &options).await
        };
        vec![
            Stack::new(self, "grpc", Role::Default, TONIC, tonic)
                .served_by(TONIC, serve)
                .multiplexing()
                .with_transports(TRANSPORTS),
            h2("grpc-h2", Role::Minimal).served_by(TONIC, serve).with_transports(TRANSPORTS),
            h2("grpc-python", Role::Reference).served_by_reference(&PYTHON),
        ]
    }

    fn anatomy(
        &self,
        _: &Stack,
        _: &Destination,
        call: &Call,
        result: &Value,
    ) -> Result<[Anatomy; 2], CallError> {
        // The messages of other services are those of their definitions.
        if call.method.contains('/') {
            return Err(CallError::unknown_method(&call.method));
        }
        use grpc::wire::{encode_arguments, encoded_len};
        let lengths = [encode_arguments(call)?.len(), encoded_len(result)?];
        measure(call, result, lengths, encoded_len)
    }

    fn dissect(&self, leg: Leg, bytes: &[u8]) -> Option<Vec<Part>> {
        dissection::http2::parts(bytes, |body| dissection::protobuf::message(body, leg.message))
    }

    /// Lists the methods of all services by server reflection, except those with streams: a call of a scenario has one answer.
    fn list_methods<'a>(
        &'a self,
        _: &'static Stack,
        destination: &'a Destination,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Option<Listing>, CallError>> {
        async move {
            let options = ClientOptions { timeout, ..ClientOptions::default() };
            let tls = tls::settings(&destination.options).map_err(CallError::from)?;
            let client = ReflectedClient::connect_trusting(&destination.url, tls, &options).await?;
            let methods = Deadline::new(timeout).within(Instant::now(), client.methods()).await?;
            let methods = methods.into_iter().filter(|method| !method.has_streams).map(described).collect();
            Ok(Some(Listing { source: SOURCE.to_owned(), methods }))
        }
        .boxed()
    }

    /// Calls a method of the calculator. A method `PACKAGE.SERVICE/METHOD` of any other service is called as the server
    /// describes it; without a method, those that it describes are listed. The timeout covers only the first reply: a
    /// stream may take any time.
    fn invoke<'a>(
        &'a self,
        stack: &'static Stack,
        invocation: &'a Invocation,
        print: &'a mut (dyn FnMut(Output) + Send),
    ) -> BoxFuture<'a, Result<(), InvokeError>> {
        async move {
            let call = invocation.call(true, |value| value)?;
            let (options, started) = (invocation.client_options(), Instant::now());
            if !call.method.is_empty() && !call.method.contains('/') {
                let connect = stack.connect(invocation.destination.clone(), options);
                print(Output::Value(one_call(connect, &call, invocation.timeout).await?));
                return Ok(());
            }
            let Destination { url, options: given } = &invocation.destination;
            let tls = tls::settings(given).map_err(CallError::from)?;
            let client = ReflectedClient::connect_trusting(url, tls, &options).await?;
            let mut deadline = Deadline::new(invocation.timeout);
            if call.method.is_empty() {
                let methods = deadline.within(started, client.methods()).await?;
                let methods = methods.iter();
                let described =
                    methods.map(|method| MethodDescription::named(&method.name, &method.signature));
                let source = SOURCE.to_owned();
                print(Output::Text(method_list::table(&Listing { source, methods: described.collect() })));
                return Ok(());
            }
            let mut replies = deadline.within(started, client.call(&call)).await?;
            let mut next = deadline.within(started, replies.next()).await?;
            while let Some(value) = next {
                print(Output::Value(value));
                next = replies.next().await?;
            }
            Ok(())
        }
        .boxed()
    }
}

/// What [`Protocol::list_methods`] says of `method`.
fn described(method: grpc::MethodDescription) -> MethodDescription {
    let argument = |(name, value)| Argument { name, value, source: ValueSource::Guess };
    let arguments = Arguments::Named(method.fields.into_iter().map(argument).collect());
    MethodDescription { arguments, ..MethodDescription::named(method.name, method.signature) }
}

async fn serve(context: ServeContext) -> Result<Serving, ServeError> {
    let tls = context.acceptor(grpc::ALPN)?;
    let failed = context.bind_error();
    let server =
        grpc::Server::bind(&context.listen, context.dispatcher, context.limits).await.map_err(failed)?;
    let server = server.with_tls(tls);
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}
