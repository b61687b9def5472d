//! The server.

use std::io;

use calculator::{Dispatcher, Limits};
use net::{Endpoint, Listener, Stream};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::SCHEMES;
use crate::wire;

/// A server, which answers one call after another on each connection.
pub struct Server {
    listener: Listener,
    dispatcher: Dispatcher,
    limits: Limits,
}

impl Server {
    /// Listens on `endpoint`.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub async fn bind(endpoint: &Endpoint, dispatcher: Dispatcher, limits: Limits) -> io::Result<Self> {
        Ok(Server { listener: Listener::bind(endpoint).await?, dispatcher, limits })
    }

    /// The URL that clients connect to.
    #[must_use]
    pub fn url(&self) -> String {
        self.listener.url(SCHEMES, "")
    }

    /// Serves until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                stream = self.listener.next() => {
                    connections.spawn(serve(stream, self.dispatcher.clone(), self.limits));
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }
}

/// Answers the calls of one connection until the connection ends.
async fn serve(stream: Stream, dispatcher: Dispatcher, limits: Limits) {
    let mut connection = BufReader::new(stream);
    let limit = u64::try_from(limits.max_body).unwrap_or(u64::MAX);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut connection).take(limit).read_until(b'\n', &mut line).await;
        if read.is_err() || line.last() != Some(&b'\n') {
            return;
        }
        let result = match wire::decode_request(&line, &limits) {
            Ok(call) => dispatcher.call(call).await,
            Err(error) => Err(error),
        };
        let reply = wire::encode_reply(&result).or_else(|error| wire::encode_reply(&Err(error)));
        let Ok(reply) = reply else { return };
        if connection.write_all(&reply).await.is_err() {
            return;
        }
    }
}
