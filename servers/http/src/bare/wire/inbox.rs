//! The bytes that have arrived on a connection and are not handled yet.

use bytes::{Buf, Bytes, BytesMut};

/// The size in bytes of a connection's buffer at first. It grows with the messages that arrive.
const INITIAL_CAPACITY: usize = 16 << 10;

/// The least space in bytes that a read finds. It is longer than most messages: Tokio takes a read that fills its buffer for
/// one that has left bytes unread, and would read again before it waits.
const MIN_SPACE: usize = 4 << 10;

/// The largest size in bytes that a buffer keeps for the next message.
const MAX_RETAINED_CAPACITY: usize = 256 << 10;

/// A buffer of bytes that were read. Bodies are taken from it without being copied, and their memory is used again once they
/// are dropped.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: BytesMut,
}

impl Inbox {
    /// The bytes that are not handled yet.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        &self.bytes
    }

    /// Their number.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Removes the first `len` bytes.
    pub fn advance(&mut self, len: usize) {
        self.bytes.advance(len.min(self.bytes.len()));
    }

    /// Takes the first `len` bytes.
    #[must_use]
    pub fn take(&mut self, len: usize) -> Bytes {
        let len = len.min(self.bytes.len());
        if self.bytes.capacity() <= MAX_RETAINED_CAPACITY {
            return self.bytes.split_to(len).freeze();
        }
        // The memory goes with the message.
        let mut large = std::mem::take(&mut self.bytes);
        let taken = large.split_to(len).freeze();
        self.bytes.extend_from_slice(&large);
        taken
    }

    /// The buffer to append to, with space for some of the `missing` bytes of a message, if their number is known. Its size is
    /// at most doubled, whatever number a peer announces.
    pub fn space(&mut self, missing: usize) -> &mut BytesMut {
        if self.bytes.capacity() - self.bytes.len() < MIN_SPACE {
            let least = if self.bytes.capacity() == 0 { INITIAL_CAPACITY } else { MIN_SPACE };
            let wanted = missing.saturating_add(MIN_SPACE).min(self.bytes.len());
            self.bytes.reserve(wanted.max(least));
        }
        &mut self.bytes
    }

    /// The capacity of the buffer in bytes, from the first byte that is not handled.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(inbox: &mut Inbox, bytes: &[u8]) {
        let space = inbox.space(0);
        assert!(space.capacity() - space.len() >= MIN_SPACE);
        space.extend_from_slice(bytes);
    }

    #[test]
    fn small_messages_are_neither_copied_nor_allocated() {
        let mut inbox = Inbox::default();
        let mut places = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            receive(&mut inbox, &[7; 300]);
            inbox.advance(200);
            let place = inbox.unread().as_ptr();
            let body = inbox.take(100);
            assert_eq!((body.as_ptr(), body.len()), (place, 100));
            places.insert(place as usize);
        }
        let (first, last) = (places.first().unwrap(), places.last().unwrap());
        assert!(last - first < INITIAL_CAPACITY, "one buffer");
    }

    #[test]
    fn the_memory_of_a_large_body_goes_with_it() {
        let mut inbox = Inbox::default();
        let mut arrived = 0;
        while arrived < 2 * MAX_RETAINED_CAPACITY {
            receive(&mut inbox, &[7; MIN_SPACE]);
            arrived += MIN_SPACE;
            assert!(inbox.capacity() <= (2 * arrived).max(2 * INITIAL_CAPACITY), "{}", inbox.capacity());
        }
        receive(&mut inbox, b"next");
        assert_eq!(inbox.take(arrived).len(), arrived);
        assert_eq!(inbox.unread(), b"next");
        assert!(inbox.capacity() <= MAX_RETAINED_CAPACITY);
    }

    #[test]
    fn an_announced_length_takes_no_memory() {
        let mut inbox = Inbox::default();
        inbox.space(usize::MAX);
        assert!(inbox.capacity() <= 2 * INITIAL_CAPACITY, "{}", inbox.capacity());
    }
}
