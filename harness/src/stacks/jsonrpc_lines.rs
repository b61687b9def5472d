//! JSON-RPC in lines: without HTTP, over TCP, TLS, Unix sockets and pipes.

use calculator::{Call, CallError, Value};
use codecs::Format;
use futures_util::FutureExt;
use jsonrpc::wire::Envelope;
use jsonrpc::{LINES_SCHEMES, LinesClient, LinesServer};

use super::anatomy::Anatomy;
use super::destination::Destination;
use super::dissection::{self, Leg, Part};
use super::facts::{Colour, Role, UrlForm};
use super::jsonrpc::{anatomy_in, member};
use super::options::OptionGroup;
use super::protocol::{Protocol, Stack};
use super::reference::{Reference, reference};
use super::serve::{ServeContext, ServeError, Serving};
use super::tcp::TOKIO;
use super::tls;
use super::transport::Transport;

/// JSON-RPC 2.0 with a message in each line.
pub(super) struct JsonrpcLines;

/// The transports of the server of this suite and its client beside TCP.
const TRANSPORTS: &[Transport] = &[Transport::Unix, Transport::Stdio, Transport::Tls, Transport::TlsResumed];

static PYTHON: Reference = reference!("jsonrpclib-pelix", "jsonrpc_lines_server.py", &[], "threads");

impl Protocol for JsonrpcLines {
    fn name(&self) -> &'static str {
        "jsonrpc-lines"
    }

    fn colour(&self) -> Colour {
        Colour { light: [0x8A, 0x4B, 0x08], dark: [0xD9, 0x9A, 0x5B] }
    }

    fn url_form(&self) -> Option<UrlForm> {
        Some(UrlForm { schemes: &LINES_SCHEMES, example: "tcp://127.0.0.1:4000" })
    }

    fn notation_libraries(&self) -> &'static [&'static str] {
        &["serde_json"]
    }

    fn client_options(&self) -> &'static [&'static OptionGroup] {
        &[&tls::TLS]
    }

    fn has_named_parameters(&self) -> bool {
        true
    }

    fn stacks(&'static self) -> Vec<Stack> {
        let lines = |name, role| {
            Stack::new(self, name, role, TOKIO, |destination, options| async move {
                let tls = tls::settings(&destination.options)?;
                LinesClient::connect_trusting(&destination.url, tls, &options).await
            })
        };
        vec![
            lines("jsonrpc-lines", Role::DefaultAndMinimal)
                .served_by(TOKIO, serve)
                .with_transports(TRANSPORTS),
            lines("jsonrpc-lines-python", Role::Reference).served_by_reference(&PYTHON),
        ]
    }

    fn anatomy(
        &self,
        _: &Stack,
        _: &Destination,
        call: &Call,
        result: &Value,
    ) -> Result<[Anatomy; 2], CallError> {
        // The line feed after a message is framing.
        anatomy_in(&Envelope::default(), call, result)
    }

    fn dissect(&self, _: Leg, bytes: &[u8]) -> Option<Vec<Part>> {
        dissection::json::line(bytes, member)
    }

    fn codec_format(&self) -> Option<Format> {
        Some(Format::JsonUntyped)
    }
}

async fn serve(context: ServeContext) -> Result<Serving, ServeError> {
    let tls = context.acceptor(None)?;
    let failed = context.bind_error();
    let server =
        LinesServer::bind(&context.listen, context.dispatcher, context.limits).await.map_err(failed)?;
    let server = server.with_tls(tls);
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}
