//! Subjects: the names that messages are sent to.

use std::fmt;
use std::str::FromStr;

/// The longest subject in bytes. The broker refuses a line of the protocol with more than 4,096 bytes, and a line has up to
/// two subjects.
const MAX_BYTES: usize = 1_024;

/// What a server appends to its subject to receive fanout casts.
const FANOUT: &str = ".fanout";

/// A subject without wildcards: tokens with dots between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(String);

/// Why a text is not a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a subject has 1 to {MAX_BYTES} bytes: names with dots between them, without spaces, `*` and `>`")]
pub struct SubjectError;

impl Subject {
    /// The subject as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The subject to which fanout casts for the servers of this one are sent.
    #[must_use]
    pub fn fanout(&self) -> String {
        format!("{}{FANOUT}", self.0)
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let is_plain = |token: &str| {
            let is_allowed = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '*' | '>');
            !token.is_empty() && token.chars().all(is_allowed)
        };
        let is_valid = text.len() <= MAX_BYTES && text.split('.').all(is_plain);
        is_valid.then(|| Subject(text.to_owned())).ok_or(SubjectError)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_have_no_wildcards_spaces_and_empty_tokens() {
        for text in ["calc", "calc-nats", "a.b.c", "größe"] {
            assert_eq!(text.parse::<Subject>().unwrap().as_str(), text);
        }
        let long = "x".repeat(MAX_BYTES + 1);
        for text in ["", ".", "a.", ".a", "a..b", "a b", "a\r\nPUB", "a\t", "*", "a.>", "a\0", &long] {
            assert_eq!(text.parse::<Subject>(), Err(SubjectError), "{text:?}");
        }
        assert_eq!("calc".parse::<Subject>().unwrap().fanout(), "calc.fanout");
    }
}
