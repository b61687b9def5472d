//! What AMQP does at the broker.

use std::time::Duration;

use amqp::{DeliveryGuarantees, QueueKind, RpcServerOptions, Target, TransportUrl};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::super::broker_kind::BrokerKind;
use super::super::brokered::Brokered;
use super::super::destination::{Connecting, Destination};
use super::super::exchange::{Exchange, Undeclare};
use super::super::facts::DeliveryTerms;
use super::super::options::Options;
use super::super::stack_name::base_name;
use super::super::topics::topic_prefix;
use super::super::way::Way;
use super::options::{CLIENT, ClientOptions, SERVER, ServerOptions};
use super::{Amqp, Delivery, QUORUM_EXCHANGE, REFERENCE, client_options, exchanges, transport_url, ways};

impl Brokered for Amqp {
    fn kind(&self) -> BrokerKind {
        BrokerKind::RabbitMq
    }

    fn delivery_terms(
        &self,
        stack: &str,
        destination: &Destination,
        server: &Options,
    ) -> Option<DeliveryTerms> {
        let url: TransportUrl = destination.url.parse().ok()?;
        let ServerOptions { prefetch, .. } = server.get(&SERVER).ok()?;
        let ClientOptions { queues, .. } = destination.options.get(&CLIENT).ok()?;
        let delivery = Delivery::of(stack);
        let transport = delivery.transport(url, queues);
        let options = RpcServerOptions { prefetch, ..RpcServerOptions::default() };
        let guarantees = match delivery {
            Delivery::Bare => DeliveryGuarantees::bare(),
            // oslo.messaging sets no bound by default.
            _ if base_name(stack) == REFERENCE => {
                let prefetch = transport.url().prefetch().unwrap_or(0);
                DeliveryGuarantees { prefetch, ..DeliveryGuarantees::rpc(&transport, &options) }
            }
            _ => DeliveryGuarantees::rpc(&transport, &options),
        };
        let DeliveryGuarantees { queue, persistent, prefetch, acknowledged, confirmed } = guarantees;
        Some(DeliveryTerms {
            queue: queue.name(),
            durable: queue != QueueKind::Transient,
            persistent,
            prefetch,
            acknowledged,
            confirmed,
        })
    }

    fn product(&self, url: String, timeout: Duration) -> BoxFuture<'static, Option<String>> {
        async move { amqp::broker_version(&url.parse().ok()?, timeout).await }.boxed()
    }

    /// Assigns a topic to each server, so that another one does not answer.
    fn separate(&self, stack: &str, instance: usize, server: &mut Options) -> Options {
        let mut options: ServerOptions = server.get(&SERVER).unwrap_or_default();
        options.topic = format!("{}-{stack}", topic_prefix(instance));
        if Delivery::of(stack) == Delivery::Quorum {
            options.exchange = QUORUM_EXCHANGE.to_owned();
        }
        let client = ClientOptions {
            exchange: Some(options.exchange.clone()),
            topic: Some(options.topic.clone()),
            queues: options.queues,
            ..ClientOptions::default()
        };
        let mut clients = Options::default();
        // Both are plain values, which JSON can always represent.
        let _ = server.set(&SERVER, &options).and_then(|()| clients.set(&CLIENT, &client));
        clients
    }

    /// Only the bare client, whose broker has the least else to do.
    fn has_exchanges(&self, stack: &str) -> bool {
        Delivery::of(stack) == Delivery::Bare
    }

    fn route(&self, exchange: Exchange, clients: &mut Options) {
        exchanges::route(exchange, clients);
    }

    fn declare(
        &self,
        destination: Destination,
        exchange: Exchange,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Undeclare, String>> {
        exchanges::declare(destination, exchange, timeout).boxed()
    }

    fn ways(&self, stack: &str) -> &'static [Way] {
        match Delivery::of(stack) {
            Delivery::Oslo | Delivery::Quorum | Delivery::Unconfirmed | Delivery::Unacknowledged => {
                ways::WAYS
            }
            // They have neither topic exchanges nor notifications.
            Delivery::Enveloped | Delivery::Direct | Delivery::Bare => &[],
        }
    }

    fn connect_in(
        &self,
        stack: &str,
        way: Way,
        destination: Destination,
        options: calculator::ClientOptions,
    ) -> Connecting {
        let delivery = Delivery::of(stack);
        async move {
            let client = client_options(&destination)?;
            let transport = delivery.transport(transport_url(&destination)?, client.queues);
            ways::connect(&transport, client.target(), way, &options).await
        }
        .boxed()
    }

    fn receive(&self, way: Way, server: &mut Options) {
        let options = server.get::<ServerOptions>(&SERVER).unwrap_or_default();
        // They are plain values, which JSON can always represent.
        let _ = server.set(
            &SERVER,
            &ServerOptions { notifications: options.notifications || way == Way::Notify, ..options },
        );
    }

    fn remove_leftovers(
        &self,
        url: String,
        server: Options,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<(), String>> {
        async move {
            let url: TransportUrl = url.parse().map_err(|error: amqp::UrlError| error.to_string())?;
            let ServerOptions { topic, server, .. } =
                server.get(&SERVER).map_err(|error| error.to_string())?;
            let target = Target::topic(topic).server(server);
            amqp::delete_server_queues(&url, &target, timeout).await.map_err(|error| error.to_string())
        }
        .boxed()
    }
}
