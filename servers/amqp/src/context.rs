//! Request contexts.

use calculator::{Text, Value};

/// The context of a request: application-defined entries that are sent beside the arguments, such as the user or a
/// request id.
///
/// oslo.messaging sends each entry as a member `_context_<name>` of the message. Names are unique.
///
/// ```
/// use amqp::Context;
///
/// let context = Context::new().with("user", "bob").with("request_id", "req-1");
/// assert_eq!(context.get("user"), Some(&"bob".into()));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context(Vec<(Text, Value)>);

impl Context {
    /// Creates an empty context.
    #[must_use]
    pub const fn new() -> Self {
        Context(Vec::new())
    }

    /// Adds the entry `name`, or replaces its value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, value.into());
        self
    }

    /// Adds the entry `name`, or replaces its value.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.into(), value)),
        }
    }

    /// Returns the value of the entry `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Creates a context of `entries`. If several entries have the same name, the last one is used.
    pub(crate) fn from_entries(entries: Vec<(Text, Value)>) -> Self {
        match Value::map(entries) {
            Value::Map(entries) => Context(entries.into_vec()),
            _ => Context::new(),
        }
    }

    /// Iterates over the entries in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}
