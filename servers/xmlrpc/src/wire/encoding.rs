//! The encodings of XML documents (XML 1.0, appendix F): detection, and decoding to text.

use std::borrow::Cow;

use super::error::DecodeError;
use super::syntax::{INVALID_TOKEN, error_at, next_attribute};

/// The encoding of a document, as detected from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// UTF-8, including ASCII.
    Utf8,
    Utf16,
    Latin1,
}

const INCORRECT: &str = "encoding specified in XML declaration is incorrect";

impl Encoding {
    /// Checks that the `declared` encoding is the one that `text` was decoded from.
    pub(super) fn check(self, declared: &str, text: &str) -> Result<(), &'static str> {
        match Declared::from_name(declared) {
            Some(Declared::Utf8) if self == Encoding::Utf8 => Ok(()),
            Some(Declared::Ascii) if self == Encoding::Utf8 && text.is_ascii() => Ok(()),
            Some(Declared::Ascii) if self == Encoding::Utf8 => Err(INVALID_TOKEN),
            Some(Declared::Utf16) if self == Encoding::Utf16 => Ok(()),
            Some(Declared::Latin1) if self == Encoding::Latin1 => Ok(()),
            _ => Err(INCORRECT),
        }
    }
}

/// The encodings that a declaration may name: those that expat supports itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Declared {
    Utf8,
    Ascii,
    Utf16,
    Latin1,
}

impl Declared {
    fn from_name(name: &str) -> Option<Self> {
        let is_one_of = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        if is_one_of(&["utf-8", "utf8"]) {
            Some(Declared::Utf8)
        } else if is_one_of(&["us-ascii", "ascii"]) {
            Some(Declared::Ascii)
        } else if is_one_of(&["utf-16", "utf-16le", "utf-16be"]) {
            Some(Declared::Utf16)
        } else if is_one_of(&["iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1"]) {
            Some(Declared::Latin1)
        } else {
            None
        }
    }
}

/// Decodes a document to text, without its byte order mark.
///
/// # Errors
/// [`DecodeError::Encoding`] for a declared encoding that is not supported; [`DecodeError::NotWellFormed`] for bytes
/// that are invalid in the encoding.
pub(super) fn decode(body: &[u8]) -> Result<(Cow<'_, str>, Encoding), DecodeError> {
    let utf16 = |rest, unit| utf16(rest, unit).map(|text| (Cow::Owned(text), Encoding::Utf16));
    match body {
        // Like expat, which lets the declaration decide even after the byte order mark of UTF-8.
        [0xef, 0xbb, 0xbf, rest @ ..] => as_declared(rest),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0, b'<', ..] => utf16(body, u16::from_be_bytes),
        [b'<', 0, ..] => utf16(body, u16::from_le_bytes),
        _ => as_declared(body),
    }
}

/// Decodes a document whose characters of ASCII are single bytes.
fn as_declared(body: &[u8]) -> Result<(Cow<'_, str>, Encoding), DecodeError> {
    match declared_encoding(body) {
        None => Ok((utf8(body)?, Encoding::Utf8)),
        Some(name) => match Declared::from_name(name) {
            Some(Declared::Latin1) => {
                Ok((Cow::Owned(body.iter().copied().map(char::from).collect()), Encoding::Latin1))
            }
            Some(_) => Ok((utf8(body)?, Encoding::Utf8)),
            None => Err(DecodeError::Encoding(name.chars().take(40).collect())),
        },
    }
}

/// The maximum length of a declaration, in bytes, that is searched for an encoding.
const MAX_DECLARATION_BYTES: usize = 256;

/// The encoding that the document's declaration names, if it consists of ASCII bytes. A malformed declaration is
/// ignored here; the parser rejects it later.
fn declared_encoding(body: &[u8]) -> Option<&str> {
    // The declaration that CPython and this crate write, by far the most common.
    if body.starts_with(b"<?xml version='1.0'?>") {
        return None;
    }
    let start = &body[..body.len().min(MAX_DECLARATION_BYTES)];
    let end = start.strip_prefix(b"<?xml")?.windows(2).position(|pair| pair == b"?>")?;
    let mut rest = str::from_utf8(start.get("<?xml".len()..)?.get(..end)?).ok()?;
    while let Ok(Some((name, value, after))) = next_attribute(rest) {
        if name == "encoding" {
            return Some(value);
        }
        rest = after;
    }
    None
}

