//! Tests of the format: golden bytes, limits, and properties.

use super::*;
use calculator::Text;
use proptest::prelude::*;

fn request(call: &Call) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::new();
    encode_request(&mut out, call).map(|()| out)
}

fn reply(result: &Result<Value, CallError>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_reply(&mut out, result);
    out
}

fn read_request(message: &[u8]) -> Result<Call, CallError> {
    decode_request(message, &Limits::default())
}

fn read_reply(message: &[u8]) -> Result<Value, CallError> {
    decode_reply(message, &Limits::default())
}

#[test]
fn a_request_and_its_reply_byte_by_byte() {
    let mut frame = [0; LEN];
    frame[..3].copy_from_slice(&[1, 1, 2]);
    frame[15] = 2;
    frame[16..24].copy_from_slice(&[0x40, 8, 0, 0, 0, 0, 0, 0]);
    let call = Call::positional("add", [Value::Int(2), Value::Float(3.0)]);
    assert_eq!(request(&call), Ok(frame.to_vec()));
    assert_eq!(read_request(&frame), Ok(call));

    let mut frame = [0; LEN];
    frame[..4].copy_from_slice(&[3, 0, 0, 3]);
    frame[8..11].copy_from_slice(b"abc");
    assert_eq!(reply(&Ok("abc".into())), frame);
    assert_eq!(read_reply(&frame), Ok("abc".into()));
}

#[test]
fn values_that_follow_byte_by_byte() {
    let text = "é".repeat(30);
    let mut message = vec![0; LEN];
    message[..8].copy_from_slice(&[6, 3, 5, 0, 0, 0, 0, 60]);
    message.extend_from_slice(text.as_bytes());
    let call = Call::positional("echo", [text.as_str().into()]);
    assert_eq!(request(&call), Ok(message.clone()));
    assert_eq!(read_request(&message), Ok(call));
    message[..8].copy_from_slice(&[3, 0, 5, 0, 0, 0, 0, 60]);
    assert_eq!(reply(&Ok(text.as_str().into())), message);
    assert_eq!(read_reply(&message), Ok(text.as_str().into()));

    let members = vec![("a".into(), Value::Bool(true)), ("é".into(), Value::Null)];
    let value = Value::list(vec![Value::Int(-2), "x".into(), Value::from(vec![7]), Value::map(members)]);
    let flat = [
        &[8, 4][..],
        &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe],
        b"\x03\x01x",
        &[7, 1, 7],
        b"\x09\x02\x01a\x06\x02\xc3\xa9\x00",
    ]
    .concat();
    let mut message = vec![0; LEN];
    message[..8].copy_from_slice(&[6, 6, 5, 0, 0, 0, 0, 26]);
    message.extend_from_slice(&flat);
    let call = Call::positional("echo", [value.clone()]);
    assert_eq!(request(&call), Ok(message.clone()));
    assert_eq!(read_request(&message), Ok(call));
    message[..3].copy_from_slice(&[6, 0, 5]);
    assert_eq!(reply(&Ok(value.clone())), message);
    assert_eq!(read_reply(&message), Ok(value.clone()));
    assert_eq!(value_len(&value), Ok(flat.len()));
    assert_eq!(message_len(message.first_chunk().unwrap()), message.len());
}

#[test]
fn lengths_from_255_on_take_five_bytes() {
    for (len, expected) in
        [(254, &[7, 254][..]), (255, &[7, 255, 0, 0, 0, 255]), (256, &[7, 255, 0, 0, 1, 0])]
    {
        let mut bytes = Vec::new();
        flat::encode(&mut bytes, &Value::from(vec![1; len])).unwrap();
        assert_eq!((&bytes[..expected.len()], bytes.len()), (expected, expected.len() + len));
        assert_eq!(flat::decode(&bytes, 0), Ok(Value::from(vec![1; len])));
    }
}

#[test]
fn rejects_values_that_do_not_fit_before_sending() {
    let date = || Value::DateTime("20260101T00:00:00".into());
    for (call, kind) in [
        (Call::positional("nosuch", []), ErrorKind::UnknownMethod),
        (Call::positional("add", [Value::Int(1)]), ErrorKind::InvalidArguments),
        (Call::named("hello", [("name".into(), "x".into())]), ErrorKind::InvalidArguments),
        (Call::positional("add", ["1".into(), "2".into()]), ErrorKind::NotRepresentable),
        (Call::positional("add", [Value::list([]), 1.into()]), ErrorKind::NotRepresentable),
        (Call::positional("echo", [date()]), ErrorKind::NotRepresentable),
        (Call::positional("echo", [Value::list(vec![1.into(), date()])]), ErrorKind::NotRepresentable),
        (Call::positional("echo", [Value::BigInt("9223372036854775808".into())]), ErrorKind::Overflow),
    ] {
        let mut out = b"before".to_vec();
        assert_eq!(encode_request(&mut out, &call).unwrap_err().kind, kind, "{call:?}");
        assert_eq!(out, b"before");
    }
    let unfit = read_reply(&reply(&Ok(Value::list(vec![date()]))));
    assert_eq!(unfit.unwrap_err().kind, ErrorKind::NotRepresentable);
}

