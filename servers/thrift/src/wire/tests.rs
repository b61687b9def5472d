use calculator::document::document;
use calculator::{
    Calculator, Call, CallError, ErrorKind, Extension, Limits, MAX_ITEMS, Method, Params, Text, Value,
    strategies,
};
use framed::{Reply, Request};
use proptest::prelude::{any, prop, proptest};

use super::*;
use crate::{Binary, Compact, Encoding, IDL};

/// The number of all messages here.
const SEQUENCE: i32 = 1;

fn request<E: Encoding>(call: &Call) -> Vec<u8> {
    let mut out = Vec::new();
    encode_request::<E>(&mut out, call, SEQUENCE).unwrap();
    out
}

fn reply<E: Encoding>(result: &Reply) -> Vec<u8> {
    let mut out = Vec::new();
    encode_reply::<E>(&mut out, &add(), result);
    out
}

fn add() -> ReplyTo {
    ReplyTo { method: "add".into(), sequence: SEQUENCE }
}

fn requested<E: Encoding>(frame: &[u8]) -> Request<ReplyTo> {
    decode_request::<E>(frame, &Calculator, &Limits::default())
}

/// The kind of error of a request that can be answered.
fn refused<E: Encoding>(frame: &[u8]) -> ErrorKind {
    let Request { to, call } = requested::<E>(frame);
    assert!(to.is_some(), "{}", frame.escape_ascii());
    call.unwrap_err().kind
}

fn replied<E: Encoding>(frame: &[u8]) -> Result<Reply, ErrorKind> {
    decode_reply::<E>(frame, SEQUENCE, &Limits::default()).map_err(|error| error.kind)
}

fn value<E: Encoding>(bytes: &[u8]) -> Result<Value, DecodeError> {
    decode_value::<E>(bytes, &Limits::default())
}

