//! Bytes of the reference implementation: Caucho's `Hessian2Output`, version 4.0.38, as Debian packages it
//! (libhessian-java 4.0.38-2.1), run with OpenJDK 17.
//!
//! Each line is what one call of it wrote: `writeInt`, `writeLong`, `writeDouble`, `writeString`, `writeBytes`,
//! `writeUTCDate`, `writeObject` of an `ArrayList`, a `HashMap`, a `LinkedHashMap`, an array or an object, `call`,
//! `writeReply` and `writeFault`.

use calculator::{Call, Limits, Value};

use super::{bytes, record};
use crate::{
    Fault, Reply, decode_call, decode_reply, decode_value, encode_call, encode_fault, encode_reply,
    encode_value,
};

fn decoded(bytes: &[u8]) -> Value {
    decode_value(bytes, &Limits::default()).unwrap()
}

/// `value` is encoded as `expected`, which is hexadecimal, and decoded back.
fn assert_both_ways(value: &Value, expected: &str) {
    let expected = bytes(expected);
    assert_eq!(encode_value(value).unwrap(), expected, "{value:?}");
    assert_eq!(format!("{:?}", decoded(&expected)), format!("{value:?}"));
}

#[test]
fn integers() {
    for (value, expected) in [
        (0, "90"),
        (-16, "80"),
        (47, "bf"),
        (48, "c830"),
        (-17, "c7ef"),
        (-2_048, "c000"),
        (2_047, "cfff"),
        (-2_049, "d3f7ff"),
        (2_048, "d40800"),
        (-262_144, "d00000"),
        (262_143, "d7ffff"),
        (-262_145, "49fffbffff"),
        (262_144, "4900040000"),
        (2_147_483_647, "497fffffff"),
        (-2_147_483_648, "4980000000"),
        // What does not fit into an int of Java is a long.
        (2_147_483_648, "4c0000000080000000"),
        (-2_147_483_649, "4cffffffff7fffffff"),
        (i64::MAX, "4c7fffffffffffffff"),
        (i64::MIN, "4c8000000000000000"),
    ] {
        assert_both_ways(&Value::Int(value), expected);
    }
    // Java also writes a small long as such.
    for (value, expected) in [
        (0, "e0"),
        (-8, "d8"),
        (15, "ef"),
        (-9, "f7f7"),
        (16, "f810"),
        (-2_048, "f000"),
        (2_047, "ffff"),
        (-2_049, "3bf7ff"),
        (2_048, "3c0800"),
        (-262_144, "380000"),
        (262_143, "3fffff"),
        (-262_145, "59fffbffff"),
        (2_147_483_647, "597fffffff"),
        (-2_147_483_648, "5980000000"),
    ] {
        assert_eq!(decoded(&bytes(expected)), Value::Int(value), "{expected}");
    }
}

#[test]
#[allow(clippy::approx_constant, reason = "the number that was written there")]
fn doubles() {
    for (value, expected) in [
        (0.0, "5b"),
        (1.0, "5c"),
        (2.0, "5d02"),
        (127.0, "5d7f"),
        (-128.0, "5d80"),
        (128.0, "5e0080"),
        (32_767.0, "5e7fff"),
        (-32_768.0, "5e8000"),
        (32_768.0, "5f01f40000"),
        (12.25, "5f00002fda"),
        (0.001, "5f00000001"),
        (-0.001, "5fffffffff"),
        (65.536, "5f00010000"),
        (3.141_59, "44400921f9f01b866e"),
        (2_147_483.647, "5f7fffffff"),
        (2_147_483.648, "444140624dd2f1a9fc"),
        (-2_147_483.648, "5f80000000"),
        (-2_147_483.649, "44c140624dd3126e98"),
        (1e300, "447e37e43c8800759c"),
        (f64::NAN, "447ff8000000000000"),
        (f64::INFINITY, "447ff0000000000000"),
        (f64::NEG_INFINITY, "44fff0000000000000"),
    ] {
        assert_both_ways(&Value::Float(value), expected);
    }
    // Java writes 5b, which is +0.0.
    assert_both_ways(&Value::Float(-0.0), "448000000000000000");
}

#[test]
fn null_booleans_and_dates() {
    assert_both_ways(&Value::Null, "4e");
    assert_both_ways(&Value::Bool(true), "54");
    assert_both_ways(&Value::Bool(false), "46");
    for (text, expected) in [
        ("1970-01-01T00:00:00Z", "4b00000000"),
        ("1998-05-08T09:51:31Z", "4a000000d04b9284b8"),
        ("1998-05-08T09:51:00Z", "4b00e3838f"),
    ] {
        assert_both_ways(&Value::DateTime(text.into()), expected);
    }
}

#[test]
fn strings() {
    for (text, expected) in [
        ("", "00"),
        ("x", "0178"),
        ("éclair", "06c3a9636c616972"),
        ("字", "01e5ad97"),
        // A character beyond 16 bits: two surrogates.
        ("a😃b", "0461eda0bdedb88362"),
    ] {
        assert_both_ways(&text.into(), expected);
    }
    for (length, start, end, total) in [
        (31, "1f", "78", 32),
        (32, "3020", "78", 34),
        (1_023, "33ff", "78", 1_025),
        (1_024, "530400", "78", 1_027),
        (32_768, "538000", "78", 32_771),
        (32_769, "528000", "780178", 32_773),
    ] {
        let encoded = encode_value(&"x".repeat(length).into()).unwrap();
        assert!(encoded.starts_with(&bytes(start)) && encoded.ends_with(&bytes(end)), "{length}");
        assert_eq!(encoded.len(), total);
        assert_eq!(decoded(&encoded), "x".repeat(length).into());
    }
    // A character is not split between chunks.
    let text = "x".repeat(32_767) + "😃";
    let encoded = encode_value(&text.as_str().into()).unwrap();
    assert!(encoded.starts_with(&bytes("527fff")) && encoded.ends_with(&bytes("7802eda0bdedb883")));
    assert_eq!(decoded(&encoded), text.into());
}

