//! The messages: oslo.messaging's, without its envelope.

use amqp::wire::{self, Envelope, Failure, Request, Routing, WireError};
use amqp::{Context, Target};
use calculator::{Call, CallError, ErrorKind, Limits, Value};

/// Bytes of the id of a call: a counter in hexadecimal. It is written for the sake of equal messages with both brokers. A
/// reply is recognised by its subject, which is different for each call.
pub const ID_LEN: usize = wire::SHORT_ID_LEN;

/// Encodes the request for `call` with the id `id`.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] and [`ErrorKind::Overflow`] for an argument that JSON cannot represent.
pub fn encode_request(call: &Call, id: &str) -> Result<Vec<u8>, CallError> {
    let routing = Routing {
        msg_id: id.into(),
        reply_queue: None,
        envelope: Envelope::None,
        call_monitor_timeout: None,
    };
    // Only its namespace and version are sent, and it has neither.
    wire::encode_request(call, &Target::topic(""), &Context::new(), Some(&routing), "")
}

/// Decodes a request.
///
/// # Errors
/// The failure with which the server answers.
pub(crate) fn decode_request(body: &[u8], limits: &Limits) -> Result<Request, Failure> {
    wire::read_request(body, limits).map_err(|error| Failure::from(&error))
}

/// Encodes the reply with `result` to the call `id`.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] and [`ErrorKind::Overflow`] for a result that JSON cannot represent.
pub fn encode_result(result: &Value, id: &str) -> Result<Vec<u8>, CallError> {
    wire::encode_result(result, id, "", Envelope::None)
}

/// Encodes the reply to the call `id`: its result, or why there is none. If the reply has more than `max_payload` bytes, that
/// is the failure.
pub(crate) fn encode_reply(result: Result<Value, Failure>, id: &str, max_payload: usize) -> Vec<u8> {
    let encoded = result.and_then(|value| {
        let body = encode_result(&value, id)?;
        check_size(&body, max_payload)?;
        Ok(body)
    });
    encoded.unwrap_or_else(|failure| wire::encode_failure(&failure, id, "", Envelope::None))
}

/// Decodes a reply.
///
/// # Errors
/// The server's error, [`ErrorKind::Malformed`], or [`ErrorKind::TooLarge`] beyond `limits`.
pub(crate) fn decode_reply(body: &[u8], limits: &Limits) -> Result<Value, CallError> {
    let reply = wire::read_reply(body, limits).map_err(|error| {
        let kind = match error {
            WireError::TooLarge(_) => ErrorKind::TooLarge,
            WireError::Malformed(_) | WireError::Version => ErrorKind::Malformed,
        };
        CallError::new(kind, format!("the reply cannot be read: {error}"))
    })?;
    reply.result
}

/// Checks that the broker carries `body`.
///
/// # Errors
/// [`ErrorKind::TooLarge`].
pub(crate) fn check_size(body: &[u8], max_payload: usize) -> Result<(), CallError> {
    if body.len() <= max_payload {
        return Ok(());
    }
    let message = format!("{} bytes; the broker carries {max_payload} (max_payload)", body.len());
    Err(CallError::new(ErrorKind::TooLarge, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { max_body: 1 << 20, max_depth: 64, max_batch: 1, max_in_flight: 1 };

    /// The same bytes that `amqp-direct` sends.
    #[test]
    fn messages_are_those_of_oslo_messaging_without_its_envelope() {
        let request = encode_request(&Call::positional("add", [2.into(), 3.into()]), "00000000").unwrap();
        let expected = r#"{"method":"add","args":{"x":2,"y":3},"_msg_id":"00000000"}"#;
        assert_eq!(str::from_utf8(&request).unwrap(), expected);
        assert_eq!(decode_request(&request, &LIMITS).unwrap().msg_id.as_deref(), Some("00000000"));
        let reply = encode_reply(Ok(Value::Int(5)), "00000000", 1_024);
        let expected = r#"{"result":5,"failure":null,"ending":true,"_msg_id":"00000000"}"#;
        assert_eq!(str::from_utf8(&reply).unwrap(), expected);
        assert_eq!(decode_reply(&reply, &LIMITS), Ok(Value::Int(5)));
    }

    #[test]
    fn a_failure_keeps_its_kind_and_a_reply_that_is_too_large_becomes_one() {
        let error = CallError::new(ErrorKind::ZeroDivision, "by zero");
        let reply = encode_reply(Err(error.into()), "", 1_024);
        assert_eq!(decode_reply(&reply, &LIMITS).unwrap_err().kind, ErrorKind::ZeroDivision);
        let reply = encode_reply(Ok(Value::from("x".repeat(1_024))), "", 1_024);
        assert!(reply.len() < 1_024);
        assert!(decode_reply(&reply, &LIMITS).unwrap_err().message.contains("max_payload"));
        let reply = encode_reply(Ok(Value::Float(f64::NAN)), "", 1_024);
        assert_eq!(decode_reply(&reply, &LIMITS).unwrap_err().kind, ErrorKind::Overflow);
    }

    #[test]
    fn other_bodies_are_malformed_or_too_large() {
        for body in [&b""[..], b"{", b"[]", b"\xff", b"{\"result\":1}"] {
            assert_eq!(decode_reply(body, &LIMITS).unwrap_err().kind, ErrorKind::Malformed, "{body:?}");
        }
        assert!(decode_request(b"[", &LIMITS).is_err());
        let limits = Limits { max_body: 4, ..LIMITS };
        assert_eq!(decode_reply(b"{\"result\":1}", &limits).unwrap_err().kind, ErrorKind::TooLarge);
    }
}
