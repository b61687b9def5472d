//! The codec of each protocol, without a socket: the four steps of a call, for two small arguments and for a document of
//! 10 KiB. For exploration only: reports and gates are made from records.

#![allow(missing_docs, clippy::unwrap_used)]

use std::borrow::Cow;
use std::convert::identity;
use std::hint::black_box;

use amqp::{Context, Target};
use calculator::document::document;
use calculator::{Calculator, Call, Limits, Service, Value};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use jsonrpc::wire::Failure;

const MSG_ID: &str = "ea4367eeefaa4b9fb67d1c0e50f0655e";
const ID: u64 = 1_234_567_890;

/// Benchmarks the four steps of a call: the client encodes the call, the server decodes it, the server encodes the result,
/// the client decodes that. Checks each decoder once before timing it.
fn four_steps<Q: AsRef<[u8]>, P, R: AsRef<[u8]>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    protocol: &str,
    call: &Call,
    codec: &Codec<Q, P, R>,
) {
    let result = Calculator.call(&call.method, call.params.clone()).unwrap();
    let request = (codec.encode_call)(call);
    let prepared = (codec.prepare)(result.clone());
    let reply = (codec.encode_result)(&prepared);
    assert_eq!((codec.decode_call)(request.as_ref()), call.params.values().cloned().collect::<Vec<_>>());
    assert_eq!((codec.decode_result)(reply.as_ref()), result);
    group.bench_function(format!("{protocol}/encode call"), |b| {
        b.iter(|| (codec.encode_call)(black_box(call)));
    });
    group.bench_function(format!("{protocol}/decode call"), |b| {
        b.iter(|| (codec.decode_call)(black_box(request.as_ref())));
    });
    group.bench_function(format!("{protocol}/encode result"), |b| {
        b.iter(|| (codec.encode_result)(black_box(&prepared)));
    });
    group.bench_function(format!("{protocol}/decode result"), |b| {
        b.iter(|| (codec.decode_result)(black_box(reply.as_ref())));
    });
}

/// The codec of a protocol, as far as a call needs it.
struct Codec<Q, P, R> {
    encode_call: fn(&Call) -> Q,
    decode_call: fn(&[u8]) -> Vec<Value>,
    /// Converts a result to the input of the encoder. Not timed, because a server has its result in that form.
    prepare: fn(Value) -> P,
    encode_result: fn(&P) -> R,
    decode_result: fn(&[u8]) -> Value,
}

fn limits() -> Limits {
    Limits::default()
}

fn values(params: calculator::Params) -> Vec<Value> {
    match params {
        calculator::Params::Positional(values) => values,
        calculator::Params::Named(members) => members.into_iter().map(|(_, value)| value).collect(),
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

fn codec(criterion: &mut Criterion) {
    let calls = [
        ("add", Call::positional("add", [Value::Int(2), Value::Int(3)])),
        ("echo 10KiB", Call::positional("echo", [document(1, 10 << 10)])),
    ];
    for (name, call) in calls {
        let mut group = criterion.benchmark_group(format!("codec {name}"));
        four_steps(&mut group, "rest", &call, &rest_codec());
        four_steps(&mut group, "jsonrpc", &call, &jsonrpc_codec());
        four_steps(&mut group, "xmlrpc", &call, &xmlrpc_codec());
        four_steps(&mut group, "zerorpc", &call, &zerorpc_codec());
        four_steps(&mut group, "amqp", &call, &amqp_codec());
        group.finish();
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
