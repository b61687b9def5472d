//! Why there is no private broker.

use std::io;

/// Why there is no private broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// RabbitMQ, or Erlang's port mapper, was not found.
    #[error("{0}")]
    NotInstalled(String),
    /// RabbitMQ was started but did not become ready. The message ends with the last lines it printed.
    #[error("RabbitMQ did not start: {0}")]
    Start(String),
    /// The guard process could not be started, or ended without a message.
    #[error("cannot run the broker's guard process: {0}")]
    Guard(#[from] io::Error),
}
