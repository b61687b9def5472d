//! Transports and URLs: only this crate of the suite handles the differences between transports and parses URLs.
//!
//! An [`Endpoint`] is a host and port, a Unix socket, or a place where pipes are made. [`Listener::bind`] listens on one and [`connect`] opens a
//! [`Stream`] to one; [`blocking`] has the same for plain threads. An [`Address`] is a parsed URL, which names one or
//! more endpoints.
//!
//! A [`TlsConnector`] opens connections over TLS, for clients whose URL asks for it ([`connect_over`]), and a [`TlsAcceptor`] accepts
//! them ([`Listener::with_tls`]).
//!
//! TCP connections have `TCP_NODELAY` set at both ends, and keepalive on accepted connections. The kernel counts the bytes
//! of a TCP connection; for Unix sockets and pipes, where it does not, streams count them ([`bytes_counted`]).

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

mod accept;
mod address;
mod address_error;
mod anomaly_counter;
pub mod blocking;
mod connect;
mod connect_error;
mod counts;
mod credentials;
mod endpoint;
mod keepalive;
mod listener;
mod peer_end;
mod pipes;
mod plain;
mod scheme;
#[cfg(feature = "simulated")]
pub mod simulated;
mod socket_file;
mod stream;
mod tls;
mod tls_server;
mod tls_socket;

use std::time::Duration;

pub use accept::{drain, serve_connections};
pub use address::{Address, Host, redacted, with_endpoint};
pub use address_error::AddressError;
pub use anomaly_counter::AnomalyCounter;
pub use connect::{connect, connect_over};
pub use connect_error::{describe_connect_error, describe_connect_failure};
pub use counts::{ByteCounts, bytes_counted};
pub use credentials::{Credentials, decode as percent_decode};
pub use endpoint::{Endpoint, EndpointError};
pub use keepalive::KEEPALIVE_TIMEOUT;
pub use listener::{Listener, is_connection_error};
pub use peer_end::{HALF_CLOSED_TIMEOUT, PIPELINED_CHECK_INTERVAL, PeerEnd};
pub use scheme::Scheme;
pub use socket_file::{MAX_SOCKET_PATH, SocketFile, remove_socket_files};
pub use stream::Stream;
pub use tls::{TlsConnector, TlsError, TlsSession, TlsSettings, TlsStream, Trust};
pub use tls_server::{TLS_TERMS, TlsAcceptor, TlsServerStream};

/// The crate that parses URLs, so that others use the same version.
pub use url;

/// How long calls in progress may take to finish once a server has been asked to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a peer may accept no bytes of what a server writes before the connection is closed; the same in every protocol.
pub const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait before accepting again when the process or the system has no file descriptor or memory left.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
