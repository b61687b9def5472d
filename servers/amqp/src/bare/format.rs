//! The format of bare messages.

use calculator::{Call, CallError, ErrorKind, Limits, Params, Value, json};
use serde::{Deserialize, Serialize, Serializer};

/// The initial capacity of an encoded message in bytes: enough for a call with two numbers, and for its reply.
const INITIAL_CAPACITY: usize = 128;

/// The body of a request.
#[derive(Serialize, Deserialize)]
struct Request<M, A> {
    method: M,
    args: A,
}

/// The body of a reply.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reply<V> {
    Result(V),
    Error { kind: ErrorKind, message: String },
}

/// Positional arguments as a list, named ones as an object.
struct Arguments<'a>(&'a Params);

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Params::Positional(values) => serializer.collect_seq(values),
            Params::Named(members) => serializer.collect_map(members.iter().map(|(name, v)| (name, v))),
        }
    }
}

fn internal_error(error: serde_json::Error) -> CallError {
    CallError::new(ErrorKind::Internal, error.to_string())
}

/// Encodes the body of a request.
///
/// # Errors
/// As [`json::write`], for a value that JSON cannot represent.
pub fn encode_call(call: &Call) -> Result<Vec<u8>, CallError> {
    call.params.values().try_for_each(json::check_representable)?;
    encode(&Request { method: &call.method, args: Arguments(&call.params) }, call.params.values())
        .map_err(internal_error)
}

/// Decodes the body of a request.
///
/// # Errors
/// [`ErrorKind::Malformed`], or [`ErrorKind::TooLarge`] beyond `limits`.
pub fn decode_call(body: &[u8], limits: &Limits) -> Result<Call, CallError> {
    let Request { method, args } = decode::<Request<String, Value>>(body, limits)?;
    let params = match args {
        Value::List(values) => Params::Positional(values.into_vec()),
        Value::Map(members) => Params::Named(members.into_vec()),
        _ => return Err(CallError::new(ErrorKind::Malformed, "`args` is neither a list nor an object")),
    };
    Ok(Call { method: method.into(), params })
}

/// Encodes the body of a reply. A result that JSON cannot represent is replaced by that error.
#[must_use]
pub fn encode_reply(result: &Result<Value, CallError>) -> Vec<u8> {
    let representable = |value| json::check_representable(value).map(|()| value);
    let reply = match result.as_ref().map_err(Clone::clone).and_then(representable) {
        Ok(value) => Reply::Result(value),
        Err(error) => Reply::Error { kind: error.kind, message: error.message },
    };
    encode(&reply, result.iter()).unwrap_or_default()
}

/// Encodes `message`, which has the `values`, in a buffer that does not grow for lists and maps among them.
fn encode<'a>(
    message: &impl Serialize,
    values: impl Iterator<Item = &'a Value>,
) -> Result<Vec<u8>, serde_json::Error> {
    let values: usize = values.map(json::estimated_length).sum();
    let mut out = Vec::with_capacity(INITIAL_CAPACITY + values);
    serde_json::to_writer(&mut out, message).map(|()| out)
}

/// Decodes the body of a reply.
///
/// # Errors
/// The server's error, [`ErrorKind::Malformed`], or [`ErrorKind::TooLarge`] beyond `limits`.
pub fn decode_reply(body: &[u8], limits: &Limits) -> Result<Value, CallError> {
    match decode::<Reply<Value>>(body, limits)? {
        Reply::Result(value) => Ok(value),
        Reply::Error { kind, message } => Err(CallError::new(kind, message)),
    }
}

fn decode<'a, T: Deserialize<'a>>(body: &'a [u8], limits: &Limits) -> Result<T, CallError> {
    if body.len() > limits.max_body {
        return Err(CallError::new(ErrorKind::TooLarge, format!("{} bytes", body.len())));
    }
    json::check_depth(body, limits)?;
    serde_json::from_slice(body).map_err(|error| CallError::new(ErrorKind::Malformed, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_of_a_document_does_not_grow() {
        let document = calculator::document::document(1, 64 << 10);
        let expected = INITIAL_CAPACITY + json::estimated_length(&document);
        let call = Call::positional("echo", [document.clone()]);
        assert_eq!(encode_call(&call).unwrap().capacity(), expected);
        assert_eq!(encode_reply(&Ok(document)).capacity(), expected);
    }

    #[test]
    fn calls_and_replies_are_compact_json() {
        let limits = Limits::default();
        let call = Call::positional("add", [2.into(), 3.into()]);
        let body = encode_call(&call).unwrap();
        assert_eq!(str::from_utf8(&body).unwrap(), r#"{"method":"add","args":[2,3]}"#);
        assert_eq!(decode_call(&body, &limits).unwrap(), call);
        let named = Call::named("hello", [("name".into(), "é".into())]);
        assert_eq!(decode_call(&encode_call(&named).unwrap(), &limits).unwrap(), named);

        let body = encode_reply(&Ok(Value::Float(5.0)));
        assert_eq!(str::from_utf8(&body).unwrap(), r#"{"result":5.0}"#);
        assert_eq!(decode_reply(&body, &limits), Ok(Value::Float(5.0)));
        let error = CallError::new(ErrorKind::ZeroDivision, "by zero");
        let body = encode_reply(&Err(error.clone()));
        assert_eq!(
            str::from_utf8(&body).unwrap(),
            r#"{"error":{"kind":"zero-division","message":"by zero"}}"#
        );
        assert_eq!(decode_reply(&body, &limits), Err(error));
        let body = encode_reply(&Ok(Value::Float(f64::NAN)));
        assert_eq!(decode_reply(&body, &limits).unwrap_err().kind, ErrorKind::NotRepresentable);
    }

    #[test]
    fn rejects_malformed_and_oversized_bodies() {
        let limits = Limits::default();
        for body in ["", "{}", r#"{"method":1,"args":[]}"#, r#"{"method":"add","args":1}"#] {
            assert_eq!(decode_call(body.as_bytes(), &limits).unwrap_err().kind, ErrorKind::Malformed);
        }
        let limits = Limits { max_body: 4, ..limits };
        assert_eq!(decode_reply(b"{\"result\":1}", &limits).unwrap_err().kind, ErrorKind::TooLarge);
    }
}
