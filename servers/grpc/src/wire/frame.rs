//! The framing of messages in the body of a request or a response: a byte that marks compression, and the length in four.

use bytes::Bytes;

/// The number of bytes before a message.
pub const PREFIX_LEN: usize = 5;

/// Puts the prefix before `message`.
///
/// # Errors
/// [`FrameError::TooLarge`] for a message of 4 GiB or more.
pub fn framed(message: &[u8]) -> Result<Bytes, FrameError> {
    let len = u32::try_from(message.len()).map_err(|_| FrameError::TooLarge(message.len()))?;
    let mut frame = Vec::with_capacity(PREFIX_LEN + message.len());
    frame.push(0);
    frame.extend_from_slice(&len.to_be_bytes());
    frame.extend_from_slice(message);
    Ok(frame.into())
}

/// Why a body is not one message, or a sequence of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The message is longer than the limit.
    #[error("a message of {0} bytes, which is above the limit")]
    TooLarge(usize),
    /// The message is compressed, which this side has not offered to read; or the byte is neither 0 nor 1.
    #[error("a message whose first byte is {0}, not 0 for one that is not compressed")]
    Compressed(u8),
    /// The body ends inside the message.
    #[error("the body ends inside the message")]
    Truncated,
    /// There is something behind the message.
    #[error("there is more than one message")]
    Surplus,
}

/// Collects the one message of a body that arrives in chunks. What it holds never exceeds what has arrived, and the limit.
#[derive(Debug)]
pub struct MessageReader {
    received: Vec<u8>,
    max_len: usize,
}

impl MessageReader {
    /// Accepts messages of up to `max_len` bytes.
    #[must_use]
    pub fn new(max_len: usize) -> Self {
        MessageReader { received: Vec::new(), max_len }
    }

    /// Adds the next bytes of the body.
    ///
    /// # Errors
    /// [`FrameError`], as soon as the bytes show it.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), FrameError> {
        if self.received.len() < PREFIX_LEN {
            let missing = PREFIX_LEN - self.received.len();
            let (prefix, rest) = chunk.split_at(missing.min(chunk.len()));
            self.received.extend_from_slice(prefix);
            return match self.announced()? {
                Some(_) => self.push_rest(rest),
                None => Ok(()),
            };
        }
        self.push_rest(chunk)
    }

    fn push_rest(&mut self, chunk: &[u8]) -> Result<(), FrameError> {
        let announced = self.announced()?.unwrap_or_default();
        let missing = PREFIX_LEN + announced - self.received.len();
        if chunk.len() > missing {
            return Err(FrameError::Surplus);
        }
        self.received.extend_from_slice(chunk);
        Ok(())
    }

    /// The length that the prefix announces, once it is complete.
    fn announced(&self) -> Result<Option<usize>, FrameError> {
        let Some([flag, length @ ..]) = self.received.first_chunk::<PREFIX_LEN>() else { return Ok(None) };
        if *flag != 0 {
            return Err(FrameError::Compressed(*flag));
        }
        let len = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if len > self.max_len { Err(FrameError::TooLarge(len)) } else { Ok(Some(len)) }
    }

    /// The message; `None` if the body was empty.
    ///
    /// # Errors
    /// [`FrameError::Truncated`] if the body ended early.
    pub fn finish(&self) -> Result<Option<&[u8]>, FrameError> {
        if self.received.is_empty() {
            return Ok(None);
        }
        let announced = self.announced()?.ok_or(FrameError::Truncated)?;
        let message = self.received.get(PREFIX_LEN..).unwrap_or_default();
        if message.len() == announced { Ok(Some(message)) } else { Err(FrameError::Truncated) }
    }
}

/// Splits a body that arrives in chunks into its messages. What it holds never exceeds one message, what has arrived, and the limit.
#[derive(Debug)]
pub struct MessageSplitter {
    current: MessageReader,
    /// Whether the current message was returned, so that the next byte begins another.
    is_taken: bool,
}

impl MessageSplitter {
    /// Accepts messages of up to `max_len` bytes each.
    #[must_use]
    pub fn new(max_len: usize) -> Self {
        MessageSplitter { current: MessageReader::new(max_len), is_taken: false }
    }

    /// Takes bytes from the front of `chunk`, the next ones of the body, until a message is complete. `None` once all of them are
    /// taken and it is not.
    ///
    /// # Errors
    /// [`FrameError`], as soon as the bytes show it.
    pub fn next_message(&mut self, chunk: &mut &[u8]) -> Result<Option<&[u8]>, FrameError> {
        if std::mem::take(&mut self.is_taken) {
            self.current.received.clear();
        }
        loop {
            let received = self.current.received.len();
            let announced = self.current.announced()?;
            let missing = announced.map_or(PREFIX_LEN, |len| PREFIX_LEN + len) - received;
            if missing == 0 && announced.is_some() {
                self.is_taken = true;
                return Ok(self.current.received.get(PREFIX_LEN..));
            }
            if chunk.is_empty() {
                return Ok(None);
            }
            let (part, rest) = chunk.split_at(missing.min(chunk.len()));
            self.current.received.extend_from_slice(part);
            *chunk = rest;
        }
    }

    /// Checks that the body does not end inside a message.
    ///
    /// # Errors
    /// [`FrameError::Truncated`].
    pub fn finish(&self) -> Result<(), FrameError> {
        let is_between = self.is_taken || self.current.received.is_empty();
        if is_between { Ok(()) } else { Err(FrameError::Truncated) }
    }
}
