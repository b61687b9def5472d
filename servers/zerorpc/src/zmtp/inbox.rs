//! What was read from a peer and not yet handled.

use std::ops::Range;

use super::wire::{Command, MessageLimits, Scanned, WireError, scan, skip_frame};

/// Room for what one read brings: some 200 small messages.
const READ_AT_ONCE: usize = 16 << 10;
/// The most that is reserved ahead of what has really come.
const RESERVE_AT_MOST: usize = 1 << 20;
/// A buffer that a large message has made larger than this is given back once it is empty.
const KEEP_AT_MOST: usize = 256 << 10;

/// Octets in the order in which they came.
pub struct Inbox {
    limits: MessageLimits,
    buffer: Vec<u8>,
    /// Where the octets begin that were not handled.
    begin: usize,
    /// How many octets the message that is coming lacks, as far as can be told.
    missing: usize,
    /// A command that stood between the frames of a message.
    command: Vec<u8>,
    skipping: Option<Skipping>,
}

/// A message that is above a limit.
#[derive(Clone, Copy)]
struct Skipping {
    /// Octets of its present frame that are to be skipped.
    octets: u64,
    /// Whether frames follow.
    more: bool,
}

/// What a peer has sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A message.
    Message {
        /// The frames that a reply repeats before its delimiter, as they are on the wire.
        envelope: &'a [u8],
        /// The last frame.
        payload: &'a [u8],
    },
    /// A command.
    Command(Command<'a>),
    /// A message above a limit, of which only this much is kept.
    TooLarge {
        /// As of a message.
        envelope: &'a [u8],
        /// The first octets of the payload; none where an earlier frame was above the limit.
        head: &'a [u8],
    },
}

enum Step {
    Message { envelope: usize, payload: Range<usize> },
    Command(Range<usize>),
    CommandAside,
    TooLarge { envelope: usize, head: Range<usize> },
}

impl Inbox {
    /// An empty one.
    #[must_use]
    pub fn new(limits: MessageLimits) -> Self {
        Inbox { limits, buffer: Vec::new(), begin: 0, missing: 0, command: Vec::new(), skipping: None }
    }

    /// Sets what a peer may send from here on.
    pub(super) fn limit_to(&mut self, limits: MessageLimits) {
        self.limits = limits;
    }

    /// Where to append what is read next. There is room in it.
    pub fn space(&mut self) -> &mut Vec<u8> {
        if self.begin == self.buffer.len() {
            self.buffer.clear();
            self.begin = 0;
            if self.buffer.capacity() > KEEP_AT_MOST {
                self.buffer.shrink_to(0);
            }
        }
        if self.buffer.capacity() == self.buffer.len() {
            self.buffer.drain(..self.begin);
            self.begin = 0;
            // As much again as has come, whatever more a header announces.
            let ahead = self.missing.min(self.buffer.len()).clamp(READ_AT_ONCE, RESERVE_AT_MOST);
            self.buffer.reserve(ahead);
        }
        &mut self.buffer
    }

    /// Octets that are held.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// The octets that were not handled.
    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.begin..).unwrap_or_default()
    }

    /// Leaves out the next `octets`.
    pub(super) fn advance(&mut self, octets: usize) {
        self.begin = (self.begin + octets).min(self.buffer.len());
    }

    /// Takes the next message or command; `None` where it has not come as a whole.
    ///
    /// # Errors
    /// What is no ZMTP.
    #[allow(clippy::should_implement_trait, reason = "what it gives borrows from it")]
    pub fn next(&mut self) -> Result<Option<Incoming<'_>>, WireError> {
        if self.skipping.is_some() && !self.skip()? {
            return Ok(None);
        }
        let base = self.begin;
        let step = match scan(self.unread(), &self.limits)? {
            Scanned::Incomplete(missing) => {
                self.missing = missing;
                return Ok(None);
            }
            Scanned::Message { envelope, payload } => {
                self.advance(payload.end);
                Step::Message { envelope, payload }
            }
            Scanned::Command { frame, body } if frame.start == 0 => {
                self.advance(frame.end);
                Step::Command(body)
            }
            Scanned::Command { frame, body } => {
                let at = |range: Range<usize>| base + range.start..base + range.end;
                self.command = self.buffer.get(at(body)).unwrap_or_default().to_vec();
                self.buffer.drain(at(frame));
                Step::CommandAside
            }
            Scanned::TooLarge { envelope, head, rest, more } => {
                self.advance(head.end);
                self.skipping = Some(Skipping { octets: rest, more });
                Step::TooLarge { envelope, head }
            }
        };
        let slice =
            |range: Range<usize>| self.buffer.get(base + range.start..base + range.end).unwrap_or_default();
        Ok(Some(match step {
            Step::Message { envelope, payload } => {
                Incoming::Message { envelope: slice(0..envelope), payload: slice(payload) }
            }
            Step::Command(body) => Incoming::Command(Command::read(slice(body))?),
            Step::CommandAside => Incoming::Command(Command::read(&self.command)?),
            Step::TooLarge { envelope, head } => {
                Incoming::TooLarge { envelope: slice(0..envelope), head: slice(head) }
            }
        }))
    }

    /// Drops what is there of a message above a limit; true when all of it is gone.
    fn skip(&mut self) -> Result<bool, WireError> {
        while let Some(skipping) = self.skipping {
            let held = self.unread().len();
            let now = usize::try_from(skipping.octets).map_or(held, |octets| octets.min(held));
            self.advance(now);
            let octets = skipping.octets - now as u64;
            self.skipping = Some(Skipping { octets, ..skipping });
            self.missing = 0;
            if octets > 0 {
                return Ok(false);
            }
            if !skipping.more {
                self.skipping = None;
                break;
            }
            let Some((header, octets, more)) = skip_frame(self.unread())? else { return Ok(false) };
            self.advance(header);
            self.skipping = Some(Skipping { octets, more });
        }
        Ok(true)
    }
}
