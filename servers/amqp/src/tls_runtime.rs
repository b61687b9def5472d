//! The runtime of lapin's connections over TLS: Tokio, whose streams are TLS streams.
//!
//! lapin has its own TLS as a feature, with other libraries below it than those of the other protocols.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_util::Stream;
use futures_util::io::{AsyncRead, AsyncWrite};
use net::TlsStream;
use tokio::runtime::Handle;
use tokio_util::compat::Compat;

/// Tokio's executor and timers, with streams over TLS.
pub(crate) type TlsRuntime = Runtime<RuntimeParts<Tokio, TlsReactor>>;

/// The TLS runtime on the current Tokio runtime. Must be called inside one.
pub(crate) fn tls_runtime() -> TlsRuntime {
    let tokio = Tokio::default().with_handle(Handle::current());
    Runtime::new(RuntimeParts::new(tokio.clone(), TlsReactor(tokio)))
}

/// Tokio's reactor with another type of streams.
#[derive(Clone, Debug)]
pub(crate) struct TlsReactor(Tokio);

impl Reactor for TlsReactor {
    type TcpStream = Compat<TlsStream>;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.0.sleep(time)
    }

    fn interval(&self, period: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(period)
    }

    /// Not supported: streams are opened where the certificates are known, and lapin does not reconnect.
    fn tcp_connect_addr(
        &self,
        _: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}
