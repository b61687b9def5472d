//! Texts that do not show in debug output.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text that [`Debug`](fmt::Debug) does not show.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: String) -> Self {
        Secret(text)
    }

    /// 128 random bits from a cryptographic generator, in hexadecimal.
    #[must_use]
    pub fn random() -> Self {
        Secret(format!("{:032x}", rand::random::<u128>()))
    }

    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
