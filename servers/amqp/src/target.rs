//! Message destinations, as oslo.messaging defines them.

use std::fmt;

/// The default of oslo.messaging's `control_exchange` option.
pub(crate) const DEFAULT_EXCHANGE: &str = "openstack";

/// Names on the wire are AMQP short strings, of at most 255 bytes. The longest name derived from a topic is that of its
/// fanout queue, which adds 40 bytes.
const MAX_NAME_BYTES: usize = 200;

/// The destination of messages: what a client sends to, and what a server consumes.
///
/// A server needs a topic and a server name. A client that names a server reaches that one, otherwise any server of the
/// topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The topic exchange. Default `openstack`.
    pub exchange: String,
    /// The topic, which is also the name of the queue shared by its servers.
    pub topic: String,
    /// One server of the topic.
    pub server: Option<String>,
    /// The namespace of the method. `None` and the empty namespace differ.
    pub namespace: Option<String>,
    /// The interface version that the caller needs, `major.minor`. `None` means 1.0.
    pub version: Option<String>,
    /// Whether a cast goes to every server of the topic. Calls cannot fan out.
    pub fanout: bool,
}

/// Why a target cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// An empty name, or one that is too long for AMQP.
    #[error("the {what} must have between 1 and {MAX_NAME_BYTES} bytes")]
    Name {
        /// The name's role, such as `topic`.
        what: &'static str,
    },
    /// A server's target has no server name.
    #[error("a server needs a name; set the target's server")]
    NoServer,
}

impl Target {
    /// Targets any server of `topic` on the default exchange, in the null namespace, without a version.
    #[must_use]
    pub fn topic(topic: impl Into<String>) -> Self {
        Target {
            exchange: DEFAULT_EXCHANGE.to_owned(),
            topic: topic.into(),
            server: None,
            namespace: None,
            version: None,
            fanout: false,
        }
    }

    /// Restricts the target to the server with this name.
    #[must_use]
    pub fn server(mut self, server: impl Into<String>) -> Self {
        self.server = Some(server.into());
        self
    }

    /// Sets the topic exchange.
    #[must_use]
    pub fn exchange(mut self, exchange: impl Into<String>) -> Self {
        self.exchange = exchange.into();
        self
    }

    /// Checks the lengths of the names.
    ///
    /// # Errors
    /// [`TargetError::Name`] for the first name that is empty or too long.
    pub fn check(&self) -> Result<(), TargetError> {
        let server = self.server.as_deref();
        let fits = |what, name: &str| {
            let fits = (1..=MAX_NAME_BYTES).contains(&name.len());
            if fits { Ok(()) } else { Err(TargetError::Name { what }) }
        };
        fits("exchange", &self.exchange)?;
        fits("topic", &self.topic)?;
        server.map_or(Ok(()), |server| fits("server", server))?;
        fits("topic and server together", &self.queue())
    }

    /// The queue and routing key of this target's messages: `topic` or `topic.server`.
    pub(crate) fn queue(&self) -> String {
        match &self.server {
            Some(server) => format!("{}.{server}", self.topic),
            None => self.topic.clone(),
        }
    }

    /// The topic's fanout exchange. As in oslo.messaging, it does not depend on `exchange`.
    pub(crate) fn fanout_exchange(&self) -> String {
        format!("{}_fanout", self.topic)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.exchange, self.queue())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_and_exchange_names_match_oslo_messaging() {
        let target = Target::topic("calc").server("s1");
        assert_eq!(target.queue(), "calc.s1");
        assert_eq!(target.fanout_exchange(), "calc_fanout");
        assert_eq!(Target::topic("calc").queue(), "calc");
        assert_eq!(target.to_string(), "openstack/calc.s1");
    }

    #[test]
    fn rejects_empty_and_overlong_names() {
        assert_eq!(Target::topic("t").server("s").check(), Ok(()));
        assert_eq!(Target::topic("").check(), Err(TargetError::Name { what: "topic" }));
        assert_eq!(Target::topic("t").server("").check(), Err(TargetError::Name { what: "server" }));
        let long = "x".repeat(150);
        let both = Target::topic(long.clone()).server(long).check();
        assert_eq!(both, Err(TargetError::Name { what: "topic and server together" }));
    }
}
