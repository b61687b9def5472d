//! What the harness knows of a protocol whose calls go through a message broker.

use std::time::Duration;

use calculator::ClientOptions;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::broker_kind::BrokerKind;
use super::destination::{Connecting, Destination};
use super::exchange::{Exchange, Undeclare};
use super::facts::DeliveryTerms;
use super::options::Options;
use super::way::Way;

/// What a protocol whose calls go through a message broker does there. Each `stack` is the name of one of its stacks.
pub trait Brokered: Send + Sync {
    /// The broker.
    fn kind(&self) -> BrokerKind;

    /// The name and version of the broker at `url`; `None` where it does not report them.
    fn product(&self, url: String, timeout: Duration) -> BoxFuture<'static, Option<String>>;

    /// How messages pass through the broker at `destination` if the server of `stack` was started with the options `server`;
    /// `None` where they cannot be read.
    fn delivery_terms(
        &self,
        stack: &str,
        destination: &Destination,
        server: &Options,
    ) -> Option<DeliveryTerms>;

    /// Separates the server of `stack` from other servers at the same broker, as AMQP does by a topic for each: changes the
    /// options of the server, and returns the options with which clients address it. `instance` counts the servers of
    /// the same stack that run at the same time, from 0; there are at most [`MAX_INSTANCES`](super::MAX_INSTANCES).
    fn separate(&self, stack: &str, instance: usize, server: &mut Options) -> Options;

    /// Whether the calls of `stack` can go through an [`Exchange`].
    fn has_exchanges(&self, _stack: &str) -> bool {
        false
    }

    /// Makes clients with the options `clients` call through `exchange`.
    fn route(&self, _exchange: Exchange, _clients: &mut Options) {}

    /// Declares `exchange` for clients that call the server at `destination`, which runs already. Returns what removes it.
    ///
    /// # Errors
    /// A human-readable message, which does not repeat the URL.
    fn declare(
        &self,
        _destination: Destination,
        _exchange: Exchange,
        _timeout: Duration,
    ) -> BoxFuture<'static, Result<Undeclare, String>> {
        let message = format!("{} has no exchanges", self.kind());
        async { Err(message) }.boxed()
    }

    /// The ways in which clients of `stack` can send, other than calls.
    fn ways(&self, stack: &str) -> &'static [Way];

    /// Opens a client of `stack` that sends in `way`, one of [`Self::ways`]. Its calls end with null when the message was
    /// confirmed or written.
    fn connect_in(
        &self,
        stack: &str,
        way: Way,
        destination: Destination,
        options: ClientOptions,
    ) -> Connecting;

    /// Changes the options of a server so that it executes what is sent in `way`.
    fn receive(&self, _way: Way, _server: &mut Options) {}

    /// Removes what a server that was started with the options `server` has left at the broker at `url`.
    ///
    /// # Errors
    /// A human-readable message, which does not repeat the URL.
    fn remove_leftovers(
        &self,
        _url: String,
        _server: Options,
        _timeout: Duration,
    ) -> BoxFuture<'static, Result<(), String>> {
        async { Ok(()) }.boxed()
    }
}
