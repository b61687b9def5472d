//! The checks of XML 1.0 that the parser does not make itself. The parser finds the ends of markup and matches tags,
//! but does not check their content.

use std::borrow::Cow;

use http_layer::xml::{is_xml_char, predefined_entity};
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::events::BytesStart;

use super::error::DecodeError;

// Error messages of expat.
pub(super) const INVALID_TOKEN: &str = "not well-formed (invalid token)";
pub(super) const NO_ELEMENT: &str = "no element found";
const INVALID_REFERENCE: &str = "reference to invalid character number";

pub(super) const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// The maximum number of attributes of an element, which XML-RPC does not use. Each name is compared with all before it.
const MAX_ATTRIBUTES: usize = 32;

/// The error for character data outside of the root element, before it or after it.
pub(super) fn text_outside_root(root_seen: bool) -> &'static str {
    if root_seen { "junk after document element" } else { "syntax error" }
}

/// Converts a position that the parser reports to an index.
pub(super) fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

/// The error `what` at the byte with this offset.
pub(super) fn error_at(text: &str, offset: usize, what: &'static str) -> DecodeError {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    DecodeError::NotWellFormed { what, line, column }
}

/// The error that the parser found at this offset, in the words of expat.
pub(super) fn parser_error(text: &str, offset: usize, error: &Error) -> DecodeError {
    let what = match error {
        Error::Syntax(_) => "unclosed token",
        Error::IllFormed(IllFormedError::MismatchedEndTag { .. } | IllFormedError::UnmatchedEndTag(_)) => {
            "mismatched tag"
        }
        _ => INVALID_TOKEN,
    };
    error_at(text, offset, what)
}

/// Checks that XML allows all characters of a document.
pub(super) fn check_characters(text: &str) -> Result<(), DecodeError> {
    // These two loops have no branches and are vectorized. The position is only needed if there is an invalid character.
    let control = text.bytes().fold(false, |found, byte| {
        found | ((byte < 0x20) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r'))
    });
    if (control || !text.is_ascii())
        && let Some(at) = text.find(|c| !is_xml_char(c))
    {
        return Err(error_at(text, at, INVALID_TOKEN));
    }
    Ok(())
}

/// The name of a start tag without its prefix.
///
/// # Errors
/// The message for a malformed name or attribute.
pub(super) fn tag_name<'t>(tag: &'t BytesStart<'_>) -> Result<&'t str, &'static str> {
    let attributes = tag.attributes_raw();
    if !attributes.is_empty() {
        check_attributes(attributes)?;
    }
    let name = tag.name().0;
    if !name.as_bytes().contains(&b':') {
        return Ok(name);
    }
    match name.rsplit_once(':') {
        Some((prefix, local)) if prefix.is_empty() || is_name(prefix) => Ok(local),
        _ => Err(INVALID_TOKEN),
    }
}

/// Checks the attributes of a tag. XML-RPC does not use them, but a document with malformed ones is not XML.
fn check_attributes(mut rest: &str) -> Result<(), &'static str> {
    let mut names = Vec::new();
    while let Some((name, value, after)) = next_attribute(rest)? {
        if names.contains(&name) {
            return Err("duplicate attribute");
        }
        if names.len() >= MAX_ATTRIBUTES {
            return Err("too many attributes on one element");
        }
        if value.contains('<') {
            return Err(INVALID_TOKEN);
        }
        for piece in value.split('&').skip(1) {
            let (name, _) = piece.split_once(';').ok_or(INVALID_TOKEN)?;
            resolve_reference(name)?;
        }
        names.push(name);
        rest = after;
    }
    Ok(())
}

/// Splits the first attribute off `rest` (XML 1.0 § 3.1). Returns its name, its value and the rest; `None` if only white
/// space is left.
pub(super) fn next_attribute(rest: &str) -> Result<Option<(&str, &str, &str)>, &'static str> {
    let start = rest.trim_start_matches(WHITE_SPACE);
    if start.is_empty() {
        return Ok(None);
    }
    let (name, value) = start.split_once('=').ok_or(INVALID_TOKEN)?;
    let name = name.trim_end_matches(WHITE_SPACE);
    let value = value.trim_start_matches(WHITE_SPACE);
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or(INVALID_TOKEN)?;
    let (value, after) = value[1..].split_once(quote).ok_or(INVALID_TOKEN)?;
    if start.len() == rest.len() || !is_name(name) {
        return Err(INVALID_TOKEN);
    }
    Ok(Some((name, value, after)))
}

/// Whether `name` is a name in XML (XML 1.0 § 2.3). Any character outside ASCII is accepted.
pub(super) fn is_name(name: &str) -> bool {
    let start = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':') || !c.is_ascii();
    let mut characters = name.chars();
    characters.next().is_some_and(start)
        && characters.all(|c| start(c) || c.is_ascii_digit() || matches!(c, '-' | '.'))
}

/// The character that a reference stands for: a number, or a predefined entity.
pub(super) fn resolve_reference(name: &str) -> Result<char, &'static str> {
    let Some(number) = name.strip_prefix('#') else {
        let undefined = if is_name(name) { "undefined entity" } else { INVALID_TOKEN };
        return predefined_entity(name).ok_or(undefined);
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // `from_str_radix` would also accept a sign.
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(INVALID_TOKEN);
    }
    u32::from_str_radix(digits, radix)
        .ok()
        .and_then(char::from_u32)
        .filter(|c| is_xml_char(*c))
        .ok_or(INVALID_REFERENCE)
}

/// Converts CR LF and CR to LF (XML 1.0 § 2.11). Must not be called on resolved references, which may be a CR.
pub(super) fn normalize_line_ends(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { text }
}
