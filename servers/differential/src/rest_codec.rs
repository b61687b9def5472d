//! REST: JSON bodies and queries, compared with Python's `json` and `urllib.parse`.

use calculator::{ErrorKind, Limits};
use rest::wire::{ParameterType, decode_params, decode_query, decode_result};

use crate::canonical::{canonical, canonical_params};
use crate::codec::{Codec, Known, Outcome, Rejection, View, nested};
use crate::json;

/// One level around a value: the object of the arguments, or that of the result.
const MAX_DEPTH: usize = 65;

pub(crate) const CODEC: Codec = Codec {
    name: "rest",
    views: &[
        View { name: "params", decode: params },
        View { name: "result", decode: result },
        View { name: "query", decode: query },
    ],
    known: &[
        Known {
            name: "nesting",
            applies: |case| json::nesting(case, MAX_DEPTH),
            example: || nested(r#"{"result":"#, "[", "]", r#"}"#),
        },
        Known { name: "surrogate", applies: json::surrogate, example: || br#"{"result":"\ud800"}"#.to_vec() },
        Known { name: "constant", applies: json::constant, example: || br#"{"result":NaN}"#.to_vec() },
        Known { name: "overflow", applies: json::overflow, example: || br#"{"result":1e400}"#.to_vec() },
        Known {
            name: "long-integer",
            applies: json::long_integer,
            example: || json::with_long_integer(r#"{"result":"#),
        },
        Known {
            name: "encoding",
            applies: |case| case.stricter(ErrorKind::Malformed) && case.reference.has("encoding"),
            example: || b"\xef\xbb\xbf{\"result\":1}".to_vec(),
        },
        Known {
            name: "repeated",
            applies: |case| case.stricter(ErrorKind::InvalidArguments) && case.reference.has("repeated"),
            example: || b"x=1&x=2".to_vec(),
        },
    ],
    dictionary: json::DICTIONARY,
};

fn params(message: &[u8]) -> Outcome {
    Ok(canonical_params(&decode_params(message, &Limits::default())?))
}

fn result(message: &[u8]) -> Outcome {
    Ok(canonical(&decode_result(message, &Limits::default())?))
}

fn query(message: &[u8]) -> Outcome {
    let Ok(query) = str::from_utf8(message) else {
        return Err(Rejection { kind: ErrorKind::Malformed, message: "not UTF-8".to_owned() });
    };
    Ok(canonical_params(&decode_query(query, ParameterType::Text)?))
}
