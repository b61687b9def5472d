//! XML-RPC: values between tags.

use super::cutter::{Cutter, end_of};
use super::part::Layer::{Envelope, Values};
use super::part::Message;

const VALUE: &[u8] = b"<value>";
const VALUE_END: &[u8] = b"</value>";

/// Cuts a method call or a method response.
pub(in crate::stacks) fn document(cutter: &mut Cutter<'_>, message: Message) -> Option<()> {
    if cutter.rest().starts_with(b"<?xml") {
        let end = end_of(b"?>", cutter.rest())?;
        cutter.cut(end + line_feed(&cutter.rest()[end..]), Envelope, "XML declaration")?;
    }
    if let Some(end) = end_of(b"</methodName>", cutter.rest()) {
        cutter.cut(
            end + line_feed(&cutter.rest()[end..]),
            Envelope,
            "method call, with the method's name",
        )?;
    }
    while let Some(end) = end_of(VALUE, cutter.rest()) {
        cutter.cut(end - VALUE.len(), Envelope, "tags around each parameter")?;
        cutter.cut(value_len(cutter.rest())?, Values, message.value())?;
    }
    cutter.cut(cutter.rest().len(), Envelope, "closing tags").map(drop)
}

/// The length of the value at the start, which may hold others, with the line feed behind it.
fn value_len(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        let rest = &bytes[at..];
        let close = end_of(VALUE_END, rest)?;
        match end_of(VALUE, rest).filter(|open| *open < close) {
            Some(open) => (at, depth) = (at + open, depth + 1),
            None => (at, depth) = (at + close, depth.checked_sub(1)?),
        }
        if depth == 0 {
            return Some(at + line_feed(&bytes[at..]));
        }
    }
}

fn line_feed(bytes: &[u8]) -> usize {
    usize::from(bytes.first() == Some(&b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::dissection::cutter::shown;
    use crate::stacks::dissection::part::Layer;

    fn parts(text: &str) -> Option<Vec<(Layer, String)>> {
        let mut cutter = Cutter::new(text.as_bytes());
        document(&mut cutter, Message::Request)?;
        Some(shown(text.as_bytes(), &cutter.finish()?))
    }

    #[test]
    fn values_are_cut_with_their_tags_and_line_feeds() {
        let text = "<?xml version='1.0'?>\n<methodCall>\n<methodName>add</methodName>\n<params>\n<param>\n\
                    <value><int>2</int></value>\n</param>\n<param>\n<value><array><data><value>x</value>\
                    </data></array></value>\n</param>\n</params>\n</methodCall>\n";
        let parts = parts(text).unwrap();
        let values: Vec<_> =
            parts.iter().filter(|(layer, _)| *layer == Values).map(|(_, text)| text).collect();
        assert_eq!(
            values,
            [
                "<value><int>2</int></value>\\n",
                "<value><array><data><value>x</value></data></array></value>\\n"
            ]
        );
        assert_eq!(parts.len(), 7);
        assert_eq!(parts[1].1, "<methodCall>\\n<methodName>add</methodName>\\n");
    }

    #[test]
    fn a_value_without_an_end_has_no_parts() {
        assert_eq!(parts("<params><value><int>2</int>"), None);
        assert_eq!(parts("<params><value>"), None);
    }
}
