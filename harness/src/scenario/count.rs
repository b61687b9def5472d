//! Numbers of things, of which there is at least one.

use std::num::NonZeroU32;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NonZeroU32, D::Error> {
    let number = i64::deserialize(deserializer)?;
    let count = u32::try_from(number).ok().and_then(NonZeroU32::new);
    count.ok_or_else(|| D::Error::custom(format!("expected a number from 1 to {}, not {number}", u32::MAX)))
}

/// The same for a key that may be absent.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU32>, D::Error> {
    deserialize(deserializer).map(Some)
}
