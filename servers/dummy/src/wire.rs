//! The messages, as pure functions.

use calculator::{Call, CallError, ErrorKind, Limits, Params, Value, json};

/// Encodes the request for `call`, including the line feed.
///
/// # Errors
/// Returns an error for named parameters, and for values that JSON cannot represent.
pub fn encode_request(call: &Call) -> Result<Vec<u8>, CallError> {
    let arguments = call.params.as_positional()?.iter().cloned();
    encode(&Value::List([Value::from(&*call.method)].into_iter().chain(arguments).collect()))
}

/// Decodes a request to its call.
///
/// # Errors
/// [`ErrorKind::Malformed`] for anything but a list that begins with a string.
pub fn decode_request(line: &[u8], limits: &Limits) -> Result<Call, CallError> {
    let Ok(Value::List(items)) = json::read(line, limits) else { return Err(malformed("a request")) };
    let mut items = items.into_iter();
    let Some(Value::Str(method)) = items.next() else { return Err(malformed("a request")) };
    Ok(Call { method: String::from(method).into(), params: Params::Positional(items.collect()) })
}

/// Encodes the reply with `result`, including the line feed.
///
/// # Errors
/// Returns an error for values that JSON cannot represent.
pub fn encode_reply(result: &Result<Value, CallError>) -> Result<Vec<u8>, CallError> {
    let member = match result {
        Ok(value) => ("result".into(), value.clone()),
        Err(error) => {
            let parts = [error.kind.to_string(), error.message.clone()].map(Value::from);
            ("error".into(), Value::list(parts))
        }
    };
    encode(&Value::map(vec![member]))
}

/// Decodes the result in a reply.
///
/// # Errors
/// The error in the reply, or [`ErrorKind::Malformed`] if `line` is not a reply.
pub fn decode_reply(line: &[u8], limits: &Limits) -> Result<Value, CallError> {
    let Ok(Value::Map(members)) = json::read(line, limits) else { return Err(malformed("a reply")) };
    match members.into_iter().next() {
        Some((name, value)) if name == "result" => Ok(value),
        Some((name, Value::List(parts))) if name == "error" => match &*parts {
            [Value::Str(kind), Value::Str(message)] => Err(CallError::remote(
                ErrorKind::from_name(kind).unwrap_or(ErrorKind::Internal),
                message.as_str(),
                calculator::Remote::default(),
            )),
            _ => Err(malformed("a reply")),
        },
        _ => Err(malformed("a reply")),
    }
}

fn encode(value: &Value) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::new();
    json::write(&mut out, value)?;
    out.push(b'\n');
    Ok(out)
}

fn malformed(what: &str) -> CallError {
    CallError::new(ErrorKind::Malformed, format!("the line is not {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_line_of_json() {
        let call = Call::positional("add", [Value::Int(2), Value::Int(3)]);
        let request = encode_request(&call).unwrap();
        assert_eq!(request, b"[\"add\",2,3]\n");
        assert_eq!(decode_request(&request, &Limits::default()).unwrap(), call);
        let reply = encode_reply(&Ok(Value::Int(5))).unwrap();
        assert_eq!(reply, b"{\"result\":5}\n");
        assert_eq!(decode_reply(&reply, &Limits::default()), Ok(Value::Int(5)));
    }

    #[test]
    fn an_error_keeps_its_kind_and_message() {
        let error = CallError::new(ErrorKind::ZeroDivision, "division by zero");
        let reply = encode_reply(&Err(error)).unwrap();
        let read = decode_reply(&reply, &Limits::default()).unwrap_err();
        assert_eq!((read.kind, read.message.as_str()), (ErrorKind::ZeroDivision, "division by zero"));
    }

    #[test]
    fn other_lines_are_malformed() {
        for line in [&b""[..], b"{}", b"[1]", b"[", b"{\"error\":1}"] {
            assert!(decode_request(line, &Limits::default()).is_err());
            let error = decode_reply(line, &Limits::default()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Malformed);
        }
    }
}
