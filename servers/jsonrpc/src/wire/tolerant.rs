//! Messages that serde_json refuses as a whole because of one of their values: a constant that Python's `json` module writes
//! (`NaN`, `Infinity`, `-Infinity`), a lone surrogate in a string, or a number beyond the range of floats. They are split
//! into parts, so that only the parts with such values fail.

use std::borrow::Cow;

use calculator::json::Members;
use serde_json::value::RawValue;

/// A message with the syntax of JSON, apart from Python's constants.
pub(super) struct TolerantMessage<'a> {
    text: &'a str,
    /// `text` with each of the constants replaced by a number of the same length.
    json: Cow<'a, str>,
}

/// The constants, each with a number of the same length. A minus sign before `Infinity` stays.
const CONSTANTS: [(&str, &str); 2] = [("NaN", "1e0"), ("Infinity", "1.000000")];

impl<'a> TolerantMessage<'a> {
    /// The message in `body`; `None` if that is not UTF-8.
    pub(super) fn new(body: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(body).ok()?;
        Some(TolerantMessage { text, json: without_constants(text) })
    }

    /// The whole message as one part; `None` for invalid syntax.
    pub(super) fn root(&self) -> Option<&RawValue> {
        serde_json::from_str(&self.json).ok()
    }

    /// The items of the array that the message is; `None` for invalid syntax and for a message that is not an array.
    pub(super) fn items(&self) -> Option<Vec<&RawValue>> {
        serde_json::from_str(&self.json).ok()
    }

    /// The text of `part`, which is a part of this message.
    pub(super) fn text_of(&self, part: &RawValue) -> &'a str {
        let start = part.get().as_ptr().addr().wrapping_sub(self.json.as_ptr().addr());
        // Both texts have the same length, and their characters the same positions.
        self.text.get(start..start.wrapping_add(part.get().len())).unwrap_or_default()
    }

    /// The texts of the members with these names of the object `part`. The last member with a name wins. `None` for a part
    /// that is not an object.
    pub(super) fn members<const N: usize>(
        &self,
        part: &RawValue,
        names: [&str; N],
    ) -> Option<[Option<&'a str>; N]> {
        let Members::<&RawValue>(members) = serde_json::from_str(part.get()).ok()?;
        let find =
            |name| members.iter().rfind(|(member, _)| member == name).map(|(_, part)| self.text_of(part));
        Some(names.map(find))
    }
}

fn without_constants(text: &str) -> Cow<'_, str> {
    let mut json = Cow::Borrowed(text);
    let (mut at, mut in_string) = (0, false);
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'N' | b'I' if !in_string => {
                let found = CONSTANTS.iter().find(|(constant, _)| is_constant(bytes, at, constant));
                if let Some((constant, number)) = found {
                    json.to_mut().replace_range(at..at + constant.len(), number);
                    at += constant.len();
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    json
}

/// Whether `constant` is at this place, and not a part of a longer token: `1Infinity` is not JSON, but would be with a number
/// in place of the constant.
fn is_constant(bytes: &[u8], at: usize, constant: &str) -> bool {
    let (before, rest) = bytes.split_at(at);
    let before = if constant == "Infinity" { before.strip_suffix(b"-").unwrap_or(before) } else { before };
    let joins = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
    rest.strip_prefix(constant.as_bytes())
        .is_some_and(|after| !before.last().is_some_and(joins) && !after.first().is_some_and(joins))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_at_their_place_in_the_text() {
        let text = r#" [ {"a": NaN, "b\"": "NaN\ud800", "a": [-Infinity, 1e400]} ,"Infinity\\", Infinity] "#;
        let message = TolerantMessage::new(text.as_bytes()).unwrap();
        let items = message.items().unwrap();
        assert_eq!(
            message.members(items[0], ["a", "b\"", "c"]),
            Some([Some("[-Infinity, 1e400]"), Some(r#""NaN\ud800""#), None])
        );
        assert_eq!(message.text_of(items[1]), r#""Infinity\\""#);
        assert_eq!(message.text_of(items[2]), "Infinity");
        assert_eq!(message.members(items[1], ["a"]), None);
    }

    #[test]
    fn anything_else_that_is_not_json_is_refused() {
        for text in
            ["", "[", "[NaN,]", "[nan]", "[NaN 1]", "{\"a\":}", "[+Infinity]", "[\"\u{1}\"]", "['a']", "[01]"]
                .into_iter()
                .chain([
                    "[1NaN]",
                    "[NaN1]",
                    "[-NaN]",
                    "[2Infinity]",
                    "[1.Infinity]",
                    "[-Infinity0]",
                    "[Infinitye5]",
                ])
        {
            assert!(
                TolerantMessage::new(text.as_bytes()).is_some_and(|message| message.root().is_none()),
                "{text}"
            );
        }
        assert!(TolerantMessage::new(b"[\xff]").is_none());
    }
}
