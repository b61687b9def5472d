//! Escaping of text from peers and files, before it is printed.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal could take `c` for a command, a line break, or a change of the direction of text: control
/// characters (C0, DEL and C1), the line and paragraph separators, and the bidirectional controls of Unicode's annex 9.
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{feff}'
        )
}

/// `text` on one line: each character that is [unprintable](is_unprintable) becomes an escape as in Rust's strings, `\n`
/// or `\u{1b}`. All others stay, backslashes too.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_unprintable, |out, c| out.extend(c.escape_default()))
}

/// Like [`printable`], but keeps the line breaks (`\n`), for text of several lines.
#[must_use]
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_unprintable(c), |out, c| out.extend(c.escape_default()))
}

/// `json`, a document of JSON, with the same meaning but without unprintable characters, except for line breaks between
/// tokens: inside strings they become escapes of JSON.
#[must_use]
pub fn printable_json(json: &str) -> Cow<'_, str> {
    escaped(
        json,
        |c| c != '\n' && is_unprintable(c),
        |out, c| {
            // All unprintable characters are in the Basic Multilingual Plane, so that one escape is enough.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        },
    )
}

/// The first `max_chars` characters of `text`, with `…` in place of the rest.
#[must_use]
pub fn shortened(text: &str, max_chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// `text` with each character that `is_escaped` selects written by `escape`.
fn escaped(
    text: &str,
    is_escaped: impl Fn(char) -> bool,
    escape: impl Fn(&mut String, char),
) -> Cow<'_, str> {
    let Some(first) = text.find(&is_escaped) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    for c in text[first..].chars() {
        if is_escaped(c) {
            escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_line_breaks_and_changes_of_direction_are_escaped() {
        for (text, expected) in [
            ("plain \"text\" with \\ and zürich 😀", "plain \"text\" with \\ and zürich 😀"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
            ("a\u{202e}b\u{2066}c\u{200f}", "a\\u{202e}b\\u{2066}c\\u{200f}"),
            ("one\r\ntwo\tthree\u{2028}", "one\\r\\ntwo\\tthree\\u{2028}"),
        ] {
            assert_eq!(printable(text), expected);
        }
        assert_eq!(printable_lines("one\ntwo\r\u{1b}"), "one\ntwo\\r\\u{1b}");
        assert_eq!(printable_json("\"a\u{202e}\u{85}\u{7f}\"\n"), "\"a\\u202e\\u0085\\u007f\"\n");
    }

    proptest! {
        #[test]
        fn no_text_holds_an_unprintable_character_afterwards(text in any::<String>()) {
            let shown = printable(&text);
            prop_assert!(!shown.contains(is_unprintable), "{shown:?}");
            // Escaping twice changes nothing.
            prop_assert_eq!(&printable(&shown), &shown);
            prop_assert_eq!(printable_lines(&text).lines().count(), text.split_terminator('\n').count());
        }

        #[test]
        fn only_unprintable_characters_change(text in any::<String>()) {
            let kept: String = text.chars().filter(|c| !is_unprintable(*c)).collect();
            prop_assert_eq!(printable(&kept), kept.as_str());
        }

        #[test]
        fn escaped_json_has_the_same_meaning(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let shown = printable_json(&json);
            prop_assert!(!shown.contains(is_unprintable), "{shown:?}");
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}
