//! The fixed format of the floors: 64 bytes.

use tcp_floor::wire::LEN;

use super::cutter::Cutter;
use super::part::Layer::{Envelope, Values};
use super::part::{Message, Part};

/// Length of a number in bytes.
const NUMBER: usize = 8;

/// The parts of a message on a raw socket.
pub(in crate::stacks) fn parts(bytes: &[u8], message: Message) -> Option<Vec<Part>> {
    let mut cutter = Cutter::new(bytes);
    frame(&mut cutter, message)?;
    cutter.finish()
}

/// Cuts a request with two numbers, or a reply with one.
pub(in crate::stacks) fn frame(cutter: &mut Cutter<'_>, message: Message) -> Option<()> {
    let numbers = match message {
        Message::Request => {
            cutter.cut(1, Envelope, "number of the method")?;
            cutter.cut(2, Envelope, "types of the two arguments")?;
            cutter.cut(5, Envelope, "length of a text: none")?;
            2
        }
        Message::Reply => {
            cutter.cut(1, Envelope, "type of the result")?;
            cutter.cut(7, Envelope, "length of a text: none")?;
            1
        }
    };
    for _ in 0..numbers {
        cutter.cut(NUMBER, Values, message.value())?;
    }
    cutter.cut(LEN - NUMBER * (1 + numbers), Envelope, "not used: a message always has 64 bytes").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use calculator::{Call, Value};
    use tcp_floor::wire::{encode_reply, encode_request};

    #[test]
    fn the_values_are_where_the_encoder_writes_them() {
        let (mut request, mut reply) = (Vec::new(), Vec::new());
        encode_request(&mut request, &Call::positional("add", [Value::Int(2), Value::Int(3)])).unwrap();
        encode_reply(&mut reply, &Ok(Value::Int(5)));
        for (bytes, message, expected) in
            [(&request, Message::Request, &[2_i64, 3][..]), (&reply, Message::Reply, &[5])]
        {
            let mut at = 0;
            let mut found = Vec::new();
            for part in parts(bytes, message).unwrap() {
                let text = &bytes[at..at + part.len];
                at += part.len;
                if part.layer == Values {
                    found.push(i64::from_be_bytes(text.try_into().unwrap()));
                } else if part.meaning.starts_with("not used") || part.meaning.starts_with("length") {
                    assert!(text.iter().all(|byte| *byte == 0), "{text:?}");
                }
            }
            assert_eq!(found, expected);
        }
        assert_eq!(parts(&request[..63], Message::Request), None);
    }
}
