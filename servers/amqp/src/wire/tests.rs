use calculator::strategies::json_values;
use calculator::{Call, CallError, ErrorKind, Limits, Params, Value};
use proptest::prelude::*;

use super::*;
use crate::context::Context;
use crate::target::Target;

const LIMITS: Limits = Limits { max_body: 1 << 20, max_depth: 64, max_batch: 1, max_in_flight: 1 };

/// A call sent by oslo.messaging 18.3.1.
const CALL: &str = r#"{"oslo.version": "2.0", "oslo.message": "{\"method\": \"add\", \"args\": {\"x\": 2, \"y\": 3}, \"_msg_id\": \"ea4367eeefaa4b9fb67d1c0e50f0655e\", \"_reply_q\": \"reply_eabe6c03bb30470a979cceaa899480de\", \"_timeout\": null, \"_unique_id\": \"9fb4df00cb7444c4bb4cc08ec5dcf5a6\", \"_context_user\": \"bob\", \"_context_roles\": [\"a\"]}"}"#;

/// Replies of oslo.messaging 18.3.1: to that call, and to a call that divides by zero.
const RESULT: &str = r#"{"oslo.version": "2.0", "oslo.message": "{\"result\": 5, \"failure\": null, \"ending\": true, \"_msg_id\": \"ea4367eeefaa4b9fb67d1c0e50f0655e\", \"_unique_id\": \"0650e067b7444c4bb4cc08ec5dcf5a6c\"}"}"#;
const FAILURE: &str = r#"{"oslo.version": "2.0", "oslo.message": "{\"result\": null, \"failure\": \"{\\\"class\\\": \\\"ZeroDivisionError\\\", \\\"module\\\": \\\"builtins\\\", \\\"message\\\": \\\"division by zero\\\", \\\"tb\\\": [\\\"Traceback\\\\n\\\"], \\\"args\\\": [\\\"division by zero\\\"], \\\"kwargs\\\": {}}\", \"ending\": true, \"_msg_id\": \"ea4367eeefaa4b9fb67d1c0e50f0655e\", \"_unique_id\": \"0650e067b7444c4bb4cc08ec5dcf5a6c\"}"}"#;

fn routing() -> Routing<'static> {
    Routing {
        msg_id: "ea4367eeefaa4b9fb67d1c0e50f0655e".into(),
        reply_queue: Some("reply_eabe6c03bb30470a979cceaa899480de".into()),
        call_monitor_timeout: None,
        envelope: Envelope::V2,
    }
}

fn request(text: &str) -> Result<Request, WireError> {
    read_request(text.as_bytes(), &LIMITS)
}

fn reply(text: &str) -> Result<Reply, WireError> {
    read_reply(text.as_bytes(), &LIMITS)
}

/// Wraps an inner message in an envelope by means of serde_json alone, independently of the code under test.
fn wrapped(inner: &str) -> String {
    serde_json::json!({ "oslo.version": "2.0", "oslo.message": inner }).to_string()
}

fn named(members: &[(&str, Value)]) -> Arguments {
    Arguments::Named(Params::Named(members.iter().map(|(n, v)| ((*n).into(), v.clone())).collect()))
}

#[test]
fn decodes_a_call_of_oslo_messaging() {
    let read = request(CALL).unwrap();
    assert_eq!(read.method, Some(Ok("add".into())));
    assert_eq!(read.arguments, named(&[("x", Value::Int(2)), ("y", Value::Int(3))]));
    assert_eq!(read.msg_id.as_deref(), Some("ea4367eeefaa4b9fb67d1c0e50f0655e"));
    assert_eq!(read.reply_queue.as_deref(), Some("reply_eabe6c03bb30470a979cceaa899480de"));
    assert_eq!(read.unique_id.as_deref(), Some("9fb4df00cb7444c4bb4cc08ec5dcf5a6"));
    assert_eq!((read.namespace, read.version), (None, None));
}

#[test]
fn an_encoded_call_equals_that_of_oslo_messaging_without_its_blanks() {
    let call = Call::positional("add", [2.into(), 3.into()]);
    let context = Context::new().with("user", "bob").with("roles", Value::list(vec!["a".into()]));
    let unique_id = "9fb4df00cb7444c4bb4cc08ec5dcf5a6";
    let body = encode_request(&call, &Target::topic("t"), &context, Some(&routing()), unique_id).unwrap();
    assert_eq!(str::from_utf8(&body).unwrap(), CALL.replace(": ", ":").replace(", ", ","));
    assert_eq!(request(CALL).unwrap().context, context);
}

