//! Ids of events.

use std::sync::atomic::{AtomicU32, Ordering};

use uuid::Uuid;

/// Bytes of an id that [`Ids`] generates.
pub const ID_LEN: usize = 32;

/// The id of an event, borrowed from its message. It is opaque.
///
/// Its MessagePack type is part of it: the Python client ignores a reply that repeats its bin id as a str.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Id<'a> {
    /// Sent by every peer since version 3.
    Bin(&'a [u8]),
    /// Sent by peers older than MessagePack's bin type.
    Str(&'a str),
}

impl Id<'_> {
    /// Copies the id, so that it outlives the message.
    #[must_use]
    pub fn to_owned(self) -> OwnedId {
        match self {
            Id::Bin(bytes) => OwnedId::Bin(bytes.into()),
            Id::Str(text) => OwnedId::Str(text.into()),
        }
    }
}

/// An [`Id`] that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnedId {
    /// See [`Id::Bin`].
    Bin(Box<[u8]>),
    /// See [`Id::Str`].
    Str(Box<str>),
}

impl OwnedId {
    /// The id, borrowed.
    #[must_use]
    pub fn borrow(&self) -> Id<'_> {
        match self {
            OwnedId::Bin(bytes) => Id::Bin(bytes),
            OwnedId::Str(text) => Id::Str(text),
        }
    }
}

/// Generates the ids of the events that this side sends: a counter of eight hexadecimal digits with a random start,
/// then 24 random digits that stay the same, as in zerorpc-python.
#[derive(Debug)]
pub struct Ids {
    base: [u8; 24],
    next: AtomicU32,
}

impl Ids {
    /// A generator with a random base and start.
    #[must_use]
    pub fn new() -> Self {
        let random = random_uuid();
        let mut hex = [0; ID_LEN];
        random.simple().encode_lower(&mut hex);
        let mut base = [0; 24];
        base.copy_from_slice(&hex[8..]);
        // The first 32 bits of a version 4 UUID are all random.
        Ids { base, next: AtomicU32::new(random.as_fields().0) }
    }

    /// Takes the next value of the counter. [`id`](Self::id) makes it an id.
    pub fn next(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The value of the counter that [`next`](Self::next) will take. It changes with each event that is sent.
    #[must_use]
    pub fn upcoming(&self) -> u32 {
        self.next.load(Ordering::Relaxed)
    }

    /// The id with the counter value `count`.
    #[must_use]
    pub fn id(&self, count: u32) -> [u8; ID_LEN] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut id = [0; ID_LEN];
        for (pair, byte) in id.chunks_exact_mut(2).zip(count.to_be_bytes()) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        id[8..].copy_from_slice(&self.base);
        id
    }

    /// The counter value of `id`; `None` unless this generator made it.
    #[must_use]
    pub fn count(&self, id: Id<'_>) -> Option<u32> {
        let Id::Bin(bytes) = id else { return None };
        let (digits, base) = bytes.split_first_chunk::<8>()?;
        if base != self.base {
            return None;
        }
        digits.iter().try_fold(0, |count, digit| {
            let digit = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            Some(count << 4 | u32::from(digit))
        })
    }
}

fn random_uuid() -> Uuid {
    // A simulation is repeatable: its random numbers follow from its seed.
    #[cfg(feature = "simulated")]
    if let Some(bytes) = net::simulated::random_bytes() {
        return uuid::Builder::from_random_bytes(bytes).into_uuid();
    }
    Uuid::new_v4()
}

impl Default for Ids {
    fn default() -> Self {
        Self::new()
    }
}
