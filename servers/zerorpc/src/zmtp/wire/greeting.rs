//! The greeting: the first 64 bytes from each side.

use std::ops::Range;

use super::error::WireError;

/// Bytes of a greeting.
pub const GREETING_LEN: usize = 64;

/// The minor version that this side announces.
const MINOR: u8 = 1;

/// The position of the name of the security mechanism.
const MECHANISM: Range<usize> = 12..32;

/// The greeting that this side sends.
#[must_use]
pub fn greeting() -> [u8; GREETING_LEN] {
    let mut bytes = [0; GREETING_LEN];
    bytes[0] = 0xff;
    bytes[8] = 1;
    bytes[9] = 0x7f;
    bytes[10] = 3;
    bytes[11] = MINOR;
    bytes[MECHANISM][..4].copy_from_slice(b"NULL");
    bytes
}

/// Reads a greeting and returns the minor version of the peer; `None` while the greeting is incomplete. An incomplete
/// greeting is checked as well, so that a peer of another protocol is refused after its first bytes.
///
/// # Errors
/// [`WireError::Signature`], [`WireError::Version`], [`WireError::Mechanism`].
pub fn read_greeting(bytes: &[u8]) -> Result<Option<u8>, WireError> {
    let at = |index: usize| bytes.get(index).copied();
    if at(0).is_some_and(|byte| byte != 0xff) || at(9).is_some_and(|byte| byte != 0x7f) {
        return Err(WireError::Signature);
    }
    if let Some(major) = at(10).filter(|major| *major < 3) {
        return Err(WireError::Version(major));
    }
    if bytes.len() < GREETING_LEN {
        return Ok(None);
    }
    match bytes.get(MECHANISM) {
        Some([b'N', b'U', b'L', b'L', padding @ ..]) if padding.iter().all(|byte| *byte == 0) => Ok(at(11)),
        _ => Err(WireError::Mechanism),
    }
}
