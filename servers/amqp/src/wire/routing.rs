//! The members of a malformed message that identify its call.

use calculator::json;

use super::envelope::Envelope;

/// What identifies the call to which a message belongs, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartialRouting {
    /// `_msg_id`.
    pub msg_id: Option<String>,
    /// `_reply_q`, in a request.
    pub reply_queue: Option<String>,
    /// The message's envelope.
    pub envelope: Envelope,
}

/// Finds the members of `body` that identify its call, although the message cannot be decoded: it may be cut off, nested
/// too deeply, or hold text that is not JSON.
///
/// Only members of the outermost object count, and only strings. Reads `body` once, without recursion.
#[must_use]
pub fn read_routing(body: &[u8]) -> PartialRouting {
    let text = String::from_utf8_lossy(body);
    let [message] = member_strings(&text, ["oslo.message"]);
    let envelope = if message.is_some() { Envelope::V2 } else { Envelope::None };
    let [msg_id, reply_queue] = member_strings(message.as_deref().unwrap_or(&text), ["_msg_id", "_reply_q"]);
    PartialRouting { msg_id, reply_queue, envelope }
}

/// The values of those members of the object `text` whose names are `names` and whose values are strings.
fn member_strings<const N: usize>(text: &str, names: [&str; N]) -> [Option<String>; N] {
    let mut found = [const { None }; N];
    let (mut depth, mut at) = (0_usize, 0);
    // A string that may be a name, and the index of the name whose value comes next.
    let (mut name, mut awaited) = (None, None);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => {
                let Some(literal) = json::string_literal(&text[at..]) else { break };
                at += literal.len();
                match awaited.take() {
                    Some(index) if depth == 1 => found[index] = serde_json::from_str(literal).ok(),
                    _ => name = Some(literal),
                }
                continue;
            }
            b':' if depth == 1 => {
                let name = name.take().map(|literal| literal.trim_matches('"'));
                awaited = name.and_then(|name| names.iter().position(|wanted| *wanted == name));
            }
            b',' => (name, awaited) = (None, None),
            b'{' | b'[' => {
                depth += 1;
                (name, awaited) = (None, None);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn routing(text: &str) -> (Option<String>, Option<String>) {
        let PartialRouting { msg_id, reply_queue, .. } = read_routing(text.as_bytes());
        (msg_id, reply_queue)
    }

    #[test]
    fn finds_the_ids_of_messages_that_cannot_be_decoded() {
        let both = (Some("m".to_owned()), Some("reply_q".to_owned()));
        let ids = r#""_msg_id": "m", "_reply_q" :"reply_q""#;
        let deep = "[".repeat(200) + &"]".repeat(200);
        for arguments in
            ["NaN", r#"{"x": "\ud800"}"#, &deep, "{\"_msg_id\":\"inner\"}", "\"_msg_id\"", "{,}", "1 2"]
        {
            let message = format!(r#"{{"args": {arguments}, {ids}}}"#);
            assert_eq!(routing(&message), both, "{message}");
            let wrapped = serde_json::json!({ "oslo.version": "2.0", "oslo.message": message }).to_string();
            assert_eq!(routing(&wrapped), both, "{wrapped}");
            assert_eq!(read_routing(wrapped.as_bytes()).envelope, Envelope::V2);
        }
        // Cut off after the ids.
        assert_eq!(routing(&format!(r#"{{{ids}, "args": {{"x": "#)), both);
        assert_eq!(routing(&format!("{{{ids}, \"x\": \"\u{fffd}")), both);
        let invalid = [b"{\"x\":\"\xff\",", ids.as_bytes(), b"}"].concat();
        assert_eq!(read_routing(&invalid).msg_id.as_deref(), Some("m"));
    }

    #[test]
    fn members_that_are_no_strings_or_not_of_the_outermost_object_do_not_count() {
        for message in [
            "",
            "_msg_id",
            r#"{"_msg_id": 7}"#,
            r#"{"_msg_id": ["m"]}"#,
            r#"{"_msg_id", "m"}"#,
            r#"{"args": {"_msg_id": "m"}}"#,
            r#"[{"_msg_id": "m"}]"#,
            r#"{"x": "_msg_id", "y": "m"}"#,
            r#"{"_msg_id": "m"#,
        ] {
            assert_eq!(routing(message), (None, None), "{message}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), text in "[\\[\\]{}\":,\\\\a_]{0,40}") {
            let _ = read_routing(&bytes);
            let _ = read_routing(text.as_bytes());
        }
    }
}
