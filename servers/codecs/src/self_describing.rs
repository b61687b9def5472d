//! Formats that serde writes: JSON and MessagePack. A call is `{"method": "add", "params": [2, 3]}`, a result is
//! `{"result": 5}`.

use calculator::Value;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec::{Codec, CodecError, Notation, prepared};
use crate::exchange::{Exchange, Typed};
use crate::structs::Record;

/// A call with arguments of the type `P`.
#[derive(PartialEq, Serialize, Deserialize)]
pub(crate) struct Request<P> {
    method: String,
    params: P,
}

/// The result of a call.
#[derive(PartialEq, Serialize, Deserialize)]
pub(crate) struct Reply<R> {
    result: R,
}

/// JSON by `serde_json`.
pub(crate) struct Json;

impl<T: Serialize + DeserializeOwned> Notation<T> for Json {
    fn encode(message: &T) -> Result<Vec<u8>, CodecError> {
        serde_json::to_vec(message).map_err(CodecError::failed)
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        serde_json::from_slice(bytes).map_err(CodecError::failed)
    }
}

/// MessagePack by `rmp_serde`, with names as in JSON.
pub(crate) struct Msgpack;

impl<T: Serialize + DeserializeOwned> Notation<T> for Msgpack {
    fn encode(message: &T) -> Result<Vec<u8>, CodecError> {
        rmp_serde::to_vec_named(message).map_err(CodecError::failed)
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        rmp_serde::from_slice(bytes).map_err(CodecError::failed)
    }
}

/// The codec of `exchange` from and to structs in the notation `N`.
pub(crate) fn typed<N>(exchange: &Exchange) -> Result<Box<dyn Codec>, CodecError>
where
    N: Notation<Request<[i64; 2]>> + Notation<Reply<i64>> + 'static,
    N: Notation<Request<[Vec<Record>; 1]>> + Notation<Reply<Vec<Record>>>,
{
    let method = exchange.call.method.as_ref().to_owned();
    match exchange.typed.clone() {
        Typed::Numbers { arguments, result } => {
            prepared::<N, _, _>(Request { method, params: arguments }, Reply { result })
        }
        Typed::Document(records) => {
            prepared::<N, _, _>(Request { method, params: [records.clone()] }, Reply { result: records })
        }
    }
}

/// The codec of `exchange` from and to values in the notation `N`.
pub(crate) fn untyped<N>(exchange: &Exchange) -> Result<Box<dyn Codec>, CodecError>
where
    N: Notation<Request<Vec<Value>>> + Notation<Reply<Value>> + 'static,
{
    let params = exchange.call.params.values().cloned().collect();
    let request = Request { method: exchange.call.method.as_ref().to_owned(), params };
    prepared::<N, _, _>(request, Reply { result: exchange.result.clone() })
}
