//! The steps of a call in each protocol, without a socket, for the benchmarks of time, instructions and allocations.

use std::borrow::Cow;
use std::convert::identity;
use std::hint::black_box;

use amqp::{Context, Target};
use calculator::document::document;
use calculator::{Calculator, Call, Dispatcher, Executor, Faults, Limits, Params, Service, Value};
use futures_util::FutureExt;
use jsonrpc::wire::Failure;

const MSG_ID: &str = "ea4367eeefaa4b9fb67d1c0e50f0655e";
const ID: u64 = 1_234_567_890;

/// The protocols with a codec.
pub(crate) const PROTOCOLS: [&str; 5] = ["rest", "jsonrpc", "xmlrpc", "zerorpc", "amqp"];

/// What is called, by the names in benchmarks.
pub(crate) const OPERATIONS: [&str; 2] = ["add", "echo 10KiB"];

/// The steps of a call, in their order. `answer call` is the whole of a server: it decodes the call, runs its handler, and
/// encodes the result.
pub(crate) const STEPS: [&str; 5] =
    ["encode call", "decode call", "answer call", "encode result", "decode result"];

/// A step that can be run any number of times.
pub(crate) type Step = Box<dyn Fn()>;

/// The steps of a call of `operation` in `protocol`, in the order of [`STEPS`]. Each decoder is checked once before.
pub(crate) fn steps(protocol: &str, operation: &str) -> [Step; 5] {
    let call = match operation {
        "add" => Call::positional("add", [Value::Int(2), Value::Int(3)]),
        "echo 10KiB" => Call::positional("echo", [document(1, 10 << 10)]),
        other => panic!("there is no operation {other}"),
    };
    match protocol {
        "rest" => rest_codec().steps(call),
        "jsonrpc" => jsonrpc_codec().steps(call),
        "xmlrpc" => xmlrpc_codec().steps(call),
        "zerorpc" => zerorpc_codec().steps(call),
        "amqp" => amqp_codec().steps(call),
        other => panic!("there is no codec of {other}"),
    }
}

/// The codec of a protocol, as far as a call needs it.
struct Codec<Q, P, R> {
    encode_call: fn(&Call) -> Q,
    decode_call: fn(&[u8]) -> Vec<Value>,
    /// Converts a result to the input of the encoder. Only a part of `answer call`, because a server has its result in that
    /// form.
    prepare: fn(Value) -> P,
    encode_result: fn(&P) -> R,
    decode_result: fn(&[u8]) -> Value,
}

impl<Q: AsRef<[u8]> + Clone + 'static, P: Clone + 'static, R: AsRef<[u8]> + Clone + 'static> Codec<Q, P, R> {
    fn steps(self, call: Call) -> [Step; 5] {
        let Codec { encode_call, decode_call, prepare, encode_result, decode_result } = self;
        let result = Calculator.call(&call.method, call.params.clone()).unwrap();
        let request = encode_call(&call);
        let prepared = prepare(result.clone());
        let reply = encode_result(&prepared);
        assert_eq!(decode_call(request.as_ref()), values(call.params.clone()));
        assert_eq!(decode_result(reply.as_ref()), result);
        let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults::default());
        let answer = {
            let (request, method) = (request.clone(), call.method.clone());
            move || {
                let arguments = decode_call(black_box(request.as_ref()));
                let call = dispatcher.call(Call::positional(method.clone(), arguments));
                let result = call.now_or_never().expect("the executor runs handlers at once").unwrap();
                encode_result(&prepare(result))
            }
        };
        assert_eq!(answer().as_ref(), reply.as_ref());
        [
            Box::new(move || drop(black_box(encode_call(black_box(&call))))),
            Box::new(move || drop(black_box(decode_call(black_box(request.as_ref()))))),
            Box::new(move || drop(black_box(answer()))),
            Box::new(move || drop(black_box(encode_result(black_box(&prepared))))),
            Box::new(move || drop(black_box(decode_result(black_box(reply.as_ref()))))),
        ]
    }
}

fn limits() -> Limits {
    Limits::default()
}

fn values(params: Params) -> Vec<Value> {
    match params {
        Params::Positional(values) => values,
        Params::Named(members) => members.into_iter().map(|(_, value)| value).collect(),
    }
}

