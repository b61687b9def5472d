use calculator::document::document;
use calculator::{Call, Value};
use proptest::prelude::*;

use super::{Exchange, Format};
use crate::exchange::Typed;

fn add() -> Exchange {
    let call = Call::positional("add", [Value::Int(2), Value::Int(3)]);
    Exchange::new(call, Value::Int(5)).unwrap()
}

fn echo(document: Value) -> Exchange {
    Exchange::new(Call::positional("echo", [document.clone()]), document).unwrap()
}

/// A document with one record.
fn small(name: &str, score: f64, tags: &[&str]) -> Value {
    Value::list([Value::map(vec![
        ("id".into(), Value::Int(-7)),
        ("name".into(), name.into()),
        ("score".into(), Value::Float(score)),
        ("active".into(), Value::Bool(true)),
        ("tags".into(), Value::List(tags.iter().copied().map(Value::from).collect())),
    ])])
}

#[test]
fn add_takes_the_bytes_that_each_specification_says() {
    for (format, sizes) in [
        // {"method":"add","params":[2,3]} and {"result":5}
        (Format::Json, [31, 12]),
        (Format::JsonUntyped, [31, 12]),
        // What xmlrpc.client.dumps((2, 3), "add") and dumps((5,), methodresponse=True) of CPython return.
        (Format::Xml, [187, 121]),
        // H 2 0 C, 3 "add", 2 arguments, one byte each; H 2 0 R and a byte.
        (Format::Hessian, [11, 5]),
        // Tag, length and "add"; tag and varint for each number.
        (Format::Protobuf, [9, 2]),
        // Version and kind 4, name 4 + 3, sequence number 4, fields 3 + 8 each, stop 1.
        (Format::ThriftBinary, [38, 27]),
        // Protocol, version, sequence number, name 1 + 3; a byte and a varint for each field, stop. The field 0 of a reply
        // does not follow another one in order, so its number takes a byte more.
        (Format::ThriftCompact, [12, 11]),
        // A map of two: "method" 7, "add" 4, "params" 7, an array 1, numbers 2; a map of one: "result" 7, a number.
        (Format::Msgpack, [22, 9]),
        (Format::MsgpackUntyped, [22, 9]),
        // "add 2 3\n" and "5\n".
        (Format::Text, [8, 2]),
        (Format::Raw, [17, 8]),
    ] {
        assert_eq!(format.codec(&add()).unwrap().sizes(), sizes, "{format}");
    }
}

#[test]
fn a_document_is_the_same_in_every_format() {
    for exchange in [echo(document(1, 10 << 10)), echo(Value::list([])), echo(small("", -0.25, &[""]))] {
        for format in Format::ALL {
            let codec = format.codec(&exchange).map_err(|error| format!("{format}: {error}")).unwrap();
            // They run to their end.
            codec.encode(2);
            codec.decode(2);
        }
    }
    // Names are most of a small record, and only some formats send them.
    let size = |format: Format| format.codec(&echo(document(1, 10 << 10))).unwrap().sizes()[1];
    assert!(size(Format::Protobuf) < size(Format::Msgpack));
    assert!(size(Format::Msgpack) < size(Format::Json));
    assert!(size(Format::Json) < size(Format::Xml));
    assert_eq!(size(Format::Json), size(Format::JsonUntyped));
    assert_eq!(size(Format::Msgpack), size(Format::MsgpackUntyped));
}

#[test]
fn text_that_has_a_meaning_in_a_format_survives() {
    let texts = ["a\tb", "a\nb", "a,b", "a\\tb", "\\", "<&>\"", "é字😃", ",", "a\\,\n\t"];
    for text in texts {
        for format in Format::ALL {
            let exchange = echo(small(text, 0.5, &[text, "", text]));
            assert!(format.codec(&exchange).is_ok(), "{format} {text:?}");
        }
    }
}

#[test]
fn what_has_no_structs_is_not_an_exchange() {
    let none = |call: Call, result: Value| Exchange::new(call, result).is_none();
    assert!(none(Call::positional("hello", ["a".into()]), "hello, a".into()));
    assert!(none(Call::positional("add", [Value::Float(1.0), Value::Int(2)]), Value::Float(3.0)));
    assert!(none(Call::positional("echo", [Value::list([Value::Null])]), Value::list([Value::Null])));
    assert!(none(Call::positional("echo", [document(1, 100)]), document(2, 100)));
    assert!(none(
        Call::named("add", [("x".into(), Value::Int(1)), ("y".into(), Value::Int(1))]),
        Value::Int(2)
    ));
}

#[test]
fn a_message_that_changes_on_the_way_is_reported() {
    // NaN is not equal to itself, and JSON writes it as null.
    let mut exchange = echo(small("a", 0.0, &[]));
    let Typed::Document(records) = &mut exchange.typed else { panic!("a document") };
    records[0].score = f64::NAN;
    for format in [Format::Raw, Format::Protobuf, Format::Text, Format::Json, Format::ThriftCompact] {
        assert!(format.codec(&exchange).is_err(), "{format}");
    }
}

#[test]
fn names_are_those_of_serde() {
    for format in Format::ALL {
        assert_eq!(serde_json::to_value(format).unwrap(), format.name());
        assert!(!format.library().is_empty() && !format.notation().is_empty());
    }
}

proptest! {
    #[test]
    fn any_number_survives_in_every_format(x in any::<i32>(), y in any::<i32>()) {
        let call = Call::positional("add", [Value::Int(x.into()), Value::Int(y.into())]);
        // XML-RPC has integers of 32 bits.
        let exchange = Exchange::new(call, Value::Int(x.wrapping_add(y).into())).unwrap();
        for format in Format::ALL {
            prop_assert!(format.codec(&exchange).is_ok(), "{}", format);
        }
    }
}
