//! An event of zerorpc: a list of header, name and arguments in MessagePack.

use rmp::Marker;

use super::cutter::Cutter;
use super::msgpack::value_len;
use super::part::Layer::{Envelope, Values};
use super::part::Message;

/// Cuts the event that calls a method, or that answers with its result.
pub(in crate::stacks) fn event(cutter: &mut Cutter<'_>, message: Message) -> Option<()> {
    let Marker::FixArray(3) = marker(cutter)? else { return None };
    cutter.cut(1, Envelope, "list of header, name and arguments")?;
    let Marker::FixMap(members) = marker(cutter)? else { return None };
    cutter.cut(1, Envelope, "header")?;
    for _ in 0..members {
        let name = value_len(cutter.rest())?;
        let value = value_len(cutter.rest().get(name..)?)?;
        let meaning = member(cutter.rest().get(1..name)?, message);
        cutter.cut(name + value, Envelope, meaning)?;
    }
    let name = match message {
        Message::Request => "name of the method",
        Message::Reply => "name of the event: the call succeeded",
    };
    cutter.cut(value_len(cutter.rest())?, Envelope, name)?;
    let Marker::FixArray(values) = marker(cutter)? else { return None };
    cutter.cut(1, Envelope, "list of the arguments")?;
    for _ in 0..values {
        cutter.cut(value_len(cutter.rest())?, Values, message.value())?;
    }
    Some(())
}

fn marker(cutter: &Cutter<'_>) -> Option<Marker> {
    cutter.rest().first().copied().map(Marker::from_u8)
}

/// The meaning of a member of the header.
fn member(name: &[u8], message: Message) -> &'static str {
    match (name, message) {
        (b"message_id", Message::Request) => "id of the call",
        (b"message_id", Message::Reply) => "id of the event",
        (b"response_to", _) => "id of the call that this answers",
        (b"v", _) => "version of the protocol",
        _ => "member of the header",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::dissection::cutter::shown;

    #[test]
    fn a_call_and_its_answer_are_cut_into_their_members() {
        let call = b"\x93\x82\xaamessage_id\xc4\x02ab\xa1v\x03\xa3add\x92\x02\x03";
        let mut cutter = Cutter::new(call);
        event(&mut cutter, Message::Request).unwrap();
        let parts = cutter.finish().unwrap();
        let meanings: Vec<_> = parts.iter().map(|part| part.meaning.as_ref()).collect();
        assert_eq!(
            meanings,
            [
                "list of header, name and arguments",
                "header",
                "id of the call",
                "version of the protocol",
                "name of the method",
                "list of the arguments",
                "argument",
                "argument"
            ]
        );
        assert_eq!(shown(call, &parts)[6], (Values, "\\x02".to_owned()));
        for end in 0..call.len() {
            let mut cutter = Cutter::new(&call[..end]);
            assert!(event(&mut cutter, Message::Request).is_none(), "{end}");
        }
    }
}