fn rest_codec() -> Codec<Vec<u8>, Value, Vec<u8>> {
    Codec {
        encode_call: |call| rest::wire::encode_call(call).unwrap(),
        decode_call: |body| values(rest::wire::decode_params(body, &limits()).unwrap()),
        prepare: identity,
        encode_result: |result| rest::wire::encode_result(result).unwrap(),
        decode_result: |body| rest::wire::decode_result(body, &limits()).unwrap(),
    }
}

fn jsonrpc_codec() -> Codec<Vec<u8>, Result<Value, Failure>, Vec<u8>> {
    use jsonrpc::wire::{Message, ReplyTo, Version};
    Codec {
        encode_call: |call| {
            jsonrpc::wire::encode_call(&jsonrpc::wire::Envelope::default(), call, ID).unwrap()
        },
        decode_call: |body| match jsonrpc::wire::decode(body, &limits()).unwrap() {
            Message::Single(request) => values(request.call.unwrap().params),
            Message::Batch(_) => unreachable!("one call was encoded"),
        },
        prepare: Ok,
        encode_result: |result| {
            let mut out = Vec::new();
            let to = ReplyTo { id: "1234567890", version: Version::V2 };
            jsonrpc::wire::write_reply(&mut out, to, result);
            out
        },
        decode_result: |body| jsonrpc::wire::decode_reply(body, ID, &limits()).unwrap(),
    }
}

fn xmlrpc_codec() -> Codec<Vec<u8>, Value, Vec<u8>> {
    use xmlrpc::wire::{EncodeOptions, Response};
    Codec {
        encode_call: |call| xmlrpc::wire::encode_call(call, &EncodeOptions::default()).unwrap(),
        decode_call: |body| values(xmlrpc::wire::decode_call(body, &limits()).unwrap().params),
        prepare: identity,
        encode_result: |result| xmlrpc::wire::encode_response(result, &EncodeOptions::default()).unwrap(),
        decode_result: |body| match xmlrpc::wire::decode_response(body, &limits()).unwrap() {
            Response::Value(value) => value,
            Response::Fault(fault) => panic!("a result was encoded, not {fault:?}"),
        },
    }
}

fn zerorpc_codec() -> Codec<Vec<u8>, Value, Vec<u8>> {
    use zerorpc::wire::{ChannelEvent, Event, Id, write_call, write_event};
    const EVENT: &[u8; 32] = b"00000001ea4367eeefaa4b9fb67d1c0e";
    Codec {
        encode_call: |call| {
            let mut out = Vec::with_capacity(128);
            write_call(&mut out, EVENT, &call.method, call.params.as_positional().unwrap()).unwrap();
            out
        },
        decode_call: |body| Event::decode(body, 64).unwrap().call_args(64).unwrap().unwrap(),
        prepare: identity,
        encode_result: |result| {
            let mut out = Vec::with_capacity(128);
            write_event(&mut out, EVENT, Id::Bin(EVENT), ChannelEvent::Result(result)).unwrap();
            out
        },
        decode_result: |body| Event::decode(body, 64).unwrap().reply(64).unwrap(),
    }
}

fn amqp_codec() -> Codec<Vec<u8>, Value, Vec<u8>> {
    use amqp::wire::{Arguments, Envelope, Routing, encode_request, encode_result, read_reply, read_request};
    Codec {
        encode_call: |call| {
            let routing = Routing {
                msg_id: Cow::Borrowed(MSG_ID),
                reply_queue: Some(Cow::Borrowed("reply_eabe6c03bb30470a979cceaa899480de")),
                envelope: Envelope::V2,
                call_monitor_timeout: None,
            };
            encode_request(call, &Target::topic("calc"), &Context::new(), Some(&routing), MSG_ID).unwrap()
        },
        decode_call: |body| match read_request(body, &limits()).unwrap().arguments {
            Arguments::Named(params) => values(params),
            Arguments::Other(kind) => panic!("arguments were encoded, not a {kind}"),
        },
        prepare: identity,
        encode_result: |result| encode_result(result, MSG_ID, MSG_ID, Envelope::V2).unwrap(),
        decode_result: |body| read_reply(body, &limits()).unwrap().result.unwrap(),
    }
}
