//! JSON-RPC, compared with jsonrpclib.

use calculator::{ErrorKind, Limits};
use jsonrpc::wire::{Failure, Message, decode, decode_reply};

use crate::canonical::{canonical, canonical_params, list, text};
use crate::codec::{Codec, Known, Outcome, Rejection, View, nested};
use crate::json;

/// Three levels around an argument in a batch: the batch, the request, its params.
const MAX_DEPTH: usize = 67;

pub(crate) const CODEC: Codec = Codec {
    name: "jsonrpc",
    views: &[View { name: "request", decode: request }, View { name: "reply", decode: reply }],
    known: &[
        Known {
            name: "nesting",
            applies: |case| json::nesting(case, if case.view == "reply" { MAX_DEPTH - 1 } else { MAX_DEPTH }),
            example: || nested(r#"{"jsonrpc":"2.0","id":1,"result":"#, "[", "]", r#"}"#),
        },
        Known {
            name: "surrogate",
            applies: json::surrogate,
            example: || br#"{"jsonrpc":"2.0","id":1,"result":"\ud800"}"#.to_vec(),
        },
        Known {
            name: "overflow",
            applies: json::overflow,
            example: || br#"{"jsonrpc":"2.0","id":1,"result":1e400}"#.to_vec(),
        },
        Known {
            name: "long-integer",
            applies: json::long_integer,
            example: || json::with_long_integer(r#"{"jsonrpc":"2.0","id":1,"result":"#),
        },
        Known {
            name: "version",
            applies: |case| {
                case.reference.has("version")
                    && match case.view {
                        "reply" => case.ours.is_ok() && case.reference.value.is_err(),
                        // Of a batch, only the request with the other version is rejected.
                        _ => case.reference.value.is_ok(),
                    }
            },
            example: || br#"{"jsonrpc":"1.0","method":"a","id":1}"#.to_vec(),
        },
        Known {
            name: "id",
            applies: |case| case.stricter(ErrorKind::Malformed) && case.reference.has("other-id"),
            example: || br#"{"jsonrpc":"2.0","id":2,"result":5}"#.to_vec(),
        },
        Known {
            name: "no-result",
            applies: |case| case.laxer("Response does not have a result or error key"),
            example: || br#"{"jsonrpc":"2.0","id":1}"#.to_vec(),
        },
        Known {
            name: "empty-error",
            applies: |case| {
                case.reference.value.is_ok() && case.ours.is_err() && case.reference.has("empty-error")
            },
            example: || br#"{"jsonrpc":"2.0","id":1,"result":5,"error":0}"#.to_vec(),
        },
        Known {
            name: "jsonclass",
            applies: |case| case.ours.is_ok() && case.reference.has("jsonclass"),
            example: || br#"{"jsonrpc":"2.0","id":1,"result":{"__jsonclass__":["a.B",[]]}}"#.to_vec(),
        },
    ],
    dictionary: json::DICTIONARY,
};

impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        Rejection { kind: failure.kind, message: failure.message }
    }
}

/// The calls that the message makes, as a list of methods and arguments.
fn request(message: &[u8]) -> Outcome {
    let call = |call: &calculator::Call| list([text(&call.method), canonical_params(&call.params)]);
    Ok(match decode(message, &Limits::default())? {
        Message::Single(request) => list([call(&request.call?)]),
        Message::Batch(requests) => {
            list(requests.iter().filter_map(|request| request.call.as_ref().ok()).map(call))
        }
    })
}

/// The result of a response to the request 1.
fn reply(message: &[u8]) -> Outcome {
    Ok(canonical(&decode_reply(message, 1, &Limits::default())?))
}
