//! Thrift: its binary and its compact protocol over framed TCP.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use calculator::{Call, CallError, ClientOptions, Value};
use futures_util::FutureExt;
use thrift_rpc::{Binary, Client, Compact, Encoding, Server, wire};

use super::anatomy::{Anatomy, measure};
use super::destination::Destination;
use super::dissection::{self, Leg, Part};
use super::facts::{Colour, Role, UrlForm};
use super::options::OptionGroup;
use super::protocol::{Protocol, Stack};
use super::reference::{Reference, reference};
use super::serve::{ServeContext, ServeError, ServerSettings, Serving};
use super::tcp::TOKIO;
use super::tls;
use super::transport::Transport;

/// Thrift over framed TCP.
pub(super) struct Thrift;

/// The transports of the servers of this suite and their clients beside TCP.
const TRANSPORTS: &[Transport] = &[Transport::Unix, Transport::Tls, Transport::TlsResumed];

/// The stack with the compact protocol.
const COMPACT: &str = "thrift-compact";

static PYTHON: Reference =
    Reference { options: definitions, ..reference!("thriftpy2", "thrift_server.py", &[], "threads") };

/// The definition of the service, of which the reference server makes its classes.
fn definitions(_: &ServerSettings) -> Vec<String> {
    vec![format!("--definitions={}", STANDARD.encode(thrift_rpc::IDL))]
}

impl Protocol for Thrift {
    fn name(&self) -> &'static str {
        "thrift"
    }

    fn colour(&self) -> Colour {
        Colour { light: [0x88, 0x22, 0x55], dark: [0xE0, 0x7A, 0xA8] }
    }

    fn url_form(&self) -> Option<UrlForm> {
        Some(UrlForm { schemes: thrift_rpc::SCHEMES, example: "thrift://127.0.0.1:9090" })
    }

    fn notation_libraries(&self) -> &'static [&'static str] {
        &["thrift"]
    }

    fn client_options(&self) -> &'static [&'static OptionGroup] {
        &[&tls::TLS]
    }

    fn has_named_parameters(&self) -> bool {
        true
    }

    fn stacks(&'static self) -> Vec<Stack> {
        let binary = |name, role| Stack::new(self, name, role, TOKIO, connect::<Binary>);
        vec![
            binary("thrift", Role::DefaultAndMinimal)
                .served_by(TOKIO, serve::<Binary>)
                .with_transports(TRANSPORTS),
            Stack::new(self, COMPACT, Role::Step, TOKIO, connect::<Compact>)
                .served_by(TOKIO, serve::<Compact>)
                .with_transports(TRANSPORTS),
            binary("thrift-python", Role::Reference).served_by_reference(&PYTHON),
        ]
    }

    fn anatomy(
        &self,
        stack: &Stack,
        _: &Destination,
        call: &Call,
        result: &Value,
    ) -> Result<[Anatomy; 2], CallError> {
        if stack.base_name() == COMPACT {
            anatomy::<Compact>(call, result)
        } else {
            anatomy::<Binary>(call, result)
        }
    }

    fn dissect(&self, leg: Leg, bytes: &[u8]) -> Option<Vec<Part>> {
        dissection::thrift::parts(bytes, leg.message)
    }
}

fn anatomy<E: Encoding>(call: &Call, result: &Value) -> Result<[Anatomy; 2], CallError> {
    let (mut request, mut reply) = (Vec::new(), Vec::new());
    wire::encode_request::<E>(&mut request, call, 0)?;
    let to = wire::ReplyTo { method: call.method.clone(), sequence: 0 };
    wire::encode_reply::<E>(&mut reply, &to, &Ok(result.clone()));
    // The length before a message is framing.
    let lengths = [request, reply].map(|frame| frame.len() - wire::PREFIX_LEN);
    measure(call, result, lengths, wire::encoded_len::<E>)
}

async fn connect<E: Encoding>(
    destination: Destination,
    options: ClientOptions,
) -> Result<Client<E>, CallError> {
    Client::connect_trusting(&destination.url, tls::settings(&destination.options)?, &options).await
}

async fn serve<E: Encoding>(context: ServeContext) -> Result<Serving, ServeError> {
    let tls = context.acceptor(None)?;
    let failed = context.bind_error();
    let server =
        Server::<E>::bind(&context.listen, context.dispatcher, context.limits).await.map_err(failed)?;
    let server = server.with_tls(tls);
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}
