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
    /// How many of them are known not to tell the length of the first message.
    seen: usize,
    to_discard: Discard,
    max_body: usize,
    framing: PhantomData<F>,
}

/// The rest of a message that was refused.
#[derive(Clone, Copy, Debug)]
enum Discard {
    /// This number of bytes; zero if there is nothing to discard.
    Bytes(usize),
    /// Everything up to its end, which is not known yet.
    ToEnd,
}

impl<F: Framing> Inbox<F> {
    /// An inbox that refuses messages with more than `max_body` bytes, apart from their [`OVERHEAD`](Framing::OVERHEAD).
    #[must_use]
    pub fn new(max_body: usize) -> Self {
        let bytes = vec![0; INITIAL_CAPACITY];
        let to_discard = Discard::Bytes(0);
        Inbox { bytes, start: 0, end: 0, seen: 0, to_discard, max_body, framing: PhantomData }
    }

    /// The next message, if all of it has arrived. A message that is too large is refused as soon as that is known; its bytes
    /// are then discarded as they arrive, and the messages after it can be read.
    #[allow(clippy::should_implement_trait, reason = "the message is borrowed from the inbox")]
    pub fn next(&mut self) -> Option<Result<&[u8], CallError>> {
        self.discard();
        let arrived = self.end - self.start;
        let len = self.pending_len();
        let body = len.unwrap_or(arrived).saturating_sub(F::OVERHEAD);
        if body > self.max_body {
            self.to_discard = len.map_or(Discard::ToEnd, Discard::Bytes);
            self.discard();
            let bound = if len.is_none() { "at least " } else { "" };
            let message = format!("{bound}{body} bytes; the limit is {}", self.max_body);
            return Some(Err(CallError::new(ErrorKind::TooLarge, message)));
        }
        let len = len.filter(|len| *len <= arrived)?;
        let message = self.start..self.start + len;
        self.skip(len);
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

    /// The length of the message that has begun to arrive, once it is known. At least the overhead.
    fn pending_len(&mut self) -> Option<usize> {
        let arrived = &self.bytes[self.start..self.end];
        let len = F::message_len(arrived, self.seen);
        if len.is_none() {
            self.seen = arrived.len();
        }
        Some(len?.max(F::OVERHEAD))
    }

    fn discard(&mut self) {
        let arrived = self.end - self.start;
        let (discarded, rest) = match self.to_discard {
            Discard::Bytes(0) => return,
            Discard::Bytes(bytes) => (bytes.min(arrived), Discard::Bytes(bytes.saturating_sub(arrived))),
            Discard::ToEnd => match self.pending_len() {
                Some(len) => (len, Discard::Bytes(0)),
                None => (arrived, Discard::ToEnd),
            },
        };
        self.to_discard = rest;
        self.skip(discarded);
    }

    /// Consumes `len` bytes that have arrived.
    fn skip(&mut self, len: usize) {
        self.start += len;
        self.seen = 0;
    }

    /// Moves an incomplete message to the front of a full buffer, or enlarges the buffer for it. Unless the message takes
    /// exactly four times the old buffer, the enlarged one is longer than the message: Tokio takes a read that fills its
    /// buffer for one that has left bytes unread, and would read again before it waits.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
        } else {
            const SPARE: usize = 64;
            let needed = self.pending_len().unwrap_or(2 * self.bytes.len());
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
        const OVERHEAD: usize = 4;

        fn message_len(arrived: &[u8], _: usize) -> Option<usize> {
            let len = u32::from_be_bytes(*arrived.first_chunk()?);
            Some(Self::OVERHEAD + usize::try_from(len).unwrap())
        }
    }

    /// A line feed after each message.
    #[derive(Debug)]
    struct Ended;

    impl Framing for Ended {
        const OVERHEAD: usize = 1;

        fn message_len(arrived: &[u8], seen: usize) -> Option<usize> {
            assert!(!arrived[..seen].contains(&b'\n'), "the answer for these bytes was `None`");
            Some(seen + arrived[seen..].iter().position(|byte| *byte == b'\n')? + 1)
        }
    }

    fn message(len: usize) -> Vec<u8> {
        [&u32::try_from(len).unwrap().to_be_bytes()[..], &vec![7; len]].concat()
    }

    fn line(len: usize) -> Vec<u8> {
        [&vec![b'7'; len][..], b"\n"].concat()
    }

    /// The messages in `bytes`, which arrive in parts of at most `part` bytes, or the kinds of errors.
    fn received<F: Framing>(bytes: &[u8], part: usize, max_body: usize) -> Vec<Result<Vec<u8>, ErrorKind>> {
        let mut inbox = Inbox::<F>::new(max_body);
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
            prop_assert_eq!(received::<Prefixed>(&messages.concat(), part, 1 << 20), expected);
            let lines: Vec<_> = lens.iter().map(|len| line(*len)).collect();
            let expected: Vec<_> = lines.iter().cloned().map(Ok).collect();
            prop_assert_eq!(received::<Ended>(&lines.concat(), part, 1 << 20), expected);
        }
    }

    #[test]
    fn a_message_that_is_too_large_is_refused_at_once_and_then_skipped() {
        let (large, small) = (message(20_000), message(0));
        let bytes = [&small[..], &large, &small, &large[..Prefixed::OVERHEAD]].concat();
        let refused = Err(ErrorKind::TooLarge);
        let expected = [Ok(small.clone()), refused.clone(), Ok(small), refused];
        for part in [1, 100, 1 << 20] {
            assert_eq!(received::<Prefixed>(&bytes, part, 10_000), expected);
        }
    }

    #[test]
    fn a_message_without_an_end_is_refused_at_the_limit_and_what_follows_its_end_is_read() {
        let (large, small) = (line(200_000), line(3));
        let bytes = [&small[..], &large, &small, &large[..20_000]].concat();
        let refused = Err(ErrorKind::TooLarge);
        let expected = [Ok(small.clone()), refused.clone(), Ok(small.clone()), refused.clone()];
        for part in [1, 100, 1 << 20] {
            assert_eq!(received::<Ended>(&bytes, part, 10_000), expected, "parts of {part}");
        }
        // As long as the limit, and one byte longer.
        let at_limit = line(10_000);
        assert_eq!(received::<Ended>(&at_limit, 100, 10_000), [Ok(at_limit.clone())]);
        assert_eq!(received::<Ended>(&line(10_001), 100, 10_000), [refused]);

        let mut inbox = Inbox::<Ended>::new(10_000);
        for _ in 0..100 {
            let space = inbox.space();
            space.fill(b'7');
            let len = space.len();
            inbox.add(len);
            let _ = inbox.next();
        }
        assert!(inbox.bytes.len() <= 64 << 10, "what is discarded takes no memory");
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
