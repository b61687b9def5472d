//! What either end accepts before it refuses.

/// Limits of a server or a client. They are checked before anything is allocated or expanded on a peer's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message's body, compressed or not. Default 16 MiB.
    pub max_body: usize,
    /// Levels of nested lists and maps. Default 64: below what every codec of the suite can read without
    /// recursing far.
    pub max_depth: usize,
    /// Calls in one batch. Default 1,000.
    pub max_batch: usize,
    /// Calls that one server works on at a time; further ones wait unread. Default 4,096.
    pub max_in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_body: 16 << 20, max_depth: 64, max_batch: 1_000, max_in_flight: 4_096 }
    }
}
