//! What travels beside the arguments.

use calculator::Value;

/// The context of a request: who asks, on whose behalf, under which identity; whatever the application puts there.
/// oslo.messaging carries each entry as a member `_context_<name>` of the message. Names are unique.
///
/// ```
/// use amqp::Context;
///
/// let context = Context::new().with("user", "bob").with("request_id", "req-1");
/// assert_eq!(context.get("user"), Some(&"bob".into()));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context(Vec<(String, Value)>);

impl Context {
    /// An empty context.
    #[must_use]
    pub const fn new() -> Self {
        Context(Vec::new())
    }

    /// The same context with one entry more, or with another value for it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, value.into());
        self
    }

    /// Sets the entry `name`.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// The entry `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The context of these entries; of two with the same name the last one counts.
    pub(crate) fn of(entries: Vec<(String, Value)>) -> Self {
        match Value::map(entries) {
            Value::Map(entries) => Context(entries),
            _ => Context::new(),
        }
    }

    /// Every entry in the order in which they were set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}
