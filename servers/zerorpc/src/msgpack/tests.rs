use calculator::{ErrorKind, Extension, Text, Value};
use proptest::prelude::*;

use super::{DecodeError, Reader, write_value};

const DEPTH: usize = 64;

fn encoded(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_value(&mut out, value).unwrap();
    out
}

fn decode(bytes: &[u8]) -> Result<Value, DecodeError> {
    Reader::new(bytes).value(DEPTH)
}

#[test]
fn integers_take_their_shortest_form() {
    for (v, bytes) in [
        (0, &[0x00][..]),
        (127, &[0x7f]),
        (128, &[0xcc, 0x80]),
        (256, &[0xcd, 1, 0]),
        (65_536, &[0xce, 0, 1, 0, 0]),
        (1 << 32, &[0xcf, 0, 0, 0, 1, 0, 0, 0, 0]),
        (i64::MAX, &[0xcf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        (-1, &[0xff]),
        (-32, &[0xe0]),
        (-33, &[0xd0, 0xdf]),
        (-129, &[0xd1, 0xff, 0x7f]),
        (-32_769, &[0xd2, 0xff, 0xff, 0x7f, 0xff]),
        (i64::MIN, &[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        assert_eq!(encoded(&Value::Int(v)), bytes, "{v}");
        assert_eq!(decode(bytes), Ok(Value::Int(v)));
    }
    let big = Value::BigInt("18446744073709551615".into());
    assert_eq!(encoded(&big), [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(decode(&encoded(&big)), Ok(big));
    for digits in ["18446744073709551616", "-9223372036854775809"] {
        let refused = write_value(&mut Vec::new(), &Value::BigInt(digits.into()));
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Overflow);
    }
}

#[test]
fn strings_and_bytes_use_their_8_bit_length_forms() {
    assert_eq!(encoded(&"x".repeat(31).into())[..1], [0xbf]);
    assert_eq!(encoded(&"x".repeat(32).into())[..2], [0xd9, 32]);
    assert_eq!(encoded(&"x".repeat(256).into())[..3], [0xda, 1, 0]);
    assert_eq!(encoded(&Value::from(vec![7])), [0xc4, 1, 7]);
    assert_eq!(encoded(&Value::from(vec![0; 300]))[..3], [0xc5, 1, 44]);
    assert_eq!(encoded(&Value::Float(5.0)), [0xcb, 0x40, 0x14, 0, 0, 0, 0, 0, 0]);
    assert_eq!(decode(&[0xca, 0x3f, 0xc0, 0, 0]), Ok(Value::Float(1.5)));
}

#[test]
fn rejects_the_messages_that_msgpack_python_rejects() {
    for (bytes, error) in [
        (&[][..], DecodeError::Truncated),
        (&[0xa2, b'x'], DecodeError::Truncated),
        (&[0xc4, 9, 1], DecodeError::Truncated),
        (&[0xdc, 0xff, 0xff], DecodeError::Truncated),
        (&[0xdd, 0xff, 0xff, 0xff, 0xff], DecodeError::TooMany),
        (&[0xdf, 0xff, 0xff, 0xff, 0xff], DecodeError::TooMany),
        (&[0xdb, 0xff, 0xff, 0xff, 0xff], DecodeError::Truncated),
        (&[0xa1, 0xff], DecodeError::NotUtf8),
        (&[0x81, 1, 2], DecodeError::Key),
        (&[0x81, 0xc4, 1, 0xff, 2], DecodeError::Key),
        (&[0xc1], DecodeError::Unsupported),
        (&[0xd4, 5], DecodeError::Truncated),
        (&[0xd6, 0xff, 0, 0, 0], DecodeError::Truncated),
        (&[0xc9, 0xff, 0xff, 0xff, 0xff, 0xff], DecodeError::Truncated),
    ] {
        assert_eq!(decode(bytes), Err(error), "{bytes:02x?}");
    }
    assert_eq!(
        decode(&[0x82, 0xc4, 1, b'a', 1, 0xa1, b'a', 2]),
        Ok(Value::map(vec![("a".into(), Value::Int(2))]))
    );
}

#[test]
fn extension_types_keep_their_number_and_bytes_in_the_shortest_form() {
    let extension =
        |number: i8, data: &[u8]| Value::Extension(Box::new(Extension { number, data: data.to_vec() }));
    for (value, bytes) in [
        // Timestamps of 4, 8 and 12 bytes.
        (extension(-1, &[0x65, 0, 0, 1]), &[0xd6, 0xff, 0x65, 0, 0, 1][..]),
        (extension(-1, &[1; 8]), &[0xd7, 0xff, 1, 1, 1, 1, 1, 1, 1, 1]),
        (extension(-1, &[1; 12]), &[0xc7, 12, 0xff, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        (extension(5, &[]), &[0xc7, 0, 5]),
        (extension(5, &[7]), &[0xd4, 5, 7]),
        (extension(127, &[7, 8]), &[0xd5, 127, 7, 8]),
    ] {
        assert_eq!(encoded(&value), bytes, "{value:?}");
        assert_eq!(decode(bytes), Ok(value));
    }
    for (len, header) in [
        (16, &[0xd8, 5][..]),
        (17, &[0xc7, 17, 5]),
        (256, &[0xc8, 1, 0, 5]),
        (65_536, &[0xc9, 0, 1, 0, 0, 5]),
    ] {
        let value = extension(5, &vec![9; len]);
        assert!(encoded(&value).starts_with(header), "{len}");
        assert_eq!(decode(&encoded(&value)), Ok(value));
    }
}

#[test]
fn nesting_depth_counts_lists_and_maps() {
    let nested = |levels: usize| [vec![0x91; levels], vec![0xc0]].concat();
    assert!(decode(&nested(DEPTH)).is_ok());
    assert_eq!(decode(&nested(DEPTH + 1)), Err(DecodeError::TooDeep));
    assert_eq!(decode(&vec![0x91; 1 << 20]), Err(DecodeError::TooDeep));
    assert_eq!(Reader::new(&[0x90]).value(0), Err(DecodeError::TooDeep));
    assert_eq!(Reader::new(&[0x05]).value(0), Ok(Value::Int(5)));
}

fn extensions() -> impl Strategy<Value = Value> {
    (any::<i8>(), prop::collection::vec(any::<u8>(), 0..40))
        .prop_map(|(number, data)| Value::Extension(Box::new(Extension { number, data })))
}

/// Values, if `with_extensions` also those of extension types, which serde does not represent.
fn values(with_extensions: bool) -> impl Strategy<Value = Value> {
    let extensions = if with_extensions { extensions().boxed() } else { Just(Value::Null).boxed() };
    let leaf = prop_oneof![
        extensions,
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<i16>().prop_map(|v| Value::Int(v.into())),
        (1_u64 << 63..).prop_map(|v| Value::BigInt(v.to_string().into())),
        any::<f64>().prop_filter("NaN does not equal itself", |v| !v.is_nan()).prop_map(Value::Float),
        any::<String>().prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::list),
            prop::collection::vec((any::<String>().prop_map(Text::from), inner), 0..20).prop_map(Value::map),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_survives_encoding_and_decoding(value in values(true)) {
        let bytes = encoded(&value);
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.value(DEPTH), Ok(value));
        prop_assert!(reader.rest().is_empty());
    }

    // Compared with an independent implementation.
    #[test]
    fn encoding_agrees_with_rmp_serde(value in values(false)) {
        let bytes = encoded(&value);
        prop_assert_eq!(&rmp_serde::from_slice::<Value>(&bytes).unwrap(), &value);
        if !value.any(|value| matches!(value, Value::BigInt(_))) {
            prop_assert_eq!(rmp_serde::to_vec(&value).unwrap(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }
}
