//! The messages in the bytes that a connection delivers.

use calculator::{CallError, ErrorKind};

use crate::wire::{LEN, message_len};

/// The size in bytes of a connection's buffer at first. It grows with the messages that arrive.
const INITIAL_CAPACITY: usize = 8 << 10;

/// The largest size in bytes that a buffer keeps for the next message.
const MAX_RETAINED_CAPACITY: usize = 256 << 10;

/// Buffers the bytes of a connection until a message is complete.
///
/// Memory is bounded by the bytes that have arrived, not by the length that a message states: the buffer has its initial
/// size, or is at most four times as large as they are.
#[derive(Debug)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// The bytes that have arrived and are not consumed lie from `start` to `end`.
    start: usize,
    end: usize,
    /// The number of bytes to discard: the rest of a message that was refused.
    to_discard: usize,
    max_body: usize,
}

impl Inbox {
    /// An inbox that refuses messages in which more than `max_body` bytes follow the frame.
    pub(crate) fn new(max_body: usize) -> Self {
        Inbox { bytes: vec![0; INITIAL_CAPACITY], start: 0, end: 0, to_discard: 0, max_body }
    }

    /// The next message, if all of it has arrived. A message that is too large is refused as soon as its length is known;
    /// its bytes are then discarded as they arrive, and the messages after it can be read.
    pub(crate) fn next(&mut self) -> Option<Result<&[u8], CallError>> {
        self.discard();
        let len = self.pending_len()?;
        let following = len - LEN;
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
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.recycle();
        if self.end == self.bytes.len() {
            self.make_room();
        }
        &mut self.bytes[self.end..]
    }

    /// Frees the memory of a large message, if all bytes are consumed.
    pub(crate) fn recycle(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.bytes.len() > MAX_RETAINED_CAPACITY {
                self.bytes = vec![0; INITIAL_CAPACITY];
            }
        }
    }

    /// Adds the first `len` bytes of the [space](Self::space).
    pub(crate) fn add(&mut self, len: usize) {
        self.end += len;
    }

    /// The length of the message that has begun to arrive, once it is known.
    fn pending_len(&self) -> Option<usize> {
        self.bytes[self.start..self.end].first_chunk().map(message_len)
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
            let needed = self.pending_len().unwrap_or(LEN);
            let mut larger = vec![0; needed.saturating_add(LEN).min(4 * self.bytes.len())];
            larger[..self.end].copy_from_slice(&self.bytes[..self.end]);
            self.bytes = larger;
        }
        (self.start, self.end) = (0, self.end - self.start);
    }
}

/// Empties a buffer whose messages have been sent, so that it can be used for the next. Of a large one the memory is freed.
pub(crate) fn recycle(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(MAX_RETAINED_CAPACITY);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::encode_request;
    use calculator::{Call, Value};
    use proptest::prelude::*;

    fn echo(len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        encode_request(&mut out, &Call::positional("echo", [Value::from(vec![7; len])])).unwrap();
        out
    }

    /// The messages in `bytes`, which arrive in parts of at most `part` bytes, or the kinds of errors.
    fn received(bytes: &[u8], part: usize, max_body: usize) -> Vec<Result<Vec<u8>, ErrorKind>> {
        let mut inbox = Inbox::new(max_body);
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
            let messages: Vec<_> = lens.iter().map(|len| echo(*len)).collect();
            let expected: Vec<_> = messages.iter().cloned().map(Ok).collect();
            prop_assert_eq!(received(&messages.concat(), part, 1 << 20), expected);
        }
    }

    #[test]
    fn a_message_that_is_too_large_is_refused_at_once_and_then_skipped() {
        let (large, small) = (echo(20_000), echo(0));
        let bytes = [&small[..], &large, &small, &large[..LEN]].concat();
        let refused = Err(ErrorKind::TooLarge);
        let expected = [Ok(small.clone()), refused.clone(), Ok(small), refused];
        for part in [1, 100, 1 << 20] {
            assert_eq!(received(&bytes, part, 10_000), expected);
        }
    }

    #[test]
    fn the_buffer_has_space_to_spare_after_a_message_that_enlarged_it() {
        for len in [10 << 10, 100 << 10] {
            let message = echo(len);
            let mut inbox = Inbox::new(usize::MAX);
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
        let mut inbox = Inbox::new(usize::MAX);
        let mut frame = [0; LEN];
        frame[..8].copy_from_slice(&[6, 6, 5, 0, 0xff, 0xff, 0xff, 0xff]);
        inbox.space()[..LEN].copy_from_slice(&frame);
        inbox.add(LEN);
        assert!(inbox.next().is_none());
        assert!(!inbox.space().is_empty());
        assert_eq!(inbox.bytes.len(), INITIAL_CAPACITY);

        let mut inbox = Inbox::new(usize::MAX);
        for byte in echo(2 * MAX_RETAINED_CAPACITY) {
            inbox.space()[0] = byte;
            inbox.add(1);
        }
        assert!(inbox.bytes.len() > MAX_RETAINED_CAPACITY);
        assert!(inbox.next().is_some() && inbox.next().is_none());
        assert_eq!(inbox.space().len(), INITIAL_CAPACITY);
    }
}
