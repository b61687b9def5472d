//! The encoding of HTML forms, in which the query of a URL is written.

use std::borrow::Cow;

use calculator::{CallError, ErrorKind};
use percent_encoding::percent_decode_str;

/// Decodes a name or a value in the query of a URL: `+` is a space, and `%XX` an octet of UTF-8.
///
/// # Errors
/// [`ErrorKind::Malformed`] for text that is not UTF-8.
pub fn form_decode(text: &str) -> Result<Cow<'_, str>, CallError> {
    let decoded = if text.contains('+') {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8().map(|decoded| Cow::Owned(decoded.into_owned()))
    } else {
        percent_decode_str(text).decode_utf8()
    };
    decoded.map_err(|error| CallError::new(ErrorKind::Malformed, format!("the query is not UTF-8: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plus_signs_are_spaces_and_text_without_escapes_is_not_copied() {
        assert!(matches!(form_decode("zürich"), Ok(Cow::Borrowed("zürich"))));
        assert_eq!(form_decode("a+%2b%C3%BC+%").unwrap(), "a +ü %");
        for text in ["%FF", "+%FF"] {
            assert_eq!(form_decode(text).unwrap_err().kind, ErrorKind::Malformed, "{text}");
        }
    }
}
