//! What the messages of a call consist of, by the codecs that its two ends use.

use amqp::wire::{Envelope, Routing};
use amqp::{Context, REPLY_QUEUE_PREFIX};
use calculator::{Call, CallError, Value, json};
use xmlrpc::wire::EncodeOptions;

use super::Address;

/// The length of a message, and of what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anatomy {
    /// Bytes that are the arguments or the result, in the protocol's notation.
    pub values: usize,
    /// Bytes of the whole message, as it is handed to the transport.
    pub message: usize,
}

/// A call's request and its answer.
pub(super) type Messages = Result<[Anatomy; 2], CallError>;

/// Adds up the lengths of the values of `call` and of its `result` as `encode` writes them, beside those of the two
/// messages.
fn measured<E: Into<CallError>>(
    call: &Call,
    result: &Value,
    [request, answer]: [usize; 2],
    encode: impl Fn(&Value) -> Result<usize, E>,
) -> Messages {
    let mut arguments = 0;
    for value in call.params.values() {
        arguments += encode(value).map_err(Into::into)?;
    }
    Ok([
        Anatomy { values: arguments, message: request },
        Anatomy { values: encode(result).map_err(Into::into)?, message: answer },
    ])
}

fn json_len(value: &Value) -> Result<usize, CallError> {
    let mut out = Vec::new();
    json::write(&mut out, value)?;
    Ok(out.len())
}

/// A function call has no messages.
pub(super) fn inproc(_: &Address, _: &Call, _: &Value) -> Messages {
    Ok([Anatomy { values: 0, message: 0 }; 2])
}

pub(super) fn tcp(_: &Address, call: &Call, result: &Value) -> Messages {
    let request = tcp_floor::wire::encode_request(call)?;
    let answer = tcp_floor::wire::encode_reply(&Ok(result.clone()));
    let lengths = [request.len(), answer.len()];
    measured(call, result, lengths, |value| Ok::<_, CallError>(tcp_floor::wire::value_len(value)))
}

pub(super) fn rest(_: &Address, call: &Call, result: &Value) -> Messages {
    let lengths = [rest::wire::encode_call(call)?.len(), rest::wire::encode_result(result)?.len()];
    measured(call, result, lengths, json_len)
}

pub(super) fn xmlrpc(_: &Address, call: &Call, result: &Value) -> Messages {
    use xmlrpc::wire::{encode_call, encode_response, encode_value};
    let options = EncodeOptions::default();
    let lengths = [encode_call(call, &options)?.len(), encode_response(result, &options)?.len()];
    measured(call, result, lengths, |value| encode_value(value, &options).map(|text| text.len()))
}

pub(super) fn jsonrpc(_: &Address, call: &Call, result: &Value) -> Messages {
    use jsonrpc::wire::{ReplyTo, Version, encode_call, write_reply};
    let id = jsonrpc::FIRST_ID;
    let mut answer = Vec::new();
    write_reply(&mut answer, ReplyTo { id: &id.to_string(), version: Version::V2 }, &Ok(result.clone()));
    measured(call, result, [encode_call(call, id)?.len(), answer.len()], json_len)
}

pub(super) fn zerorpc(_: &Address, call: &Call, result: &Value) -> Messages {
    use zerorpc::wire::{ID_LEN, Id, Say, encode_value, write_call, write_event};
    let id = [b'0'; ID_LEN];
    let (mut request, mut answer) = (Vec::new(), Vec::new());
    write_call(&mut request, &id, &call.method, call.params.as_positional()?)?;
    write_event(&mut answer, &id, Id::Bin(&id), Say::Returned(result))?;
    let lengths = [request.len(), answer.len()];
    measured(call, result, lengths, |value| encode_value(value).map(|octets| octets.len()))
}

pub(super) fn amqp(address: &Address, call: &Call, result: &Value) -> Messages {
    let id = some_id();
    let reply_queue = format!("{REPLY_QUEUE_PREFIX}{id}");
    let (msg_id, reply_queue) = (id.as_str().into(), Some(reply_queue.into()));
    let routing = Routing { msg_id, reply_queue, envelope: Envelope::V2, monitor: None };
    oslo(address, call, result, &routing, &id)
}

/// Where the answer goes, the message's properties say, and no message comes twice.
pub(super) fn amqp_enveloped(address: &Address, call: &Call, result: &Value) -> Messages {
    let routing =
        Routing { msg_id: some_id().into(), reply_queue: None, envelope: Envelope::V2, monitor: None };
    oslo(address, call, result, &routing, "")
}

