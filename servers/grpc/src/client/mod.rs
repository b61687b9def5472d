//! The clients.

mod any;
mod checked;
mod example;
mod h2;
mod reflected;
mod tonic;

use calculator::{Call, CallError, ErrorKind, Method};
use http::uri::Scheme;
use net::{Address, TlsConnector, TlsSettings};

pub use self::any::AnyClient;
pub use self::h2::H2Client;
pub use self::reflected::{MethodDescription, ReflectedClient, Replies};
pub use self::tonic::TonicClient;
use crate::{ALPN, SCHEMES, method_path};

/// Parses the URL of a server.
fn parse_url(url: &str) -> Result<Address, CallError> {
    Address::parse(url, SCHEMES).map_err(|error| CallError::new(ErrorKind::Undeliverable, error.to_string()))
}

/// What connects over TLS as `settings` say; `None` for a URL without TLS.
fn tls_of(address: &Address, settings: impl Into<TlsSettings>) -> Result<Option<TlsConnector>, CallError> {
    let connector = TlsConnector::for_address(address, settings)
        .map_err(|error| CallError::new(ErrorKind::Undeliverable, error.to_string()))?;
    Ok(connector.map(|connector| connector.with_protocol(ALPN)))
}

/// The scheme of requests to `address`.
fn scheme_of(address: &Address) -> Scheme {
    if address.has_tls() { Scheme::HTTPS } else { Scheme::HTTP }
}

/// The error for a server that cannot be connected to.
fn unreachable(address: &Address, error: &std::io::Error) -> CallError {
    let reason = net::describe_connect_error(error);
    let message = format!("cannot connect to {}: {reason}", address.endpoint());
    CallError::new(ErrorKind::Undeliverable, message)
}

/// The error for a server to which there is no connection in time.
fn not_connected_in(address: &Address, timeout: std::time::Duration) -> CallError {
    let message = format!("no connection to {} within {timeout:?}", address.endpoint());
    CallError::new(ErrorKind::Timeout, message)
}

/// What a client prepares for each of the calculator's methods, so that a call need not build it again.
#[derive(Debug)]
struct Targets<T>(Vec<(Method, T)>);

impl<T: Clone> Targets<T> {
    /// Prepares with `of_path`, which makes a target of the path of a request.
    fn new(of_path: impl Fn(&str) -> Result<T, CallError>) -> Result<Self, CallError> {
        let target = |method: Method| Ok((method, of_path(&method_path(method.name())?)?));
        Method::ALL.into_iter().map(target).collect::<Result<_, _>>().map(Targets)
    }

    /// The target of `call`, which `of_path` makes if the method is not the calculator's.
    fn of(&self, call: &Call, of_path: impl Fn(&str) -> Result<T, CallError>) -> Result<T, CallError> {
        match self.0.iter().find(|(method, _)| method.name() == call.method) {
            Some((_, target)) => Ok(target.clone()),
            None => of_path(&method_path(&call.method)?),
        }
    }
}

/// The error for a text that cannot be part of a request's head.
fn unusable(error: impl std::fmt::Display) -> CallError {
    CallError::new(ErrorKind::Undeliverable, format!("the request cannot be built: {error}"))
}
