//! The URLs of brokers that already run.

use std::collections::BTreeMap;
use std::fmt;

use super::broker_kind::BrokerKind;
use super::list::default_brokered;
use super::protocol::Stack;

/// The kind of the broker at `url`: that of the protocol whose clients accept the URL.
///
/// # Errors
/// A message that states what was expected. It does not repeat the URL.
fn broker_kind(url: &str) -> Result<BrokerKind, String> {
    let mut refusals = vec![];
    for (kind, stack) in default_brokered() {
        match stack.parse_url(url) {
            Ok(_) => return Ok(kind),
            Err(reason) => refusals.push((stack, reason)),
        }
    }
    // The reason of the protocol whose scheme it is says more than that of another one.
    let has_scheme = |stack: &Stack| {
        let schemes = stack.protocol.url_form().map_or(&[][..], |form| form.schemes);
        url.split_once("://").is_some_and(|(scheme, _)| schemes.iter().any(|known| known.name() == scheme))
    };
    let meant = refusals.iter().position(|(stack, _)| has_scheme(stack));
    Err(match meant {
        Some(index) => refusals.swap_remove(index).1,
        None => refusals.into_iter().map(|(_, reason)| reason).collect::<Vec<_>>().join("; "),
    })
}

/// The URLs of brokers that already run, at most one of each kind. They may hold credentials: never printed.
#[derive(Clone, Default)]
pub struct BrokerUrls(BTreeMap<BrokerKind, String>);

impl BrokerUrls {
    /// Sorts `urls` by the kinds of their brokers.
    ///
    /// # Errors
    /// A message that states what was expected, or that two URLs are those of brokers of one kind. It repeats no URL.
    pub fn new(urls: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut sorted = BTreeMap::new();
        for url in urls {
            let kind = broker_kind(&url)?;
            if sorted.insert(kind, url).is_some() {
                return Err(format!("{kind} is given twice, but there is one broker of each kind"));
            }
        }
        Ok(BrokerUrls(sorted))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The URL of the broker of this kind.
    #[must_use]
    pub fn of(&self, kind: BrokerKind) -> Option<&str> {
        self.0.get(&kind).map(String::as_str)
    }

    /// The URL of the broker through which the calls of `stack` go; `None` if it needs none, or it is not among these.
    #[must_use]
    pub fn of_stack(&self, stack: &Stack) -> Option<&str> {
        self.of(stack.broker()?)
    }
}

/// Without the URLs.
impl fmt::Debug for BrokerUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_which_broker_it_is_of() {
        assert_eq!(broker_kind("rabbit://h/"), Ok(BrokerKind::RabbitMq));
        assert_eq!(broker_kind("nats://h:1"), Ok(BrokerKind::Nats));
        let refused = broker_kind("http://u:secret@h/").unwrap_err();
        assert!(refused.contains("amqp://") && refused.contains("nats://") && !refused.contains("secret"));
        for (url, expected) in [("nats://u:sec/ret@h", "nats://"), ("amqp://u:sec/ret@h/", "amqp://")] {
            let refused = broker_kind(url).unwrap_err();
            assert!(
                refused.contains(expected) && !refused.contains("sec") && !refused.contains("; "),
                "{refused}"
            );
        }
    }

    #[test]
    fn there_is_one_broker_of_each_kind() {
        let urls = |texts: &[&str]| BrokerUrls::new(texts.iter().map(|text| (*text).to_owned()));
        let both = urls(&["nats://u:secret@h", "amqp://h"]).unwrap();
        assert_eq!(both.of(BrokerKind::RabbitMq), Some("amqp://h"));
        assert_eq!(both.of_stack(Stack::named("nats").unwrap()), Some("nats://u:secret@h"));
        assert_eq!(both.of_stack(Stack::named("rest").unwrap()), None);
        assert!(!format!("{both:?}").contains("secret") && !both.is_empty());
        let refused = urls(&["amqp://u:secret@h", "rabbit://h"]).unwrap_err();
        assert!(refused.contains("RabbitMQ is given twice") && !refused.contains("secret"), "{refused}");
    }
}