#[test]
fn call_monitor_timeouts_below_two_seconds_are_ignored() {
    let call = Call::positional("add", []);
    let monitored = Routing { call_monitor_timeout: Some(7), ..routing() };
    let body = encode_request(&call, &Target::topic("t"), &Context::new(), Some(&monitored), "u").unwrap();
    assert_eq!(request(str::from_utf8(&body).unwrap()).unwrap().call_monitor_timeout, Some(7));
    for (interval, read) in [
        ("2", Some(2)),
        ("\"30\"", Some(30)),
        ("1", None),
        ("-5", None),
        ("2.5", None),
        ("\"soon\"", None),
        ("null", None),
        ("[2]", None),
    ] {
        let text = format!(r#"{{"method":"add","_timeout":{interval}}}"#);
        assert_eq!(request(&text).unwrap().call_monitor_timeout, read, "{interval}");
    }
    let heartbeat = encode_heartbeat("a", "u", Envelope::V2);
    let heartbeat = read_reply(&heartbeat, &LIMITS).unwrap();
    assert_eq!((heartbeat.result, heartbeat.ending), (Ok(Value::Null), false));
}

#[test]
fn a_cast_has_no_routing_but_has_the_target_s_namespace_and_version() {
    let mut target = Target::topic("t");
    target.namespace = Some("n\"s".to_owned());
    target.version = Some("1.2".to_owned());
    let call = Call::named("hello", [("name".into(), Value::from("a\\b\n"))]);
    let body = encode_request(&call, &target, &Context::new(), None, "u").unwrap();
    assert_eq!(
        str::from_utf8(&body).unwrap(),
        concat!(
            r#"{"oslo.version":"2.0","oslo.message":"{\"method\":\"hello\",\"args\":{\"name\":\"a\\\\b\\n\"},"#,
            r#"\"namespace\":\"n\\\"s\",\"version\":\"1.2\",\"_unique_id\":\"u\"}"}"#
        )
    );
    let read = request(str::from_utf8(&body).unwrap()).unwrap();
    assert_eq!((read.msg_id, read.reply_queue), (None, None));
    assert_eq!((read.namespace, read.version), (Some(Ok("n\"s".into())), Some(Ok("1.2".into()))));
}

#[test]
fn without_an_envelope_the_body_is_the_inner_message() {
    let call = Call::positional("add", [2.into(), 3.into()]);
    let routing = Routing {
        msg_id: "0000001f".into(),
        reply_queue: None,
        envelope: Envelope::None,
        call_monitor_timeout: None,
    };
    let body = encode_request(&call, &Target::topic("t"), &Context::new(), Some(&routing), "").unwrap();
    let text = str::from_utf8(&body).unwrap();
    assert_eq!(text, r#"{"method":"add","args":{"x":2,"y":3},"_msg_id":"0000001f"}"#);
    let read = request(text).unwrap();
    assert_eq!((read.envelope, read.msg_id.as_deref()), (Envelope::None, Some("0000001f")));

    let body = encode_result(&Value::Int(5), "0000001f", "", Envelope::None).unwrap();
    let text = str::from_utf8(&body).unwrap();
    assert_eq!(text, r#"{"result":5,"failure":null,"ending":true,"_msg_id":"0000001f"}"#);
    assert_eq!(reply(text).unwrap().result, Ok(Value::Int(5)));
    // The envelope's names are recognised in any escaped form, and have no meaning inside a value.
    assert_eq!(request(&CALL.replace("oslo.", r"\u006fslo.")).unwrap().envelope, Envelope::V2);
    let read = request(r#"{"method":"hello","args":{"name":"oslo.message"}}"#).unwrap();
    assert_eq!(read.arguments, named(&[("name", "oslo.message".into())]));
}

#[test]
fn decodes_a_result_and_a_failure_of_oslo_messaging() {
    let read = reply(RESULT).unwrap();
    assert_eq!((read.result, read.ending), (Ok(Value::Int(5)), true));
    assert_eq!(read.msg_id, "ea4367eeefaa4b9fb67d1c0e50f0655e");
    let error = reply(FAILURE).unwrap().result.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::ZeroDivision, "division by zero"));
    assert_eq!(error.remote.unwrap().class.as_deref(), Some("ZeroDivisionError"));
}

#[test]
fn encoded_replies_equal_those_of_oslo_messaging_without_their_blanks() {
    let compact =
        |text: &str| text.replace(": ", ":").replace(", ", ",").replace(r#"[\\\"Traceback\\\\n\\\"]"#, "[]");
    let (msg_id, unique_id) = ("ea4367eeefaa4b9fb67d1c0e50f0655e", "0650e067b7444c4bb4cc08ec5dcf5a6c");
    let body = encode_result(&Value::Int(5), msg_id, unique_id, Envelope::V2).unwrap();
    assert_eq!(str::from_utf8(&body).unwrap(), compact(RESULT));

    // The innermost object's members are in another order, which JSON allows.
    let failure = Failure::builtin("ZeroDivisionError", "division by zero");
    let body = encode_failure(&failure, msg_id, unique_id, Envelope::V2);
    let innermost = |body: &str| -> serde_json::Value {
        let outer: serde_json::Value = serde_json::from_str(body).unwrap();
        let inner: serde_json::Value = serde_json::from_str(outer["oslo.message"].as_str().unwrap()).unwrap();
        assert_eq!((&inner["result"], &inner["ending"]), (&serde_json::Value::Null, &true.into()));
        serde_json::from_str(inner["failure"].as_str().unwrap()).unwrap()
    };
    assert_eq!(
        innermost(str::from_utf8(&body).unwrap()),
        innermost(&FAILURE.replace(r#"[\\\"Traceback\\\\n\\\"]"#, "[]"))
    );
    assert_eq!(body.len(), compact(FAILURE).len());
}

#[test]
fn accepts_an_object_without_an_envelope() {
    let read = request(r#"{"method": "add", "args": {"x": 1}, "oslo.version": "3.0"}"#).unwrap();
    assert_eq!(read.arguments, named(&[("x", Value::Int(1))]));
    assert_eq!(reply(r#"{"result": 1, "ending": true, "_msg_id": "a"}"#).unwrap().result, Ok(Value::Int(1)));
    let not_ending = reply(r#"{"result": 1, "ending": 5, "_msg_id": "a"}"#).unwrap();
    assert_eq!((not_ending.result, not_ending.ending), (Ok(Value::Int(1)), false));
}

#[test]
fn rejects_malformed_messages_and_other_envelope_versions() {
    for version in [r#""2.1""#, r#""2.0.1""#, r#""1.9""#, r#""3.0""#, "2.0", "null"] {
        let body = format!(r#"{{"oslo.version":{version},"oslo.message":"{{}}"}}"#);
        assert_eq!(request(&body), Err(WireError::Version), "{version}");
    }
    for body in
        ["", "{", "[]", "null", "7", "\"{}\"", r#"{"oslo.version":"2.0","oslo.message":{"method":"add"}}"#]
    {
        assert!(matches!(request(body), Err(WireError::Malformed(_))), "{body}");
    }
    for inner in ["", "[]", "nul", "{\"method\":}", "{} {}"] {
        assert!(matches!(request(&wrapped(inner)), Err(WireError::Malformed(_))), "{inner}");
    }
    assert!(read_request(b"\xff{}", &LIMITS).is_err());
    let deep = format!(r#"{{"method":"echo","args":{{"value":{}{}}}}}"#, "[".repeat(2000), "]".repeat(2000));
    assert!(matches!(request(&deep), Err(WireError::TooLarge(_))));
    assert!(matches!(request(&wrapped(&deep)), Err(WireError::TooLarge(_))));
    let narrow = Limits { max_body: 10, ..LIMITS };
    assert!(matches!(read_request(CALL.as_bytes(), &narrow), Err(WireError::TooLarge(_))));
}

#[test]
fn members_of_wrong_types_are_kept_for_the_reply() {
    let read = request(&wrapped(r#"{"_msg_id":"a","_reply_q":7}"#)).unwrap();
    assert_eq!((read.method, read.arguments), (None, Arguments::default()));
    assert_eq!((read.msg_id.as_deref(), read.reply_queue), (Some("a"), None));
    let read = request(&wrapped(r#"{"method":3,"args":[1],"namespace":null,"version":1.5}"#)).unwrap();
    assert_eq!(read.method, Some(Err("int")));
    assert_eq!(read.arguments, Arguments::Other("list"));
    assert_eq!((read.namespace, read.version), (None, Some(Err("float"))));
}

#[test]
fn integers_beyond_64_bits_keep_their_digits() {
    let digits = "1180591620717411303424";
    let big = Value::BigInt(digits.into());
    let inner = format!(r#"{{"method":"add","args":{{"x":{digits},"y":1}},"_context_quota":{digits}}}"#);
    let read = request(&wrapped(&inner)).unwrap();
    assert_eq!(read.arguments, named(&[("x", big.clone()), ("y", Value::Int(1))]));
    assert_eq!(read.context.get("quota"), Some(&big));
    let read = reply(&wrapped(&format!(r#"{{"result":[{digits}],"_msg_id":"a"}}"#))).unwrap();
    assert_eq!((read.result, read.ending), (Ok(Value::list(vec![big])), false));
}

#[test]
fn rejects_values_that_json_cannot_represent_before_sending() {
    for (value, kind) in [
        (Value::Float(f64::NAN), ErrorKind::NotRepresentable),
        (Value::from(vec![1]), ErrorKind::NotRepresentable),
        (Value::BigInt("9223372036854775808".into()), ErrorKind::Overflow),
    ] {
        let call = Call::positional("echo", [value.clone()]);
        let refused = encode_request(&call, &Target::topic("t"), &Context::new(), None, "u").unwrap_err();
        assert_eq!(refused.kind, kind);
        assert_eq!(encode_result(&value, "m", "u", Envelope::V2).unwrap_err().kind, kind);
    }
}

#[test]
fn a_remote_failure_is_never_a_transport_error() {
    for (failure, kind) in [
        (r#""{\"class\":\"MessagingTimeout\",\"message\":\"m\"}""#, ErrorKind::Internal),
        (r#""{\"class\":\"NoSuchMethod\"}""#, ErrorKind::UnknownMethod),
        (r#""{\"class\":7}""#, ErrorKind::Internal),
        (r#""{\"class\":\"ZeroDivisionError\",\"module\":\"exceptions\"}""#, ErrorKind::ZeroDivision),
        (r#""{\"class\":\"ZeroDivisionError\",\"module\":\"their.errors\"}""#, ErrorKind::Internal),
        (r#""not json""#, ErrorKind::Internal),
        ("7", ErrorKind::Internal),
    ] {
        let body = format!(r#"{{"result":1,"failure":{failure},"ending":true,"_msg_id":"a"}}"#);
        assert_eq!(reply(&body).unwrap().result.unwrap_err().kind, kind, "{failure}");
    }
}

#[test]
fn an_application_s_exception_is_reported_by_its_full_name() {
    let failure = Failure::new("kitchen.errors", "Teapot", "short and stout");
    let error =
        read_reply(&encode_failure(&failure, "m", "u", Envelope::V2), &LIMITS).unwrap().result.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Internal, "short and stout"));
    assert_eq!(error.remote.unwrap().class.as_deref(), Some("kitchen.errors.Teapot"));
}

#[test]
fn failures_have_the_classes_of_oslo_messaging() {
    for (kind, class, module) in [
        (ErrorKind::ZeroDivision, "ZeroDivisionError", "builtins"),
        (ErrorKind::InvalidArguments, "TypeError", "builtins"),
        (ErrorKind::NotRepresentable, "OverflowError", "builtins"),
        (ErrorKind::UnknownMethod, "NoSuchMethod", "oslo_messaging.rpc.dispatcher"),
        (ErrorKind::UnsupportedVersion, "UnsupportedVersion", "oslo_messaging.rpc.dispatcher"),
    ] {
        let failure = Failure::from_call_error(CallError::new(kind, "m"), "nosuch");
        assert_eq!((&*failure.class, &*failure.module), (class, module));
    }
}

#[test]
fn decodes_a_notification_of_oslo_messaging_and_round_trips_it() {
    // Sent by oslo.messaging 18.3.1 in format version 2.0.
    let inner = r#"{"message_id": "5c1b", "publisher_id": "compute.host1", "event_type": "instance.created", "priority": "INFO", "payload": {"size": 7}, "timestamp": "2024-01-02 03:04:05.000006", "_unique_id": "77", "_context_user": "bob"}"#;
    let notification = read_notification(wrapped(inner).as_bytes(), &LIMITS).unwrap();
    assert_eq!(notification.event_type, "instance.created");
    assert_eq!(notification.payload.get("size"), Some(&Value::Int(7)));
    assert_eq!(notification.context, Context::new().with("user", "bob"));
    let body = encode_notification(&notification, "77").unwrap();
    assert_eq!(read_notification(&body, &LIMITS).unwrap(), notification);
    for body in ["", "[]", "7"] {
        assert!(read_notification(body.as_bytes(), &LIMITS).is_err());
    }
}

proptest! {
    #[test]
    fn calls_round_trip(
        method: String,
        value in json_values(),
        ids: (String, String, String),
        envelope in prop::sample::select(&[Envelope::V2, Envelope::None]),
    ) {
        let call = Call::named(method, [("value".into(), value)]);
        let (msg_id, reply_queue, unique_id) = ids;
        let context = Context::new().with(&call.method, msg_id.as_str());
        let routing = Routing {
            msg_id: msg_id.into(),
            reply_queue: Some(reply_queue.into()),
            envelope,
            call_monitor_timeout: Some(9),
        };
        let body = encode_request(&call, &Target::topic("t"), &context, Some(&routing), &unique_id).unwrap();
        let read = read_request(&body, &LIMITS).unwrap();
        prop_assert_eq!(read.method, Some(Ok(call.method)));
        prop_assert_eq!(read.arguments, Arguments::Named(call.params));
        prop_assert_eq!(read.msg_id.as_deref(), Some(&*routing.msg_id));
        prop_assert_eq!(read.reply_queue.as_deref(), routing.reply_queue.as_deref());
        prop_assert_eq!((read.call_monitor_timeout, read.context), (Some(9), context));
        prop_assert_eq!(read.unique_id, Some(unique_id).filter(|id| !id.is_empty()));
        prop_assert_eq!(read.envelope, envelope);
    }

    #[test]
    fn replies_round_trip(
        value in json_values(),
        message: String,
        msg_id: String,
        envelope in prop::sample::select(&[Envelope::V2, Envelope::None]),
    ) {
        let read = read_reply(&encode_result(&value, &msg_id, "u", envelope).unwrap(), &LIMITS).unwrap();
        prop_assert_eq!(read, Reply { msg_id: msg_id.clone(), result: Ok(value), ending: true });
        let failure = Failure::builtin("TypeError", message);
        let read = read_reply(&encode_failure(&failure, &msg_id, "u", envelope), &LIMITS).unwrap();
        let error = read.result.unwrap_err();
        prop_assert_eq!((error.kind, error.message), (ErrorKind::InvalidArguments, failure.message));
    }

    #[test]
    fn decoding_arbitrary_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text: String) {
        for body in [&bytes[..], text.as_bytes(), wrapped(&text).as_bytes()] {
            let _ = read_request(body, &LIMITS);
            let _ = read_reply(body, &LIMITS);
            let _ = read_notification(body, &LIMITS);
        }
    }

    #[test]
    fn decoding_a_damaged_message_never_panics(at in 0..CALL.len(), byte: u8) {
        for golden in [CALL, RESULT, FAILURE] {
            let mut body = golden.as_bytes().to_vec();
            let at = at % body.len();
            body[at] = byte;
            let _ = read_request(&body, &LIMITS);
            let _ = read_reply(&body, &LIMITS);
        }
    }
}

#[test]
fn a_constant_of_python_is_read_beside_an_escape_and_in_the_envelope() {
    let limits = Limits::default();
    for body in [
        r#"{"_msg_id": "a\n", "result": Infinity, "failure": null, "ending": true}"#,
        r#"{"oslo.version": "2.0", "other": NaN, "oslo.message": "{\"_msg_id\": \"a\\n\", \"result\": Infinity}"}"#,
    ] {
        let reply = read_reply(body.as_bytes(), &limits).unwrap();
        assert_eq!((reply.msg_id.as_str(), reply.result), ("a\n", Ok(Value::Float(f64::INFINITY))), "{body}");
    }
}
