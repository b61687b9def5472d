//! AMQP 0-9-1: frames with methods, with the properties of a message, and with its body (sections 2.3 and 4.2 of the
//! specification).

use super::cutter::Cutter;
use super::json::{self, Member};
use super::part::Layer::Framing;
use super::part::{Leg, Part};

const METHOD: u8 = 1;
const CONTENT_HEADER: u8 = 2;
const BODY: u8 = 3;
const FRAME_END: u8 = 0xce;
/// Bytes of type, channel and length at the start of a frame.
const FRAME_HEADER: usize = 7;
/// Bytes of class, weight, length of the body and flags before the properties of a message.
const PROPERTIES_AT: usize = 14;

/// The length of a field.
#[derive(Clone, Copy)]
enum Width {
    /// A number of bytes.
    Bytes(usize),
    /// A text behind its length of one byte.
    ShortText,
    /// A table behind its length of four bytes.
    Table,
}

use Width::{Bytes, ShortText, Table};

type Fields = &'static [(Width, &'static str)];

/// The arguments of basic.publish, basic.deliver and basic.ack.
const PUBLISH: Fields = &[
    (Bytes(2), "reserved"),
    (ShortText, "exchange"),
    (ShortText, "routing key: the topic, or the queue for the reply"),
    (Bytes(1), "whether a message without a receiver comes back"),
];
const DELIVER: Fields = &[
    (ShortText, "tag of the consumer"),
    (Bytes(8), "tag of the delivery"),
    (Bytes(1), "whether the message was delivered before"),
    (ShortText, "exchange"),
    (ShortText, "routing key: the topic, or the queue for the reply"),
];
const ACK: Fields = &[(Bytes(8), "tag of the message"), (Bytes(1), "whether all before it are meant, too")];

/// The properties of a message, from the highest bit of the flags on.
const PROPERTIES: Fields = &[
    (ShortText, "format of the body"),
    (ShortText, "encoding of the body"),
    (Table, "headers"),
    (Bytes(1), "whether the broker writes the message to disk"),
    (Bytes(1), "priority"),
    (ShortText, "id that the reply repeats"),
    (ShortText, "queue for the reply"),
    (ShortText, "expiry in milliseconds"),
    (ShortText, "id of the message"),
    (Bytes(8), "when it was sent"),
    (ShortText, "type of the message"),
    (ShortText, "user"),
    (ShortText, "application"),
    (ShortText, "reserved"),
];

/// The parts of the frames that go one way.
pub(in crate::stacks) fn parts(bytes: &[u8], leg: Leg) -> Option<Vec<Part>> {
    let mut cutter = Cutter::new(bytes);
    while !cutter.rest().is_empty() {
        frame(&mut cutter, leg)?;
    }
    cutter.finish()
}

fn frame(cutter: &mut Cutter<'_>, leg: Leg) -> Option<()> {
    let header = cutter.rest().get(..FRAME_HEADER)?;
    let (kind, length) = (header[0], u32::from_be_bytes(header[3..].try_into().ok()?));
    let len = usize::try_from(length).ok()?;
    let payload = cutter.rest().get(FRAME_HEADER..FRAME_HEADER.checked_add(len)?)?;
    match kind {
        METHOD => {
            let (meaning, fields) = method(payload.get(..4)?, leg);
            cutter.cut(FRAME_HEADER + 4, Framing, meaning)?;
            cutter.cut_within(len - 4, |within| {
                for (width, meaning) in fields {
                    field(within, *width, meaning)?;
                }
                within.cut(within.rest().len(), Framing, "arguments of the method").map(drop)
            })?;
        }
        CONTENT_HEADER => {
            let flags = u16::from_be_bytes(payload.get(PROPERTIES_AT - 2..PROPERTIES_AT)?.try_into().ok()?);
            let meaning = "content header: length of the body, and which properties follow";
            cutter.cut(FRAME_HEADER + PROPERTIES_AT, Framing, meaning)?;
            cutter.cut_within(len - PROPERTIES_AT, |within| {
                for ((width, meaning), bit) in PROPERTIES.iter().zip((0..16).rev()) {
                    if (flags >> bit) & 1 == 1 {
                        field(within, *width, meaning)?;
                    }
                }
                Some(())
            })?;
        }
        BODY => {
            cutter.cut(FRAME_HEADER, Framing, "frame header: the body of the message, and its length")?;
            cutter.cut_within(len, |within| json::object(within, member))?;
        }
        _ => return None,
    }
    let end = cutter.cut(1, Framing, "end of the frame")?;
    cutter.end_line();
    (end == [FRAME_END]).then_some(())
}

