//! Rules of XML 1.0 for the protocols with XML bodies, REST and XML-RPC, that the XML parser does not apply itself.

/// Whether XML 1.0 (§ 2.2, production `Char`) allows the character, literally or as a character reference.
#[inline]
#[must_use]
pub fn is_xml_char(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    }
}

/// `text` with U+FFFD in place of each character that XML does not allow.
#[must_use]
pub fn replace_invalid_chars(text: &str) -> String {
    text.chars().map(|c| if is_xml_char(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// The character of an entity that XML 1.0 (§ 4.6) predefines.
#[must_use]
pub fn predefined_entity(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_noncharacters_are_not_xml() {
        let invalid: Vec<u32> = ('\0'..=char::MAX).filter(|c| !is_xml_char(*c)).map(u32::from).collect();
        let expected: Vec<u32> =
            (0..0x20).filter(|c| ![9, 10, 13].contains(c)).chain([0xfffe, 0xffff]).collect();
        assert_eq!(invalid, expected);
        assert_eq!(replace_invalid_chars("a\0\tü\u{ffff}"), "a\u{fffd}\tü\u{fffd}");
    }
}
