//! The state of a client, whether it blocks or not, and its errors.

use std::fmt::Display;
use std::io;
use std::marker::PhantomData;
use std::mem;

use calculator::{Call, CallError, ClientOptions, ErrorKind};
use net::{Address, Endpoint, Scheme, TlsConnector, TlsSettings};

use crate::inbox::{Inbox, recycle};
use crate::notation::{Framing, Notation};

/// The state of a client between two calls.
#[derive(Debug)]
pub struct ClientState<N, C> {
    /// `None` after a failure, until the next call. A call takes the connection out, so that one that is abandoned leaves
    /// no connection whose next reply belongs to it.
    pub connection: Option<C>,
    /// An empty buffer for the next request.
    request: Vec<u8>,
    /// The number of the next call.
    number: u32,
    notation: PhantomData<N>,
}

/// A connection of a client.
#[derive(Debug)]
pub struct Connection<F, S> {
    /// The stream.
    pub stream: S,
    /// What has arrived on it.
    pub inbox: Inbox<F>,
}

impl<F: Framing, S> Connection<F, S> {
    /// A new connection over `stream`.
    #[must_use]
    pub fn new(stream: S, options: &ClientOptions) -> Self {
        Connection { stream, inbox: Inbox::new(options.limits.max_body) }
    }
}

impl<N: Notation, C> ClientState<N, C> {
    /// The state of a client with `connection`.
    #[must_use]
    pub fn new(connection: C) -> Self {
        ClientState { connection: Some(connection), request: Vec::new(), number: 0, notation: PhantomData }
    }

    /// Encodes the request for `call` into the buffer for requests, and takes it out. Returns the number of the call, too.
    ///
    /// # Errors
    /// For a call that the protocol cannot represent.
    pub fn encode(&mut self, call: &Call) -> Result<(Vec<u8>, u32), CallError> {
        let mut request = mem::take(&mut self.request);
        let number = self.number;
        N::encode_request(&mut request, call, number)?;
        self.number = number.wrapping_add(1);
        Ok((request, number))
    }

    /// Returns the buffer of a request that has been sent.
    pub fn reuse(&mut self, mut request: Vec<u8>) {
        recycle(&mut request);
        self.request = request;
    }
}

/// Parses the endpoint in a URL.
///
/// # Errors
/// [`ErrorKind::Undeliverable`] for a URL that cannot be used.
pub fn endpoint_of(url: &str, schemes: &[Scheme]) -> Result<Endpoint, CallError> {
    Ok(Address::parse(url, schemes).map_err(url_error)?.endpoint().clone())
}

/// What connects to `address` over TLS as `settings` say; `None` without TLS.
///
/// # Errors
/// [`ErrorKind::Undeliverable`] for settings that cannot be used.
pub fn tls_connector(
    address: &Address,
    settings: impl Into<TlsSettings>,
) -> Result<Option<TlsConnector>, CallError> {
    TlsConnector::for_address(address, settings)
        .map_err(|error| CallError::new(ErrorKind::Undeliverable, error.to_string()))
}

/// The error of a client that cannot use its URL.
#[must_use]
pub fn url_error(error: impl Display) -> CallError {
    CallError::new(ErrorKind::Undeliverable, format!("cannot use the URL: {error}"))
}

/// The error of a call whose connection to `server` could not be opened.
#[must_use]
pub fn connect_error(server: &Endpoint, error: io::Error) -> CallError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => call_error(error),
        _ => {
            let message = format!("cannot connect to {server}: {}", net::describe_connect_error(&error));
            CallError::new(ErrorKind::Undeliverable, message)
        }
    }
}

/// The error of a call whose connection failed.
#[must_use]
#[allow(clippy::needless_pass_by_value, reason = "an argument of map_err")]
pub fn call_error(error: io::Error) -> CallError {
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
