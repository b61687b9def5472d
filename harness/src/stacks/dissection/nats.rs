//! NATS: a line of text that ends with the length of the payload, then the payload.

use super::amqp::member;
use super::cutter::{Cutter, end_of};
use super::json;
use super::part::Layer::Framing;
use super::part::Part;

/// What ends lines and payloads.
const END: &[u8] = b"\r\n";

/// The meanings of the arguments of an operation, which is followed by a payload.
struct Operation {
    name: &'static [u8],
    meaning: &'static str,
    arguments: &'static [&'static str],
}

const OPERATIONS: [Operation; 2] = [
    Operation {
        name: b"PUB ",
        meaning: "operation PUB: the broker gets a message",
        arguments: &["subject: that of the service, or the inbox for the reply"],
    },
    Operation {
        name: b"MSG ",
        meaning: "operation MSG: the broker delivers a message",
        arguments: &["subject: that of the service, or the inbox for the reply", "id of the subscription"],
    },
];

/// The parts of the operations that go one way.
pub(in crate::stacks) fn parts(bytes: &[u8]) -> Option<Vec<Part>> {
    let mut cutter = Cutter::new(bytes);
    while !cutter.rest().is_empty() {
        operation(&mut cutter)?;
    }
    cutter.finish()
}

fn operation(cutter: &mut Cutter<'_>) -> Option<()> {
    let line = end_of(END, cutter.rest())?;
    let found = OPERATIONS.iter().find(|operation| cutter.rest().starts_with(operation.name));
    let Some(Operation { name, meaning, arguments }) = found else {
        let meaning = match &cutter.rest()[..line] {
            b"PING\r\n" => "operation PING: the peer asks whether this end is there",
            b"PONG\r\n" => "operation PONG: the answer to PING",
            _ => return None,
        };
        cutter.cut(line, Framing, meaning)?;
        cutter.end_line();
        return Some(());
    };
    let mut words = cutter.rest()[name.len()..line - END.len()].split(|byte| *byte == b' ');
    let lengths: Vec<usize> = words.clone().map(<[u8]>::len).collect();
    let payload = str::from_utf8(words.next_back()?).ok()?.parse::<usize>().ok()?;
    let optional = match lengths.len().checked_sub(arguments.len() + 1)? {
        0 => &[][..],
        1 => &["inbox for the reply"][..],
        _ => return None,
    };
    cutter.cut(name.len(), Framing, *meaning)?;
    for (length, meaning) in lengths.iter().zip(arguments.iter().chain(optional)) {
        // With the space behind it.
        cutter.cut(length + 1, Framing, *meaning)?;
    }
    cutter.cut(lengths.last()? + END.len(), Framing, "length of the message, and the end of the line")?;
    cutter.end_line();
    cutter.cut_within(payload, |within| json::object(within, member))?;
    let end = cutter.cut(END.len(), Framing, "end of the message")?;
    cutter.end_line();
    (end == END).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::dissection::cutter::shown;
    use crate::stacks::dissection::part::Layer;

    #[test]
    fn a_message_is_cut_into_its_line_and_its_body() {
        let bytes = b"PING\r\nPUB calc _INBOX.a.1 29\r\n{\"method\":\"add\",\"args\":[2,30]}\r\n";
        // The body has 30 bytes.
        assert_eq!(parts(bytes), None);
        let bytes = b"PING\r\nPUB calc _INBOX.a.1 30\r\n{\"method\":\"add\",\"args\":[2,30]}\r\n";
        let cut = parts(bytes).unwrap();
        let framing: Vec<_> = shown(bytes, &cut)
            .into_iter()
            .filter(|(layer, _)| *layer == Layer::Framing)
            .map(|(_, text)| text)
            .collect();
        assert_eq!(framing, ["PING\\r\\n", "PUB ", "calc ", "_INBOX.a.1 ", "30\\r\\n", "\\r\\n"]);
        let values = cut.iter().filter(|part| part.layer == Layer::Values).count();
        assert_eq!(values, 2);
    }

    #[test]
    fn a_delivered_message_has_the_id_of_the_subscription() {
        let text = |bytes: &[u8], meaning: &str| {
            let cut = parts(bytes).unwrap();
            let index = cut.iter().position(|part| part.meaning == meaning)?;
            Some(shown(bytes, &cut)[index].1.clone())
        };
        let request = b"MSG calc 7 _INBOX.a.1 13\r\n{\"args\":[2,3]}\r\n";
        assert_eq!(parts(request), None);
        let request = b"MSG calc 7 _INBOX.a.1 14\r\n{\"args\":[2,3]}\r\n";
        assert_eq!(text(request, "id of the subscription").as_deref(), Some("7 "));
        assert_eq!(text(request, "inbox for the reply").as_deref(), Some("_INBOX.a.1 "));
        let reply = b"MSG _INBOX.a.1 1 12\r\n{\"result\":5}\r\n";
        assert_eq!(text(reply, "inbox for the reply"), None);
    }

    #[test]
    fn bytes_that_are_not_operations_have_no_parts() {
        let whole = b"MSG calc 7 in 12\r\n{\"result\":5}\r\n";
        assert!(parts(whole).is_some());
        for end in 1..whole.len() {
            assert_eq!(parts(&whole[..end]), None, "{end}");
        }
        for bytes in [
            &b"MSG calc 12\r\n{\"result\":5}\r\n"[..],
            b"MSG a b c d 12\r\n{\"result\":5}\r\n",
            b"MSG calc 7 99999999999999999999\r\n{}\r\n",
            b"INFO {}\r\n",
            b"PUB \r\n",
        ] {
            assert_eq!(parts(bytes), None, "{}", bytes.escape_ascii());
        }
    }
}
