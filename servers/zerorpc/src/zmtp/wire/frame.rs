//! Frames, and messages made of them.

use std::ops::Range;

use super::error::WireError;

/// Flag of a frame that another one of the same message follows.
const MORE: u8 = 1;
/// Flag of a frame with a length of eight bytes instead of one.
const LONG: u8 = 2;
/// Flag of a command.
pub(super) const COMMAND: u8 = 4;

/// Appends a message to `out`: the frames of `before`, which are already encoded, and a last frame with the payload
/// that `write` appends. Appends nothing if `write` fails.
///
/// # Errors
/// The errors of `write`.
pub fn write_message<E>(
    out: &mut Vec<u8>,
    before: &[&[u8]],
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    for frames in before {
        out.extend_from_slice(frames);
    }
    out.extend_from_slice(&[0, 0]);
    let payload = out.len();
    if let Err(error) = write(out) {
        out.truncate(start);
        return Err(error);
    }
    let len = out.len() - payload;
    match u8::try_from(len) {
        Ok(short) => out[payload - 1] = short,
        // Nearly every length fits in one byte. A longer payload is moved to make space for eight.
        Err(_) => {
            out.extend_from_slice(&[0; 7]);
            out.copy_within(payload..payload + len, payload + 7);
            out[payload - 2] = LONG;
            out[payload - 1..payload + 7].copy_from_slice(&(len as u64).to_be_bytes());
        }
    }
    Ok(())
}

