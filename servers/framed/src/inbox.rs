//! The messages in the bytes that a connection delivers.

use std::marker::PhantomData;

use calculator::{CallError, ErrorKind};

use crate::notation::Framing;

/// The size in bytes of a connection's buffer at first. It grows with the messages that arrive.
const INITIAL_CAPACITY: usize = 8 << 10;

/// The largest size in bytes that a buffer keeps for the next message.
const MAX_RETAINED_CAPACITY: usize = 256 << 10;

/// Buffers the bytes of a connection until a message is complete.
///
/// Memory is bounded by the bytes that have arrived, not by the length that a message states: the buffer has its initial
/// size, or is at most four times as large as they are.
#[derive(Debug)]
pub struct Inbox<F> {
    bytes: Vec<u8>,
    /// The bytes that have arrived and are not consumed lie from `start` to `end`.
    start: usize,
    end: usize,
    /// The number of bytes to discard: the rest of a message that was refused.
    to_discard: usize,
    max_body: usize,
    framing: PhantomData<F>,
}

impl<F: Framing> Inbox<F> {
    /// An inbox that refuses messages in which more than `max_body` bytes follow the head.
    #[must_use]
    pub fn new(max_body: usize) -> Self {
        let bytes = vec![0; INITIAL_CAPACITY];
        Inbox { bytes, start: 0, end: 0, to_discard: 0, max_body, framing: PhantomData }
    }

    /// The next message, if all of it has arrived. A message that is too large is refused as soon as its length is known;
    /// its bytes are then discarded as they arrive, and the messages after it can be read.
    #[allow(clippy::should_implement_trait, reason = "the message is borrowed from the inbox")]
    pub fn next(&mut self) -> Option<Result<&[u8], CallError>> {
        self.discard();
        let len = self.pending_len()?;
        let following = len - F::HEAD_LEN;
        if following > self.max_body {
            self.to_discard = len;
            self.discard();
            let message = format!("{following} bytes; the limit is {}", self.max_body);
            return Some(Err(CallError::new(ErrorKind::TooLarge, message)));
        }
        if self.end - self.start < len {
            return None;
        }
        let message = self.start..self.start + len;
        self.start += len;
        Some(Ok(&self.bytes[message]))
    }

    /// Where to put the next bytes; never empty. [`next`](Self::next) must have returned `None` before.
    pub fn space(&mut self) -> &mut [u8] {
        self.recycle();
        if self.end == self.bytes.len() {
            self.make_room();
        }
        &mut self.bytes[self.end..]
    }

    /// Frees the memory of a large message, if all bytes are consumed.
    pub fn recycle(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.bytes.len() > MAX_RETAINED_CAPACITY {
                self.bytes = vec![0; INITIAL_CAPACITY];
            }
        }
    }

    /// Adds the first `len` bytes of the [space](Self::space).
    pub fn add(&mut self, len: usize) {
        self.end += len;
    }

    /// The length of the message that has begun to arrive, once it is known. At least that of its head.
    fn pending_len(&self) -> Option<usize> {
        let head = self.bytes[self.start..self.end].get(..F::HEAD_LEN)?;
        Some(F::message_len(head).max(F::HEAD_LEN))
    }

    fn discard(&mut self) {
        let discarded = self.to_discard.min(self.end - self.start);
        self.to_discard -= discarded;
        self.start += discarded;
    }

    /// Moves an incomplete message to the front of a full buffer, or enlarges the buffer for it. Unless the message takes
    /// exactly four times the old buffer, the enlarged one is longer than the message: Tokio takes a read that fills its
    /// buffer for one that has left bytes unread, and would read again before it waits.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
        } else {
            const SPARE: usize = 64;
            let needed = self.pending_len().unwrap_or(F::HEAD_LEN);
            let mut larger = vec![0; needed.saturating_add(SPARE).min(4 * self.bytes.len())];
            larger[..self.end].copy_from_slice(&self.bytes[..self.end]);
            self.bytes = larger;
        }
        (self.start, self.end) = (0, self.end - self.start);
    }
}

