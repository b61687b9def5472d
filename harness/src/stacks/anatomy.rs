//! The parts of the messages of a call, in bytes.

use calculator::{Call, CallError, Value, json};

/// The length of a message, and of the values in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anatomy {
    /// Bytes of the arguments or the result, in the protocol's notation.
    pub values: usize,
    /// Bytes of the whole message, as it is handed to the transport.
    pub message: usize,
}

/// The anatomy of the request and the reply, whose lengths are `request` and `reply`. `encoded_len` returns the length of a
/// single argument of `call`, and of its `result`.
///
/// # Errors
/// The error of `encoded_len` for a value that the protocol cannot represent.
pub(super) fn measure<E: Into<CallError>>(
    call: &Call,
    result: &Value,
    [request, reply]: [usize; 2],
    encoded_len: impl Fn(&Value) -> Result<usize, E>,
) -> Result<[Anatomy; 2], CallError> {
    let mut arguments = 0;
    for value in call.params.values() {
        arguments += encoded_len(value).map_err(Into::into)?;
    }
    Ok([
        Anatomy { values: arguments, message: request },
        Anatomy { values: encoded_len(result).map_err(Into::into)?, message: reply },
    ])
}

/// The length of `value` as JSON.
///
/// # Errors
/// For values that JSON cannot represent.
pub(super) fn json_len(value: &Value) -> Result<usize, CallError> {
    let mut out = Vec::new();
    json::write(&mut out, value)?;
    Ok(out.len())
}

#[cfg(test)]
mod tests {
    use calculator::{Call, Value};

    use crate::stacks::{Destination, Stack};

    fn anatomy(stack: &str, call: &Call, result: &Value) -> [(usize, usize); 2] {
        let destination = Destination::new("amqp://h");
        let parts = Stack::named(stack).unwrap().anatomy(&destination, call, result).unwrap();
        parts.map(|part| (part.values, part.message))
    }

    /// Counted by hand in the messages that the protocols' specifications show.
    #[test]
    fn the_parts_of_an_addition_are_those_on_the_wire() {
        let call = Call::positional("add", [Value::Int(2), Value::Int(3)]);
        let parts = |name: &str| anatomy(name, &call, &Value::Int(5));
        assert_eq!(parts("inproc"), [(0, 0), (0, 0)]);
        assert_eq!(parts("tcp"), [(16, 64), (8, 64)]);
        assert_eq!(parts("tcp-async"), parts("tcp"));
        // {"x":2,"y":3} and {"result":5}
        assert_eq!(parts("rest"), [(2, 13), (1, 12)]);
        assert_eq!(parts("rest-hyper"), parts("rest"));
        // {"jsonrpc":"2.0","method":"add","params":[2,3],"id":1000000000} and
        // {"jsonrpc":"2.0","result":5,"id":1000000000}
        assert_eq!(parts("jsonrpc"), [(2, 63), (1, 44)]);
        // <value><int>2</int></value> and a line feed
        assert_eq!(parts("xmlrpc"), [(56, 187), (28, 121)]);
        // A type and an octet for each small integer, and for each argument a key and a length.
        assert_eq!(parts("grpc"), [(4, 8), (2, 2)]);
        assert_eq!(parts("grpc-h2"), parts("grpc"));
        assert_eq!(parts("jsonrpc-lines"), parts("jsonrpc"));
        assert_eq!(parts("jsonrpc-ws"), parts("jsonrpc"));
        // Type, number and end around each integer: of 8 bytes, or of one in the compact protocol.
        assert_eq!(parts("thrift"), [(24, 46), (12, 31)]);
        assert_eq!(parts("thrift-compact"), [(6, 16), (3, 13)]);
        // One octet for each small integer.
        assert_eq!(parts("zerorpc"), [(2, 57), (1, 101)]);
        // {"method":"add","args":[2,3]} and {"result":5}
        assert_eq!(parts("amqp-bare"), [(2, 29), (1, 12)]);
        assert_eq!(parts("amqp"), [(2, 262), (1, 188)]);
        // Without the name of a reply queue, and without the messages' ids.
        assert_eq!(parts("amqp-enveloped"), [(2, 136), (1, 136)]);
        // {"method":"add","args":{"x":2,"y":3},"_msg_id":"00000000"} and
        // {"result":5,"failure":null,"ending":true,"_msg_id":"00000000"}
        assert_eq!(parts("amqp-direct"), [(2, 58), (1, 62)]);
        assert_eq!(parts("amqp-quorum"), parts("amqp"));
        // The same messages through another broker.
        assert_eq!(parts("nats"), parts("amqp-direct"));
        assert_eq!(parts("nats-bare"), parts("amqp-bare"));
    }

    #[test]
    fn a_value_counts_with_the_escapes_that_it_needs() {
        let call = Call::positional("echo", [Value::from("\"")]);
        let values = |name: &str| anatomy(name, &call, &Value::from("\"")).map(|(values, _)| values);
        // "\"" in JSON, and escaped once more inside a string of JSON.
        assert_eq!(values("rest"), [4, 4]);
        assert_eq!(values("amqp"), [8, 8]);
        assert_eq!(values("zerorpc"), [2, 2]);
        assert_eq!(values("tcp"), [1, 1]);
    }

    #[test]
    fn the_floor_sends_a_payload_behind_its_64_bytes() {
        let list = Value::list(vec![Value::Bool(true), Value::from("abc")]);
        let call = Call::positional("echo", [list.clone()]);
        // A kind for the list and each item, a length for the list and the text.
        assert_eq!(anatomy("tcp", &call, &list), [(8, 72), (8, 72)]);
    }
}
