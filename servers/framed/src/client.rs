//! The client: one connection, one call at a time.

use std::io;

use calculator::{Call, CallError, CallFuture, ClientOptions, Value};
use net::{Address, Endpoint, Stream, TlsConnector, TlsSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;

use crate::notation::Notation;
use crate::state::{ClientState, Connection, call_error, connect_error, tls_connector, url_error};

/// A client with one connection. Calls that are made at the same time take turns. After a failed exchange, and after a call
/// that was abandoned, the connection is closed, and the next call opens another.
#[derive(Debug)]
pub struct Client<N> {
    server: Endpoint,
    /// `None` where the URL does not ask for TLS.
    tls: Option<TlsConnector>,
    options: ClientOptions,
    state: Mutex<ClientState<N, Connection<N, Stream>>>,
}

impl<N: Notation> Client<N> {
    /// Connects to a URL of one of [`Notation::SCHEMES`]; over TLS to servers that the system trusts. Connecting takes at most
    /// `options.timeout`.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`](calculator::ErrorKind::Undeliverable) if no server listens or the URL cannot be used,
    /// [`ErrorKind::Timeout`](calculator::ErrorKind::Timeout) if connecting takes too long.
    pub async fn connect(url: &str, options: &ClientOptions) -> Result<Self, CallError> {
        Self::connect_trusting(url, TlsSettings::default(), options).await
    }

    /// The same, over TLS as `tls` says.
    ///
    /// # Errors
    /// As [`Self::connect`]; also [`ErrorKind::Undeliverable`](calculator::ErrorKind::Undeliverable) for settings that cannot be used.
    pub async fn connect_trusting(
        url: &str,
        tls: TlsSettings,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let address = Address::parse(url, N::SCHEMES).map_err(url_error)?;
        let tls = tls_connector(&address, tls)?;
        let server = address.endpoint().clone();
        let state = Mutex::new(ClientState::new(open(&server, tls.as_ref(), options).await?));
        Ok(Client { server, tls, options: options.clone(), state })
    }

    async fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        let mut state = self.state.lock().await;
        let (request, number) = state.encode(call)?;
        let mut connection = match state.connection.take() {
            Some(connection) => connection,
            None => open(&self.server, self.tls.as_ref(), &self.options).await?,
        };
        connection.stream.write_all(&request).await.map_err(call_error)?;
        state.reuse(request);
        let result = loop {
            match connection.inbox.next() {
                Some(reply) => break N::decode_reply(reply?, number, &self.options.limits)?,
                None => match connection.stream.read(connection.inbox.space()).await.map_err(call_error)? {
                    0 => return Err(call_error(io::ErrorKind::UnexpectedEof.into())),
                    len => connection.inbox.add(len),
                },
            }
        };
        connection.inbox.recycle();
        state.connection = Some(connection);
        result
    }
}

impl<N: Notation> calculator::Client for Client<N> {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.exchange(call))
    }
}

async fn open<N: Notation>(
    server: &Endpoint,
    tls: Option<&TlsConnector>,
    options: &ClientOptions,
) -> Result<Connection<N, Stream>, CallError> {
    let connecting = tokio::time::timeout(options.timeout, net::connect_over(tls, server));
    let stream = connecting.await.unwrap_or_else(|elapsed| Err(elapsed.into()));
    let stream = stream.map_err(|error| connect_error(server, error))?;
    Ok(Connection::new(stream, options))
}
