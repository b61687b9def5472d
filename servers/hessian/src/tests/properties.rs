//! Properties that hold for any value and for any bytes.

use calculator::strategies::json_values;
use calculator::{Call, Limits, Params, Text, Value};
use differential::Mutator;
use proptest::prelude::*;

use super::{bytes, record};
use crate::{
    Fault, Reply, decode_call, decode_reply, decode_value, encode_call, encode_fault, encode_reply,
    encode_value,
};

/// Any value that Hessian can represent.
fn values() -> impl Strategy<Value = Value> {
    let bytes = prop::collection::vec(any::<u8>(), 0..1_100).prop_map(Value::from);
    let thousandths = any::<i32>().prop_map(|number| Value::Float(0.001 * f64::from(number)));
    let long_text = "[a-zé字😃]{0,40}".prop_map(|text| Value::from(text.repeat(1_000)));
    let minutes = any::<i32>().prop_map(|minutes| {
        let at = jiff::Timestamp::from_millisecond(i64::from(minutes) * 60_000).unwrap();
        Value::DateTime(at.to_string().into())
    });
    let leaf = prop_oneof![
        8 => json_values(),
        1 => bytes,
        1 => thousandths,
        1 => any::<i16>().prop_map(|number| Value::Float(number.into())),
        1 => any::<i32>().prop_map(|number| Value::Int((number >> 12).into())),
        1 => minutes,
        1 => long_text,
    ];
    prop::collection::vec((any::<String>().prop_map(Text::from), leaf), 0..12).prop_map(Value::map)
}

proptest! {
    #[test]
    fn any_value_survives_encoding_and_decoding(value in values(), method in any::<String>()) {
        let limits = Limits::default();
        prop_assert_eq!(decode_value(&encode_value(&value).unwrap(), &limits).unwrap(), value.clone());
        prop_assert_eq!(decode_reply(&encode_reply(&value).unwrap(), &limits), Ok(Reply::Value(value.clone())));
        let call = Call { method: method.clone().into(), params: Params::Positional(vec![value.clone(), Value::Null]) };
        prop_assert_eq!(decode_call(&encode_call(&call).unwrap(), &limits), Ok(call));
        let fault = Fault { code: "ServiceException".to_owned(), message: method, detail: Some(value) };
        prop_assert_eq!(decode_reply(&encode_fault(&fault).unwrap(), &limits), Ok(Reply::Fault(fault)));
    }

    #[test]
    fn any_double_survives_bit_for_bit(bits in any::<u64>()) {
        let encoded = encode_value(&Value::Float(f64::from_bits(bits))).unwrap();
        let Ok(Value::Float(again)) = decode_value(&encoded, &Limits::default()) else { panic!("a double") };
        prop_assert_eq!(again.to_bits(), bits);
    }

    #[test]
    fn any_bytes_are_decoded_or_rejected_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let limits = Limits::default();
        let _ = decode_value(&bytes, &limits);
        let _ = decode_call(&[&b"H\x02\x00C"[..], &bytes].concat(), &limits);
        let _ = decode_reply(&[&b"H\x02\x00R"[..], &bytes].concat(), &limits);
    }
}

#[test]
fn ten_thousand_mutated_messages_are_decoded_or_rejected() {
    let call = |value| encode_call(&Call::positional("echo", [value])).unwrap();
    let seeds = vec![
        call(record()),
        call(Value::list([record(), "a😃".repeat(20).into(), Value::from(vec![1; 40])])),
        encode_call(&Call::positional("add", [Value::Int(2), Value::Int(70_000)])).unwrap(),
        // A call with two objects in a typed list.
        bytes(
            "48020043046563686f91721a6a6176612e7574696c2e4172726179732441727261794c697374430347245092017801796097017160980172",
        ),
    ];
    let dictionary: &[&[u8]] = &[
        b"Z",
        b"H",
        b"W",
        b"\x78",
        b"\x7f",
        b"C\x01A\x91\x01x",
        b"\x60",
        b"O\x90",
        b"R\x00\x01",
        b"I\x7f\xff\xff\xff",
    ];
    let mut mutator = Mutator::new(1, seeds, dictionary);
    let limits = Limits::default();
    let mut decoded = 0;
    for _ in 0..10_000 {
        let message = mutator.message();
        let Ok(call) = decode_call(&message, &limits) else { continue };
        decoded += 1;
        // What was decoded can be encoded, and gives the same again. NaN is not equal to itself, hence the text.
        let again = encode_call(&call).map(|encoded| decode_call(&encoded, &limits)).unwrap();
        assert_eq!(format!("{:?}", again.unwrap()), format!("{call:?}"), "{message:02x?}");
    }
    // Both kinds occur often.
    assert!((500..9_500).contains(&decoded), "{decoded}");
}
