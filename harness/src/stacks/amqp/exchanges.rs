//! Exchanges with bindings, through which the calls of the bare client go.

use std::time::Duration;

use amqp::bindings::{BoundExchange, Routing};
use futures_util::FutureExt;

use super::options::{CLIENT, ClientOptions};
use super::transport_url;
use crate::stacks::destination::Destination;
use crate::stacks::exchange::{Exchange, ExchangeKind, Undeclare};
use crate::stacks::options::Options;

/// The name of `exchange`, a separate one for each topic.
fn name(exchange: Exchange, topic: &str) -> String {
    format!("{topic}-{}", exchange.kind.name())
}

/// Makes clients with the options `clients` publish to `exchange`.
pub(super) fn route(exchange: Exchange, clients: &mut Options) {
    let options: ClientOptions = clients.get(&CLIENT).unwrap_or_default();
    let via = Some(name(exchange, &options.clone().target().topic));
    // They are plain values, which JSON can always represent.
    let _ = clients.set(&CLIENT, &ClientOptions { via, ..options });
}

/// Declares `exchange` for the server that clients find at `destination`.
///
/// # Errors
/// A human-readable message, which does not repeat the URL.
pub(super) async fn declare(
    destination: Destination,
    exchange: Exchange,
    timeout: Duration,
) -> Result<Undeclare, String> {
    let url = transport_url(&destination).map_err(|error| error.to_string())?;
    let options: ClientOptions = destination.options.get(&CLIENT).map_err(|error| error.to_string())?;
    let topic = options.target().topic;
    let routing = match exchange.kind {
        ExchangeKind::Direct => Routing::Direct,
        ExchangeKind::Topic => Routing::Topic,
        ExchangeKind::Fanout => Routing::Fanout,
    };
    let name = name(exchange, &topic);
    let declared =
        BoundExchange::declare(&url, &name, routing, &topic, exchange.bindings.get(), timeout).await;
    let declared = declared.map_err(|error| error.to_string())?;
    Ok(Box::new(|| declared.close().boxed()))
}
