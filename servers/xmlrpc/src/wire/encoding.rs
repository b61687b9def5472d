//! The encodings of XML documents (XML 1.0, appendix F): bytes to text.

use std::borrow::Cow;

use super::DecodeError;
use super::xml::{self, INVALID_TOKEN};

/// How a document is encoded, as far as its bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// UTF-8, or ASCII.
    Utf8,
    Utf16,
    Latin1,
}

const INCORRECT: &str = "encoding specified in XML declaration is incorrect";

impl Encoding {
    /// Refuses a declared encoding that is not the one of `text`'s bytes.
    pub(super) fn check(self, declared: &str, text: &str) -> Result<(), &'static str> {
        match Declared::named(declared) {
            Some(Declared::Utf8) if self == Encoding::Utf8 => Ok(()),
            Some(Declared::Ascii) if self == Encoding::Utf8 && text.is_ascii() => Ok(()),
            Some(Declared::Ascii) if self == Encoding::Utf8 => Err(INVALID_TOKEN),
            Some(Declared::Utf16) if self == Encoding::Utf16 => Ok(()),
            Some(Declared::Latin1) if self == Encoding::Latin1 => Ok(()),
            _ => Err(INCORRECT),
        }
    }
}

/// What a declaration may name: the encodings that expat has built in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Declared {
    Utf8,
    Ascii,
    Utf16,
    Latin1,
}

impl Declared {
    fn named(name: &str) -> Option<Self> {
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

/// The text of a document, without a byte order mark.
///
/// # Errors
/// [`DecodeError::Encoding`] for a declared encoding that is not read; [`DecodeError::NotWellFormed`] for bytes that are
/// not of the encoding.
pub(super) fn read(body: &[u8]) -> Result<(Cow<'_, str>, Encoding), DecodeError> {
    let utf16 = |rest, unit| utf16(rest, unit).map(|text| (Cow::Owned(text), Encoding::Utf16));
    match body {
        [0xef, 0xbb, 0xbf, rest @ ..] => Ok((utf8(rest)?, Encoding::Utf8)),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0, b'<', ..] => utf16(body, u16::from_be_bytes),
        [b'<', 0, ..] => utf16(body, u16::from_le_bytes),
        _ => match declared(body) {
            None => Ok((utf8(body)?, Encoding::Utf8)),
            Some(name) => match Declared::named(name) {
                Some(Declared::Latin1) => {
                    Ok((Cow::Owned(body.iter().copied().map(char::from).collect()), Encoding::Latin1))
                }
                Some(_) => Ok((utf8(body)?, Encoding::Utf8)),
                None => Err(DecodeError::Encoding(name.chars().take(40).collect())),
            },
        },
    }
}

/// The longest declaration that is looked through for an encoding.
const LONGEST: usize = 256;

/// The encoding that a declaration of ASCII characters names. A malformed one is the parser's to refuse.
fn declared(body: &[u8]) -> Option<&str> {
    // What CPython writes, and so do we: most declarations are this one.
    if body.starts_with(b"<?xml version='1.0'?>") {
        return None;
    }
    let start = &body[..body.len().min(LONGEST)];
    let end = start.strip_prefix(b"<?xml")?.windows(2).position(|pair| pair == b"?>")?;
    let mut rest = str::from_utf8(start.get("<?xml".len()..)?.get(..end)?).ok()?;
    while let Ok(Some((name, value, after))) = xml::next_attribute(rest) {
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
        xml::position(valid.unwrap_or_default(), error.valid_up_to(), INVALID_TOKEN)
    })
}

fn utf16(body: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, DecodeError> {
    let (pairs, rest) = body.as_chunks::<2>();
    let mut text = String::with_capacity(body.len());
    for character in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => return Err(xml::position(&text, text.len(), INVALID_TOKEN)),
        }
    }
    if rest.is_empty() { Ok(text) } else { Err(xml::position(&text, text.len(), "partial character")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn utf_16_is_known_by_its_mark_or_by_its_first_character() {
        let text = "<?xml version='1.0' encoding='UTF-16'?><a>zü😀</a>";
        for body in [
            encoded(&format!("\u{feff}{text}"), u16::to_be_bytes),
            encoded(&format!("\u{feff}{text}"), u16::to_le_bytes),
            encoded(text, u16::to_be_bytes),
            encoded(text, u16::to_le_bytes),
        ] {
            assert_eq!(read(&body), Ok((Cow::Borrowed(text), Encoding::Utf16)));
        }
    }

    #[test]
    fn a_declared_encoding_is_read_if_it_is_one_of_the_four() {
        let document = |name: &str| format!("<?xml version=\"1.0\" encoding=\"{name}\"?>z").into_bytes();
        let latin = [document("ISO-8859-1"), vec![0xfc]].concat();
        let (text, encoding) = read(&latin).unwrap();
        assert!(text.ends_with("zü") && encoding == Encoding::Latin1);
        assert_eq!(read(&[document("utf-8"), "ü".into()].concat()).unwrap().1, Encoding::Utf8);
        for name in ["koi8-r", "x", "UTF-7"] {
            assert_eq!(read(&document(name)), Err(DecodeError::Encoding(name.to_owned())));
        }
    }

    #[test]
    fn a_contradiction_is_refused() {
        assert_eq!(Encoding::Utf16.check("utf-8", ""), Err(INCORRECT));
        assert_eq!(Encoding::Utf8.check("utf-16", ""), Err(INCORRECT));
        assert_eq!(Encoding::Utf8.check("us-ascii", "ü"), Err(INVALID_TOKEN));
        assert_eq!(Encoding::Utf8.check("US-ASCII", "u"), Ok(()));
    }

    #[test]
    fn bytes_that_are_not_of_the_encoding_are_refused_where_they_stand() {
        let at = |body: &[u8]| match read(body) {
            Err(DecodeError::NotWellFormed { column, .. }) => column,
            other => panic!("{other:?}"),
        };
        assert_eq!(at(b"<a\xff"), 2);
        assert_eq!(at(b"\xff\xfe<\0a\0\0\xd8<\0"), 2);
        assert_eq!(at(b"\xff\xfe<\0a"), 1);
    }
}