#[test]
fn binary_data() {
    for (length, start, total) in [
        (0, "20", 1),
        (1, "2179", 2),
        (15, "2f79", 16),
        (16, "341079", 18),
        (1_023, "37ff79", 1_025),
        (1_024, "420400", 1_027),
        (8_189, "421ffd", 8_192),
    ] {
        let value = Value::from(vec![b'y'; length]);
        let encoded = encode_value(&value).unwrap();
        assert!(encoded.starts_with(&bytes(start)), "{length}");
        assert_eq!((encoded.len(), decoded(&encoded)), (total, value));
    }
    // Java ends a chunk where its buffer ends, here after 8,189 bytes.
    let of_java = [bytes("411ffd"), vec![b'y'; 8_189], bytes("2179")].concat();
    assert_eq!(decoded(&of_java), Value::from(vec![b'y'; 8_190]));
    let long = Value::from(vec![b'y'; 100_000]);
    assert_eq!(decoded(&encode_value(&long).unwrap()), long);
}

#[test]
fn lists_and_maps() {
    let numbers = |count: i64| Value::List((0..count).map(Value::Int).collect());
    assert_both_ways(&numbers(0), "78");
    assert_both_ways(&numbers(1), "7990");
    assert_both_ways(&numbers(7), "7f90919293949596");
    assert_both_ways(&numbers(8), "58989091929394959697");
    assert_both_ways(&numbers(20), "58a4909192939495969798999a9b9c9d9e9fa0a1a2a3");
    assert_both_ways(&Value::map(vec![]), "485a");
    assert_both_ways(&Value::map(vec![("a".into(), Value::Int(1))]), "480161915a");
    let list = Value::list([Value::Int(1), Value::Int(2)]);
    assert_both_ways(&Value::map(vec![("list".into(), list)]), "48046c6973747a91925a");
    for (expected, written) in [
        // writeListBegin(-1, null), writeListBegin(-1, "[int"), an `Object[]`.
        (Value::list([Value::Int(1)]), "57915a"),
        (Value::list([Value::Int(1)]), "55045b696e74915a"),
        (Value::list([Value::Int(1), "a".into()]), "72075b6f626a656374910161"),
        // writeMapBegin("T"), a `LinkedHashMap`.
        (Value::map(vec![("x".into(), Value::Int(1))]), "4d01540178915a"),
        (
            record(),
            "4d176a6176612e7574696c2e4c696e6b6564486173684d617002696490046e616d650a616c706861207ac3bc72690573\
             636f72655ffffff34e066163746976655404746167737a0563616368650571756575655a",
        ),
        // An array of two ints in a list, then one of one int, whose type is that of the first.
        (Value::list([list_of(&[1, 2]), list_of(&[3])]), "7a72045b696e749192719093"),
    ] {
        assert_eq!(decoded(&bytes(written)), expected, "{written}");
    }
}

fn list_of(numbers: &[i64]) -> Value {
    Value::List(numbers.iter().copied().map(Value::Int).collect())
}

#[test]
fn objects() {
    let object = |x, y: &str| Value::map(vec![("x".into(), Value::Int(x)), ("y".into(), y.into())]);
    // A class `G$P` with the fields x and y; then one object, or two in a typed list.
    assert_eq!(decoded(&bytes("4303472450920178017960970171")), object(7, "q"));
    let two = "721a6a6176612e7574696c2e4172726179732441727261794c697374430347245092017801796097017160980172";
    assert_eq!(decoded(&bytes(two)), Value::list([object(7, "q"), object(8, "r")]));
    // The same with the long form of an object, which Java uses from the 17th class on.
    assert_eq!(decoded(&bytes("430347245092017801794f90970171")), object(7, "q"));
}

#[test]
fn messages() {
    let limits = Limits::default();
    for (call, expected) in [
        (Call::positional("add", [Value::Int(2), Value::Int(3)]), "4802004303616464929293"),
        (Call::positional("methodNull", []), "480200430a6d6574686f644e756c6c90"),
    ] {
        assert_eq!(encode_call(&call).unwrap(), bytes(expected));
        assert_eq!(decode_call(&bytes(expected), &limits), Ok(call));
    }
    assert_eq!(encode_reply(&Value::Int(5)).unwrap(), bytes("4802005295"));
    assert_eq!(decode_reply(&bytes("4802005295"), &limits), Ok(Reply::Value(Value::Int(5))));
    let with_detail = "480200464804636f64651053657276696365457863657074696f6e076d657373616765106469766973696f6e206279\
                       207a65726f0664657461696c01785a";
    let without = "480200464804636f64651053657276696365457863657074696f6e076d657373616765106469766973696f6e20627920\
                   7a65726f5a";
    for (detail, expected) in [(Some("x".into()), with_detail), (None, without)] {
        let fault =
            Fault { code: "ServiceException".to_owned(), message: "division by zero".to_owned(), detail };
        assert_eq!(encode_fault(&fault).unwrap(), bytes(expected));
        assert_eq!(decode_reply(&bytes(expected), &limits), Ok(Reply::Fault(fault)));
    }
}
