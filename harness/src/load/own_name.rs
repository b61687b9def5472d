//! The names of operations of one's own.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// The longest name, in bytes.
const MAX_NAME_LEN: usize = 64;

/// The names so far. There are as many as scenarios and records have, and they are needed until the program ends.
static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// The name of an operation of one's own: lower-case letters, digits, `_`, `.` and `-`, such as `get_user`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(into = "String")]
#[schemars(with = "String")]
pub struct OwnName(&'static str);

/// Why a text is not an [`OwnName`].
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not the name of an operation: expected 1 to {MAX_NAME_LEN} of a-z, 0-9, `_`, `.` and `-`, for example get_user"
)]
pub struct OwnNameError(String);

impl OwnName {
    /// The name that stands for all operations of a scenario, called in proportion to their weights.
    pub const MIX: OwnName = OwnName("mix");

    /// The name that is written `text`.
    ///
    /// # Errors
    /// [`OwnNameError`].
    pub fn new(text: &str) -> Result<Self, OwnNameError> {
        let is_allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"_.-".contains(&c);
        if text.is_empty() || text.len() > MAX_NAME_LEN || !text.bytes().all(is_allowed) {
            return Err(OwnNameError(text.to_owned()));
        }
        if text == Self::MIX.0 {
            return Ok(Self::MIX);
        }
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(text) {
            return Ok(OwnName(known));
        }
        let name: &'static str = Box::leak(text.to_owned().into_boxed_str());
        names.insert(name);
        Ok(OwnName(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for OwnName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// Not derived: that would borrow the name from the text for as long as the program runs.
impl<'de> Deserialize<'de> for OwnName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        OwnName::new(&text).map_err(serde::de::Error::custom)
    }
}

impl From<OwnName> for String {
    fn from(name: OwnName) -> Self {
        name.0.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_equal_and_others_are_refused() {
        let name = |text: &str| OwnName::new(text).unwrap();
        assert_eq!(name("get_user.v2-b"), name("get_user.v2-b"));
        assert_ne!(name("a"), name("b"));
        assert_eq!(name("mix"), OwnName::MIX);
        for text in ["", "Get", "get user", "a:b", "ä", &"a".repeat(65)] {
            assert!(OwnName::new(text).unwrap_err().to_string().contains("for example get_user"), "{text}");
        }
    }
}
