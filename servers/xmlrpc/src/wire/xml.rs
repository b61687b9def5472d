//! What of XML 1.0 the parser leaves to its user: it finds where markup begins and ends and matches tags, and does not
//! look at what is inside.

use std::borrow::Cow;

use quick_xml::errors::{Error, IllFormedError};
use quick_xml::events::{BytesDecl, BytesStart};

use super::DecodeError;
use super::encoding::Encoding;

// The words of expat for what it refuses.
pub(super) const INVALID_TOKEN: &str = "not well-formed (invalid token)";
pub(super) const NO_ELEMENT: &str = "no element found";
const INVALID_REFERENCE: &str = "reference to invalid character number";

pub(super) const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

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

/// Refuses text with a character that XML does not have.
pub(super) fn check_characters(text: &str) -> Result<(), DecodeError> {
    // Both are loops without a branch, which a compiler makes fast; where the character is matters only if there is one.
    let control = text.bytes().fold(false, |found, byte| {
        found | ((byte < 0x20) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r'))
    });
    if (control || !text.is_ascii())
        && let Some(at) = text.find(|c| !is_xml_char(c))
    {
        return Err(position(text, at, INVALID_TOKEN));
    }
    Ok(())
}

/// The name of a start tag without its prefix, once the tag is known to be well-formed.
pub(super) fn checked_tag<'t>(tag: &'t BytesStart<'_>) -> Result<&'t str, &'static str> {
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

/// XML-RPC gives attributes no meaning, but a document with malformed ones is not XML.
fn check_attributes(mut rest: &str) -> Result<(), &'static str> {
    let mut names = Vec::new();
    while let Some((name, value, after)) = next_attribute(rest)? {
        if names.contains(&name) {
            return Err("duplicate attribute");
        }
        if names.len() >= MOST_ATTRIBUTES {
            return Err("too many attributes on one element");
        }
        if value.contains('<') {
            return Err(INVALID_TOKEN);
        }
        for piece in value.split('&').skip(1) {
            let (name, _) = piece.split_once(';').ok_or(INVALID_TOKEN)?;
            resolve(name)?;
        }
        names.push(name);
        rest = after;
    }
    Ok(())
}

/// The first attribute of `rest` (XML 1.0 § 3.1) as name, value and what follows it; `None` where only white space is
/// left.
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

/// Whether `name` may name an element, an attribute or a target (XML 1.0 § 2.3; any character beyond ASCII passes).
pub(super) fn is_name(name: &str) -> bool {
    let start = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':') || !c.is_ascii();
    let mut characters = name.chars();
    characters.next().is_some_and(start)
        && characters.all(|c| start(c) || c.is_ascii_digit() || matches!(c, '-' | '.'))
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

/// Refuses what XML 1.0 (§ 2.8) does not allow in a declaration, and one that contradicts the encoding of the text.
pub(super) fn check_declaration(
    declaration: &BytesDecl<'_>,
    start: u64,
    text: &str,
    encoding: Encoding,
) -> Result<(), &'static str> {
    if start != 0 {
        return Err("XML or text declaration not at start of entity");
    }
    // What CPython writes, and so do we: most declarations are this one.
    if **declaration == *"xml version='1.0'" {
        return Ok(());
    }
    const MALFORMED: &str = "XML declaration not well-formed";
    let mut rest = declaration.strip_prefix("xml").ok_or(MALFORMED)?;
    // They come in this order, and only the first must be there.
    let mut expected = ["version", "encoding", "standalone"].into_iter();
    let mut versioned = false;
    while let Some((name, value, after)) = next_attribute(rest).map_err(|_| MALFORMED)? {
        match expected.find(|known| *known == name) {
            Some("version") if is_version(value) => versioned = true,
            Some("encoding") if versioned => encoding.check(value, text)?,
            Some("standalone") if versioned && matches!(value, "yes" | "no") => {}
            _ => return Err(MALFORMED),
        }
        rest = after;
    }
    if versioned { Ok(()) } else { Err(MALFORMED) }
}

/// Production `VersionNum`: a document of a later 1.x is read as 1.0.
fn is_version(value: &str) -> bool {
    value
        .strip_prefix("1.")
        .is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()))
}

/// CR LF and CR as LF (XML 1.0 § 2.11). A carriage return that was written as a reference is not folded.
pub(super) fn with_folded_line_ends(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { text }
}
