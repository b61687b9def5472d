//! Protocol Buffers: the messages of gRPC.

use super::cutter::Cutter;
use super::part::Layer::{Envelope, Values};
use super::part::Message;

/// Cuts the arguments of a request, each of which is a field, or the one value of a reply.
pub(in crate::stacks) fn message(cutter: &mut Cutter<'_>, message: Message) -> Option<()> {
    if message == Message::Reply {
        return cutter.cut(cutter.rest().len(), Values, message.value()).map(drop);
    }
    while let Some(key) = cutter.rest().first() {
        const LENGTH_DELIMITED: u8 = 2;
        if key & 0x87 != LENGTH_DELIMITED {
            return None;
        }
        let (digits, len) = varint(cutter.rest().get(1..)?)?;
        cutter.cut(1 + digits, Envelope, format!("number of the field {}, and length", key >> 3))?;
        cutter.cut(len, Values, message.value())?;
    }
    Some(())
}

/// The number at the start, preceded by how many bytes it takes.
fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    const MAX_BYTES: usize = 5;
    let digits = bytes.iter().take(MAX_BYTES).position(|byte| byte & 0x80 == 0)? + 1;
    let number = bytes[..digits].iter().rev().fold(0, |number, byte| number << 7 | usize::from(byte & 0x7f));
    Some((digits, number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::dissection::cutter::shown;
    use calculator::{Call, Value};

    fn parts(bytes: &[u8], kind: Message) -> Option<Vec<(super::super::Layer, String)>> {
        let mut cutter = Cutter::new(bytes);
        message(&mut cutter, kind)?;
        Some(shown(bytes, &cutter.finish()?))
    }

    #[test]
    fn arguments_are_fields_and_a_reply_is_a_value() {
        let add = Call::positional("add", [Value::Int(2), Value::Int(3)]);
        let request = grpc::wire::encode_arguments(&add).unwrap();
        let expected = [
            (Envelope, "\\n\\x02".to_owned()),
            (Values, "\\x18\\x04".to_owned()),
            (Envelope, "\\x12\\x02".to_owned()),
            (Values, "\\x18\\x06".to_owned()),
        ];
        assert_eq!(parts(&request, Message::Request), Some(expected.to_vec()));
        let reply = grpc::wire::encode_value(&Value::Int(5)).unwrap();
        assert_eq!(parts(&reply, Message::Reply), Some(vec![(Values, "\\x18\\n".to_owned())]));
    }

    #[test]
    fn a_long_argument_has_a_longer_length() {
        let text = Value::from("x".repeat(300));
        let request = grpc::wire::encode_arguments(&Call::positional("echo", [text])).unwrap();
        let lengths: Vec<_> = {
            let mut cutter = Cutter::new(&request);
            message(&mut cutter, Message::Request).unwrap();
            cutter.finish().unwrap().iter().map(|part| part.len).collect()
        };
        assert_eq!(lengths, [3, 303]);
        for end in 1..request.len() {
            assert_eq!(parts(&request[..end], Message::Request), None, "{end}");
        }
    }
}
