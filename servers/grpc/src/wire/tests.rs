use calculator::document::document;
use calculator::{Call, ErrorKind, Extension, Limits, MAX_ITEMS, Params, Text, Value, strategies};
use proptest::prelude::{any, prop, proptest};
use prost::encoding::encode_varint;

use super::*;

const XY: &[&str] = &["x", "y"];

fn arguments(message: &[u8]) -> Result<Params, DecodeError> {
    decode_arguments(message, XY, &Limits::default())
}

fn value(message: &[u8]) -> Result<Value, DecodeError> {
    decode_value(message, &Limits::default())
}

/// A field whose content is `bytes`.
fn nested(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

/// Encoded by hand from the specification. `tests/definition.rs` compares with a library.
#[test]
fn messages_are_those_of_the_definition() {
    let add = Call::positional("add", [Value::Int(2), Value::Int(3)]);
    assert_eq!(encode_arguments(&add).unwrap(), b"\x0a\x02\x18\x04\x12\x02\x18\x06");
    for (value, message) in [
        (Value::Null, &b"\x08\0"[..]),
        (Value::Bool(false), b"\x10\0"),
        (Value::Bool(true), b"\x10\x01"),
        (Value::Int(5), b"\x18\x0a"),
        (Value::Int(-1), b"\x18\x01"),
        (Value::Int(i64::MIN), b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        (Value::Float(1.0), b"\x21\0\0\0\0\0\0\xf0\x3f"),
        (Value::from(""), b"\x2a\0"),
        (Value::from("\u{fc}"), b"\x2a\x02\xc3\xbc"),
        (Value::from(vec![0, 255]), b"\x32\x02\x00\xff"),
        (Value::list([]), b"\x3a\0"),
        (Value::list([Value::Int(1), Value::Null]), b"\x3a\x08\x0a\x02\x18\x02\x0a\x02\x08\0"),
        (Value::map(vec![]), b"\x42\0"),
        (
            Value::map(vec![("a".into(), Value::Int(1)), (Text::new(), Value::list([]))]),
            b"\x42\x0f\x0a\x07\x0a\x01a\x12\x02\x18\x02\x0a\x04\x12\x02\x3a\0",
        ),
    ] {
        assert_eq!(encode_value(&value).unwrap(), message, "{value:?}");
        assert_eq!(decode_value(message, &Limits::default()), Ok(value));
    }
}

#[test]
fn arguments_are_fields_by_position_or_name() {
    let (x, y) = (Value::Int(7), Value::Int(2));
    let message = encode_arguments(&Call::positional("divide", [x.clone(), y.clone()])).unwrap();
    let named = Call::named("divide", [("y".into(), y.clone()), ("x".into(), x.clone())]);
    assert_eq!(encode_arguments(&named).unwrap(), message);
    assert_eq!(arguments(&message), Ok(Params::Positional(vec![x.clone(), y.clone()])));
    // The order of fields has no meaning, and unknown ones are skipped.
    let (first, second) = (nested(1, b"\x18\x0e"), nested(2, b"\x18\x04"));
    let unknown = [&b"\x18\x05\x25abcd\x29abcdefgh\x1b\x08\x01\x1c"[..], &nested(4, b"xyz")].concat();
    let reversed = [&second[..], &unknown, &first].concat();
    assert_eq!(arguments(&reversed), Ok(Params::Positional(vec![x.clone(), y.clone()])));
    // A gap shows that the first argument is missing.
    assert_eq!(arguments(&second), Ok(Params::Named(vec![("y".into(), y)])));
    assert_eq!(arguments(&first), Ok(Params::Positional(vec![x])));
    assert_eq!(arguments(b""), Ok(Params::Positional(vec![])));
}

#[test]
fn arguments_without_a_field_are_refused_before_they_are_sent() {
    let int = Value::Int;
    for call in [
        Call::positional("add", [int(1), int(2), int(3)]),
        Call::named("add", [("x".into(), int(1)), ("z".into(), int(2))]),
        Call::named("nosuch", [("x".into(), int(1))]),
    ] {
        assert_eq!(encode_arguments(&call).unwrap_err().kind, ErrorKind::InvalidArguments, "{call:?}");
    }
    // Another service may have this method.
    let call = Call::positional("nosuch", (0..20).map(int));
    assert_eq!(encode_arguments(&call).unwrap().len(), 15 * 4 + 5 * 5);
}

#[test]
fn what_has_no_kind_is_refused_wherever_it_is() {
    let timestamp = Value::Extension(Box::new(Extension { number: -1, data: vec![1] }));
    for (bad, kind) in [
        (Value::DateTime("19980717T14:08:55".into()), ErrorKind::NotRepresentable),
        (timestamp, ErrorKind::NotRepresentable),
        (Value::BigInt("9223372036854775808".into()), ErrorKind::Overflow),
    ] {
        let inside = Value::list([Value::map(vec![("a".into(), bad.clone())])]);
        for value in [bad, inside] {
            assert_eq!(encode_value(&value).unwrap_err().kind, kind);
            assert_eq!(encode_arguments(&Call::positional("echo", [value])).unwrap_err().kind, kind);
        }
    }
}

#[test]
fn a_document_is_read_back_and_has_the_measured_length() {
    for bytes in [1_000, 20_000] {
        let document = document(1, bytes);
        let message = encode_value(&document).unwrap();
        assert_eq!(encoded_len(&document).unwrap(), message.len());
        assert_eq!(value(&message), Ok(document));
    }
}

#[test]
fn malformed_messages_are_refused_with_the_reason() {
    let list_in_list = nested(7, &nested(1, b"\x08\0"));
    let member = |content: &[u8]| nested(8, &nested(1, content));
    for (message, error) in [
        (b"".to_vec(), DecodeError::NoKind),
        // Only a kind that this version does not know.
        (nested(9, b"\x01"), DecodeError::NoKind),
        (b"\x1a\x01\x02".to_vec(), DecodeError::WireType(3)),
        (b"\x28\x01".to_vec(), DecodeError::WireType(5)),
        (b"\x21\0\0\0".to_vec(), DecodeError::Truncated),
        (b"\x2a\x05abc".to_vec(), DecodeError::Truncated),
        (b"\x32\xff\xff\xff\xff\xff\xff\xff\xff\x7fx".to_vec(), DecodeError::Truncated),
        (b"\x2a\x01\xff".to_vec(), DecodeError::NotUtf8),
        ([&list_in_list[..], &list_in_list].concat(), DecodeError::Repeated(7)),
        (nested(7, &nested(1, b"")), DecodeError::NoKind),
        (nested(7, b"\x08\x01"), DecodeError::WireType(1)),
        (member(b"\x0a\x01a"), DecodeError::NoKind),
        (member(b"\x0a\x01\xff\x12\x02\x08\0"), DecodeError::NotUtf8),
        (member(b"\x12\x02\x08\0\x12\x02\x08\0"), DecodeError::Repeated(2)),
    ] {
        assert_eq!(value(&message), Err(error), "{}", message.escape_ascii());
    }
    // No field has the number 0, no type the numbers 6 and 7, and no varint more than ten bytes.
    for message in
        [&b"\0\x01"[..], b"\x0e", b"\x0f", b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x18"]
    {
        assert!(matches!(value(message), Err(DecodeError::Invalid(_))), "{}", message.escape_ascii());
    }
    assert_eq!(arguments(b"\x08\x01"), Err(DecodeError::WireType(1)));
    let twice = [nested(1, b"\x08\0"), nested(1, b"\x08\0")].concat();
    assert_eq!(arguments(&twice), Err(DecodeError::Repeated(1)));
}

#[test]
fn of_several_scalars_the_last_counts() {
    assert_eq!(value(b"\x18\x02\x10\x01"), Ok(Value::Bool(true)));
    assert_eq!(value(b"\x18\x02\x18\x04"), Ok(Value::Int(2)));
    // An enumeration may hold a number without a name.
    assert_eq!(value(b"\x08\x07"), Ok(Value::Null));
}

#[test]
fn depth_and_number_of_items_are_limited() {
    let nested_lists =
        |levels: usize| (0..levels).fold(b"\x08\0".to_vec(), |inner, _| nested(7, &nested(1, &inner)));
    let limits = Limits { max_depth: 8, ..Limits::default() };
    assert!(decode_value(&nested_lists(8), &limits).is_ok());
    assert_eq!(decode_value(&nested_lists(9), &limits), Err(DecodeError::TooDeep));
    assert_eq!(value(&nested_lists(5_000)), Err(DecodeError::TooDeep));
    let argument = nested(1, &nested_lists(9));
    assert_eq!(decode_arguments(&argument, XY, &limits), Err(DecodeError::TooDeep));
    assert_eq!(calculator::CallError::from(DecodeError::TooDeep).kind, ErrorKind::TooLarge);

    // Unknown groups are skipped to a limited depth, too.
    let groups = [vec![0x4b; 5_000], vec![0x4c; 5_000]].concat();
    assert!(matches!(value(&groups), Err(DecodeError::Invalid(_))));

    let list = |items: usize| nested(7, &b"\x0a\x02\x08\0".repeat(items));
    assert!(value(&list(MAX_ITEMS)).is_ok());
    assert_eq!(value(&list(MAX_ITEMS + 1)), Err(DecodeError::TooMany));
}

#[test]
fn a_body_is_one_message() {
    let read = |chunks: &[&[u8]], max_len| {
        let mut reader = MessageReader::new(max_len);
        for chunk in chunks {
            reader.push(chunk)?;
        }
        reader.finish().map(|message| message.map(<[u8]>::to_vec))
    };
    let frame = framed(b"abc").unwrap();
    assert_eq!(&frame[..], b"\0\0\0\0\x03abc");
    assert_eq!(read(&[&frame], 3), Ok(Some(b"abc".to_vec())));
    assert_eq!(read(&[b"\0\0\0\0\0"], 3), Ok(Some(vec![])));
    assert_eq!(read(&[], 3), Ok(None));
    for (body, error) in [
        (&b"\0\0\0\0\x04abcd"[..], FrameError::TooLarge(4)),
        // Refused at its length, before the message arrives.
        (b"\0\xff\xff\xff\xff", FrameError::TooLarge(0xffff_ffff)),
        (b"\x01\0\0\0\x03abc", FrameError::Compressed(1)),
        (b"\x7f\0\0\0\x03abc", FrameError::Compressed(0x7f)),
        (b"\0\0\0", FrameError::Truncated),
        (b"\0\0\0\0\x03ab", FrameError::Truncated),
        (b"\0\0\0\0\x03abcd", FrameError::Surplus),
        (b"\0\0\0\0\x03abc\0\0\0\0\x01a", FrameError::Surplus),
    ] {
        assert_eq!(read(&[body], 3), Err(error), "{}", body.escape_ascii());
        // Byte by byte, too.
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(read(&bytes, 3), Err(error), "{}", body.escape_ascii());
    }
}

/// The messages of a body that arrives in these chunks, of up to 3 bytes each.
fn split(chunks: &[&[u8]]) -> Result<Vec<Vec<u8>>, FrameError> {
    let (mut splitter, mut messages) = (MessageSplitter::new(3), vec![]);
    for mut chunk in chunks.iter().copied() {
        while let Some(message) = splitter.next_message(&mut chunk)? {
            messages.push(message.to_vec());
        }
    }
    splitter.finish().map(|()| messages)
}

#[test]
fn a_body_is_any_number_of_messages() {
    let body = [&framed(b"abc").unwrap()[..], b"\0\0\0\0\0", &framed(b"d").unwrap()[..]].concat();
    let messages: Vec<Vec<u8>> = vec![b"abc".to_vec(), vec![], b"d".to_vec()];
    assert_eq!(split(&[&body]), Ok(messages.clone()));
    for size in 1..body.len() {
        assert_eq!(split(&body.chunks(size).collect::<Vec<_>>()), Ok(messages.clone()), "{size}");
    }
    assert_eq!(split(&[]), Ok(vec![]));
    for (end, error) in [
        (&b"\0"[..], FrameError::Truncated),
        (b"\0\0\0\0\x02a", FrameError::Truncated),
        (b"\0\0\0\0\x04", FrameError::TooLarge(4)),
        (b"\x01\0\0\0\x01a", FrameError::Compressed(1)),
    ] {
        let body = [&body[..], end].concat();
        assert_eq!(split(&[&body]), Err(error));
        assert_eq!(split(&body.chunks(1).collect::<Vec<_>>()), Err(error));
    }
}

proptest! {
    #[test]
    fn values_are_read_back(value in strategies::json_values()) {
        let message = encode_value(&value).unwrap();
        assert_eq!(encoded_len(&value).unwrap(), message.len());
        assert_eq!(decode_value(&message, &Limits::default()), Ok(value.clone()));
        let request = encode_arguments(&Call::positional("add", [value.clone(), value.clone()])).unwrap();
        assert_eq!(arguments(&request), Ok(Params::Positional(vec![value.clone(), value])));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = arguments(&bytes);
        if let Ok(value) = value(&bytes) {
            let again = decode_value(&encode_value(&value).unwrap(), &Limits::default()).unwrap();
            // NaN is not equal to itself.
            assert_eq!(format!("{again:?}"), format!("{value:?}"));
        }
    }

    #[test]
    fn chunks_do_not_matter(message in prop::collection::vec(any::<u8>(), 0..100), cuts in prop::collection::vec(0..105_usize, 0..8)) {
        let frame = framed(&message).unwrap();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(frame.len())).chain([0, frame.len()]).collect();
        cuts.sort_unstable();
        let mut reader = MessageReader::new(100);
        for pair in cuts.windows(2) {
            reader.push(&frame[pair[0]..pair[1]]).unwrap();
        }
        assert_eq!(reader.finish().unwrap(), Some(&message[..]));
    }
}
