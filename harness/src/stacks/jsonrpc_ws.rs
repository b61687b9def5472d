//! JSON-RPC over WebSocket: over TCP, TLS and Unix sockets.

use calculator::{Call, CallError, Value};
use codecs::Format;
use futures_util::FutureExt;
use jsonrpc::wire::Envelope;
use jsonrpc::{WEBSOCKET_SCHEMES, WebSocketClient, WebSocketServer};

use super::anatomy::Anatomy;
use super::destination::Destination;
use super::dissection::{self, Leg, Part};
use super::facts::{Colour, End, Role, UrlForm};
use super::jsonrpc::{anatomy_in, member};
use super::options::OptionGroup;
use super::protocol::{Protocol, Stack};
use super::reference::{Reference, reference};
use super::serve::{ServeContext, ServeError, Serving};
use super::tls;
use super::transport::Transport;

/// JSON-RPC 2.0 with a request or a response in each message of a WebSocket.
pub(super) struct JsonrpcWs;

const TUNGSTENITE: End = End::new("tungstenite", &["tungstenite", "tokio-tungstenite", "tokio"]);

/// The transports of the server of this suite and its client beside TCP.
const TRANSPORTS: &[Transport] = &[Transport::Unix, Transport::Tls, Transport::TlsResumed];

static PYTHON: Reference = reference!("websockets", "jsonrpc_ws_server.py", &[], "threads");

impl Protocol for JsonrpcWs {
    fn name(&self) -> &'static str {
        "jsonrpc-ws"
    }

    fn colour(&self) -> Colour {
        Colour { light: [0x6B, 0x8E, 0x23], dark: [0xA9, 0xC4, 0x6C] }
    }

    fn url_form(&self) -> Option<UrlForm> {
        Some(UrlForm { schemes: &WEBSOCKET_SCHEMES, example: "ws://127.0.0.1:8000/jsonrpc" })
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
        let over_websocket = |name, role| {
            Stack::new(self, name, role, TUNGSTENITE, |destination, options| async move {
                let tls = tls::settings(&destination.options)?;
                WebSocketClient::connect_trusting(&destination.url, tls, &options).await
            })
        };
        vec![
            over_websocket("jsonrpc-ws", Role::DefaultAndMinimal)
                .served_by(TUNGSTENITE, serve)
                .with_transports(TRANSPORTS),
            over_websocket("jsonrpc-ws-python", Role::Reference).served_by_reference(&PYTHON),
        ]
    }

    fn anatomy(
        &self,
        _: &Stack,
        _: &Destination,
        call: &Call,
        result: &Value,
    ) -> Result<[Anatomy; 2], CallError> {
        // The header of a frame is framing.
        anatomy_in(&Envelope::default(), call, result)
    }

    fn dissect(&self, _: Leg, bytes: &[u8]) -> Option<Vec<Part>> {
        dissection::websocket::frame(bytes, |message| dissection::json::object(message, member))
    }

    fn codec_format(&self) -> Option<Format> {
        Some(Format::JsonUntyped)
    }
}

async fn serve(context: ServeContext) -> Result<Serving, ServeError> {
    // The opening handshake is HTTP.
    let tls = context.acceptor(http_layer::ALPN)?;
    let failed = context.bind_error();
    let server =
        WebSocketServer::bind(&context.listen, context.dispatcher, context.limits).await.map_err(failed)?;
    let server = server.with_tls(tls);
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}
