//! Protocol Buffers, by `prost`. The messages are those that its compiler makes of:
//!
//! ```proto
//! syntax = "proto3";
//! message NumbersCall { string method = 1; int64 x = 2; int64 y = 3; }
//! message NumbersReply { int64 result = 1; }
//! message DocumentCall { string method = 1; repeated Record document = 2; }
//! message DocumentReply { repeated Record result = 1; }
//! message Record { int64 id = 1; string name = 2; double score = 3; bool active = 4; repeated string tags = 5; }
//! ```

use prost::Message;

use crate::codec::{Codec, CodecError, Notation, prepared};
use crate::exchange::{Exchange, Typed};
use crate::structs;

#[derive(Clone, PartialEq, Message)]
struct NumbersCall {
    #[prost(string, tag = "1")]
    method: String,
    #[prost(int64, tag = "2")]
    x: i64,
    #[prost(int64, tag = "3")]
    y: i64,
}

#[derive(Clone, PartialEq, Message)]
struct NumbersReply {
    #[prost(int64, tag = "1")]
    result: i64,
}

#[derive(Clone, PartialEq, Message)]
struct DocumentCall {
    #[prost(string, tag = "1")]
    method: String,
    #[prost(message, repeated, tag = "2")]
    document: Vec<Record>,
}

#[derive(Clone, PartialEq, Message)]
struct DocumentReply {
    #[prost(message, repeated, tag = "1")]
    result: Vec<Record>,
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(int64, tag = "1")]
    id: i64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(double, tag = "3")]
    score: f64,
    #[prost(bool, tag = "4")]
    active: bool,
    #[prost(string, repeated, tag = "5")]
    tags: Vec<String>,
}

impl From<structs::Record> for Record {
    fn from(record: structs::Record) -> Self {
        let structs::Record { id, name, score, active, tags } = record;
        Record { id, name, score, active, tags }
    }
}

/// Protocol Buffers.
struct Protobuf;

impl<T: Message + Default> Notation<T> for Protobuf {
    fn encode(message: &T) -> Result<Vec<u8>, CodecError> {
        Ok(message.encode_to_vec())
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        T::decode(bytes).map_err(CodecError::failed)
    }
}

/// The codec of `exchange`.
pub(crate) fn codec(exchange: &Exchange) -> Result<Box<dyn Codec>, CodecError> {
    let method = exchange.call.method.as_ref().to_owned();
    match exchange.typed.clone() {
        Typed::Numbers { arguments: [x, y], result } => {
            prepared::<Protobuf, _, _>(NumbersCall { method, x, y }, NumbersReply { result })
        }
        Typed::Document(records) => {
            let document: Vec<Record> = records.into_iter().map(Record::from).collect();
            let result = document.clone();
            prepared::<Protobuf, _, _>(DocumentCall { method, document }, DocumentReply { result })
        }
    }
}