/// Empties a buffer whose messages have been sent, so that it can be used for the next. Of a large one the memory is freed.
pub fn recycle(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(MAX_RETAINED_CAPACITY);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A length of four bytes before each message.
    #[derive(Debug)]
    struct Prefixed;

    impl Framing for Prefixed {
        const HEAD_LEN: usize = 4;

        fn message_len(head: &[u8]) -> usize {
            let len = u32::from_be_bytes(head.try_into().unwrap());
            Self::HEAD_LEN + usize::try_from(len).unwrap()
        }
    }

    fn message(len: usize) -> Vec<u8> {
        [&u32::try_from(len).unwrap().to_be_bytes()[..], &vec![7; len]].concat()
    }

    /// The messages in `bytes`, which arrive in parts of at most `part` bytes, or the kinds of errors.
    fn received(bytes: &[u8], part: usize, max_body: usize) -> Vec<Result<Vec<u8>, ErrorKind>> {
        let mut inbox = Inbox::<Prefixed>::new(max_body);
        let mut found = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let space = inbox.space();
            let len = part.min(space.len()).min(rest.len());
            space[..len].copy_from_slice(&rest[..len]);
            rest = &rest[len..];
            inbox.add(len);
            while let Some(next) = inbox.next() {
                found.push(next.map(<[u8]>::to_vec).map_err(|error| error.kind));
            }
            let arrived = bytes.len() - rest.len();
            assert!(inbox.bytes.len() <= INITIAL_CAPACITY.max(4 * arrived), "{} bytes", inbox.bytes.len());
        }
        found
    }

    proptest! {
        #[test]
        fn messages_are_the_same_however_their_bytes_are_cut(
            lens in prop::collection::vec(0_usize..30_000, 1..6),
            part in 1_usize..40_000,
        ) {
            let messages: Vec<_> = lens.iter().map(|len| message(*len)).collect();
            let expected: Vec<_> = messages.iter().cloned().map(Ok).collect();
            prop_assert_eq!(received(&messages.concat(), part, 1 << 20), expected);
        }
    }

    #[test]
    fn a_message_that_is_too_large_is_refused_at_once_and_then_skipped() {
        let (large, small) = (message(20_000), message(0));
        let bytes = [&small[..], &large, &small, &large[..Prefixed::HEAD_LEN]].concat();
        let refused = Err(ErrorKind::TooLarge);
        let expected = [Ok(small.clone()), refused.clone(), Ok(small), refused];
        for part in [1, 100, 1 << 20] {
            assert_eq!(received(&bytes, part, 10_000), expected);
        }
    }

    #[test]
    fn the_buffer_has_space_to_spare_after_a_message_that_enlarged_it() {
        for len in [10 << 10, 100 << 10] {
            let message = message(len);
            let mut inbox = Inbox::<Prefixed>::new(usize::MAX);
            let mut rest = &message[..];
            while !rest.is_empty() {
                let space = inbox.space();
                let len = space.len().min(rest.len());
                space[..len].copy_from_slice(&rest[..len]);
                rest = &rest[len..];
                inbox.add(len);
                assert!(inbox.next().is_some() == rest.is_empty());
            }
            assert!(inbox.space().len() > message.len(), "{len}");
        }
    }

    #[test]
    fn a_stated_length_takes_no_memory_and_a_large_message_keeps_none() {
        let mut inbox = Inbox::<Prefixed>::new(usize::MAX);
        inbox.space()[..4].copy_from_slice(&[0xff; 4]);
        inbox.add(4);
        assert!(inbox.next().is_none());
        assert!(!inbox.space().is_empty());
        assert_eq!(inbox.bytes.len(), INITIAL_CAPACITY);

        let mut inbox = Inbox::<Prefixed>::new(usize::MAX);
        for byte in message(2 * MAX_RETAINED_CAPACITY) {
            inbox.space()[0] = byte;
            inbox.add(1);
        }
        assert!(inbox.bytes.len() > MAX_RETAINED_CAPACITY);
        assert!(inbox.next().is_some() && inbox.next().is_none());
        assert_eq!(inbox.space().len(), INITIAL_CAPACITY);
    }
}
