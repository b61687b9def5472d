//! zerorpc, compared with `zerorpc.events.Event.unpack`.

use calculator::ErrorKind;
use zerorpc::wire::{DecodeError, Event, Id};

use crate::canonical::{bytes, canonical, list, text};
use crate::codec::{Codec, Known, NESTED_LEVELS, Outcome, Rejection, View};

const MAX_DEPTH: usize = 64;

pub(crate) const CODEC: Codec = Codec {
    name: "zerorpc",
    views: &[View { name: "call", decode: call }, View { name: "item", decode: item }],
    known: &[
        Known {
            name: "nesting",
            applies: |case| {
                // The reference counts the event, and around the arguments of a call their list.
                let levels = if case.view == "call" { 2 } else { 1 };
                case.ours.is_err() && case.reference.depth() > MAX_DEPTH + levels
            },
            example: || [b"\x93\x80\xa1a".as_slice(), &[0x91; NESTED_LEVELS], b"\xc0"].concat(),
        },
        Known {
            name: "header",
            applies: |case| case.stricter(ErrorKind::Malformed) && case.reference.has("header"),
            example: || b"\x93\xc0\xa1a\x90".to_vec(),
        },
        Known {
            name: "id",
            applies: |case| case.stricter(ErrorKind::Malformed) && case.reference.has("id"),
            example: || b"\x93\x81\xaamessage_id\x01\xa1a\x90".to_vec(),
        },
        Known {
            name: "name",
            applies: |case| case.reference.value.is_ok() && case.reference.has("name"),
            example: || b"\x93\x81\xaamessage_id\xc4\x01a\x01\x90".to_vec(),
        },
        Known {
            name: "extension",
            applies: |case| {
                let reasons = ["code must be 0~127", "Timestamp", "timestamp", "nanoseconds"];
                let both = case.ours.is_ok() && case.reference.value.is_ok();
                (both && case.reference.has("Timestamp"))
                    || (case.stricter(ErrorKind::InvalidArguments) && case.reference.has("ExtType"))
                    || reasons.into_iter().any(|reason| case.laxer(reason))
            },
            example: || b"\x93\x80\xa1a\xd4\xfea".to_vec(),
        },
        Known {
            name: "bytes-key",
            applies: |case| case.reference.value.is_ok() && case.reference.has("bytes-key"),
            example: || b"\x93\x80\xa1a\x81\xc4\x01a\x01".to_vec(),
        },
    ],
    dictionary: &[
        b"\xc0",
        b"\xc2",
        b"\xc3",
        b"\x00",
        b"\x7f",
        b"\xff",
        b"\xe0",
        b"\xcc\x80",
        b"\xcd\x01\x00",
        b"\xce\0\x01\0\0",
        b"\xcf\x80\0\0\0\0\0\0\0",
        b"\xd0\x80",
        b"\xd1\x80\0",
        b"\xd2\x80\0\0\0",
        b"\xd3\x80\0\0\0\0\0\0\0",
        b"\xca\x7f\x80\0\0",
        b"\xcb\x40\x04\0\0\0\0\0\0",
        b"\xa1a",
        b"\xd9\x01a",
        b"\xda\0\x01a",
        b"\xdb\0\0\0\x01a",
        b"\xc4\x01a",
        b"\xc5\0\x01a",
        b"\xc6\0\0\0\x01a",
        b"\x90",
        b"\x91\x01",
        b"\x93",
        b"\xdc\0\x01\x01",
        b"\xdd\0\0\0\x01\x01",
        b"\xdd\xff\xff\xff\xff",
        b"\x80",
        b"\x81\xa1a\x01",
        b"\xde\0\x01\xa1a\x01",
        b"\xdf\0\0\0\x01\xa1a\x01",
        b"\x81\xc4\x01a\x01",
        b"\x81\x01\x01",
        b"\xd4\x01a",
        b"\xd6\xff\0\0\0\0",
        b"\xc7\0\x01",
        b"\xc1",
        b"\xa2\xc3\xbc",
        b"\xa3\xed\xa0\x80",
        b"\xaamessage_id",
        b"\xabresponse_to",
        b"\xa1v\x03",
        b"\xa2OK",
        b"\xa3ERR",
        b"\x91\x91\x91\x91\x91\x91\x91\x91",
    ],
};

impl From<DecodeError> for Rejection {
    fn from(error: DecodeError) -> Self {
        let kind = match error {
            DecodeError::TooDeep | DecodeError::TooMany => ErrorKind::TooLarge,
            _ => ErrorKind::Malformed,
        };
        Rejection { kind, message: error.to_string() }
    }
}

/// The ids and the name of an event, and the arguments that a call takes from it.
fn call(message: &[u8]) -> Outcome {
    let event = Event::decode(message, MAX_DEPTH)?;
    let id = |id: Option<Id<'_>>| match id {
        None => "null".to_owned(),
        Some(Id::Bin(id)) => bytes(id),
        Some(Id::Str(id)) => text(id),
    };
    let args = event.call_args(MAX_DEPTH)??;
    Ok(list([
        id(event.message_id),
        id(event.response_to),
        text(&event.name),
        list(args.iter().map(canonical)),
    ]))
}

/// The value that an item of a stream carries.
fn item(message: &[u8]) -> Outcome {
    Ok(canonical(&Event::decode(message, MAX_DEPTH)?.item(MAX_DEPTH)?))
}
