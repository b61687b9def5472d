//! Tests of the messages in JSON and of queries.

use calculator::strategies::json_values;
use calculator::{Call, CallError, ErrorKind, Limits, Params, Text, Value};
use proptest::prelude::*;

use super::*;

fn named<const N: usize>(members: [(&str, Value); N]) -> Params {
    Params::Named(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn decoded(body: &str) -> Result<Params, ErrorKind> {
    decode_params(body.as_bytes(), &Limits::default()).map_err(|error| error.kind)
}

fn result(body: &str) -> Result<Value, ErrorKind> {
    decode_result(body.as_bytes(), &Limits::default()).map_err(|error| error.kind)
}

#[test]
fn calls_carry_their_arguments_by_name() {
    let body = |call: &Call| String::from_utf8(encode_call(call).unwrap()).unwrap();
    assert_eq!(body(&Call::positional("add", [Value::Int(2), Value::Int(3)])), r#"{"x":2,"y":3}"#);
    assert_eq!(body(&Call::positional("add", [Value::Float(2.0)])), r#"{"x":2.0}"#);
    assert_eq!(body(&Call::positional("nosuch", [Value::Null])), r#"{"arg1":null}"#);
    assert_eq!(body(&Call::positional("nosuch", [])), "{}");
    assert_eq!(body(&Call::named("hello", [("na\"me".into(), "ü".into())])), r#"{"na\"me":"ü"}"#);
}

#[test]
fn arguments_are_the_members_of_the_body() {
    assert_eq!(decoded(r#" {"x":2, "y":3.0} "#), Ok(named([("x", Value::Int(2)), ("y", Value::Float(3.0))])));
    assert_eq!(decoded(r#"{"x":1,"x":2}"#), Ok(named([("x", Value::Int(2))])));
    assert_eq!(decoded("{}"), Ok(named([])));
    let big = Value::BigInt("99999999999999999999".into());
    assert_eq!(decoded(r#"{"x":99999999999999999999}"#), Ok(named([("x", big)])));
    for body in ["", "[2,3]", "2", "null", "{", "{\"x\":NaN}", "{}{}", "\u{feff}{}"] {
        assert_eq!(decoded(body), Err(ErrorKind::Malformed), "{body}");
    }
}

#[test]
fn the_envelope_does_not_count_towards_the_depth_of_a_value() {
    let limits = Limits::default();
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let result = |levels| decode_result(format!("{{\"result\":{}}}", deep(levels)).as_bytes(), &limits);
    let call = |levels| decode_params(format!("{{\"value\":{}}}", deep(levels)).as_bytes(), &limits);
    assert!(result(limits.max_depth).is_ok() && call(limits.max_depth).is_ok());
    assert_eq!(result(limits.max_depth + 1).unwrap_err().kind, ErrorKind::TooLarge);
    assert_eq!(call(limits.max_depth + 1).unwrap_err().kind, ErrorKind::TooLarge);
}

#[test]
fn a_query_is_read_as_numbers_and_strings() {
    let query = |query: &str| decode_query(query, ParameterType::Any).map_err(|error| error.kind);
    assert_eq!(query("x=2&y=3.0"), Ok(named([("x", Value::Int(2)), ("y", Value::Float(3.0))])));
    assert_eq!(query("x=-0&y=1e3"), Ok(named([("x", Value::Int(0)), ("y", Value::Float(1000.0))])));
    for text in ["", "x", "true", "null", "1e", "0x10", "01", "1_000", "-", "NaN", "[1]", "5 "] {
        assert_eq!(query(&format!("v={text}")), Ok(named([("v", text.into())])), "{text}");
    }
    assert_eq!(query("na%6De=z%C3%BCrich+%26%2B"), Ok(named([("name", "zürich &+".into())])));
    assert_eq!(query("x=1&&flag"), Ok(named([("x", Value::Int(1)), ("flag", "".into())])));
    for repeated in ["x=1&x=2", "x=1&y=2&%78=1", "x&x"] {
        assert_eq!(query(repeated), Err(ErrorKind::InvalidArguments), "{repeated}");
    }
    assert_eq!(query(""), Ok(named([])));
    assert_eq!(query("x=%FF"), Err(ErrorKind::Malformed));
    let big = Value::BigInt("9223372036854775808".into());
    assert_eq!(query("x=9223372036854775808"), Ok(named([("x", big)])));
    assert_eq!(decode_query("name=5", ParameterType::Text), Ok(named([("name", "5".into())])));
    assert_eq!(
        decode_query("x=+5&y=a", ParameterType::Number),
        Ok(named([("x", 5.into()), ("y", "a".into())]))
    );
}

#[test]
fn a_result_is_the_member_result() {
    assert_eq!(encode_result(&Value::Int(5)).unwrap(), br#"{"result":5}"#);
    assert_eq!(encode_result(&Value::Float(5.0)).unwrap(), br#"{"result":5.0}"#);
    assert_eq!(result(r#"{"result":5}"#), Ok(Value::Int(5)));
    assert_eq!(result(r#"{"note":[1,{}],"result":null,"result":6} "#), Ok(Value::Int(6)));
    assert_eq!(
        result(r#"{"result":18446744073709551616}"#),
        Ok(Value::BigInt("18446744073709551616".into()))
    );
    for body in ["", "5", "{}", "[]", r#"{"results":5}"#, r#"{"result":5}x"#, r#"{"result":}"#] {
        assert_eq!(result(body), Err(ErrorKind::Malformed), "{body}");
    }
    assert_eq!(encode_result(&Value::Float(f64::INFINITY)).unwrap_err().kind, ErrorKind::NotRepresentable);
}

#[test]
fn a_problem_has_the_members_of_rfc_9457_and_a_kind() {
    let problem = Problem::from(CallError::new(ErrorKind::ZeroDivision, "1 / 0 is \"nothing\""));
    assert_eq!(
        String::from_utf8(encode_problem(&problem)).unwrap(),
        r#"{"type":"urn:rpcbench:problem:zero-division","title":"Division by zero","status":422,"detail":"1 / 0 is \"nothing\"","kind":"zero-division"}"#
    );
}

#[test]
fn every_kind_of_failure_is_read_back_with_its_status() {
    for kind in ErrorKind::ALL {
        let problem = Problem::from(CallError::new(kind, "why"));
        let error = decode_failure(problem.status, &encode_problem(&problem), &Limits::default()).unwrap();
        assert_eq!((error.kind, error.message.as_str()), (kind, "why"));
        assert_eq!(error.remote.unwrap().code, Some(problem.status.into()));
    }
}

#[test]
fn a_problem_without_a_kind_is_classified_by_its_status() {
    for (status, kind) in [
        (404, ErrorKind::UnknownMethod),
        (405, ErrorKind::Malformed),
        (413, ErrorKind::TooLarge),
        (422, ErrorKind::InvalidArguments),
        (500, ErrorKind::Internal),
        (302, ErrorKind::Malformed),
    ] {
        for body in [
            r#"{"title":"why"}"#,
            r#"{"detail":"why","kind":"no such kind"}"#,
            r#"{"detail":"why","kind":5}"#,
        ] {
            let error = decode_failure(status, body.as_bytes(), &Limits::default()).unwrap();
            assert_eq!((error.kind, error.message.as_str()), (kind, "why"), "{status} {body}");
        }
    }
    for body in ["<html>", "{}", r#"{"kind":"no such kind"}"#, r#"{"kind":5}"#, "[]", ""] {
        assert_eq!(decode_failure(404, body.as_bytes(), &Limits::default()), None, "{body}");
    }
}

proptest! {
    #[test]
    fn results_are_decoded_as_encoded(value in json_values()) {
        let body = encode_result(&value).unwrap();
        prop_assert_eq!(decode_result(&body, &Limits::default()).unwrap(), value);
    }

    #[test]
    fn arguments_are_decoded_as_encoded(
        members in prop::collection::vec((any::<String>().prop_map(Text::from), json_values()), 0..4),
    ) {
        let call = Call::named("m", members);
        let body = encode_call(&call).unwrap();
        prop_assert_eq!(decode_params(&body, &Limits::default()).unwrap(), call.params);
    }

    #[test]
    fn any_bytes_are_decoded_or_rejected_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in any::<String>()) {
        let limits = Limits::default();
        let _ = decode_params(&bytes, &limits);
        let _ = decode_result(&bytes, &limits);
        let _ = decode_failure(500, &bytes, &limits);
        let _ = decode_query(&text, ParameterType::Any);
    }
}

#[test]
fn text_that_is_not_utf_8_is_rejected_also_in_members_that_are_ignored() {
    let reply = b"{\"result\":5,\"other\":\"\xc0\"}";
    assert_eq!(decode_result(reply, &Limits::default()).unwrap_err().kind, ErrorKind::Malformed);
}

#[test]
fn the_body_of_a_request_is_its_parameter_and_that_of_the_response_the_result() {
    let body = |params: Vec<Value>| encode_body(&Call::positional("POST /users", params)).unwrap();
    assert_eq!(body(vec![]), None);
    assert_eq!(body(vec!["two words".into()]).unwrap(), b"two words");
    assert_eq!(body(vec![Value::map(vec![("a".into(), Value::Float(1.0))])]).unwrap(), br#"{"a":1.0}"#);
    let decoded = |is_json, body: &[u8]| decode_body(is_json, body, &Limits::default());
    assert_eq!(decoded(true, b"[1, 2.0]"), Ok(Value::list(vec![Value::Int(1), Value::Float(2.0)])));
    assert_eq!(decoded(true, b"{").unwrap_err().kind, ErrorKind::Malformed);
    assert_eq!(decoded(false, b"{"), Ok("{".into()));
    assert_eq!(decoded(false, b"\xff"), Ok(vec![0xff].into()));
    assert_eq!((decoded(true, b""), decoded(false, b"")), (Ok(Value::Null), Ok(Value::Null)));
}