/// The meaning of a method, and its arguments as far as they are known.
fn method(id: &[u8], leg: Leg) -> (&'static str, Fields) {
    match id {
        [0, 60, 0, 40] => ("method basic.publish: the broker gets a message", PUBLISH),
        [0, 60, 0, 60] => ("method basic.deliver: the broker delivers a message", DELIVER),
        [0, 60, 0, 80] if leg.is_from_broker => {
            ("method basic.ack: the broker confirms a message that it got", ACK)
        }
        [0, 60, 0, 80] => ("method basic.ack: acknowledges a message that the broker delivered", ACK),
        _ => ("method", &[]),
    }
}

fn field(cutter: &mut Cutter<'_>, width: Width, meaning: &'static str) -> Option<()> {
    let len = match width {
        Bytes(len) => len,
        ShortText => 1 + usize::from(*cutter.rest().first()?),
        Table => {
            let length = u32::from_be_bytes(*cutter.rest().first_chunk()?);
            usize::try_from(length).ok()?.checked_add(4)?
        }
    };
    cutter.cut(len, Framing, meaning).map(drop)
}

/// The members of messages: those of oslo.messaging, and those of the bare broker.
pub(super) fn member(name: &str) -> Member {
    match name {
        "oslo.version" => Member::Envelope("version of the envelope"),
        "oslo.message" => Member::Message(member),
        "method" => Member::Envelope("name of the method"),
        "args" => Member::Arguments,
        "result" => Member::Result,
        "namespace" => Member::Envelope("namespace of the method"),
        "version" => Member::Envelope("version of the interface"),
        "_msg_id" => Member::Envelope("id of the call"),
        "_reply_q" => Member::Envelope("queue for the reply"),
        "_timeout" => Member::Envelope("interval of heartbeats during the call"),
        "_unique_id" => Member::Envelope("id of the message, to recognise it if it comes twice"),
        "failure" => Member::Envelope("error, if the call failed"),
        "ending" => Member::Envelope("whether this is the last reply"),
        _ => Member::Envelope("context of the caller"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::dissection::cutter::shown;
    use crate::stacks::dissection::part::{Layer, Message};

    const FROM_CLIENT: Leg = Leg { message: Message::Request, is_from_broker: false };

    fn framed(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind, 0, 1][..], &length, payload, &[FRAME_END]].concat()
    }

    #[test]
    fn a_published_message_is_cut_into_methods_properties_and_body() {
        let publish = framed(METHOD, b"\0\x3c\0\x28\0\0\x01x\x04calc\0");
        // Content type and expiry: bits 15 and 8.
        let header = framed(CONTENT_HEADER, b"\0\x3c\0\0\0\0\0\0\0\0\0\x0f\x81\0\x02aj\x0260");
        let body = framed(BODY, br#"{"args":[2,30]}"#);
        let bytes = [publish, header, body].concat();
        let parts = parts(&bytes, FROM_CLIENT).unwrap();
        let text = |meaning: &str| {
            let index = parts.iter().position(|part| part.meaning == meaning).unwrap();
            shown(&bytes, &parts)[index].1.clone()
        };
        assert_eq!(text("exchange"), "\\x01x");
        assert_eq!(text("format of the body"), "\\x02aj");
        assert_eq!(text("expiry in milliseconds"), "\\x0260");
        let values: Vec<_> =
            shown(&bytes, &parts).into_iter().filter(|(layer, _)| *layer == Layer::Values).collect();
        assert_eq!(values.len(), 2);
        assert_eq!(values[1].1, "30");
    }

    #[test]
    fn an_acknowledgement_of_the_broker_is_a_confirm() {
        let ack = framed(METHOD, b"\0\x3c\0\x50\0\0\0\0\0\0\0\x07\0");
        let first = |leg| parts(&ack, leg).unwrap()[0].meaning.to_string();
        assert!(first(FROM_CLIENT).contains("acknowledges"));
        assert!(first(Leg { is_from_broker: true, ..FROM_CLIENT }).contains("confirms"));
    }

    #[test]
    fn bytes_that_are_not_frames_have_no_parts() {
        let ack = framed(METHOD, b"\0\x3c\0\x50\0\0\0\0\0\0\0\x07\0");
        for end in 1..ack.len() {
            assert_eq!(parts(&ack[..end], FROM_CLIENT), None, "{end}");
        }
        let heartbeat = framed(8, b"");
        assert_eq!(parts(&heartbeat, FROM_CLIENT), None);
        let short = framed(CONTENT_HEADER, b"\0\x3c");
        assert_eq!(parts(&short, FROM_CLIENT), None);
        let text_too_long = framed(METHOD, b"\0\x3c\0\x28\0\0\xffx");
        assert_eq!(parts(&text_too_long, FROM_CLIENT), None);
    }
}