/// A frame around a message.
fn frame(parts: &[&[u8]]) -> Vec<u8> {
    let message = parts.concat();
    [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat()
}

fn two_and_three() -> Call {
    Call::positional("add", [Value::Int(2), Value::Int(3)])
}

/// The beginnings of messages of `add` with the number 1, by hand from the specifications.
const BINARY_CALL: &[u8] = b"\x80\x01\0\x01\0\0\0\x03add\0\0\0\x01";
const BINARY_REPLY: &[u8] = b"\x80\x01\0\x02\0\0\0\x03add\0\0\0\x01";
const BINARY_EXCEPTION: &[u8] = b"\x80\x01\0\x03\0\0\0\x03add\0\0\0\x01";
const COMPACT_CALL: &[u8] = b"\x82\x21\x01\x03add";
const COMPACT_REPLY: &[u8] = b"\x82\x41\x01\x03add";
const COMPACT_EXCEPTION: &[u8] = b"\x82\x61\x01\x03add";

/// Encoded by hand from the specifications of the binary and the compact protocol.
#[test]
fn messages_are_those_of_the_definition() {
    let binary = frame(&[
        BINARY_CALL,
        b"\x0c\0\x01\x0a\0\x03\0\0\0\0\0\0\0\x02\0",
        b"\x0c\0\x02\x0a\0\x03\0\0\0\0\0\0\0\x03\0",
        b"\0",
    ]);
    let compact = frame(&[COMPACT_CALL, b"\x1c\x36\x04\0", b"\x1c\x36\x06\0", b"\0"]);
    assert_eq!((request::<Binary>(&two_and_three()), binary.len()), (binary.clone(), 4 + 46));
    assert_eq!((request::<Compact>(&two_and_three()), compact.len()), (compact.clone(), 4 + 16));
    for request in [requested::<Binary>(&binary), requested::<Compact>(&compact)] {
        assert_eq!((request.to, request.call), (Some(add()), Ok(two_and_three())));
    }

    let five = Ok(Value::Int(5));
    let binary = frame(&[BINARY_REPLY, b"\x0c\0\0\x0a\0\x03\0\0\0\0\0\0\0\x05\0", b"\0"]);
    // The number 0 has no short form.
    let compact = frame(&[COMPACT_REPLY, b"\x0c\0\x36\x0a\0", b"\0"]);
    assert_eq!((reply::<Binary>(&five), binary.len()), (binary.clone(), 4 + 31));
    assert_eq!((reply::<Compact>(&five), compact.len()), (compact.clone(), 4 + 13));
    assert_eq!(replied::<Binary>(&binary), Ok(five.clone()));
    assert_eq!(replied::<Compact>(&compact), Ok(five));
}

#[test]
fn errors_are_the_exceptions_of_the_definition() {
    let zero = Err(CallError::new(ErrorKind::ZeroDivision, "zero"));
    let binary = frame(&[BINARY_REPLY, b"\x0c\0\x01\x08\0\x01\0\0\0\x01\x0b\0\x02\0\0\0\x04zero\0", b"\0"]);
    let compact = frame(&[COMPACT_REPLY, b"\x1c\x15\x02\x18\x04zero\0", b"\0"]);
    assert_eq!((reply::<Binary>(&zero), reply::<Compact>(&zero)), (binary, compact));

    let unknown = Err(CallError::new(ErrorKind::UnknownMethod, "nosuch"));
    let binary = frame(&[BINARY_EXCEPTION, b"\x0b\0\x01\0\0\0\x06nosuch\x08\0\x02\0\0\0\x01\0"]);
    let compact = frame(&[COMPACT_EXCEPTION, b"\x18\x06nosuch\x15\x02\0"]);
    assert_eq!((reply::<Binary>(&unknown), reply::<Compact>(&unknown)), (binary, compact));

    for kind in ErrorKind::ALL {
        let failed = Err(CallError::new(kind, "why"));
        for replied in
            [replied::<Binary>(&reply::<Binary>(&failed)), replied::<Compact>(&reply::<Compact>(&failed))]
        {
            let error = replied.unwrap().unwrap_err();
            assert_eq!((error.kind, error.message.as_str(), error.remote.is_some()), (kind, "why", true));
        }
    }
}

#[test]
fn the_definition_has_the_methods_and_the_kinds_of_errors() {
    let fields = |method: Method| {
        let fields: Vec<_> =
            (1..).zip(method.params()).map(|(id, name)| format!("{id}: Value {name}")).collect();
        fields.join(", ")
    };
    for method in Method::ALL {
        let line = format!("  Value {}({}) throws (1: CallFailed failed)\n", method.name(), fields(method));
        assert!(IDL.contains(&line), "{line}");
    }
    for kind in ErrorKind::ALL {
        let line = format!("  {} = {}\n", kind.name().to_uppercase().replace('-', "_"), number_of(kind));
        assert!(IDL.contains(&line), "{line}");
        assert_eq!(kind_of(number_of(kind)), Some(kind));
    }
    assert_eq!((kind_of(0), kind_of(12), kind_of(-1)), (None, None, None));
}

#[test]
fn every_kind_of_value_has_a_field() {
    for (value, binary, compact) in [
        (Value::Null, &b"\x02\0\x01\x01\0"[..], &b"\x11\0"[..]),
        (Value::Bool(true), b"\x02\0\x02\x01\0", b"\x21\0"),
        (Value::Bool(false), b"\x02\0\x02\0\0", b"\x22\0"),
        (Value::Int(-1), b"\x0a\0\x03\xff\xff\xff\xff\xff\xff\xff\xff\0", b"\x36\x01\0"),
        (
            Value::Int(i64::MIN),
            b"\x0a\0\x03\x80\0\0\0\0\0\0\0\0",
            b"\x36\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\0",
        ),
        (Value::Float(1.0), b"\x04\0\x04\x3f\xf0\0\0\0\0\0\0\0", b"\x47\0\0\0\0\0\0\xf0\x3f\0"),
        (Value::from("\u{fc}"), b"\x0b\0\x05\0\0\0\x02\xc3\xbc\0", b"\x58\x02\xc3\xbc\0"),
        (Value::from(vec![0, 255]), b"\x0b\0\x06\0\0\0\x02\0\xff\0", b"\x68\x02\0\xff\0"),
        (Value::list([]), b"\x0f\0\x07\x0c\0\0\0\0\0", b"\x79\x0c\0"),
        (Value::list([Value::Null]), b"\x0f\0\x07\x0c\0\0\0\x01\x02\0\x01\x01\0\0", b"\x79\x1c\x11\0\0"),
        (Value::map(vec![]), b"\x0d\0\x08\x0b\x0c\0\0\0\0\0", b"\x8b\0\0"),
        (
            Value::map(vec![("a".into(), Value::Int(1)), (Text::new(), Value::Null)]),
            b"\x0d\0\x08\x0b\x0c\0\0\0\x02\0\0\0\x01a\x0a\0\x03\0\0\0\0\0\0\0\x01\0\0\0\0\0\x02\0\x01\x01\0\0",
            b"\x8b\x02\x8c\x01a\x36\x02\0\0\x11\0\0",
        ),
    ] {
        assert_eq!(encode_value::<Binary>(&value).unwrap(), binary, "{value:?}");
        assert_eq!(encode_value::<Compact>(&value).unwrap(), compact, "{value:?}");
        assert_eq!(decode_value::<Binary>(binary, &Limits::default()), Ok(value.clone()));
        assert_eq!(decode_value::<Compact>(compact, &Limits::default()), Ok(value));
    }
}

#[test]
fn what_has_no_field_is_refused_wherever_it_is() {
    let timestamp = Value::Extension(Box::new(Extension { number: -1, data: vec![1] }));
    for (bad, kind) in [
        (Value::DateTime("19980717T14:08:55".into()), ErrorKind::NotRepresentable),
        (timestamp, ErrorKind::NotRepresentable),
        (Value::BigInt("9223372036854775808".into()), ErrorKind::Overflow),
    ] {
        let inside = Value::list([Value::map(vec![("a".into(), bad.clone())])]);
        for value in [bad, inside] {
            let mut out = b"before".to_vec();
            let call = Call::positional("echo", [value.clone()]);
            assert_eq!(encode_request::<Binary>(&mut out, &call, 1).unwrap_err().kind, kind);
            assert_eq!(encode_request::<Compact>(&mut out, &call, 1).unwrap_err().kind, kind);
            assert_eq!(out, b"before");
            // As a result it becomes an error.
            assert_eq!(replied::<Compact>(&reply::<Compact>(&Ok(value))).unwrap().unwrap_err().kind, kind);
        }
    }
    let call = Call::positional("nosuch", (0..=i64::from(i16::MAX)).map(Value::Int));
    assert_eq!(encode_request::<Compact>(&mut vec![], &call, 1).unwrap_err().kind, ErrorKind::TooLarge);
}

#[test]
fn arguments_are_fields_by_position_or_name() {
    let (x, y) = (Value::Int(7), Value::Int(2));
    let named = Call::named("divide", [("y".into(), y.clone()), ("x".into(), x.clone())]);
    let positional = Call::positional("divide", [x.clone(), y.clone()]);
    assert_eq!(request::<Compact>(&named), request::<Compact>(&positional));
    let call = |fields: &[u8]| requested::<Compact>(&frame(&[COMPACT_CALL, fields, b"\0"])).call.unwrap();
    // The order of fields has no meaning, and unknown ones are skipped.
    let unknown = b"\x15\x02\x19\x25\x02\x04\x1b\x01\x81\x01a\x01\x11\x1c\x11\0";
    let reversed = [&b"\x0c\x04\x36\x04\0\x0c\x02\x36\x0e\0\x05\x12\x02"[..], unknown].concat();
    assert_eq!(call(&reversed).params, Params::Positional(vec![x.clone(), y.clone()]));
    assert_eq!(call(b"\x2c\x36\x04\0").params, Params::Named(vec![("y".into(), y)]));
    assert_eq!(call(b"\x1c\x36\x0e\0").params, Params::Positional(vec![x]));
    assert_eq!(call(b"").params, Params::Positional(vec![]));
    // Another service may have a method with any arguments.
    let other = request::<Binary>(&Call::positional("nosuch", [Value::Null]));
    assert_eq!(requested::<Binary>(&other).call.unwrap(), Call::positional("nosuch", []));
}

#[test]
fn a_request_that_cannot_be_read_is_answered_if_its_beginning_can() {
    for fields in [
        &b""[..],
        // Two values, none, one of another type, the same argument twice, and bytes after the end.
        b"\x1c\x36\x04\x06\x06\x04\0\0",
        b"\x1c\0\0",
        b"\x15\x02\0",
        b"\x1c\x11\0\x0c\x02\x11\0\0",
        b"\x1c\x36\x04\0\x1c\x36\x06\0\0\0",
        b"\x1c\x35\x04\0\0",
        b"\x1c\x58\x02\xff\xff\0\0",
        b"\x1c\x58\xff\xff\xff\xff\x07abc\0\0",
        b"\x1c\x79\xfc\xff\xff\xff\xff\x07\x11\0\0\0",
        b"\x1c\x79\x15\x02\0\0",
        b"\x1c\x8b\x01\x55\x02\x02\0\0",
        b"\x1f\0",
    ] {
        let request = frame(&[COMPACT_CALL, fields]);
        assert_eq!(refused::<Compact>(&request), ErrorKind::Malformed, "{}", fields.escape_ascii());
    }
    assert_eq!(
        refused::<Binary>(&frame(&[BINARY_CALL, b"\x0c\0\x01\x0b\0\x05\x7f\xff\xff\xff"])),
        ErrorKind::Malformed
    );
    assert_eq!(
        refused::<Binary>(&frame(&[BINARY_CALL, b"\x0c\0\x01\x0b\0\x05\xff\xff\xff\xff"])),
        ErrorKind::Malformed
    );
    // A reply, an exception and a message without a reply in place of a request.
    for message_type in [2, 3, 4] {
        let message = frame(&[&[0x82, message_type << 5 | 1, 1, 3], b"add\0"]);
        assert_eq!(refused::<Compact>(&message), ErrorKind::Malformed, "{message_type}");
    }
    let message = |beginning: &[u8]| frame(&[beginning, b"\0"]);
    for beginning in [
        &b""[..],
        b"\x82",
        b"\x83\x21\x01\x03add",
        b"\x82\x22\x01\x03add",
        b"\x82\xe1\x01\x03add",
        b"\x82\x21\x01\x7fadd",
    ] {
        let request = requested::<Compact>(&message(beginning));
        assert!(request.to.is_none() && request.call.is_err(), "{}", beginning.escape_ascii());
    }
    // One protocol is not taken for the other.
    assert!(requested::<Compact>(&request::<Binary>(&two_and_three())).to.is_none());
    assert!(requested::<Binary>(&request::<Compact>(&two_and_three())).to.is_none());
}

#[test]
fn a_reply_must_be_the_one_to_the_request() {
    let five = reply::<Binary>(&Ok(Value::Int(5)));
    assert!(decode_reply::<Binary>(&five, SEQUENCE + 1, &Limits::default()).is_err());
    assert_eq!(replied::<Binary>(&request::<Binary>(&two_and_three())), Err(ErrorKind::Malformed));
    for fields in [
        // No result, one of another type, both a result and an exception, and two results.
        &b"\0"[..],
        b"\x05\0\x02\0",
        b"\x0c\0\x36\x0a\0\x1c\x15\x02\0\0",
        b"\x0c\0\x11\0\x0c\0\x11\0\0",
        b"\x1c\x16\x02\0\0",
        b"\x0c\0\x36\x0a\0\0\0",
    ] {
        let outcome = replied::<Compact>(&frame(&[COMPACT_REPLY, fields]));
        assert_eq!(outcome.unwrap().unwrap_err().kind, ErrorKind::Malformed, "{}", fields.escape_ascii());
    }
    // An exception without a kind, of an unknown kind, and one that a library sends without a message.
    for (fields, kind) in [
        (frame(&[COMPACT_REPLY, b"\x1c\0\0"]), ErrorKind::Internal),
        (frame(&[COMPACT_REPLY, b"\x1c\x15\x7e\0\0"]), ErrorKind::Internal),
        (frame(&[COMPACT_EXCEPTION, b"\x25\x02\0"]), ErrorKind::UnknownMethod),
        (frame(&[COMPACT_EXCEPTION, b"\x25\x0e\0"]), ErrorKind::Malformed),
        (frame(&[COMPACT_EXCEPTION, b"\x25\x7e\0"]), ErrorKind::Internal),
        (frame(&[COMPACT_EXCEPTION, b"\0"]), ErrorKind::Internal),
    ] {
        assert_eq!(replied::<Compact>(&fields).unwrap().unwrap_err().kind, kind);
    }
}

#[test]
fn a_document_is_read_back() {
    for bytes in [1_000, 20_000] {
        let document = document(1, bytes);
        let (binary, compact) =
            (encode_value::<Binary>(&document).unwrap(), encode_value::<Compact>(&document).unwrap());
        assert_eq!(encoded_len::<Compact>(&document), Ok(compact.len()));
        assert!(compact.len() < binary.len());
        assert_eq!(
            (value::<Binary>(&binary), value::<Compact>(&compact)),
            (Ok(document.clone()), Ok(document))
        );
    }
}

#[test]
fn depth_and_number_of_items_are_limited() {
    let nested = |levels: usize| {
        (0..levels).fold(b"\x11\0".to_vec(), |inner, _| [&b"\x79\x1c"[..], &inner, b"\0"].concat())
    };
    let limits = Limits { max_depth: 8, ..Limits::default() };
    assert!(decode_value::<Compact>(&nested(8), &limits).is_ok());
    assert_eq!(decode_value::<Compact>(&nested(9), &limits), Err(DecodeError::TooDeep));
    assert_eq!(value::<Compact>(&nested(5_000)), Err(DecodeError::TooDeep));
    let deep = |levels| frame(&[COMPACT_CALL, b"\x1c", &nested(levels), b"\0"]);
    let request = |levels| decode_request::<Compact>(&deep(levels), &Calculator, &limits).call;
    assert!(request(8).is_ok());
    assert_eq!(request(9).unwrap_err().kind, ErrorKind::TooLarge);
    // Unknown fields are skipped to a limited depth, too.
    let unknown = |levels: usize| frame(&[COMPACT_CALL, &b"\xfc".repeat(levels), &vec![0; levels + 1]]);
    assert!(requested::<Compact>(&unknown(20)).call.is_ok());
    assert_eq!(refused::<Compact>(&unknown(5_000)), ErrorKind::TooLarge);

    let list = |items: usize| {
        let length = u32::try_from(items).unwrap();
        [&b"\x0f\0\x07\x0c"[..], &length.to_be_bytes(), &b"\x02\0\x01\x01\0".repeat(items), b"\0"].concat()
    };
    assert!(value::<Binary>(&list(MAX_ITEMS)).is_ok());
    assert_eq!(value::<Binary>(&list(MAX_ITEMS + 1)), Err(DecodeError::TooMany));
}

#[test]
fn the_value_at_the_start_of_bytes_has_a_length() {
    let limits = Limits::default();
    assert_eq!(leading_value_len::<Compact>(b"\x36\x04\0\x1c", &limits), Some(3));
    assert_eq!(leading_value_len::<Binary>(b"\x02\0\x01\x01\0", &limits), Some(5));
    assert_eq!(leading_value_len::<Compact>(b"\x36\x04", &limits), None);
}

#[test]
fn sequence_numbers_take_one_byte() {
    assert_eq!([0, 1, 127, 128, 129, u32::MAX].map(sequence_number), [0, 1, 127, 0, 1, 127]);
    assert_eq!([&b"\0\0\0\x2e"[..], b"\0\0\0\0", b"\0\0"].map(frame_len), [50, 4, 4]);
    assert!(
        frame_len(b"\xff\xff\xff\xff") == usize::MAX && frame_len(b"\x7f\xff\xff\xff") > i32::MAX as usize
    );
}

/// What is decoded, encoded and decoded again is the same.
fn survives<E: Encoding>(bytes: &[u8]) {
    let _ = requested::<E>(&frame(&[bytes]));
    let _ = replied::<E>(&frame(&[bytes]));
    if let Ok(decoded) = value::<E>(bytes) {
        let again = value::<E>(&encode_value::<E>(&decoded).unwrap()).unwrap();
        // NaN is not equal to itself.
        assert_eq!(format!("{again:?}"), format!("{decoded:?}"));
    }
}

proptest! {
    #[test]
    fn values_are_read_back(expected in strategies::json_values()) {
        let call = Call::positional("add", [expected.clone(), expected.clone()]);
        assert_eq!(value::<Binary>(&encode_value::<Binary>(&expected).unwrap()), Ok(expected.clone()));
        assert_eq!(value::<Compact>(&encode_value::<Compact>(&expected).unwrap()), Ok(expected.clone()));
        assert_eq!(requested::<Binary>(&request::<Binary>(&call)).call, Ok(call.clone()));
        assert_eq!(requested::<Compact>(&request::<Compact>(&call)).call, Ok(call));
        assert_eq!(replied::<Binary>(&reply::<Binary>(&Ok(expected.clone()))), Ok(Ok(expected.clone())));
        assert_eq!(replied::<Compact>(&reply::<Compact>(&Ok(expected.clone()))), Ok(Ok(expected)));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives::<Binary>(&bytes);
        survives::<Compact>(&bytes);
        survives::<Binary>(&[BINARY_CALL, &bytes].concat());
        survives::<Compact>(&[COMPACT_CALL, &bytes].concat());
    }
}
