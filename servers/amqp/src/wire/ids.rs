//! Message ids.

use uuid::Uuid;

/// Bytes of a message or call id: a UUID in hexadecimal, as in oslo.messaging.
pub const ID_LEN: usize = 32;
/// Bytes of a call id that only has to be unique on one channel: a counter in hexadecimal.
pub const SHORT_ID_LEN: usize = 8;

/// Parses a call id: a UUID, or a hexadecimal number if it is shorter than [`ID_LEN`].
pub(crate) fn parse_id(text: &str) -> Option<u128> {
    if text.len() < ID_LEN {
        return u64::from_str_radix(text, 16).ok().map(Into::into);
    }
    Uuid::try_parse(text).ok().map(|id| id.as_u128())
}

/// Writes a new unique id into `buffer`.
pub(crate) fn new_id(buffer: &mut [u8; ID_LEN]) -> &str {
    Uuid::new_v4().simple().encode_lower(buffer)
}
