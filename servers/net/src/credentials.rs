//! User names and passwords that come in URLs.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::address_error::AddressError;

/// A user name and a password. It cannot be displayed, and `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Percent-encoded, as in the URL.
    user: String,
    /// Percent-encoded, as in the URL.
    password: Option<String>,
}

impl Credentials {
    /// Parses the credentials in a URL, `USER[:PASSWORD]`.
    pub(crate) fn parse(text: &str) -> Self {
        let (user, password) = text.split_once(':').map_or((text, None), |(user, pw)| (user, Some(pw)));
        Credentials { user: user.to_owned(), password: password.map(str::to_owned) }
    }

    /// Whether there is neither a user name nor a password: `scheme://@host`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.user.is_empty() && self.password.as_ref().is_none_or(String::is_empty)
    }

    /// The user name, percent-decoded.
    ///
    /// # Errors
    /// [`AddressError::Encoding`] for a percent sign without two hexadecimal digits, and for bytes that are not UTF-8.
    pub fn user(&self) -> Result<String, AddressError> {
        decode(&self.user, "user name")
    }

    /// The password, percent-decoded; empty if the URL has no password.
    ///
    /// # Errors
    /// As [`user`](Self::user).
    pub fn password(&self) -> Result<String, AddressError> {
        decode(self.password.as_deref().unwrap_or_default(), "password")
    }

    /// The bytes of `USER:PASSWORD` that HTTP's Basic authentication encodes (RFC 7617): percent-decoded; a percent
    /// sign without two hexadecimal digits is kept.
    #[must_use]
    pub fn user_and_password(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = percent_decode_str(&self.user).collect();
        bytes.push(b':');
        bytes.extend(percent_decode_str(self.password.as_deref().unwrap_or_default()));
        bytes
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// Decodes percent-encoded `text`. `part` names the part of the URL in the error.
///
/// # Errors
/// [`AddressError::Encoding`] for a percent sign without two hexadecimal digits, and for bytes that are not UTF-8.
pub fn decode(text: &str, part: &'static str) -> Result<String, AddressError> {
    String::from_utf8(decode_bytes(text, part)?).map_err(|_| AddressError::Encoding(part))
}

/// Decodes percent-encoded `text` to bytes, which need not be UTF-8. See [`decode`].
pub(crate) fn decode_bytes(text: &str, part: &'static str) -> Result<Vec<u8>, AddressError> {
    let escapes_are_whole = text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes();
        matches!(digits, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
    });
    if !escapes_are_whole {
        return Err(AddressError::Encoding(part));
    }
    Ok(percent_decode_str(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_first_colon_and_decodes_each_part() {
        let both = Credentials::parse("bob:s%3Acr%40t:1");
        assert_eq!((both.user().unwrap().as_str(), both.password().unwrap().as_str()), ("bob", "s:cr@t:1"));
        assert_eq!(both.user_and_password(), b"bob:s:cr@t:1");
        assert_eq!(Credentials::parse("bob").password().unwrap(), "");
        assert!(Credentials::parse("").is_empty() && Credentials::parse(":").is_empty());
        assert!(!Credentials::parse(":x").is_empty());
    }

    #[test]
    fn refuses_broken_escapes_except_for_basic_authentication() {
        for text in ["a%2", "a%", "%zz", "%ff"] {
            let credentials = Credentials::parse(&format!("u:{text}"));
            assert_eq!(credentials.password(), Err(AddressError::Encoding("password")), "{text}");
            assert_eq!(
                Credentials::parse(&format!("{text}:p")).user(),
                Err(AddressError::Encoding("user name"))
            );
        }
        assert_eq!(Credentials::parse("u:100%").user_and_password(), b"u:100%");
        assert_eq!(Credentials::parse("u:%ff").user_and_password(), b"u:\xff");
    }

    #[test]
    fn debug_output_shows_neither_part() {
        let shown = format!("{:?} {:#?}", Credentials::parse("bob:secret"), Credentials::parse("bob:secret"));
        assert!(!shown.contains("bob") && !shown.contains("secret"), "{shown}");
    }
}
