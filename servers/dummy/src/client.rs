//! The client.

use calculator::{Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, Limits, Value};
use net::{Address, Scheme, Stream};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::Mutex;

use crate::wire;

/// The schemes of its URLs: `dummy://HOST:PORT`.
pub const SCHEMES: &[Scheme] = &[Scheme::host("dummy")];

/// A client with one connection and one call at a time.
pub struct DummyClient {
    connection: Mutex<BufReader<Stream>>,
    limits: Limits,
}

impl DummyClient {
    /// Connects to the server at `url`, `dummy://HOST:PORT`.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if the URL has another form or no server listens there, [`ErrorKind::Timeout`] if
    /// connecting takes too long.
    pub async fn connect(url: &str, options: &ClientOptions) -> Result<Self, CallError> {
        let undeliverable = |reason: String| CallError::new(ErrorKind::Undeliverable, reason);
        let address = Address::parse(url, SCHEMES).map_err(|error| undeliverable(error.to_string()))?;
        let connecting = tokio::time::timeout(options.timeout, net::connect(address.endpoint()));
        let stream = connecting
            .await
            .map_err(|_| CallError::new(ErrorKind::Timeout, "no connection in time"))?
            .map_err(|error| {
                undeliverable(format!("cannot connect: {}", net::describe_connect_error(&error)))
            })?;
        Ok(DummyClient { connection: Mutex::new(BufReader::new(stream)), limits: options.limits })
    }

    async fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        let request = wire::encode_request(call)?;
        let mut connection = self.connection.lock().await;
        let lost = |error: std::io::Error| CallError::new(ErrorKind::Undeliverable, error.to_string());
        connection.write_all(&request).await.map_err(lost)?;
        let mut line = Vec::new();
        let limit = u64::try_from(self.limits.max_body).unwrap_or(u64::MAX);
        (&mut *connection).take(limit).read_until(b'\n', &mut line).await.map_err(lost)?;
        match line.last() {
            Some(b'\n') => wire::decode_reply(&line, &self.limits),
            _ => Err(CallError::new(ErrorKind::Undeliverable, "the connection ended before the reply")),
        }
    }
}

impl Client for DummyClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.exchange(call))
    }
}
