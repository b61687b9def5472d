//! The XML declaration at the start of a document (XML 1.0 § 2.8).

use quick_xml::events::BytesDecl;

use super::encoding::Encoding;
use super::syntax::next_attribute;

const MALFORMED: &str = "XML declaration not well-formed";

/// Checks that a declaration is well-formed, and that it names the encoding that the document is in.
pub(super) fn check(
    declaration: &BytesDecl<'_>,
    start: u64,
    text: &str,
    encoding: Encoding,
) -> Result<(), &'static str> {
    if start != 0 {
        return Err("XML or text declaration not at start of entity");
    }
    // The declaration that CPython and this crate write, by far the most common.
    if **declaration == *"xml version='1.0'" {
        return Ok(());
    }
    let mut rest = declaration.strip_prefix("xml").ok_or(MALFORMED)?;
    // The attributes must be in this order, and only the first is required.
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

/// Whether `value` matches production `VersionNum`. Documents of a later 1.x are read as 1.0.
fn is_version(value: &str) -> bool {
    value
        .strip_prefix("1.")
        .is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()))
}
