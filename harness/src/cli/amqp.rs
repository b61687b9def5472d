//! The options by which `call` and `check` name an AMQP server.

use amqp::{QueueKind, Target};
use calculator::Protocol;

use super::Failure;
use crate::stacks::{Address, DEFAULT_EXCHANGE, DEFAULT_TOPIC, Stack};

/// Whom an AMQP message is for.
#[derive(clap::Args)]
#[command(next_help_heading = "AMQP")]
pub(super) struct TargetArguments {
    /// The exchange
    #[arg(long, value_name = "X")]
    exchange: Option<String>,
    /// The topic
    #[arg(long, value_name = "T")]
    topic: Option<String>,
    /// One server of the topic
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// The namespace of the method
    #[arg(long, value_name = "NS")]
    namespace: Option<String>,
    /// The version of the interface that is needed, MAJOR.MINOR
    #[arg(long, value_name = "V")]
    version: Option<String>,
    /// The kind of the topic's queues, as its servers declare them: transient, durable, quorum
    #[arg(long, value_name = "KIND")]
    queues: Option<QueueKind>,
}

impl TargetArguments {
    /// The address of the server at `url`.
    ///
    /// # Errors
    /// Wrong usage where the URL is none of the protocol's, or an option is given that it has no use for.
    pub(super) fn address(&self, stack: &Stack, url: &str) -> Result<Address, Failure> {
        stack.check_url(url).map_err(Failure::usage)?;
        let TargetArguments { exchange, topic, server, namespace, version, queues } = self;
        let names = [exchange, topic, server, namespace, version];
        let given = queues.is_some() || names.iter().any(|option| option.is_some());
        if given && stack.protocol != Protocol::Amqp {
            return Err(Failure::usage(format!(
                "--exchange, --topic, --server, --namespace, --version and --queues are for amqp; {} finds its server by \
                 the URL alone",
                stack.name
            )));
        }
        let or =
            |option: &Option<String>, default: &str| option.clone().unwrap_or_else(|| default.to_owned());
        let target = Target {
            exchange: or(exchange, DEFAULT_EXCHANGE),
            server: server.clone(),
            namespace: namespace.clone(),
            version: version.clone(),
            ..Target::topic(or(topic, DEFAULT_TOPIC))
        };
        Ok(Address { target, queues: *queues, ..Address::new(url) })
    }
}
