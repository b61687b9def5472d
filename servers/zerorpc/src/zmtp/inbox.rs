//! The read buffer of a connection, which splits bytes into messages and commands.

use std::ops::Range;

use super::wire::{Command, MessageLimits, ScanResult, WireError, read_frame_header, scan};

/// The number of bytes to read per call: about 200 small messages.
const READ_SIZE: usize = 16 << 10;
/// The maximum number of bytes to reserve for data that has not arrived yet.
const MAX_RESERVED: usize = 1 << 20;
/// The maximum capacity, in bytes, of a buffer that is kept. A larger one is freed once it is empty.
const MAX_KEPT_CAPACITY: usize = 256 << 10;

/// Bytes that were read from a peer, in the order in which they arrived, and not handled yet.
pub struct Inbox {
    limits: MessageLimits,
    buffer: Vec<u8>,
    /// The offset of the first unhandled byte.
    begin: usize,
    /// The minimum number of bytes that are missing from the first unhandled message.
    missing: usize,
    /// The body of a command that arrived between the frames of a message.
    command: Vec<u8>,
    skipping: Option<Skipping>,
}

/// The part of a message above the limits that remains to be skipped.
#[derive(Clone, Copy)]
struct Skipping {
    /// The remaining bytes of its current frame.
    bytes: u64,
    /// Whether further frames follow.
    more: bool,
}

/// A message or command of a peer.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A message.
    Message {
        /// The encoded frames that a reply repeats before its delimiter.
        envelope: &'a [u8],
        /// The body of the last frame.
        payload: &'a [u8],
    },
    /// A command.
    Command(Command<'a>),
    /// A message above the limits. Only its beginning is kept.
    TooLarge {
        /// See [`Incoming::Message`].
        envelope: &'a [u8],
        /// The first bytes of the payload; empty if an earlier frame exceeds the limits.
        head: &'a [u8],
    },
}

/// [`Incoming`] as positions in the buffer.
enum Step {
    Message {
        envelope: usize,
        payload: Range<usize>,
    },
    Command(Range<usize>),
    /// The body is in [`Inbox::command`].
    CommandBetweenFrames,
    TooLarge {
        envelope: usize,
        head: Range<usize>,
    },
}

impl Inbox {
    /// An empty buffer.
    #[must_use]
    pub fn new(limits: MessageLimits) -> Self {
        Inbox { limits, buffer: Vec::new(), begin: 0, missing: 0, command: Vec::new(), skipping: None }
    }

    /// Sets the limits for subsequent messages.
    pub(super) fn set_limits(&mut self, limits: MessageLimits) {
        self.limits = limits;
    }

    /// The buffer to append to. It has spare capacity.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        if self.begin == self.buffer.len() {
            self.buffer.clear();
            self.begin = 0;
            if self.buffer.capacity() > MAX_KEPT_CAPACITY {
                self.buffer.shrink_to(0);
            }
        }
        if self.buffer.capacity() == self.buffer.len() {
            self.buffer.drain(..self.begin);
            self.begin = 0;
            // The buffer is at most doubled, whatever length a header announces.
            let ahead = self.missing.min(self.buffer.len()).clamp(READ_SIZE, MAX_RESERVED);
            self.buffer.reserve(ahead);
        }
        &mut self.buffer
    }

    /// The capacity of the buffer in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Whether a part of a message has arrived, when [`next`](Self::next) has returned `None`.
    #[must_use]
    pub fn is_inside_message(&self) -> bool {
        self.skipping.is_some() || self.begin < self.buffer.len()
    }

    /// The unhandled bytes.
    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.begin..).unwrap_or_default()
    }

    /// Removes the first `bytes`.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.begin = (self.begin + bytes).min(self.buffer.len());
    }

    /// Takes the next message or command; `None` if it is incomplete.
    ///
    /// # Errors
    /// [`WireError`].
    #[allow(clippy::should_implement_trait, reason = "the items of an iterator cannot borrow from it")]
    pub fn next(&mut self) -> Result<Option<Incoming<'_>>, WireError> {
        if self.skipping.is_some() && !self.skip()? {
            return Ok(None);
        }
        let base = self.begin;
        let step = match scan(self.unread(), &self.limits)? {
            ScanResult::Incomplete(missing) => {
                self.missing = missing;
                return Ok(None);
            }
            ScanResult::Message { envelope, payload } => {
                self.advance(payload.end);
                Step::Message { envelope, payload }
            }
            ScanResult::Command { frame, body } if frame.start == 0 => {
                self.advance(frame.end);
                Step::Command(body)
            }
            ScanResult::Command { frame, body } => {
                let at = |range: Range<usize>| base + range.start..base + range.end;
                self.command = self.buffer.get(at(body)).unwrap_or_default().to_vec();
                self.buffer.drain(at(frame));
                Step::CommandBetweenFrames
            }
            ScanResult::TooLarge { envelope, head, rest, more } => {
                self.advance(head.end);
                self.skipping = Some(Skipping { bytes: rest, more });
                Step::TooLarge { envelope, head }
            }
        };
        let slice =
            |range: Range<usize>| self.buffer.get(base + range.start..base + range.end).unwrap_or_default();
        Ok(Some(match step {
            Step::Message { envelope, payload } => {
                Incoming::Message { envelope: slice(0..envelope), payload: slice(payload) }
            }
            Step::Command(body) => Incoming::Command(Command::decode(slice(body))?),
            Step::CommandBetweenFrames => Incoming::Command(Command::decode(&self.command)?),
            Step::TooLarge { envelope, head } => {
                Incoming::TooLarge { envelope: slice(0..envelope), head: slice(head) }
            }
        }))
    }

    /// Removes the bytes that have arrived of a message above the limits; returns true when the whole message has been
    /// removed.
    fn skip(&mut self) -> Result<bool, WireError> {
        while let Some(skipping) = self.skipping {
            let available = self.unread().len();
            let skipped = usize::try_from(skipping.bytes).map_or(available, |bytes| bytes.min(available));
            self.advance(skipped);
            let bytes = skipping.bytes - skipped as u64;
            self.skipping = Some(Skipping { bytes, ..skipping });
            self.missing = 0;
            if bytes > 0 {
                return Ok(false);
            }
            if !skipping.more {
                self.skipping = None;
                break;
            }
            let Some(header) = read_frame_header(self.unread())? else { return Ok(false) };
            self.advance(header.len);
            self.skipping = Some(Skipping { bytes: header.body_len, more: header.more });
        }
        Ok(true)
    }
}