/// The inner message alone, with an identity that is enough for one channel.
pub(super) fn amqp_direct(address: &Address, call: &Call, result: &Value) -> Messages {
    let msg_id = some_id()[..amqp::wire::SHORT_ID_LEN].to_owned().into();
    let routing = Routing { msg_id, reply_queue: None, envelope: Envelope::None, monitor: None };
    oslo(address, call, result, &routing, "")
}

fn some_id() -> String {
    "0".repeat(amqp::wire::ID_LEN)
}

fn oslo(address: &Address, call: &Call, result: &Value, routing: &Routing<'_>, unique_id: &str) -> Messages {
    use amqp::wire::{encode_request, encode_result, encode_value};
    let request = encode_request(call, &address.target, &Context::new(), Some(routing), unique_id)?;
    let answer = encode_result(result, &routing.msg_id, unique_id, routing.envelope)?;
    let lengths = [request.len(), answer.len()];
    measured(call, result, lengths, |value| match routing.envelope {
        Envelope::V2 => encode_value(value).map(|text| text.len()),
        Envelope::None => json_len(value),
    })
}

pub(super) fn amqp_bare(_: &Address, call: &Call, result: &Value) -> Messages {
    use amqp::direct::{encode_answer, encode_call};
    let lengths = [encode_call(call)?.len(), encode_answer(&Ok(result.clone())).len()];
    measured(call, result, lengths, json_len)
}

#[cfg(test)]
mod tests {
    use super::super::{ALL, Address};
    use super::*;

    /// Counted by hand in the messages that the protocols' specifications show.
    #[test]
    fn the_parts_of_an_addition_are_those_of_the_wire() {
        let call = Call::positional("add", [Value::Int(2), Value::Int(3)]);
        let parts = |name: &str| {
            let stack = ALL.iter().find(|stack| stack.name == name).unwrap();
            let [request, answer] = stack.anatomy(&Address::new("amqp://h"), &call, &Value::Int(5)).unwrap();
            [(request.values, request.message), (answer.values, answer.message)]
        };
        assert_eq!(parts("inproc"), [(0, 0), (0, 0)]);
        assert_eq!(parts("tcp"), [(16, 64), (8, 64)]);
        // {"x":2,"y":3} and {"result":5}
        assert_eq!(parts("rest"), [(2, 13), (1, 12)]);
        assert_eq!(parts("rest-hyper"), parts("rest"));
        // {"jsonrpc":"2.0","method":"add","params":[2,3],"id":1000000000} and
        // {"jsonrpc":"2.0","result":5,"id":1000000000}
        assert_eq!(parts("jsonrpc"), [(2, 63), (1, 44)]);
        // <value><int>2</int></value> and a line feed
        assert_eq!(parts("xmlrpc"), [(56, 187), (28, 121)]);
        // One octet for each small integer.
        assert_eq!(parts("zerorpc"), [(2, 57), (1, 101)]);
        // {"method":"add","args":[2,3]} and {"result":5}
        assert_eq!(parts("amqp-bare"), [(2, 29), (1, 12)]);
        assert_eq!(parts("amqp"), [(2, 262), (1, 188)]);
        // Without the name of a reply queue, and without identities of the messages.
        assert_eq!(parts("amqp-enveloped"), [(2, 136), (1, 136)]);
        // {"method":"add","args":{"x":2,"y":3},"_msg_id":"00000000"} and
        // {"result":5,"failure":null,"ending":true,"_msg_id":"00000000"}
        assert_eq!(parts("amqp-direct"), [(2, 58), (1, 62)]);
    }

    #[test]
    fn a_value_counts_with_the_escapes_that_it_needs() {
        let call = Call::positional("echo", [Value::from("\"")]);
        let values = |name: &str| {
            let stack = ALL.iter().find(|stack| stack.name == name).unwrap();
            stack
                .anatomy(&Address::new("amqp://h"), &call, &Value::from("\""))
                .unwrap()
                .map(|part| part.values)
        };
        // "\"" in JSON, and once more escaped inside a string of JSON.
        assert_eq!(values("rest"), [4, 4]);
        assert_eq!(values("amqp"), [8, 8]);
        assert_eq!(values("zerorpc"), [2, 2]);
    }
}
