//! A server and its peers, in bytes.

use std::time::Duration;

use calculator::{Calculator, ClientOptions, Dispatcher, Executor, Faults, Limits};
use jsonrpc::{WebSocketClient, WebSocketServer};
use net::Endpoint;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The example of RFC 6455, section 1.3.
pub(crate) const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
pub(crate) const ACCEPTED: &str = ": s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

pub(crate) const ADDITION: &str =
    "{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":[2,3],\"id\":1000000000}";
pub(crate) const SUM: &str = "{\"jsonrpc\":\"2.0\",\"result\":5,\"id\":1000000000}";

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A server on the runtime of the test. It ends when it is dropped.
pub(crate) struct Running {
    pub(crate) url: String,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn with(limits: Limits) -> Self {
        Self::with_faults(limits, Faults::default()).await
    }

    pub(crate) async fn with_faults(limits: Limits, faults: Faults) -> Self {
        let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
        let server = WebSocketServer::bind(&Endpoint::loopback(), dispatcher.clone(), limits).await.unwrap();
        let (url, stop) = (server.url(), CancellationToken::new());
        let task = tokio::spawn(server.run(stop.clone()));
        Running { url, dispatcher, stop, task }
    }

    pub(crate) async fn client(&self) -> WebSocketClient {
        WebSocketClient::connect(&self.url, &ClientOptions::default()).await.unwrap()
    }

    /// A TCP connection, before the opening handshake.
    pub(crate) async fn raw(&self) -> TcpStream {
        TcpStream::connect(self.authority()).await.unwrap()
    }

    /// Waits until the server has begun so many calls.
    pub(crate) async fn begun(&self, calls: u64) {
        while self.dispatcher.calls() < calls {
            tokio::task::yield_now().await;
        }
    }

    fn authority(&self) -> &str {
        self.url.strip_prefix("ws://").unwrap().split('/').next().unwrap()
    }

    /// A connection after the opening handshake.
    pub(crate) async fn opened(&self) -> TcpStream {
        let mut peer = self.raw().await;
        peer.write_all(HANDSHAKE.as_bytes()).await.unwrap();
        let head = read_head(&mut peer).await;
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPTED), "{head}");
        peer
    }

    /// What the server sends for `bytes` on an open connection, until it closes it.
    pub(crate) async fn answer(&self, bytes: &[u8]) -> Vec<u8> {
        let mut peer = self.opened().await;
        peer.write_all(bytes).await.unwrap();
        peer.shutdown().await.unwrap();
        let mut received = Vec::new();
        // A server that does not read all that was sent resets the connection.
        let _ = peer.read_to_end(&mut received).await;
        received
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

/// Reads an HTTP head, up to and including the empty line.
pub(crate) async fn read_head(peer: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match peer.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// A frame with the whole of `message`, which has at most 125 bytes, as a client sends it.
pub(crate) fn masked(opcode: u8, message: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut frame = vec![0x80 | opcode, 0x80 | u8::try_from(message.len()).unwrap()];
    frame.extend(mask);
    frame.extend(message.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

pub(crate) fn unmasked(opcode: u8, message: &[u8]) -> Vec<u8> {
    [&[0x80 | opcode, u8::try_from(message.len()).unwrap()], message].concat()
}

/// The close code, if the last frame in `received` is a close frame.
pub(crate) fn close_code(received: &[u8]) -> Option<u16> {
    let at = received.iter().rposition(|byte| *byte == 0x80 | CLOSE)?;
    let code = received.get(at + 2..at + 4)?;
    Some(u16::from_be_bytes(code.try_into().unwrap()))
}

/// Accepts a connection, relays its opening handshake to `running`, reads one request, and sends what `reply` returns for its bytes.
/// `None` if an end disconnects.
pub(crate) async fn between(
    listener: &TcpListener,
    running: &Running,
    reply: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Option<()> {
    let mut peer = listener.accept().await.ok()?.0;
    let mut server = running.raw().await;
    server.write_all(read_head(&mut peer).await.as_bytes()).await.ok()?;
    peer.write_all(read_head(&mut server).await.as_bytes()).await.ok()?;
    let mut request = vec![0; ADDITION.len() + 6];
    peer.read_exact(&mut request).await.ok()?;
    peer.write_all(&reply(&request)).await.ok()
}

/// The URL of a listener that [`between`] serves.
pub(crate) fn url_of(listener: &TcpListener) -> String {
    format!("ws://{}/jsonrpc", listener.local_addr().unwrap())
}

/// A server whose handlers wait so long.
pub(crate) async fn slow(delay: Duration) -> Running {
    Running::with_faults(Limits::default(), Faults { delay: Some(delay), ..Faults::default() }).await
}
