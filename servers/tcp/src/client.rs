//! The calling end: one connection, one call at a time.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use calculator::{Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, Value};

use crate::{SCHEME, wire};

/// A client with one blocking connection.
///
/// A call's future writes, waits and reads inside its first poll and is then ready: whoever polls it needs a thread of
/// its own, and no runtime. Calls from several threads take turns. After a failure on the way the connection is
/// closed, and the next call opens another.
#[derive(Debug)]
pub struct TcpClient {
    address: String,
    timeout: Duration,
    /// `None` after a failure, until the next call.
    stream: Mutex<Option<TcpStream>>,
}

impl TcpClient {
    /// Connects to `tcp://HOST:PORT`, blocking. Connecting, and later each call, may take `options.timeout`.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] where nobody listens or the URL is none of this protocol,
    /// [`ErrorKind::Timeout`] where connecting takes too long.
    // Async to match every other protocol's client; the floor itself waits for nothing but the kernel.
    #[allow(clippy::unused_async)]
    pub async fn connect(url: &str, options: &ClientOptions) -> Result<Self, CallError> {
        let address = address_of(url)?;
        let stream = open(address, options.timeout)?;
        Ok(TcpClient {
            address: address.to_owned(),
            timeout: options.timeout,
            stream: Mutex::new(Some(stream)),
        })
    }

    fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        let request = wire::encode_request(call)?;
        // The connection is taken out for the exchange, so whatever a panic leaves behind is whole or `None`.
        let mut slot = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stream = match slot.take() {
            Some(stream) => stream,
            None => open(&self.address, self.timeout)?,
        };
        let mut reply = [0; wire::LEN];
        stream.write_all(&request).and_then(|()| stream.read_exact(&mut reply)).map_err(on_the_way)?;
        *slot = Some(stream);
        wire::decode_reply(&reply)
    }
}

impl Client for TcpClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(async move { self.exchange(call) })
    }
}

/// The `HOST:PORT` of a URL.
pub(crate) fn address_of(url: &str) -> Result<&str, CallError> {
    url.strip_prefix(SCHEME).ok_or_else(|| {
        let message = format!("`{url}` is no URL of this protocol; give {SCHEME}HOST:PORT");
        CallError::new(ErrorKind::Undeliverable, message)
    })
}

/// Opens a connection to the first address that `address` resolves to and that answers.
pub(crate) fn open(address: &str, timeout: Duration) -> Result<TcpStream, CallError> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name resolves to no address");
    for candidate in address.to_socket_addrs().map_err(on_the_way)? {
        match TcpStream::connect_timeout(&candidate, timeout).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            Ok(stream)
        }) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(on_the_way(last))
}

fn on_the_way(error: io::Error) -> CallError {
    let kind = match error.kind() {
        // A socket's own timeout is reported as the first on Unix, as the second on Windows.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ErrorKind::Timeout,
        _ => ErrorKind::Undeliverable,
    };
    let message = match kind {
        ErrorKind::Timeout => "no answer in time".to_owned(),
        _ => format!("the server cannot be reached or has closed the connection: {error}"),
    };
    CallError::new(kind, message)
}
