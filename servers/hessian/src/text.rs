//! The text of strings: UTF-16 code units, each encoded like a character in UTF-8.
//!
//! It is UTF-8, except that a character beyond 16 bits is a pair of surrogates with three bytes each. This form is also
//! called CESU-8.

use std::borrow::Cow;

use crate::DecodeError;

/// The number of bytes that `units` code units take at the start of `bytes`.
///
/// # Errors
/// [`DecodeError::Truncated`], or [`DecodeError::NotText`] for a byte that cannot begin a code unit.
pub(crate) fn encoded_length(bytes: &[u8], units: usize) -> Result<usize, DecodeError> {
    if bytes.get(..units).is_some_and(<[u8]>::is_ascii) {
        return Ok(units);
    }
    let mut length = 0;
    for _ in 0..units {
        length += match bytes.get(length) {
            Some(0..=0x7f) => 1,
            Some(0xc2..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(_) => return Err(DecodeError::NotText),
            None => return Err(DecodeError::Truncated),
        };
    }
    if length > bytes.len() { Err(DecodeError::Truncated) } else { Ok(length) }
}

/// Decodes a whole string.
///
/// # Errors
/// [`DecodeError::NotText`].
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    let mut units = Vec::with_capacity(bytes.len() / 3);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (unit, length) = match *rest {
            [a @ 0..=0x7f, ..] => (u16::from(a), 1),
            [a @ 0xc2..=0xdf, b @ 0x80..=0xbf, ..] => (low_bits(a, 5) << 6 | low_bits(b, 6), 2),
            [a @ 0xe0..=0xef, b @ 0x80..=0xbf, c @ 0x80..=0xbf, ..] => {
                (low_bits(a, 4) << 12 | low_bits(b, 6) << 6 | low_bits(c, 6), 3)
            }
            _ => return Err(DecodeError::NotText),
        };
        // A smaller unit has a shorter form.
        if length == 3 && unit < 0x800 {
            return Err(DecodeError::NotText);
        }
        units.push(unit);
        rest = &rest[length..];
    }
    String::from_utf16(&units).map(Cow::Owned).map_err(|_| DecodeError::NotText)
}

fn low_bits(byte: u8, bits: u32) -> u16 {
    u16::from(byte) & ((1 << bits) - 1)
}

/// Appends `text`.
pub(crate) fn write(out: &mut Vec<u8>, text: &str) {
    // Only characters beyond 16 bits begin with such a byte in UTF-8.
    if text.bytes().all(|byte| byte < 0xf0) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for character in text.chars() {
        let mut buffer = [0; 4];
        if u16::try_from(u32::from(character)).is_ok() {
            out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let [high, low] = unit.to_be_bytes();
            out.extend_from_slice(&[
                0xe0 | high >> 4,
                0x80 | (high & 0x0f) << 2 | low >> 6,
                0x80 | low & 0x3f,
            ]);
        }
    }
}

/// Splits `text` after at most `units` code units, and before a character that would exceed them. Returns the number of
/// units of the first part, too.
pub(crate) fn split_at_units(text: &str, units: usize) -> (usize, &str, &str) {
    let mut count = 0;
    for (at, character) in text.char_indices() {
        let with_it = count + character.len_utf16();
        if with_it > units {
            return (count, &text[..at], &text[at..]);
        }
        count = with_it;
    }
    (count, text, "")
}
