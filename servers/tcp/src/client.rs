//! The client: one connection, one call at a time.

use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use calculator::{Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, Value};
use net::blocking::{self, Stream};
use net::{Address, Endpoint, Scheme};

use crate::{SCHEMES, wire};

/// A client with one blocking connection.
///
/// A call writes, waits and reads inside the first poll of its future, which is then ready: it needs no runtime, but
/// blocks the thread that polls it. Calls from several threads take turns. After a failed exchange the connection is
/// closed, and the next call opens another.
#[derive(Debug)]
pub struct TcpClient {
    server: Endpoint,
    timeout: Duration,
    /// `None` after a failure, until the next call.
    stream: Mutex<Option<Stream>>,
}

impl TcpClient {
    /// Connects to `tcp://HOST:PORT` or `unix:///SOCKET`, blocking. Connecting, and later each call, may take
    /// `options.timeout`.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if no server listens or the URL cannot be used, [`ErrorKind::Timeout`] if
    /// connecting takes too long.
    // Async to match the client of every other protocol; the floor waits only for the kernel.
    #[allow(clippy::unused_async)]
    pub async fn connect(url: &str, options: &ClientOptions) -> Result<Self, CallError> {
        let server = endpoint_of(url, &SCHEMES)?;
        let stream = open(&server, options.timeout)?;
        Ok(TcpClient { server, timeout: options.timeout, stream: Mutex::new(Some(stream)) })
    }

    fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        let request = wire::encode_request(call)?;
        // The connection is taken out for the exchange, so that a panic leaves either a connection between two calls or
        // `None`.
        let mut slot = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stream = match slot.take() {
            Some(stream) => stream,
            None => open(&self.server, self.timeout)?,
        };
        let mut reply = [0; wire::LEN];
        stream.write_all(&request).and_then(|()| stream.read_exact(&mut reply)).map_err(call_error)?;
        *slot = Some(stream);
        wire::decode_reply(&reply)
    }
}

impl Client for TcpClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(async move { self.exchange(call) })
    }
}

/// Parses the endpoint in a URL.
pub(crate) fn endpoint_of(url: &str, schemes: &[Scheme]) -> Result<Endpoint, CallError> {
    let address = Address::parse(url, schemes);
    let address = address
        .map_err(|error| CallError::new(ErrorKind::Undeliverable, format!("cannot use the URL: {error}")))?;
    Ok(address.endpoint().clone())
}

/// Opens a connection.
pub(crate) fn open(server: &Endpoint, timeout: Duration) -> Result<Stream, CallError> {
    blocking::connect(server, timeout).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => call_error(error),
        _ => {
            let message = format!("cannot connect to {server}: {}", net::describe_connect_error(&error));
            CallError::new(ErrorKind::Undeliverable, message)
        }
    })
}

fn call_error(error: io::Error) -> CallError {
    match error.kind() {
        // A timeout of the socket is reported as `WouldBlock` on Unix and as `TimedOut` on Windows.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            CallError::new(ErrorKind::Timeout, "no reply in time")
        }
        _ => {
            let message = format!("the server has closed the connection: {error}");
            CallError::new(ErrorKind::Undeliverable, message)
        }
    }
}
