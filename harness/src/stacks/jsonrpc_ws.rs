//! JSON-RPC over WebSocket, over TCP and Unix sockets.

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
use super::protocol::{Protocol, Stack};
use super::reference::{Reference, reference};
use super::serve::{ServeContext, ServeError, Serving};
use super::transport::Transport;

/// JSON-RPC 2.0 with a request or a response in each message of a WebSocket.
pub(super) struct JsonrpcWs;

const TUNGSTENITE: End = End::new("tungstenite", &["tungstenite", "tokio-tungstenite", "tokio"]);

/// The transports of the server of this suite and its client beside TCP.
const TRANSPORTS: &[Transport] = &[Transport::Unix];

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

    fn has_named_parameters(&self) -> bool {
        true
    }

    fn stacks(&'static self) -> Vec<Stack> {
        let over_websocket = |name, role| {
            Stack::new(self, name, role, TUNGSTENITE, |destination, options| async move {
                WebSocketClient::connect(&destination.url, &options).await
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
    let failed = context.bind_error();
    let server =
        WebSocketServer::bind(&context.listen, context.dispatcher, context.limits).await.map_err(failed)?;
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}
