//! AMQP, compared with oslo.messaging's RabbitMQ driver and kombu, which parses the bodies for it.

use amqp::wire::{Arguments, WireError, read_reply, read_request};
use calculator::{ErrorKind, Limits};

use crate::canonical::{canonical, canonical_params, list, map, text};
use crate::codec::{Codec, Known, Outcome, Rejection, View, nested};
use crate::json;

const MAX_DEPTH: usize = 64;

pub(crate) const CODEC: Codec = Codec {
    name: "amqp",
    views: &[View { name: "request", decode: request }, View { name: "reply", decode: reply }],
    known: &[
        Known {
            name: "nesting",
            applies: |case| json::nesting(case, MAX_DEPTH),
            example: || nested(r#"{"method":"a","args":{"x":"#, "[", "]", r#"}}"#),
        },
        Known {
            name: "surrogate",
            applies: json::surrogate,
            example: || br#"{"method":"a","args":{"x":"\ud800"}}"#.to_vec(),
        },
        Known {
            name: "overflow",
            applies: json::overflow,
            example: || br#"{"method":"a","args":{"x":1e400}}"#.to_vec(),
        },
        Known {
            name: "long-integer",
            applies: json::long_integer,
            example: || json::with_long_integer(r#"{"method":"a","_context_a":"#),
        },
        Known {
            name: "version",
            applies: |case| case.stricter(ErrorKind::UnsupportedVersion) && case.reference.has("version"),
            example: || br#"{"oslo.version":"2.0 ","oslo.message":"{}"}"#.to_vec(),
        },
        Known {
            name: "empty",
            applies: |case| case.stricter(ErrorKind::Malformed) && case.reference.has("not-object"),
            example: Vec::new,
        },
        Known {
            name: "ending",
            applies: |case| case.view == "reply" && case.reference.has("ending"),
            example: || br#"{"_msg_id":"a","result":5,"failure":null,"ending":1}"#.to_vec(),
        },
        Known {
            name: "failure",
            applies: |case| case.view == "reply" && case.laxer("KeyError: 'failure'"),
            example: || br#"{"_msg_id":"a","result":5}"#.to_vec(),
        },
        Known {
            name: "type",
            applies: |case| {
                let as_int = |value: &String| value.replace(&other_type("float"), &other_type("int"));
                case.view == "request"
                    && case.ours.as_ref().ok().map(as_int) == case.reference.value.clone().ok()
            },
            example: || br#"{"method":18446744073709551616}"#.to_vec(),
        },
    ],
    dictionary: json::DICTIONARY,
};

impl From<WireError> for Rejection {
    fn from(error: WireError) -> Self {
        let kind = match error {
            WireError::TooLarge(_) => ErrorKind::TooLarge,
            WireError::Version => ErrorKind::UnsupportedVersion,
            WireError::Malformed(_) => ErrorKind::Malformed,
        };
        Rejection { kind, message: error.to_string() }
    }
}

/// The name of a type of Python, where there should be a string.
fn other_type(name: &str) -> String {
    map([(text("type"), text(name))])
}

fn request(message: &[u8]) -> Outcome {
    let request = read_request(message, &Limits::default())?;
    let string = |member: Option<Result<&str, &'static str>>| match member {
        None => other_type("NoneType"),
        Some(Ok(value)) => text(value),
        Some(Err(kind)) => other_type(kind),
    };
    let id = |id: &Option<String>| id.as_deref().map_or_else(|| "null".to_owned(), text);
    let fields = [
        ("method", string(request.method.as_ref().map(|name| name.as_deref().map_err(|kind| *kind)))),
        ("namespace", string(request.namespace.as_ref().map(|name| name.as_deref().map_err(|kind| *kind)))),
        ("version", string(request.version.as_ref().map(|name| name.as_deref().map_err(|kind| *kind)))),
        ("_msg_id", id(&request.msg_id)),
        ("_reply_q", id(&request.reply_queue)),
        ("_unique_id", id(&request.unique_id)),
    ];
    Ok(list([
        map(fields.map(|(name, value)| (text(name), value))),
        match &request.arguments {
            Arguments::Named(params) => canonical_params(params),
            Arguments::Other(kind) => text(kind),
        },
        map(request.context.iter().map(|(name, value)| (text(name), canonical(value)))),
    ]))
}

fn reply(message: &[u8]) -> Outcome {
    let reply = read_reply(message, &Limits::default())?;
    let result = reply.result.as_ref().map_or_else(|_| text("failure"), canonical);
    Ok(list([text(&reply.msg_id), result, reply.ending.to_string()]))
}
