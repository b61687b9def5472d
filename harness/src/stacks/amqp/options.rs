//! The options of AMQP servers and clients.

use amqp::{QueueKind, RpcServerOptions, Target};
use serde::{Deserialize, Serialize};

use crate::stacks::options::OptionGroup;
use crate::stacks::text;

/// The default topic of servers.
const DEFAULT_TOPIC: &str = "calc";
/// The default exchange of servers: oslo.messaging's `control_exchange`.
const DEFAULT_EXCHANGE: &str = "openstack";

/// The options of servers.
#[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
pub(super) struct ServerOptions {
    /// The exchange
    #[arg(long, value_name = "X", default_value = DEFAULT_EXCHANGE, help_heading = "AMQP")]
    pub(super) exchange: String,
    /// The topic
    #[arg(long, value_name = "T", default_value = DEFAULT_TOPIC, help_heading = "AMQP")]
    pub(super) topic: String,
    /// The server's name within its topic
    #[arg(long, value_name = "NAME", default_value = "server", help_heading = "AMQP")]
    pub(super) server: String,
    /// The kind of the topic's queues: transient, durable or quorum; by default, what the options in the broker's URL
    /// say
    #[arg(long, value_name = "KIND", help_heading = "AMQP")]
    #[serde(with = "text::option")]
    pub(super) queues: Option<QueueKind>,
    /// When to acknowledge a request
    #[arg(long, value_enum, value_name = "WHEN", default_value_t, help_heading = "AMQP")]
    pub(super) ack: AcknowledgeWhen,
    /// The maximum number of unacknowledged messages that the broker sends ahead, per queue
    #[arg(long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u16).range(1..), help_heading = "AMQP")]
    #[serde(deserialize_with = "not_zero")]
    pub(super) prefetch: u16,
    /// Read compressed requests (oslo.messaging's kombu_compression=gzip) instead of refusing them
    #[arg(long, help_heading = "AMQP")]
    pub(super) decompress: bool,
    /// Execute the notifications of the topic, too: each as a call of the method that is its type, with its list of arguments
    #[arg(long, help_heading = "AMQP")]
    #[serde(default)]
    pub(super) notifications: bool,
}

/// Reads a number above zero.
fn not_zero<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    std::num::NonZeroU16::deserialize(deserializer).map(std::num::NonZeroU16::get)
}

impl Default for ServerOptions {
    fn default() -> Self {
        let RpcServerOptions { prefetch, decompress, .. } = RpcServerOptions::default();
        ServerOptions {
            exchange: DEFAULT_EXCHANGE.to_owned(),
            topic: DEFAULT_TOPIC.to_owned(),
            server: "server".to_owned(),
            queues: None,
            ack: AcknowledgeWhen::default(),
            prefetch,
            decompress,
            notifications: false,
        }
    }
}

pub(super) const SERVER: OptionGroup = OptionGroup::of::<ServerOptions>("amqp");

/// When a request is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AcknowledgeWhen {
    /// Before it is executed: a request is executed at most once
    #[default]
    Before,
    /// After it has been executed: at least once, so no request is lost when a server dies
    After,
}

/// The options by which a client addresses a server.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
pub(super) struct ClientOptions {
    /// The exchange
    #[arg(long, value_name = "X", help_heading = "AMQP")]
    pub(super) exchange: Option<String>,
    /// The topic
    #[arg(long, value_name = "T", help_heading = "AMQP")]
    pub(super) topic: Option<String>,
    /// Call this server of the topic, instead of any
    #[arg(long, value_name = "NAME", help_heading = "AMQP")]
    pub(super) server: Option<String>,
    /// The namespace of the method
    #[arg(long, value_name = "NS", help_heading = "AMQP")]
    pub(super) namespace: Option<String>,
    /// The required version of the interface, MAJOR.MINOR
    #[arg(long, value_name = "V", help_heading = "AMQP")]
    pub(super) version: Option<String>,
    /// The kind of the topic's queues, as its servers declare them: transient, durable or quorum
    #[arg(long, value_name = "KIND", help_heading = "AMQP")]
    #[serde(with = "text::option")]
    pub(super) queues: Option<QueueKind>,
    /// With amqp-bare: publish requests to this exchange, which must exist, instead of to the default one
    #[arg(long, value_name = "X", help_heading = "AMQP")]
    #[serde(default)]
    pub(super) via: Option<String>,
}

pub(super) const CLIENT: OptionGroup = OptionGroup::of::<ClientOptions>("amqp");

impl ClientOptions {
    pub(super) fn target(self) -> Target {
        Target {
            exchange: self.exchange.unwrap_or_else(|| DEFAULT_EXCHANGE.to_owned()),
            server: self.server,
            namespace: self.namespace,
            version: self.version,
            ..Target::topic(self.topic.unwrap_or_else(|| DEFAULT_TOPIC.to_owned()))
        }
    }
}
