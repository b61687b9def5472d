//! JSON: the members of an object, and the arguments or the result among them.

use super::cutter::Cutter;
use super::part::Layer::{Envelope, Framing, Values};
use super::part::Part;

/// What a member of an object is.
#[derive(Clone, Copy)]
pub(in crate::stacks) enum Member {
    /// Part of the envelope, with this meaning.
    Envelope(&'static str),
    /// The arguments: a list or an object of them.
    Arguments,
    /// The result.
    Result,
    /// A string with a message in JSON, and what its members are.
    Message(Members),
}

/// What the member of each name is.
pub(in crate::stacks) type Members = fn(&str) -> Member;

/// The parts of a message that is an object in a line.
pub(in crate::stacks) fn line(bytes: &[u8], members: Members) -> Option<Vec<Part>> {
    let mut cutter = Cutter::new(bytes);
    cutter.cut_within(bytes.len().checked_sub(1)?, |message| object(message, members))?;
    cutter.cut(1, Framing, "line feed: end of the message")?;
    cutter.finish()
}

/// Cuts an object.
pub(in crate::stacks) fn object(cutter: &mut Cutter<'_>, members: Members) -> Option<()> {
    let mut lead = opening(cutter.rest(), b'{')?;
    loop {
        let rest = cutter.rest().get(lead..)?;
        let name_len = string_len(rest)?;
        let name = str::from_utf8(rest.get(1..name_len - 1)?).ok()?;
        // Up to the value: the comma before the member, its name, the colon.
        let before = lead + name_len + separator(rest.get(name_len..)?, b':')?;
        match members(name) {
            Member::Envelope(meaning) => {
                let value = value_len(cutter.rest().get(before..)?)?;
                cutter.cut(before + value, Envelope, meaning)?;
            }
            Member::Arguments => {
                cutter.cut(before, Envelope, "the arguments follow")?;
                arguments(cutter)?;
            }
            Member::Result => {
                cutter.cut(before, Envelope, "the result follows")?;
                cutter.cut(value_len(cutter.rest())?, Values, "result")?;
            }
            Member::Message(members) => {
                cutter.cut(before, Envelope, "the message follows, as a string")?;
                message(cutter, members)?;
            }
        }
        let rest = cutter.rest();
        match separator(rest, b',') {
            Some(comma) => lead = comma,
            None => return cutter.cut(separator(rest, b'}')?, Envelope, "end of the object").map(drop),
        }
    }
}

/// Cuts a list or an object of arguments.
pub(in crate::stacks) fn arguments(cutter: &mut Cutter<'_>) -> Option<()> {
    let is_object = cutter.rest().first() == Some(&b'{');
    let (open, close, before) = if is_object {
        (b'{', b'}', "name of the parameter that follows")
    } else {
        (b'[', b']', "list of the arguments")
    };
    let mut lead = opening(cutter.rest(), open)?;
    loop {
        if let Some(end) = cutter.rest().get(lead..).and_then(|rest| separator(rest, close)) {
            return cutter.cut(lead + end, Envelope, "end of the arguments").map(drop);
        }
        if is_object {
            let rest = cutter.rest().get(lead..)?;
            let name = string_len(rest)?;
            lead += name + separator(rest.get(name..)?, b':')?;
        }
        cutter.cut(lead, Envelope, before)?;
        cutter.cut(value_len(cutter.rest())?, Values, "argument")?;
        lead = separator(cutter.rest(), b',').unwrap_or(0);
    }
}

/// Cuts a string that holds an object: the lengths of the object's parts, with the escapes that they have in the string.
fn message(cutter: &mut Cutter<'_>, members: Members) -> Option<()> {
    let string = cutter.rest();
    let text = string.get(1..string_len(string)? - 1)?;
    let mut inner = Vec::new();
    // The number of bytes that each byte of the object takes in the string.
    let mut widths = Vec::new();
    let mut escaped = false;
    for byte in text {
        match byte {
            b'\\' if !escaped => {
                escaped = true;
                continue;
            }
            b'"' | b'\\' | b'/' if escaped => widths.push(2),
            // Other escapes stand for something else than the character behind the backslash.
            _ if escaped => return None,
            _ => widths.push(1),
        }
        escaped = false;
        inner.push(*byte);
    }
    let mut within = Cutter::new(&inner);
    object(&mut within, members)?;
    cutter.cut(1, Envelope, "start of the string")?;
    let mut widths = widths.into_iter();
    for part in within.finish()? {
        let len = widths.by_ref().take(part.len).sum();
        cutter.cut(len, part.layer, part.meaning)?;
    }
    cutter.cut(1, Envelope, "end of the string").map(drop)
}

/// The length of the bracket `open` at the start, with the space behind it.
fn opening(bytes: &[u8], open: u8) -> Option<usize> {
    (bytes.first() == Some(&open)).then(|| 1 + space_len(&bytes[1..]))
}

/// The length of `mark` at the start, with the space around it.
fn separator(bytes: &[u8], mark: u8) -> Option<usize> {
    let at = space_len(bytes);
    let after = bytes.get(at..)?.strip_prefix(&[mark])?;
    Some(at + 1 + space_len(after))
}

fn space_len(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count()
}

/// The length of the string at the start, with its quotation marks.
fn string_len(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes.strip_prefix(b"\"")?;
    loop {
        match rest {
            [b'\\', _, after @ ..] => rest = after,
            [b'"', after @ ..] => return Some(bytes.len() - after.len()),
            [_, after @ ..] => rest = after,
            [] => return None,
        }
    }
}

/// The length of the value at the start.
fn value_len(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => at += string_len(&bytes[at..])?,
            b'[' | b'{' => {
                (at, depth) = (at + 1, depth + 1);
                continue;
            }
            b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            // Between the values of a list or an object.
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' if depth > 0 => {
                at += 1;
                continue;
            }
            _ => at += scalar_len(&bytes[at..])?,
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The length of the number or word at the start.
fn scalar_len(bytes: &[u8]) -> Option<usize> {
    let len = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
    (len > 0).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::dissection::cutter::shown;
    use crate::stacks::dissection::part::Layer;
    use proptest::prelude::*;

    fn outer(name: &str) -> Member {
        match name {
            "args" => Member::Arguments,
            "result" => Member::Result,
            "message" => Member::Message(outer),
            _ => Member::Envelope("other"),
        }
    }

    fn parts(text: &str) -> Option<Vec<(Layer, String)>> {
        let mut cutter = Cutter::new(text.as_bytes());
        object(&mut cutter, outer)?;
        Some(shown(text.as_bytes(), &cutter.finish()?))
    }

    fn values(text: &str) -> Vec<String> {
        let parts = parts(text).unwrap();
        parts.into_iter().filter(|(layer, _)| *layer == Values).map(|(_, text)| text).collect()
    }

    #[test]
    fn arguments_and_results_are_found_among_the_members() {
        assert_eq!(
            parts(r#"{"id":7,"args":[2,3],"x":null}"#).unwrap(),
            [
                (Envelope, r#"{\"id\":7"#),
                (Envelope, r#",\"args\":"#),
                (Envelope, "["),
                (Values, "2"),
                (Envelope, ","),
                (Values, "3"),
                (Envelope, "]"),
                (Envelope, r#",\"x\":null"#),
                (Envelope, "}"),
            ]
            .map(|(layer, text)| (layer, text.to_owned()))
        );
        assert_eq!(values(r#"{ "args" : { "x" : 2 , "y" : [1, "]"] } }"#), ["2", r#"[1, \"]\"]"#]);
        assert_eq!(values(r#"{"result":{"a":[true,"\""]},"args":[]}"#), [r#"{\"a\":[true,\"\\\"\"]}"#]);
    }

    #[test]
    fn a_message_in_a_string_is_cut_where_its_parts_are_in_the_string() {
        let text = r#"{"v":"2.0","message":"{\"args\":{\"x\":2,\"y\":\"\\\"\"},\"id\":\"0\"}"}"#;
        assert_eq!(values(text), ["2", r#"\\\"\\\\\\\"\\\""#]);
    }

    #[test]
    fn what_is_not_such_an_object_has_no_parts() {
        for text in
            ["", "{", "[]", r#"{"a"}"#, r#"{"a":}"#, r#"{"args":3}"#, r#"{"args":[2}"#, "{]", r#"{"a":1} x"#]
        {
            assert_eq!(parts(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_cut_as_a_whole_or_not_at_all(text in r#"[{}\[\]",:\\a 1]{0,40}"#) {
            let text = format!(r#"{{"args":{text}"#);
            if let Some(parts) = parts(&text) {
                let whole: String = parts.into_iter().map(|(_, text)| text).collect();
                prop_assert_eq!(whole, text.as_bytes().escape_ascii().to_string());
            }
        }
    }
}
