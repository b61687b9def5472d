//! The token of a control port.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::sys::Secret;

/// The environment variable with the token of the control ports: arguments show in the list of processes.
pub const TOKEN_VARIABLE: &str = "RPCBENCH_CONTROL_TOKEN";

/// The lengths that a token may have. The shortest cannot be guessed, and the longest fits into a request line.
const LENGTH_BYTES: std::ops::RangeInclusive<usize> = 16..=128;

/// A text that a peer of a control port must know. Its debug output does not show it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(Secret);

/// A text cannot be a token. Does not repeat the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected {} to {} letters, digits or punctuation without spaces, for example the output of `openssl rand -hex 16`",
    LENGTH_BYTES.start(), LENGTH_BYTES.end()
)]
pub struct TokenError;

impl Token {
    /// A random token, as of [`Secret::random`].
    #[must_use]
    pub fn random() -> Self {
        Token(Secret::random())
    }

    /// The text, for the line that a connection begins with.
    pub(super) fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// Whether `text` is this token. The time that this takes does not depend on where they differ.
    pub(super) fn is(&self, text: &[u8]) -> bool {
        let token = self.reveal().as_bytes();
        token.len() == text.len() && token.iter().zip(text).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let valid = LENGTH_BYTES.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if valid { Ok(Token(Secret::new(text.to_owned()))) } else { Err(TokenError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_text_is_the_token() {
        let token: Token = "0123456789abcdef".parse().unwrap();
        assert!(token.is(b"0123456789abcdef"));
        for other in [&b"0123456789abcdeF"[..], b"0123456789abcde", b"0123456789abcdef0", b""] {
            assert!(!token.is(other));
        }
        assert_eq!(format!("{token:?}"), "Token(Secret(…))");
        assert!(!Token::random().is(Token::random().reveal().as_bytes()));
    }

    #[test]
    fn rejects_short_long_and_unprintable_tokens() {
        for text in ["", "short", &"x".repeat(129), "with a space in it", "with\na line break"] {
            assert_eq!(text.parse::<Token>().err(), Some(TokenError), "{text:?}");
        }
        assert!("x".repeat(128).parse::<Token>().is_ok());
    }
}
