//! Properties that hold for every value and for any bytes.

use proptest::prelude::*;

use super::*;

fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.chars().filter(|c| is_xml_char(*c)).collect())
}

fn representable() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(|int| Value::Int(int.into())),
        any::<f64>().prop_filter("NaN is not equal to itself", |v| !v.is_nan()).prop_map(Value::Float),
        text().prop_map(Value::from),
        "[ \r\n\t<&>\\]ü]{0,6}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..130).prop_map(Value::from),
        text().prop_map(|text| Value::DateTime(text.into())),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::list),
            prop::collection::vec((text().prop_map(Text::from), inner), 0..6).prop_map(Value::map),
        ]
    })
}

/// Pieces of markup in any order.
fn fragments() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "<methodCall>",
        "</methodCall>",
        "<methodResponse>",
        "</methodResponse>",
        "<params>",
        "</params>",
        "<param>",
        "</param>",
        "<value>",
        "</value>",
        "<value/>",
        "<array>",
        "</array>",
        "<data>",
        "</data>",
        "<struct>",
        "</struct>",
        "<member>",
        "</member>",
        "<name>",
        "</name>",
        "<int>",
        "</int>",
        "1",
        "<!--",
        "-->",
        "--",
        "<![CDATA[",
        "]]>",
        "<!DOCTYPE",
        ">",
        "<",
        "/",
        "?",
        "<?xml version='1.0'?>",
        "<?",
        "?>",
        "&",
        ";",
        "&#",
        "'",
        "\"",
        "=",
        " a='",
        "\n",
        "\r",
        "\u{feff}",
        "ü",
        "<fault>",
        "</fault>",
        "<nil/>",
        "!",
    ]);
    prop::collection::vec(fragment, 0..40).prop_map(|fragments| fragments.concat())
}

/// A document with some of its bytes changed, removed or duplicated.
fn damaged(mut document: Vec<u8>, damage: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    for (at, how, byte) in damage {
        let at = at.index(document.len());
        match how % 3 {
            0 => document[at] = *byte,
            1 => drop(document.remove(at)),
            _ => document.insert(at, document[at]),
        }
    }
    document
}

proptest! {
    #[test]
    fn encoded_messages_are_decoded_unchanged(value in representable(), method in text()) {
        let response = encode_response(&value, &NONE).unwrap();
        prop_assert_eq!(decode_response(&response, &Limits::default()), Ok(Response::Value(value.clone())));
        let call = Call { method: method.into(), params: Params::Positional(vec![value]) };
        prop_assert_eq!(decode_call(&encode_call(&call, &NONE).unwrap(), &Limits::default()), Ok(call));
    }

    #[test]
    fn any_text_is_preserved_or_rejected(text in any::<String>()) {
        let value = Value::from(text);
        if let Ok(body) = encode_response(&value, &NONE) {
            prop_assert_eq!(decode_response(&body, &Limits::default()), Ok(Response::Value(value)));
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_rejected_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_call(&bytes, &Limits::default());
        let _ = decode_response(&bytes, &Limits::default());
    }

    #[test]
    fn any_markup_is_decoded_or_rejected_without_a_panic(markup in fragments(), at in 0..ADD.len()) {
        let _ = decode_call(markup.as_bytes(), &Limits::default());
        let _ = decode_response(markup.as_bytes(), &Limits::default());
        let inside = format!("{}{markup}{}", &ADD[..at], &ADD[at..]);
        let _ = decode_call(inside.as_bytes(), &Limits::default());
    }

    #[test]
    fn a_damaged_message_is_decoded_or_rejected_without_a_panic(
        values in prop::collection::vec(representable(), 0..3),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<u8>()), 1..4),
    ) {
        let limits = Limits::default();
        let result = values.first().cloned().unwrap_or(Value::Int(-7));
        let call = encode_call(&Call::positional("add", values), &NONE).unwrap();
        let _ = decode_call(&damaged(call, &damage), &limits);
        let response = encode_response(&result, &NONE).unwrap();
        let _ = decode_response(&damaged(response, &damage), &limits);
    }
}
