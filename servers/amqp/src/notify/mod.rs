//! Notifications (oslo.messaging's `notify`): events that a service publishes for any number of listeners.
//!
//! A [`Notifier`] publishes to the topic exchange with the routing key `topic.priority`. It declares a queue of that
//! name, so that events published before a listener connects are kept. A [`Listener`] consumes the queues of the
//! priorities that it handles; listeners of the same topic share the events. A notification is acknowledged when the
//! listener has handled it, and redelivered if the listener requests that.

mod listener;
mod notifier;
mod priority;

pub use crate::wire::Notification;
pub use listener::{Listener, NotificationResult};
pub use notifier::Notifier;
pub use priority::Priority;