/// Appends the frames of a message, and returns their length in bytes.
pub fn write_frames<'a>(out: &mut Vec<u8>, frames: impl IntoIterator<Item = &'a [u8]>) -> usize {
    let start = out.len();
    let mut last = None;
    for frame in frames {
        last = Some(out.len());
        match u8::try_from(frame.len()) {
            Ok(len) => out.extend_from_slice(&[MORE, len]),
            Err(_) => {
                out.push(MORE | LONG);
                out.extend_from_slice(&(frame.len() as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(frame);
    }
    if let Some(flags) = last.and_then(|last| out.get_mut(last)) {
        *flags &= !MORE;
    }
    out.len() - start
}

/// Splits the message that `bytes` begin with into its frames. Also returns where it ends. `None` if it is incomplete.
#[must_use]
pub fn split_message(bytes: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
    let (mut frames, mut at) = (Vec::with_capacity(3), 0);
    loop {
        let header = parse_header(bytes, at).ok()?.ok()?;
        at = header.body.checked_add(usize::try_from(header.len).ok()?)?;
        frames.push(bytes.get(header.body..at)?);
        if header.flags & MORE == 0 {
            return Some((frames, at));
        }
    }
}

/// The empty frame between envelope and payload, encoded.
pub const DELIMITER: &[u8] = &[MORE, 0];

/// The largest message that a peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// Bytes of all frames of a message together, without their headers.
    pub bytes: usize,
    /// Number of frames of a message, the payload and the delimiter included.
    pub frames: usize,
}

/// Frames of a message that zerorpc accepts: delimiter and payload, preceded by the envelope of any proxies.
pub const MAX_FRAMES: usize = 32;

/// The maximum length of a command in bytes. A PING has at most 23, a READY rarely 100.
const MAX_COMMAND_LEN: u64 = 4_096;

/// The number of bytes that are read from the payload of a message above the limit, so that its sender can be answered.
pub const HEAD_LEN: usize = 512;

/// The first message or command in the bytes that were given to [`scan`]. All positions are offsets into these bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanResult {
    /// Neither a whole message nor a whole command. Holds the minimum number of missing bytes.
    Incomplete(usize),
    /// A message within the [`MessageLimits`].
    Message {
        /// The end of the envelope, which consists of all frames except the last two, with their headers. A reply
        /// repeats it.
        envelope: usize,
        /// The body of the last frame.
        payload: Range<usize>,
    },
    /// A command. It may stand between the frames of a message.
    Command {
        /// The whole frame.
        frame: Range<usize>,
        /// Its body.
        body: Range<usize>,
    },
    /// A message above the limits. The rest of it has to be skipped.
    TooLarge {
        /// See [`ScanResult::Message`].
        envelope: usize,
        /// The first bytes of the payload, up to [`HEAD_LEN`]; empty if an earlier frame exceeds the limits.
        head: Range<usize>,
        /// Bytes of the frame after `head`.
        rest: u64,
        /// Whether further frames follow, which have to be skipped too.
        more: bool,
    },
}

struct Header {
    flags: u8,
    /// The offset of the body.
    body: usize,
    /// The length of the body.
    len: u64,
}

/// Parses the header of the frame at `at`. The inner error is the number of missing bytes.
fn parse_header(bytes: &[u8], at: usize) -> Result<Result<Header, usize>, WireError> {
    let Some(&[flags, ref rest @ ..]) = bytes.get(at..) else { return Ok(Err(2)) };
    if flags & !(MORE | LONG | COMMAND) != 0 || flags & (MORE | COMMAND) == MORE | COMMAND {
        return Err(WireError::Flags(flags));
    }
    if flags & LONG == 0 {
        return Ok(match rest.first() {
            Some(len) => Ok(Header { flags, body: at + 2, len: u64::from(*len) }),
            None => Err(1),
        });
    }
    Ok(match rest.first_chunk::<8>() {
        Some(len) => Ok(Header { flags, body: at + 9, len: u64::from_be_bytes(*len) }),
        None => Err(8 - rest.len()),
    })
}

/// Finds the message or command that `bytes` begin with. A header that announces more than the limits allow is reported
/// as soon as the header has arrived.
///
/// # Errors
/// [`WireError::Flags`], [`WireError::CommandTooLong`].
pub fn scan(bytes: &[u8], limits: &MessageLimits) -> Result<ScanResult, WireError> {
    // Where the last two frames begin: what precedes both is the envelope.
    let (mut frame, mut previous_frame) = (0, 0);
    let mut left = limits.bytes;
    let mut frames = 0;
    loop {
        let header = match parse_header(bytes, frame)? {
            Ok(header) => header,
            Err(missing) => return Ok(ScanResult::Incomplete(missing)),
        };
        let available = bytes.len() - header.body;
        if header.flags & COMMAND != 0 {
            let len = usize::try_from(header.len.min(MAX_COMMAND_LEN + 1)).unwrap_or(usize::MAX);
            if header.len > MAX_COMMAND_LEN {
                return Err(WireError::CommandTooLong(header.len));
            }
            return Ok(match len.checked_sub(available) {
                None | Some(0) => ScanResult::Command {
                    frame: frame..header.body + len,
                    body: header.body..header.body + len,
                },
                Some(missing) => ScanResult::Incomplete(missing),
            });
        }
        frames += 1;
        let more = header.flags & MORE != 0;
        let allowed = usize::try_from(header.len).ok().filter(|len| *len <= left && frames <= limits.frames);
        let Some(len) = allowed else {
            // Only the last frame is the payload, so its head is waited for.
            let head_len =
                if more { 0 } else { usize::try_from(header.len).map_or(HEAD_LEN, |len| len.min(HEAD_LEN)) };
            if available < head_len {
                return Ok(ScanResult::Incomplete(head_len - available));
            }
            let head = header.body..header.body + head_len;
            return Ok(ScanResult::TooLarge {
                envelope: previous_frame,
                head,
                rest: header.len - head_len as u64,
                more,
            });
        };
        if available < len {
            return Ok(ScanResult::Incomplete(len - available));
        }
        let body = header.body..header.body + len;
        if !more {
            return Ok(ScanResult::Message { envelope: previous_frame, payload: body });
        }
        left -= len;
        (previous_frame, frame) = (frame, body.end);
    }
}

/// The header of a frame that is to be skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes of the header itself.
    pub len: usize,
    /// Bytes of the body.
    pub body_len: u64,
    /// Whether the message goes on after this frame.
    pub more: bool,
}

/// Reads the header of the next frame of a message that is being skipped; `None` if it is incomplete.
///
/// # Errors
/// [`WireError::Flags`], [`WireError::CommandTooLong`].
pub fn read_frame_header(bytes: &[u8]) -> Result<Option<FrameHeader>, WireError> {
    let Ok(header) = parse_header(bytes, 0)? else { return Ok(None) };
    if header.flags & COMMAND != 0 && header.len > MAX_COMMAND_LEN {
        return Err(WireError::CommandTooLong(header.len));
    }
    // A command may stand between the frames; it does not end the message.
    let more = header.flags & (MORE | COMMAND) != 0;
    Ok(Some(FrameHeader { len: header.body, body_len: header.len, more }))
}
