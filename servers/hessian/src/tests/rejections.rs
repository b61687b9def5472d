//! What is rejected, and that limits are checked before memory is allocated.

use calculator::{Call, ErrorKind, Extension, Limits, MAX_ITEMS, Params, Value};

use super::bytes;
use crate::{DecodeError, decode_call, decode_reply, decode_value, encode_call, encode_value};

fn decode(bytes: &[u8]) -> Result<Value, DecodeError> {
    decode_value(bytes, &Limits::default())
}

#[test]
fn invalid_values() {
    for (written, error) in [
        ("", DecodeError::Truncated),
        ("4c00", DecodeError::Truncated),
        ("0578", DecodeError::Truncated),
        ("53ffff78", DecodeError::Truncated),
        ("42ffff78", DecodeError::Truncated),
        // A chunk of a string, and of binary data, that nothing or something else follows.
        ("52000178", DecodeError::Truncated),
        ("5200017890", DecodeError::Unexpected(0x90)),
        ("4100017890", DecodeError::Unexpected(0x90)),
        ("57", DecodeError::Truncated),
        ("4801614e", DecodeError::Truncated),
        // A list that announces more items than any message may have, or less than none.
        ("58497fffffff", DecodeError::TooMany),
        ("588f", DecodeError::Number),
        ("430141497fffffff", DecodeError::TooMany),
        // A byte without a meaning, the end of a list without a list, an envelope.
        ("40", DecodeError::Unexpected(0x40)),
        ("5a", DecodeError::Unexpected(b'Z')),
        ("45", DecodeError::Unexpected(b'E')),
        // A key that is a number.
        ("4890905a", DecodeError::Key),
        ("7a795190", DecodeError::Reference),
        ("5190", DecodeError::Reference),
        // An object, a type and a length that are not there or not of the right kind.
        ("60", DecodeError::Number),
        ("4f8f", DecodeError::Number),
        ("719090", DecodeError::Number),
        ("71544e", DecodeError::Unexpected(b'T')),
        ("5601549090", DecodeError::Trailing),
        // A lone surrogate, two in the wrong order, an overlong form, a byte of no character, four bytes at once.
        ("01eda0bd", DecodeError::NotText),
        ("02edb883eda0bd", DecodeError::NotText),
        ("01e08080", DecodeError::NotText),
        ("01c080", DecodeError::NotText),
        ("01ff", DecodeError::NotText),
        ("01f09f9883", DecodeError::NotText),
        ("01c3", DecodeError::Truncated),
        ("4a7fffffffffffffff", DecodeError::Date),
        ("9090", DecodeError::Trailing),
    ] {
        let written = bytes(written);
        assert_eq!(decode(&written), Err(error), "{written:02x?}");
    }
}

#[test]
fn nesting_depth_counts_lists_maps_and_objects() {
    let depth = Limits::default().max_depth;
    let nested = |start: &[u8], levels: usize, end: &[u8]| {
        [start.repeat(levels), b"N".to_vec(), end.repeat(levels)].concat()
    };
    let kinds: [(&[u8], &[u8]); 4] =
        [(b"\x79", b""), (b"W", b"Z"), (b"H\x01a", b"Z"), (b"M\x01T\x01a", b"Z")];
    for (start, end) in kinds {
        assert!(decode(&nested(start, depth, end)).is_ok());
        assert_eq!(decode(&nested(start, depth + 1, end)), Err(DecodeError::TooDeep));
        assert_eq!(decode(&nested(start, 1 << 20, end)), Err(DecodeError::TooDeep));
    }
    let class = bytes("430141910161");
    let objects = |levels| [class.clone(), nested(b"\x60", levels, b"")].concat();
    assert!(decode(&objects(depth)).is_ok());
    assert_eq!(decode(&objects(depth + 1)), Err(DecodeError::TooDeep));
}

#[test]
fn the_items_of_a_message_are_bounded() {
    let limits = Limits::default();
    let list = |items: usize| [b"W".to_vec(), vec![b'N'; items], b"Z".to_vec()].concat();
    assert!(decode(&list(MAX_ITEMS)).is_ok());
    assert_eq!(decode(&list(MAX_ITEMS + 1)), Err(DecodeError::TooMany));
    // Objects of a class with many fields, each of which is a name and a value from then on.
    let fields = 1_000;
    let class = [bytes("430141cbe8"), b"\x01a".repeat(fields)].concat();
    let objects = |count: usize| {
        let object = [b"\x60".to_vec(), vec![b'N'; fields]].concat();
        [b"W".to_vec(), class.clone(), object.repeat(count), b"Z".to_vec()].concat()
    };
    assert!(decode(&objects(10)).is_ok());
    assert_eq!(decode(&objects(2_200)), Err(DecodeError::TooMany));
    let short = Limits { max_body: 3, ..limits };
    assert_eq!(decode_value(&bytes("7a9091"), &short).map(|_| ()), Ok(()));
    assert_eq!(decode_value(&bytes("7b909192"), &short), Err(DecodeError::TooLong(3)));
}

#[test]
fn messages_of_another_kind_or_version() {
    let limits = Limits::default();
    let call = |written: &str| decode_call(&bytes(written), &limits).map(|_| ());
    let reply = |written: &str| decode_reply(&bytes(written), &limits).map(|_| ());
    assert_eq!(call("4802005295"), Err(DecodeError::Kind("a call")));
    assert_eq!(reply("4802004303616464929293"), Err(DecodeError::Kind("a reply")));
    // Version 1.
    assert_eq!(call("6301006d00036164647a"), Err(DecodeError::Version));
    assert_eq!(call("480200"), Err(DecodeError::Truncated));
    assert_eq!(call("480200439090"), Err(DecodeError::Unexpected(0x90)));
    assert_eq!(call("480200430161497fffffff"), Err(DecodeError::TooMany));
    assert_eq!(call("4802004301619090"), Err(DecodeError::Trailing));
}

#[test]
fn values_that_hessian_cannot_represent() {
    let kind = |value: &Value| encode_value(value).unwrap_err().kind;
    assert_eq!(kind(&Value::BigInt("18446744073709551615".into())), ErrorKind::Overflow);
    let extension = Extension { number: 1, data: vec![] };
    assert_eq!(kind(&Value::Extension(Box::new(extension))), ErrorKind::NotRepresentable);
    assert_eq!(kind(&Value::DateTime("19980508T09:51:31".into())), ErrorKind::NotRepresentable);
    let named = Call { method: "add".into(), params: Params::named(vec![("x".into(), Value::Int(1))]) };
    assert_eq!(encode_call(&named).unwrap_err().kind, ErrorKind::InvalidArguments);
}
