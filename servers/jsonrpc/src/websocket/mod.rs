//! JSON-RPC over WebSocket (RFC 6455): a request or a response in each text message.
//!
//! A connection begins with an HTTP request, whose path is not looked at, and has no further HTTP. Clients mask what they send with
//! a new key for each frame, as the standard requires (section 5.3).

mod client;
mod opening;
mod server;

use std::time::Duration;

use calculator::Limits;
use net::Scheme;
use tokio_websockets::{Error, Message};

pub use client::WebSocketClient;
pub use server::WebSocketServer;

/// The schemes of URLs.
pub const WEBSOCKET_SCHEMES: [Scheme; 2] = [Scheme::WS, Scheme::WS_UNIX];

/// The path of a server's URL. It answers at every path.
const PATH: &str = "/jsonrpc";

/// How long the opening of a connection may take, from the first byte of the client's request.
const OPENING_TIMEOUT: Duration = Duration::from_secs(30);

/// The limit of the library for messages that arrive. It is checked before a message's bytes are kept, for each frame and for all
/// frames of a message.
fn message_limit(limits: &Limits) -> tokio_websockets::Limits {
    tokio_websockets::Limits::default().max_payload_len(Some(limits.max_body))
}

/// Whether a message is neither a request nor a response: the library answers a ping itself.
fn is_keepalive(message: &Message) -> bool {
    message.is_ping() || message.is_pong()
}

/// Whether a connection ended because a message that arrived is above the limit.
fn is_too_long(error: &Error) -> bool {
    matches!(error, Error::PayloadTooLong { .. })
}
