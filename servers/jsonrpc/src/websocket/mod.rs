//! JSON-RPC over WebSocket (RFC 6455): a request or a response in each text message.
//!
//! A connection begins with the opening handshake, an HTTP request and response; the server accepts any request path. Clients mask each
//! frame with a new masking key, as section 5.3 requires.

mod client;
mod guarded;
mod server;

use std::time::Duration;

use calculator::Limits;
use futures_util::{SinkExt, StreamExt};
use net::Scheme;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

pub use client::WebSocketClient;
pub use server::WebSocketServer;

/// The schemes of URLs.
pub const WEBSOCKET_SCHEMES: [Scheme; 3] = [Scheme::WS, Scheme::WSS, Scheme::WS_UNIX];

/// The path of a server's URL. It answers at every path.
const PATH: &str = "/jsonrpc";

/// How long the opening handshake may take, from when the connection is accepted.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may continue to send after the server has closed the connection, as in HTTP.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// The same where the server stops.
const STOP_LINGER_TIMEOUT: Duration = Duration::from_millis(50);

/// The size in bytes of a connection's buffer for what it reads, at first, and of what it collects before it writes.
const BUFFER_BYTES: usize = 8 << 10;

/// The library's settings. The limit on incoming messages, in bytes, holds for the payload length that a frame states, before the payload
/// is read, and for the fragments of a message together, after each of them, so that up to twice the limit is buffered.
fn config(limits: &Limits) -> WebSocketConfig {
    let max = Some(limits.max_body);
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(max)
        .max_frame_size(max)
}

/// A text message. `json` is UTF-8.
fn text(json: Vec<u8>) -> Message {
    Message::Frame(Frame::message(json, OpCode::Data(Data::Text), true))
}

/// Waits for the next message that is neither a ping nor a pong; `None` at the end. The library queues the answer to a ping. It is sent
/// before anything else is read: the answers to pings from a peer that reads nothing would fill the memory. Cancel-safe.
async fn next<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut WebSocketStream<S>,
) -> Option<Result<Message, Error>> {
    loop {
        match connection.next().await {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                if let Err(error) = connection.flush().await {
                    return Some(Err(error));
                }
            }
            None | Some(Err(Error::ConnectionClosed)) => return None,
            next => return next,
        }
    }
}
