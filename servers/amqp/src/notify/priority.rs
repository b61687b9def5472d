//! Priorities of notifications.

use std::fmt;

/// The priority of an event. Each has a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Priority {
    /// Records for audits.
    Audit,
    /// Debugging information.
    Debug,
    /// Normal events.
    Info,
    /// Warnings.
    Warn,
    /// Errors.
    Error,
    /// Failures of the whole service.
    Critical,
    /// Measurements.
    Sample,
}

impl Priority {
    /// Every priority, in oslo.messaging's order.
    pub const ALL: [Priority; 7] = [
        Priority::Audit,
        Priority::Debug,
        Priority::Info,
        Priority::Warn,
        Priority::Error,
        Priority::Critical,
        Priority::Sample,
    ];

    /// The name, which is the suffix of the queue's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Priority::Audit => "audit",
            Priority::Debug => "debug",
            Priority::Info => "info",
            Priority::Warn => "warn",
            Priority::Error => "error",
            Priority::Critical => "critical",
            Priority::Sample => "sample",
        }
    }

    /// The queue of this priority's notifications of `topic`.
    pub(crate) fn queue(self, topic: &str) -> String {
        format!("{topic}.{self}")
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