fn utf8(body: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    str::from_utf8(body).map(Cow::Borrowed).map_err(|error| {
        let valid = body.get(..error.valid_up_to()).and_then(|valid| str::from_utf8(valid).ok());
        error_at(valid.unwrap_or_default(), error.valid_up_to(), INVALID_TOKEN)
    })
}

fn utf16(body: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, DecodeError> {
    let (pairs, rest) = body.as_chunks::<2>();
    let mut text = String::with_capacity(body.len());
    for character in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => return Err(error_at(&text, text.len(), INVALID_TOKEN)),
        }
    }
    if rest.is_empty() { Ok(text) } else { Err(error_at(&text, text.len(), "partial character")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn detects_utf_16_by_its_byte_order_mark_or_its_first_character() {
        let text = "<?xml version='1.0' encoding='UTF-16'?><a>zü😀</a>";
        for body in [
            encoded(&format!("\u{feff}{text}"), u16::to_be_bytes),
            encoded(&format!("\u{feff}{text}"), u16::to_le_bytes),
            encoded(text, u16::to_be_bytes),
            encoded(text, u16::to_le_bytes),
        ] {
            assert_eq!(decode(&body), Ok((Cow::Borrowed(text), Encoding::Utf16)));
        }
    }

    #[test]
    fn only_four_declared_encodings_are_supported() {
        let document = |name: &str| format!("<?xml version=\"1.0\" encoding=\"{name}\"?>z").into_bytes();
        let latin = [document("ISO-8859-1"), vec![0xfc]].concat();
        let (text, encoding) = decode(&latin).unwrap();
        assert!(text.ends_with("zü") && encoding == Encoding::Latin1);
        assert_eq!(decode(&[document("utf-8"), "ü".into()].concat()).unwrap().1, Encoding::Utf8);
        for name in ["koi8-r", "x", "UTF-7"] {
            assert_eq!(decode(&document(name)), Err(DecodeError::Encoding(name.to_owned())));
        }
    }

    #[test]
    fn a_declaration_decides_even_after_the_byte_order_mark_of_utf_8() {
        let document =
            |name: &str| format!("\u{feff}<?xml version=\"1.0\" encoding=\"{name}\"?>ü").into_bytes();
        assert!(decode(&document("utf-8")).unwrap().0.ends_with(">ü"));
        let latin = document("ISO-8859-1");
        let (text, encoding) = decode(&latin).unwrap();
        assert!(text.ends_with(">Ã¼") && encoding == Encoding::Latin1);
        assert_eq!(decode(&document("utf-16")).unwrap().1.check("utf-16", ""), Err(INCORRECT));
        assert_eq!(decode(&document("koi8-r")), Err(DecodeError::Encoding("koi8-r".to_owned())));
    }

    #[test]
    fn rejects_a_declaration_that_contradicts_the_detected_encoding() {
        assert_eq!(Encoding::Utf16.check("utf-8", ""), Err(INCORRECT));
        assert_eq!(Encoding::Utf8.check("utf-16", ""), Err(INCORRECT));
        assert_eq!(Encoding::Utf8.check("us-ascii", "ü"), Err(INVALID_TOKEN));
        assert_eq!(Encoding::Utf8.check("US-ASCII", "u"), Ok(()));
    }

    #[test]
    fn reports_the_position_of_bytes_that_are_invalid_in_the_encoding() {
        let at = |body: &[u8]| match decode(body) {
            Err(DecodeError::NotWellFormed { column, .. }) => column,
            other => panic!("{other:?}"),
        };
        assert_eq!(at(b"<a\xff"), 2);
        assert_eq!(at(b"\xff\xfe<\0a\0\0\xd8<\0"), 2);
        assert_eq!(at(b"\xff\xfe<\0a"), 1);
    }
}
