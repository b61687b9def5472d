//! Tests of responses.

use super::*;

#[test]
fn a_response_with_pythons_constants_is_read_and_an_unreadable_one_is_malformed() {
    assert!(matches!(reply(r#"{"result": NaN, "id": 1}"#), Ok(Value::Float(v)) if v.is_nan()));
    assert_eq!(
        reply(r#"{"result": [-Infinity, 1], "id": 1, "error": null}"#),
        Ok(Value::list(vec![Value::Float(f64::NEG_INFINITY), Value::Int(1)]))
    );
    assert_eq!(reply(r#"{"result": NaN, "id": 2}"#), Err(ErrorKind::Malformed));
    assert_eq!(reply(r#"{"result": "\ud800", "id": 1}"#), Err(ErrorKind::Malformed));
    assert_eq!(reply(r#"{"error": {"code": -32601, "data": NaN}, "id": 1}"#), Err(ErrorKind::UnknownMethod));

    let body = r#"[{"result": "\ud800", "id": 1}, {"result": Infinity, "id": 2}, {"result": 5, "id": 3}]"#;
    let results = decode_batch_reply(body.as_bytes(), &[3, 2, 1], &Limits::default()).unwrap();
    assert_eq!((&results[0], &results[1]), (&Ok(5.into()), &Ok(Value::Float(f64::INFINITY))));
    assert_eq!(results[2].as_ref().unwrap_err().kind, ErrorKind::Malformed);
    assert!(decode_batch_reply(body.as_bytes(), &[1, 2], &Limits::default()).is_err());
}

pub(super) fn reply_text(to: Option<ReplyTo<'_>>, result: Result<Value, Failure>) -> String {
    let mut out = Vec::new();
    write_reply(&mut out, to.unwrap(), &result);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_response_has_the_version_of_the_request() {
    let failure =
        || Failure { code: -32603, kind: ErrorKind::ZeroDivision, message: "by \"zero\"".to_owned() };
    assert_eq!(reply_text(v2("\"a\""), Ok(5.into())), r#"{"jsonrpc":"2.0","result":5,"id":"a"}"#);
    assert_eq!(reply_text(v2("null"), Ok(Value::Null)), r#"{"jsonrpc":"2.0","result":null,"id":null}"#);
    assert_eq!(reply_text(v1("1"), Ok(5.0.into())), r#"{"result":5.0,"error":null,"id":1}"#);
    assert_eq!(
        reply_text(v2("1"), Err(failure())),
        r#"{"jsonrpc":"2.0","error":{"code":-32603,"message":"by \"zero\"","data":{"kind":"zero-division"}},"id":1}"#
    );
    assert_eq!(
        reply_text(v1("1"), Err(failure())),
        r#"{"result":null,"error":{"code":-32603,"message":"by \"zero\"","data":{"kind":"zero-division"}},"id":1}"#
    );
}

#[test]
fn a_result_that_json_cannot_represent_is_an_error_with_the_id() {
    let text = reply_text(v2("7"), Ok(Value::Float(f64::INFINITY)));
    let error = decode_reply(text.as_bytes(), 7, &Limits::default()).unwrap_err();
    assert_eq!((error.kind, error.remote.unwrap().code), (ErrorKind::NotRepresentable, Some(-32603)));
}

fn reply(body: &str) -> Result<Value, ErrorKind> {
    decode_reply(body.as_bytes(), 1, &Limits::default()).map_err(|error| error.kind)
}

#[test]
fn decodes_the_results_of_other_servers() {
    // jsonrpclib-pelix, python-jsonrpc (which omits a null result), Zabbix, version 1.0.
    assert_eq!(reply(r#"{"result": 5, "id": 1, "jsonrpc": "2.0"}"#), Ok(5.into()));
    assert_eq!(reply(r#"{"jsonrpc": "2.0", "id": 1}"#), Ok(Value::Null));
    assert_eq!(reply(r#"{"jsonrpc":"2.0","result":[],"id":1}"#), Ok(Value::list([])));
    assert_eq!(reply(r#"{"result": 5.0, "id": 1, "error": null}"#), Ok(5.0.into()));
    assert_eq!(
        reply(r#"{"jsonrpc":"2.0","result":18446744073709551614,"id":1}"#),
        Ok(Value::BigInt("18446744073709551614".into()))
    );
    assert_eq!(
        reply(r#"{"jsonrpc":"2.0","result":[-0,184467440737095516140],"id":1}"#),
        Ok(Value::list(vec![Value::Int(0), Value::BigInt("184467440737095516140".into())]))
    );
}

#[test]
fn errors_are_classified_by_code_and_then_by_kind() {
    let error = |error: &str| {
        decode_reply(
            format!(r#"{{"jsonrpc":"2.0","error":{error},"id":1}}"#).as_bytes(),
            1,
            &Limits::default(),
        )
        .unwrap_err()
    };
    for (body, kind) in [
        (r#"{"code":-32700,"message":"m"}"#, ErrorKind::Malformed),
        (r#"{"code":-32600,"message":"m"}"#, ErrorKind::Malformed),
        (r#"{"code":-32600,"message":"m","data":{"kind":"too-large"}}"#, ErrorKind::TooLarge),
        (r#"{"code":-32601,"message":"m"}"#, ErrorKind::UnknownMethod),
        (r#"{"code":-32602,"message":"m","data":"text"}"#, ErrorKind::InvalidArguments),
        (r#"{"code":-32603,"message":"m"}"#, ErrorKind::Internal),
        (r#"{"code":-32603,"message":"m","data":{"kind":"overflow"}}"#, ErrorKind::Overflow),
        (r#"{"code":-32603,"message":"m","data":{"kind":"unheard of"}}"#, ErrorKind::Internal),
        (r#"{"code":-32500,"message":"m","data":null}"#, ErrorKind::Internal),
        (r#"{"code":17,"message":"m"}"#, ErrorKind::Internal),
        (r#""m""#, ErrorKind::Internal),
    ] {
        let error = error(body);
        assert_eq!((error.kind, error.message.as_str()), (kind, "m"), "{body}");
        assert!(error.remote.is_some());
    }
    assert_eq!(error("{}").kind, ErrorKind::Internal);
    let remote = error(r#"{"code":-1,"message":"m","data":[1]}"#).remote.unwrap();
    assert_eq!((remote.code, remote.data), (Some(-1), Some(Value::list(vec![1.into()]))));
}

#[test]
fn rejects_a_response_to_another_request() {
    for body in [
        r#"{"jsonrpc":"2.0","result":5,"id":2}"#,
        r#"{"jsonrpc":"2.0","result":5,"id":"1"}"#,
        r#"{"jsonrpc":"2.0","result":5,"id":null}"#,
        r#"{"jsonrpc":"2.0","result":5}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":""},"id":2}"#,
        "{}",
        "5",
        "[]",
        "",
        "<html>",
        r#"{"jsonrpc":"2.0","result":5,"id":1}x"#,
    ] {
        assert_eq!(reply(body), Err(ErrorKind::Malformed), "{body}");
    }
    // The server could not parse the request, and so not its id.
    let body = r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":""},"id":null}"#;
    assert_eq!(reply(body), Err(ErrorKind::UnknownMethod));
}

#[test]
fn a_numeric_id_matches_in_any_notation() {
    for (id, same) in
        [("1", true), ("1.0", true), ("1e0", true), ("1.5", false), ("-1", false), ("true", false)]
    {
        assert_eq!(reply(&format!(r#"{{"result":5,"id":{id}}}"#)).is_ok(), same, "{id}");
    }
}

#[test]
fn the_responses_to_a_batch_are_matched_by_their_ids() {
    let read = |body: &str, ids: &[u64]| {
        let results =
            decode_batch_reply(body.as_bytes(), ids, &Limits::default()).map_err(|error| error.kind)?;
        Ok(results.into_iter().map(|result| result.map_err(|error| error.kind)).collect::<Vec<_>>())
    };
    let five = || Ok(Value::Int(5));
    let unknown = r#"{"code":-32601,"message":"m"}"#;
    for (body, ids, expected) in [
        (r#"[{"result":5,"id":1},{"result":6,"id":2}]"#.to_owned(), [1, 2], Ok(vec![five(), Ok(6.into())])),
        (
            r#" [{"result":6,"id":2.0},{"result":5,"id":1}]"#.to_owned(),
            [1, 2],
            Ok(vec![five(), Ok(6.into())]),
        ),
        (
            format!(r#"[{{"result":5,"id":1}},{{"error":{unknown},"id":2}}]"#),
            [1, 2],
            Ok(vec![five(), Err(ErrorKind::UnknownMethod)]),
        ),
        // The server could not parse the id.
        (
            format!(r#"[{{"error":{unknown},"id":null}},{{"result":5,"id":2}}]"#),
            [1, 2],
            Ok(vec![Err(ErrorKind::UnknownMethod), five()]),
        ),
        (r#"[{"result":5,"id":1}]"#.to_owned(), [1, 2], Ok(vec![five(), Err(ErrorKind::Malformed)])),
        (r#"[{"result":5,"id":1},{"result":5,"id":1}]"#.to_owned(), [1, 2], Err(ErrorKind::Malformed)),
        (r#"[{"result":5,"id":3}]"#.to_owned(), [1, 2], Err(ErrorKind::Malformed)),
        (r#"[{"result":5},{"result":5}]"#.to_owned(), [1, 2], Err(ErrorKind::Malformed)),
        (r#"[1]"#.to_owned(), [1, 2], Err(ErrorKind::Malformed)),
        (r#"[{"id":1},{"id":2},{"id":1}]"#.to_owned(), [1, 2], Err(ErrorKind::Malformed)),
        ("{}".to_owned(), [1, 2], Err(ErrorKind::Malformed)),
        (String::new(), [1, 2], Err(ErrorKind::Malformed)),
        (format!(r#"{{"error":{unknown},"id":null}}"#), [1, 2], Err(ErrorKind::UnknownMethod)),
        (
            r#"[{"result":18446744073709551616,"id":1},{"result":1e30,"id":2}]"#.to_owned(),
            [1, 2],
            Ok(vec![Ok(Value::BigInt("18446744073709551616".into())), Ok(Value::Float(1e30))]),
        ),
    ] {
        assert_eq!(read(&body, &ids), expected, "{body}");
    }
    // python-jsonrpc answers a batch of one without the array, and omits a null result.
    assert_eq!(read(r#"{"jsonrpc": "2.0", "id": 1}"#, &[1]), Ok(vec![Ok(Value::Null)]));
    assert_eq!(
        read(&format!(r#"{{"error":{unknown},"id":1}}"#), &[1]),
        Ok(vec![Err(ErrorKind::UnknownMethod)])
    );
}

#[test]
fn in_a_batch_only_calls_have_ids() {
    let call = add(2, 3);
    let text = |calls: &[(&Call, Option<u64>)]| {
        String::from_utf8(encode_batch(&Envelope::default(), calls.iter().copied()).unwrap()).unwrap()
    };
    assert_eq!(
        text(&[(&call, Some(7)), (&call, None)]),
        r#"[{"jsonrpc":"2.0","method":"add","params":[2,3],"id":7},{"jsonrpc":"2.0","method":"add","params":[2,3]}]"#
    );
    let notification = String::from_utf8(encode_notification(&Envelope::default(), &call).unwrap()).unwrap();
    assert_eq!(notification, r#"{"jsonrpc":"2.0","method":"add","params":[2,3]}"#);
}

#[test]
fn every_kind_of_failure_is_decoded_as_encoded() {
    for kind in ErrorKind::ALL {
        let failure = Failure::from(calculator::CallError::new(kind, "why"));
        let error =
            decode_reply(reply_text(v2("1"), Err(failure)).as_bytes(), 1, &Limits::default()).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (kind, "why"));
    }
}
