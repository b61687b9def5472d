//! Tests of requests.

use calculator::{Call, ErrorKind, Limits, Params, Value};

use super::*;

mod properties;
mod responses;

fn single(body: &str) -> Request<'_> {
    match decode(body.as_bytes(), &Limits::default()) {
        Ok(Message::Single(request)) => request,
        other => panic!("{body}: {other:?}"),
    }
}

fn add(x: i64, y: i64) -> Call {
    Call::positional("add", [x.into(), y.into()])
}

fn v2(id: &str) -> Option<ReplyTo<'_>> {
    Some(ReplyTo { id, version: Version::V2 })
}

fn v1(id: &str) -> Option<ReplyTo<'_>> {
    Some(ReplyTo { id, version: Version::V1 })
}

#[test]
fn requests_are_encoded_in_version_2_0() {
    let written = |call: &Call| {
        String::from_utf8(encode_call(&Envelope::default(), call, 1_000_000_000).unwrap()).unwrap()
    };
    assert_eq!(written(&add(2, 3)), r#"{"jsonrpc":"2.0","method":"add","params":[2,3],"id":1000000000}"#);
    assert_eq!(
        written(&Call::named("he\"llo", [("name".into(), "ü".into())])),
        r#"{"jsonrpc":"2.0","method":"he\"llo","params":{"name":"ü"},"id":1000000000}"#
    );
    assert_eq!(
        written(&Call::positional("nosuch", [])),
        r#"{"jsonrpc":"2.0","method":"nosuch","params":[],"id":1000000000}"#
    );
}

#[test]
fn an_envelope_decides_on_the_version_and_on_further_members() {
    let envelope = Envelope {
        version: Version::V2,
        members: vec![("auth".to_owned(), "038e".into()), ("a\"b".to_owned(), Value::Null)],
    };
    let text = |body: Result<Vec<u8>, _>| String::from_utf8(body.unwrap()).unwrap();
    assert_eq!(
        text(encode_call(&envelope, &add(2, 3), 7)),
        r#"{"jsonrpc":"2.0","method":"add","params":[2,3],"auth":"038e","a\"b":null,"id":7}"#
    );
    let old = Envelope { version: Version::V1, members: vec![] };
    assert_eq!(text(encode_call(&old, &add(2, 3), 7)), r#"{"method":"add","params":[2,3],"id":7}"#);
    assert_eq!(text(encode_notification(&old, &add(2, 3))), r#"{"method":"add","params":[2,3],"id":null}"#);
    assert_eq!(
        text(encode_batch(&envelope, [(&add(2, 3), None)])),
        r#"[{"jsonrpc":"2.0","method":"add","params":[2,3],"auth":"038e","a\"b":null}]"#
    );
}

/// Requests as existing clients write them.
#[test]
fn decodes_the_requests_of_other_clients() {
    // jsonrpclib-pelix 1.2.0.
    let pelix = r#"{"id": "6866b8e1-7260", "method": "add", "params": [2, 3], "jsonrpc": "2.0"}"#;
    assert_eq!(single(pelix), Request { call: Ok(add(2, 3)), reply: v2("\"6866b8e1-7260\"") });
    // python-jsonrpc 0.10.0.
    let pyj = r#"{"method": "add", "id": "u", "jsonrpc": "2.0", "params": [2, 3]}"#;
    assert_eq!(single(pyj), Request { call: Ok(add(2, 3)), reply: v2("\"u\"") });
    // jsonrpclib-pelix with version 1.0.
    let old = r#"{"id": "a", "method": "add", "params": [2, 3]}"#;
    assert_eq!(single(old), Request { call: Ok(add(2, 3)), reply: v1("\"a\"") });
    // A client of Zabbix.
    let zabbix = r#"{"jsonrpc":"2.0","method":"apiinfo.version","params":{},"auth":null,"id":1}"#;
    assert_eq!(single(zabbix), Request { call: Ok(Call::named("apiinfo.version", [])), reply: v2("1") });
}

#[test]
fn members_may_be_in_any_order_and_the_last_with_a_name_wins() {
    let body = r#" {"params":{"x":1,"x":2,"y":3},"other":[{}],"id":1,"method":"no","jsonrpc":"2.0","method":"add","id":2} "#;
    let call = Call::named("add", [("x".into(), 2.into()), ("y".into(), 3.into())]);
    assert_eq!(single(body), Request { call: Ok(call), reply: v2("2") });
}

#[test]
fn an_id_of_any_type_keeps_its_text() {
    for id in [
        "0",
        "-1",
        "1.50",
        "\"\"",
        "\"\\u00fc\"",
        "null",
        "true",
        "[1, 2]",
        "{\"a\": 1}",
        "18446744073709551616",
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","method":"add","params":[2,3],"id":{id}}}"#);
        assert_eq!(single(&body), Request { call: Ok(add(2, 3)), reply: v2(id) });
    }
}

#[test]
fn a_notification_has_no_id_in_2_0_and_a_null_one_in_1_0() {
    for (body, reply) in [
        (r#"{"jsonrpc":"2.0","method":"add","params":[2,3]}"#, None),
        (r#"{"jsonrpc":"2.0","method":"add","params":[2,3],"id":null}"#, v2("null")),
        (r#"{"method":"add","params":[2,3],"id":null}"#, None),
        (r#"{"method":"add","params":[2,3],"id":0}"#, v1("0")),
    ] {
        assert_eq!(single(body), Request { call: Ok(add(2, 3)), reply }, "{body}");
    }
}

#[test]
fn a_request_without_params_has_no_arguments() {
    let call = Call::positional("add", []);
    assert_eq!(
        single(r#"{"jsonrpc":"2.0","method":"add","id":1}"#),
        Request { call: Ok(call), reply: v2("1") }
    );
}

#[test]
fn json_that_is_not_a_request_is_an_invalid_request() {
    for (body, reply) in [
        ("1", v2("null")),
        ("null", v2("null")),
        ("true", v2("null")),
        ("-1.5", v2("null")),
        ("\"add\"", v2("null")),
        ("{}", v2("null")),
        (r#"{"method":"add","params":[2,3]}"#, v2("null")),
        (r#"{"jsonrpc":"2.0","id":7}"#, v2("7")),
        (r#"{"jsonrpc":"2.0","method":1,"params":"bar"}"#, v2("null")),
        (r#"{"jsonrpc":"2.0","method":["add"],"id":7}"#, v2("7")),
        (r#"{"jsonrpc":"2.0","method":{"add":1},"id":7}"#, v2("7")),
        (r#"{"jsonrpc":"2.0","method":"","id":7}"#, v2("7")),
        (r#"{"jsonrpc":"2.0","method":"add","params":null,"id":7}"#, v2("7")),
        (r#"{"jsonrpc":"2.0","method":"add","params":"bar","id":7}"#, v2("7")),
        (r#"{"jsonrpc":"3.0","method":"add","params":[],"id":7}"#, v2("7")),
        (r#"{"jsonrpc":2.0,"method":"add","params":[],"id":7}"#, v2("7")),
        (r#"{"method":null,"params":[],"id":7}"#, v1("7")),
    ] {
        let request = single(body);
        assert_eq!(request.call.unwrap_err().code, code::INVALID_REQUEST, "{body}");
        assert_eq!(request.reply, reply, "{body}");
    }
}

#[test]
fn a_batch_keeps_its_order_and_its_invalid_requests() {
    let body = r#" [{"jsonrpc":"2.0","method":"add","params":[2,3],"id":1}, 1, [[]], {"jsonrpc":"2.0","method":"add","params":[4,5]}]"#;
    let Ok(Message::Batch(requests)) = decode(body.as_bytes(), &Limits::default()) else {
        panic!("no batch")
    };
    assert_eq!(requests.len(), 4);
    assert_eq!(requests[0], Request { call: Ok(add(2, 3)), reply: v2("1") });
    assert!(requests[1].call.is_err() && requests[2].call.is_err());
    assert_eq!(requests[3], Request { call: Ok(add(4, 5)), reply: None });
}

#[test]
fn a_message_that_cannot_be_decoded_has_one_failure() {
    let limits = Limits { max_batch: 3, max_depth: 8, ..Limits::default() };
    let deep = |levels: usize| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"echo","params":[{}{}],"id":1}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    for (body, code, kind) in [
        ("".to_owned(), code::PARSE_ERROR, ErrorKind::Malformed),
        ("{".to_owned(), code::PARSE_ERROR, ErrorKind::Malformed),
        ("[{},".to_owned(), code::PARSE_ERROR, ErrorKind::Malformed),
        ("{}{}".to_owned(), code::PARSE_ERROR, ErrorKind::Malformed),
        ("[1]2".to_owned(), code::PARSE_ERROR, ErrorKind::Malformed),
        ("\u{feff}{}".to_owned(), code::PARSE_ERROR, ErrorKind::Malformed),
        (r#"{"id":NaN}"#.to_owned(), code::PARSE_ERROR, ErrorKind::Malformed),
        ("[]".to_owned(), code::INVALID_REQUEST, ErrorKind::Malformed),
        ("[1,2,3,4]".to_owned(), code::INVALID_REQUEST, ErrorKind::TooLarge),
        (deep(20), code::INVALID_REQUEST, ErrorKind::TooLarge),
        (deep(100_000), code::INVALID_REQUEST, ErrorKind::TooLarge),
    ] {
        let failure = decode(body.as_bytes(), &limits).unwrap_err();
        assert_eq!((failure.code, failure.kind), (code, kind), "{body:.40}");
    }
    assert!(decode(b"{\"id\":\"\xff\"}", &limits).is_err());
    assert!(decode(deep(8).as_bytes(), &limits).is_ok());
    assert!(matches!(decode(b"[1,2,3]", &limits), Ok(Message::Batch(requests)) if requests.len() == 3));
}

fn batch(body: &str) -> Vec<Request<'_>> {
    match decode(body.as_bytes(), &Limits::default()) {
        Ok(Message::Batch(requests)) => requests,
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn in_a_batch_only_the_requests_with_unreadable_values_fail() {
    let body = r#"[
        {"jsonrpc":"2.0","method":"add","params":[2,3],"id":"a"},
        {"jsonrpc":"2.0","method":"hello","params":["\ud800"],"id":"b"},
        {"jsonrpc":"2.0","method":"add","params":[1e400,1],"id":"c"},
        {"jsonrpc":"2.0","method":"add","params":{"x":NaN,"y":-Infinity},"id":"d"},
        {"jsonrpc":"2.0","method":"add","params":[18446744073709551616,1],"id":"e"},
        {"jsonrpc":"2.0","method":"add","params":[1],"id":NaN},
        {"jsonrpc":"2.0","method":"\udc00","params":[],"id":"g"},
        {"jsonrpc":"2.0","method":"hello","params":["\ud800"]},
        NaN,
        {"method":"add","params":[4,5],"id":1}
    ]"#;
    let requests = batch(body);
    assert_eq!(requests[0], Request { call: Ok(add(2, 3)), reply: v2("\"a\"") });
    for (index, code, reply) in [
        (1, code::PARSE_ERROR, v2("\"b\"")),
        (2, code::PARSE_ERROR, v2("\"c\"")),
        (5, code::PARSE_ERROR, v2("null")),
        (6, code::INVALID_REQUEST, v2("\"g\"")),
        (7, code::PARSE_ERROR, v2("null")),
        (8, code::PARSE_ERROR, v2("null")),
    ] {
        let failure = requests[index].call.as_ref().unwrap_err();
        assert_eq!((failure.code, requests[index].reply), (code, reply), "{index}");
    }
    let Ok(Call { params: Params::Named(members), .. }) = &requests[3].call else {
        panic!("{:?}", requests[3])
    };
    assert!(matches!(&members[..], [(x, Value::Float(nan)), (y, Value::Float(infinity))]
        if x == "x" && nan.is_nan() && y == "y" && *infinity == f64::NEG_INFINITY));
    let big = Value::BigInt("18446744073709551616".into());
    assert_eq!(requests[4].call, Ok(Call::positional("add", [big, 1.into()])));
    assert_eq!(requests[9], Request { call: Ok(add(4, 5)), reply: v1("1") });
    assert_eq!(requests.len(), 10);
    let limits = Limits { max_batch: 9, ..Limits::default() };
    assert_eq!(decode(body.as_bytes(), &limits).unwrap_err().kind, ErrorKind::TooLarge);
}

#[test]
fn an_unreadable_request_is_answered_with_its_id_and_pythons_constants_are_floats() {
    let request = single(r#"{"jsonrpc":"2.0","method":"hello","params":["\ud800"],"id":7}"#);
    assert_eq!((request.call.unwrap_err().code, request.reply), (code::PARSE_ERROR, v2("7")));
    let request = single(r#"{"method":"echo","params":[Infinity],"id":7}"#);
    assert_eq!(
        request,
        Request { call: Ok(Call::positional("echo", [Value::Float(f64::INFINITY)])), reply: v1("7") }
    );
}

#[test]
fn a_query_with_a_repeated_parameter_is_an_invalid_request() {
    for query in [
        "method=add&method=add",
        "method=add&params=[1]&params=[2]",
        "id=1&id=1&method=add",
        "id=1&%69d=1&method=add",
    ] {
        let failure = decode_query(query, &Limits::default()).unwrap_err();
        assert_eq!(failure.code, code::INVALID_REQUEST, "{query}");
    }
    // Parameters without a meaning may be there more than once.
    assert!(decode_query("_=1&_=2&%6dethod=add", &Limits::default()).unwrap().is_some());
}

#[test]
fn integers_beyond_64_bits_keep_their_digits_and_the_id() {
    let big = |digits: &str| Value::BigInt(digits.into());
    let call = Call::positional("add", [big("18446744073709551616"), Value::Float(1e30)]);
    let body = r#"{"jsonrpc":"2.0","method":"add","params":[18446744073709551616,1e30],"id":7}"#;
    assert_eq!(single(body), Request { call: Ok(call), reply: v2("7") });

    let call = Call::named("add", [("x".into(), Value::Int(0)), ("y".into(), big("9223372036854775808"))]);
    let body = r#"{"params":[],"params":{"x":-0,"y":9223372036854775808},"method":"add","id":7}"#;
    assert_eq!(single(body), Request { call: Ok(call), reply: v1("7") });

    let body = r#"[1,{"jsonrpc":"2.0","method":"m","params":[-9223372036854775809],"id":1},{"jsonrpc":"2.0","method":"m","params":[-0]}]"#;
    let Ok(Message::Batch(requests)) = decode(body.as_bytes(), &Limits::default()) else {
        panic!("no batch")
    };
    assert_eq!(requests[1].call, Ok(Call::positional("m", [big("-9223372036854775809")])));
    assert_eq!(requests[2].call, Ok(Call::positional("m", [Value::Int(0)])));
}

#[test]
fn text_that_is_not_utf_8_is_rejected_also_in_members_that_are_ignored() {
    let limits = Limits::default();
    let request = b"{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":[2,3],\"id\":1,\"other\":\"\xc0\"}";
    assert_eq!(decode(request, &limits).unwrap_err().code, code::PARSE_ERROR);
    let reply = b"{\"jsonrpc\":\"2.0\",\"result\":5,\"id\":1,\"other\":\"\xc0\"}";
    assert_eq!(decode_reply(reply, 1, &limits).unwrap_err().kind, ErrorKind::Malformed);
    let batch = [b"[".as_slice(), reply, b"]"].concat();
    assert_eq!(decode_batch_reply(&batch, &[1], &limits).unwrap_err().kind, ErrorKind::Malformed);
}
