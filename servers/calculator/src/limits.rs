//! The limits on what a server or a client accepts.

/// The maximum number of items of all lists and members of all maps in a message of a binary format. An item may take one
/// byte on the wire, and takes 24 bytes in memory (a member 40), so the size of the message alone would not bound its memory.
pub const MAX_ITEMS: usize = 1 << 21;

/// The maximum number of items that a decoder of a binary format reserves memory for, whatever number a peer announces. A
/// longer list grows as its items are decoded.
pub const MAX_RESERVED_ITEMS: usize = 64;

/// Limits on what a server or a client accepts. They are checked before memory is allocated, or data decompressed, for
/// a length that a peer claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum size of a message body in bytes, both compressed and decompressed. Default: 16 MiB.
    pub max_body: usize,
    /// Maximum nesting depth of lists and maps. Default: 64, which keeps the recursion of every codec in the suite
    /// shallow.
    pub max_depth: usize,
    /// Maximum number of calls in a batch. Default: 1,000.
    pub max_batch: usize,
    /// Maximum number of calls that a server works on at a time; further requests wait until one completes. Default:
    /// 4,096.
    pub max_in_flight: usize,
}

impl Limits {
    /// These limits, adjusted for a protocol whose envelope adds `levels` levels of nesting around the values.
    #[must_use]
    pub fn with_envelope(self, levels: usize) -> Self {
        Limits { max_depth: self.max_depth.saturating_add(levels), ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_body: 16 << 20, max_depth: 64, max_batch: 1_000, max_in_flight: 4_096 }
    }
}
