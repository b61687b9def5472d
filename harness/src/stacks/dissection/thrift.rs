//! Thrift: a frame with a message in the binary or the compact protocol.

use calculator::Limits;
use thrift_rpc::wire::{PREFIX_LEN, leading_value_len};
use thrift_rpc::{Binary, Compact, Encoding};

use super::cutter::Cutter;
use super::part::Layer::{Envelope, Framing, Values};
use super::part::{Message, Part};

/// The first byte of a message, by which the protocols differ.
const BINARY: u8 = 0x80;
const COMPACT: u8 = 0x82;

/// What ends the fields of a struct.
const STOP: u8 = 0;

/// The parts of a message and its frame.
pub(in crate::stacks) fn parts(bytes: &[u8], message: Message) -> Option<Vec<Part>> {
    let mut cutter = Cutter::new(bytes);
    let len = number(cutter.cut(PREFIX_LEN, Framing, "length of the message")?)?;
    cutter.cut_within(len, |within| match *within.rest().first()? {
        BINARY => binary(within, message),
        COMPACT => compact(within, message),
        _ => None,
    })?;
    cutter.finish()
}

/// A number of four bytes.
fn number(bytes: &[u8]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(*bytes.first_chunk()?)).ok()
}

fn binary(cutter: &mut Cutter<'_>, message: Message) -> Option<()> {
    const NUMBER: usize = 4;
    cutter.cut(NUMBER, Envelope, "version of the binary protocol, and type of the message")?;
    let len = number(cutter.cut(NUMBER, Envelope, "length of the name of the method")?)?;
    cutter.cut(len, Envelope, "name of the method")?;
    cutter.cut(NUMBER, Envelope, "number of the call, which the reply repeats")?;
    fields::<Binary>(cutter, message, |_| Some(3))
}

fn compact(cutter: &mut Cutter<'_>, message: Message) -> Option<()> {
    cutter.cut(2, Envelope, "the compact protocol, its version, and type of the message")?;
    cutter.cut(varint_len(cutter.rest())?, Envelope, "number of the call, which the reply repeats")?;
    let len = usize::from(*cutter.cut(1, Envelope, "length of the name of the method")?.first()?);
    // A longer name has a longer length.
    if len > 0x7f {
        return None;
    }
    cutter.cut(len, Envelope, "name of the method")?;
    let header_len = |rest: &[u8]| match rest.first()? >> 4 {
        0 => Some(1 + varint_len(rest.get(1..)?)?),
        _ => Some(1),
    };
    fields::<Compact>(cutter, message, header_len)
}

/// Cuts the arguments or the result, each of them a value behind a header, whose length `header_len` returns.
fn fields<E: Encoding>(
    cutter: &mut Cutter<'_>,
    message: Message,
    header_len: impl Fn(&[u8]) -> Option<usize>,
) -> Option<()> {
    let (header, end) = match message {
        Message::Request => ("type and number of the argument", "end of the arguments"),
        Message::Reply => ("type and number of the result", "end of the reply"),
    };
    while *cutter.rest().first()? != STOP {
        cutter.cut(header_len(cutter.rest())?, Envelope, header)?;
        let len = leading_value_len::<E>(cutter.rest(), &Limits::default())?;
        cutter.cut(len, Values, message.value())?;
    }
    cutter.cut(1, Envelope, end).map(drop)
}

/// The length of the number at the start, of which each byte but the last has its highest bit set.
fn varint_len(bytes: &[u8]) -> Option<usize> {
    const MAX_BYTES: usize = 5;
    Some(bytes.iter().take(MAX_BYTES).position(|byte| byte & 0x80 == 0)? + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::dissection::cutter::shown;
    use calculator::{Call, CallError, ErrorKind, Value};
    use thrift_rpc::wire::{ReplyTo, encode_reply, encode_request};

    fn request<E: Encoding>() -> Vec<u8> {
        let mut out = Vec::new();
        encode_request::<E>(&mut out, &Call::positional("add", [2.into(), 3.into()]), 7).unwrap();
        out
    }

    fn reply<E: Encoding>(result: &Result<Value, CallError>) -> Vec<u8> {
        let mut out = Vec::new();
        encode_reply::<E>(&mut out, &ReplyTo { method: "add".into(), sequence: 7 }, result);
        out
    }

    fn values(bytes: &[u8], message: Message) -> Option<Vec<String>> {
        let parts = parts(bytes, message)?;
        let all = shown(bytes, &parts).into_iter();
        Some(all.filter(|(layer, _)| *layer == Values).map(|(_, text)| text).collect())
    }

    #[test]
    fn values_and_the_rest_are_cut_in_both_protocols() {
        let (binary, compact) = (request::<Binary>(), request::<Compact>());
        let two = r"\n\x00\x03\x00\x00\x00\x00\x00\x00\x00\x02\x00";
        let three = two.replace("x02", "x03");
        assert_eq!(values(&binary, Message::Request), Some(vec![two.to_owned(), three]));
        assert_eq!(values(&compact, Message::Request).unwrap(), [r"6\x04\x00", r"6\x06\x00"]);
        let five = Ok(Value::Int(5));
        let five = (reply::<Binary>(&five), reply::<Compact>(&five));
        assert_eq!(values(&five.0, Message::Reply).unwrap(), [two.replace("x02", "x05")]);
        assert_eq!(values(&five.1, Message::Reply).unwrap(), [r"6\n\x00"]);
        let framing = parts(&compact, Message::Request).unwrap();
        assert_eq!(
            framing.iter().filter(|part| part.layer == Framing).map(|part| part.len).sum::<usize>(),
            4
        );
    }

    #[test]
    fn what_is_not_one_message_with_values_has_no_parts() {
        for whole in [request::<Binary>(), request::<Compact>()] {
            for end in 0..whole.len() {
                assert_eq!(parts(&whole[..end], Message::Request), None, "{end}");
            }
            assert_eq!(parts(&[&whole[..], b"\0"].concat(), Message::Request), None);
        }
        let failed = Err(CallError::new(ErrorKind::ZeroDivision, "x"));
        assert_eq!(parts(&reply::<Compact>(&failed), Message::Reply), None);
        assert_eq!(parts(b"\0\0\0\x01\x81", Message::Request), None);
    }
}
