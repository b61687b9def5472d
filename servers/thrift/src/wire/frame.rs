//! The frame around a message: its length, as four bytes before it.

/// The length in bytes of what precedes a message.
pub const PREFIX_LEN: usize = 4;

/// The length of the frame that begins with `head`, including the prefix. A negative length, which is none, counts as one
/// beyond every limit.
#[must_use]
pub fn frame_len(head: &[u8]) -> usize {
    let Some(prefix) = head.first_chunk::<PREFIX_LEN>() else { return PREFIX_LEN };
    let len = usize::try_from(i32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
    len.saturating_add(PREFIX_LEN)
}
