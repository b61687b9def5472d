//! Whom a message is for, in oslo.messaging's terms.

use std::fmt;

/// The exchange of oslo.messaging's `control_exchange` option by default.
pub(crate) const DEFAULT_EXCHANGE: &str = "openstack";

/// Names on the wire are AMQP short strings. The longest one derived from a topic is that of its fanout queue.
const LONGEST_NAME: usize = 200;

/// Where a server listens, or whom a client calls. A server needs a topic and its own name; a client that names a
/// server reaches that one, otherwise any server of the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The topic exchange. Default `openstack`.
    pub exchange: String,
    /// The topic, which is also the name of the queue that its servers share.
    pub topic: String,
    /// One server of the topic.
    pub server: Option<String>,
    /// The namespace of the method; `None` and the empty namespace are two different ones.
    pub namespace: Option<String>,
    /// The version of the interface that the caller needs, `major.minor`; none means 1.0.
    pub version: Option<String>,
    /// Whether a cast goes to every server of the topic. A call cannot.
    pub fanout: bool,
}

/// Why a target cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A name that AMQP has no room for, or an empty one.
    #[error("the {what} must have between 1 and {LONGEST_NAME} bytes")]
    Name {
        /// Which name.
        what: &'static str,
    },
    /// A server's target without a server name.
    #[error("a server needs a name of its own; set the target's server")]
    NoServer,
}

impl Target {
    /// Any server of `topic` on the default exchange, null namespace, no version.
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

    /// The same target, but only the server of that name.
    #[must_use]
    pub fn server(mut self, server: impl Into<String>) -> Self {
        self.server = Some(server.into());
        self
    }

    /// The same target on another exchange.
    #[must_use]
    pub fn exchange(mut self, exchange: impl Into<String>) -> Self {
        self.exchange = exchange.into();
        self
    }

    /// Whether the names fit into AMQP's.
    ///
    /// # Errors
    /// The first name that is empty or too long.
    pub fn check(&self) -> Result<(), TargetError> {
        let server = self.server.as_deref();
        let fits = |what, name: &str| {
            let fits = (1..=LONGEST_NAME).contains(&name.len());
            if fits { Ok(()) } else { Err(TargetError::Name { what }) }
        };
        fits("exchange", &self.exchange)?;
        fits("topic", &self.topic)?;
        server.map_or(Ok(()), |server| fits("server", server))?;
        fits("topic and server together", &self.queue())
    }

    /// The queue, and the routing key, of this target's messages: `topic`, or `topic.server`.
    pub(crate) fn queue(&self) -> String {
        match &self.server {
            Some(server) => format!("{}.{server}", self.topic),
            None => self.topic.clone(),
        }
    }

    /// The fanout exchange of the topic; oslo.messaging does not scope it by exchange.
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
    fn names_are_those_of_oslo_messaging() {
        let target = Target::topic("calc").server("s1");
        assert_eq!(target.queue(), "calc.s1");
        assert_eq!(target.fanout_exchange(), "calc_fanout");
        assert_eq!(Target::topic("calc").queue(), "calc");
        assert_eq!(target.to_string(), "openstack/calc.s1");
    }

    #[test]
    fn names_that_amqp_has_no_room_for_are_refused() {
        assert_eq!(Target::topic("t").server("s").check(), Ok(()));
        assert_eq!(Target::topic("").check(), Err(TargetError::Name { what: "topic" }));
        assert_eq!(Target::topic("t").server("").check(), Err(TargetError::Name { what: "server" }));
        let long = "x".repeat(150);
        let both = Target::topic(long.clone()).server(long).check();
        assert_eq!(both, Err(TargetError::Name { what: "topic and server together" }));
    }
}