#[test]
fn errors_round_trip_with_as_much_of_the_message_as_fits() {
    for kind in ErrorKind::ALL {
        let error = CallError::new(kind, "ü".repeat(40));
        let back = read_reply(&reply(&Err(error))).unwrap_err();
        assert_eq!(back, CallError::new(kind, "ü".repeat(28)));
    }
}

#[test]
fn hostile_values_are_refused() {
    let nested = |depth: usize| [[8, 1].repeat(depth), vec![0]].concat();
    let decoded = |bytes: &[u8]| flat::decode(bytes, 64);
    assert!(decoded(&nested(64)).is_ok());
    assert_eq!(decoded(&nested(65)), Err(flat::DecodeError::TooDeep));
    assert_eq!(decoded(&nested(1_000_000)), Err(flat::DecodeError::TooDeep));
    // Four thousand million items and members.
    for kind in [8, 9] {
        assert_eq!(decoded(&[kind, 255, 255, 255, 255, 255]), Err(flat::DecodeError::TooMany));
    }
    assert_eq!(decoded(&[8, 255, 0, 31, 255, 255]), Err(flat::DecodeError::Truncated));
    assert_eq!(decoded(&[3, 255, 255, 255, 255, 255]), Err(flat::DecodeError::Truncated));
    assert_eq!(decoded(&[3, 255, 0, 0, 0, 1, b'x']), Err(flat::DecodeError::LongLength));
    assert_eq!(decoded(&[3, 1, 0xff]), Err(flat::DecodeError::NotUtf8));
    assert_eq!(decoded(&[0, 0]), Err(flat::DecodeError::Surplus));
    assert_eq!(decoded(&[4]), Err(flat::DecodeError::Kind(4)));
    assert_eq!(decoded(&[]), Err(flat::DecodeError::Truncated));

    let mut message = request(&Call::positional("echo", [Value::list([])])).unwrap();
    for len in [0, 1, LEN - 1, message.len() - 1] {
        assert_eq!(read_request(&message[..len]).unwrap_err().kind, ErrorKind::Malformed, "{len}");
        assert_eq!(read_reply(&message[..len]).unwrap_err().kind, ErrorKind::Malformed, "{len}");
    }
    for kind in [0, 1, 2, 4, 5, 7] {
        message[1] = kind;
        assert_eq!(read_request(&message).unwrap_err().kind, ErrorKind::Malformed, "{kind}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_filter("NaN is unequal to itself", |v| !v.is_nan()).prop_map(Value::Float),
        ".{0,100}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::list),
            prop::collection::vec((".{0,8}".prop_map(Text::from), inner), 0..8).prop_map(Value::map),
        ]
    })
}

fn frame() -> impl Strategy<Value = [u8; LEN]> {
    (any::<[u8; 32]>(), any::<[u8; 32]>(), 0_u8..8, 0_u8..7, 0_u8..7).prop_map(|(a, b, method, x, y)| {
        let mut frame = [0; LEN];
        frame[..32].copy_from_slice(&a);
        frame[32..].copy_from_slice(&b);
        frame[..3].copy_from_slice(&[method, x, y]);
        frame
    })
}

/// A kind, a short length or a part of a number; or the first byte of a long length.
fn flat_byte() -> impl Strategy<Value = u8> {
    prop_oneof![8 => 0_u8..12, 1 => Just(255_u8)]
}

proptest! {
    #[test]
    fn decoding_reverses_encoding(value in value(), x in any::<i64>(), y in any::<i64>()) {
        for call in [
            Call::positional("echo", [value.clone()]),
            Call::positional("divide", [x.into(), y.into()]),
        ] {
            let message = request(&call).unwrap();
            prop_assert_eq!(message_len(message.first_chunk().unwrap()), message.len());
            prop_assert_eq!(read_request(&message), Ok(call));
        }
        let message = reply(&Ok(value.clone()));
        prop_assert_eq!(message_len(message.first_chunk().unwrap()), message.len());
        prop_assert_eq!(read_reply(&message), Ok(value));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(
        frame in frame(),
        following in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let message = [&frame[..], &following].concat();
        let mut stated = message.clone();
        stated[4..8].copy_from_slice(&u32::try_from(following.len()).unwrap().to_be_bytes());
        for message in [&frame[..], &message, &stated] {
            if let Ok(call) = read_request(message) {
                prop_assert!(call.params.len() <= 2);
            }
            let _ = read_reply(message);
        }
    }

    #[test]
    fn any_bytes_are_a_flat_value_or_refused(bytes in prop::collection::vec(flat_byte(), 0..40)) {
        if let Ok(value) = flat::decode(&bytes, 8) {
            let mut again = Vec::new();
            flat::encode(&mut again, &value).unwrap();
            // Of members with the same name only the last is kept.
            prop_assert!(again == bytes || again.len() < bytes.len());
        }
    }
}
