//! The token of a control port.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The environment variable with the token of the control ports: arguments show in the list of processes.
pub const TOKEN_VARIABLE: &str = "RPCBENCH_CONTROL_TOKEN";

/// The lengths that a token may have. The shortest cannot be guessed, and the longest fits into a request line.
const LENGTH_BYTES: std::ops::RangeInclusive<usize> = 16..=128;

/// A text that a peer of a control port must know. [`Debug`](fmt::Debug) does not show it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

/// A text cannot be a token. Does not repeat the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected {} to {} letters, digits or punctuation without spaces, for example the output of `openssl rand -hex 16`",
    LENGTH_BYTES.start(), LENGTH_BYTES.end()
)]
pub struct TokenError;

impl Token {
    /// 128 random bits from a cryptographic generator, in hexadecimal.
    #[must_use]
    pub fn random() -> Self {
        Token(format!("{:032x}", rand::random::<u128>()))
    }

    /// The text, for the line that a connection begins with.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `text` is this token. The time that this takes does not depend on where they differ.
    pub(super) fn is(&self, text: &[u8]) -> bool {
        let token = self.0.as_bytes();
        token.len() == text.len() && token.iter().zip(text).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let valid = LENGTH_BYTES.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if valid { Ok(Token(text.to_owned())) } else { Err(TokenError) }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
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
        assert_eq!(format!("{token:?}"), "Token(…)");
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
