//! What of XML 1.0 the parser leaves to its user: it finds where markup begins and ends and matches tags, and does not
//! look at what is inside.

use std::borrow::Cow;

use quick_xml::errors::{Error, IllFormedError};
use quick_xml::events::{BytesDecl, BytesStart};

use super::DecodeError;

// The words of expat for what it refuses.
pub(super) const INVALID_TOKEN: &str = "not well-formed (invalid token)";
pub(super) const NO_ELEMENT: &str = "no element found";
const INVALID_REFERENCE: &str = "reference to invalid character number";

/// More attributes on one element than any XML-RPC message has reason for; their names are compared with each other.
const MOST_ATTRIBUTES: usize = 32;

/// Whether XML 1.0 (§ 2.2, production `Char`) has the character, in whatever notation.
pub(super) fn is_xml_char(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    }
}

pub(super) fn outside(root_seen: bool) -> &'static str {
    if root_seen { "junk after document element" } else { "syntax error" }
}

pub(super) fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

/// The error for the byte at `offset`.
pub(super) fn position(text: &str, offset: usize, what: &'static str) -> DecodeError {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    DecodeError::NotWellFormed { what, line, column }
}

pub(super) fn syntax(text: &str, offset: usize, error: &Error) -> DecodeError {
    let what = match error {
        Error::Syntax(_) => "unclosed token",
        Error::IllFormed(IllFormedError::MismatchedEndTag { .. } | IllFormedError::UnmatchedEndTag(_)) => {
            "mismatched tag"
        }
        _ => INVALID_TOKEN,
    };
    position(text, offset, what)
}

/// The body as text without a byte order mark, once it is known to consist of XML's characters only.
pub(super) fn checked_text(body: &[u8]) -> Result<&str, DecodeError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = match str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            let valid = body.get(..error.valid_up_to()).and_then(|valid| str::from_utf8(valid).ok());
            return Err(position(valid.unwrap_or_default(), error.valid_up_to(), INVALID_TOKEN));
        }
    };
    // Both are loops without a branch, which a compiler makes fast; where the character is matters only if there is one.
    let control = body.iter().fold(false, |found, byte| {
        found | ((*byte < 0x20) & (*byte != b'\t') & (*byte != b'\n') & (*byte != b'\r'))
    });
    if (control || !body.is_ascii())
        && let Some(at) = text.find(|c| !is_xml_char(c))
    {
        return Err(position(text, at, INVALID_TOKEN));
    }
    Ok(text)
}

/// The name of a start tag without its prefix, once the tag is known to be well-formed.
pub(super) fn checked_tag<'t>(tag: &'t BytesStart<'_>) -> Result<&'t str, &'static str> {
    if !tag.attributes_raw().is_empty() {
        for (count, attribute) in tag.attributes().enumerate() {
            let attribute = attribute.map_err(|_| INVALID_TOKEN)?;
            if count >= MOST_ATTRIBUTES {
                return Err("too many attributes on one element");
            }
            if !is_name(attribute.key.0) || attribute.value.contains('<') {
                return Err(INVALID_TOKEN);
            }
            check_references(&attribute.value)?;
        }
    }
    let name = tag.name().0;
    match name.rsplit_once(':') {
        None => Ok(name),
        Some((prefix, local)) if prefix.is_empty() || is_name(prefix) => Ok(local),
        Some(_) => Err(INVALID_TOKEN),
    }
}

/// Whether `name` may name an element, an attribute or a target (XML 1.0 § 2.3; any character beyond ASCII passes).
pub(super) fn is_name(name: &str) -> bool {
    let start = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':') || !c.is_ascii();
    let mut characters = name.chars();
    characters.next().is_some_and(start)
        && characters.all(|c| start(c) || c.is_ascii_digit() || matches!(c, '-' | '.'))
}

/// Refuses an ampersand in an attribute's value that begins no reference that can be resolved.
fn check_references(value: &str) -> Result<(), &'static str> {
    for piece in value.split('&').skip(1) {
        let (name, _) = piece.split_once(';').ok_or(INVALID_TOKEN)?;
        resolve(name)?;
    }
    Ok(())
}

/// The character that a reference stands for: a number, or one of the entities that XML 1.0 (§ 4.6) predefines.
pub(super) fn resolve(name: &str) -> Result<char, &'static str> {
    let Some(number) = name.strip_prefix('#') else {
        return match name {
            "lt" => Ok('<'),
            "gt" => Ok('>'),
            "amp" => Ok('&'),
            "apos" => Ok('\''),
            "quot" => Ok('"'),
            _ if is_name(name) => Err("undefined entity"),
            _ => Err(INVALID_TOKEN),
        };
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // The parser of integers would take a sign, too.
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(INVALID_TOKEN);
    }
    u32::from_str_radix(digits, radix)
        .ok()
        .and_then(char::from_u32)
        .filter(|c| is_xml_char(*c))
        .ok_or(INVALID_REFERENCE)
}

/// Refuses what XML 1.0 (§ 2.8) does not allow in a declaration, and the encodings that are not read here.
pub(super) fn check_declaration(
    declaration: &BytesDecl<'_>,
    start: u64,
    text: &str,
) -> Result<(), &'static str> {
    const MALFORMED: &str = "XML declaration not well-formed";
    if start != 0 {
        return Err("XML or text declaration not at start of entity");
    }
    // As expat, read 1.0 only.
    if declaration.version().map_err(|_| MALFORMED)? != "1.0" {
        return Err(MALFORMED);
    }
    let encoding =
        declaration.encoding().transpose().map_err(|_| MALFORMED)?.unwrap_or(Cow::Borrowed("utf-8"));
    let is_one_of = |names: [&str; 2]| names.iter().any(|name| name.eq_ignore_ascii_case(&encoding));
    if is_one_of(["us-ascii", "ascii"]) {
        if !text.is_ascii() {
            return Err(INVALID_TOKEN);
        }
    } else if !is_one_of(["utf-8", "utf8"]) {
        return Err("unknown encoding");
    }
    match declaration.standalone().transpose().map_err(|_| MALFORMED)?.as_deref() {
        None | Some("yes" | "no") => Ok(()),
        Some(_) => Err(MALFORMED),
    }
}

/// CR LF and CR as LF (XML 1.0 § 2.11). A carriage return that was written as a reference is not folded.
pub(super) fn with_folded_line_ends(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { text }
}
