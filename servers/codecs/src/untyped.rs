//! Formats that the codecs of this suite write from values of any type: XML-RPC's XML and Hessian 2.0. They check their
//! limits on depth and length, as a server needs.

use calculator::{Call, Limits, Value};

use crate::codec::{Codec, CodecError, Notation, prepared};
use crate::exchange::Exchange;

/// XML as XML-RPC writes it.
pub(crate) struct Xml;

impl Notation<Call> for Xml {
    fn encode(call: &Call) -> Result<Vec<u8>, CodecError> {
        xmlrpc::wire::encode_call(call, &xmlrpc::wire::EncodeOptions::default()).map_err(CodecError::failed)
    }

    fn decode(bytes: &[u8]) -> Result<Call, CodecError> {
        xmlrpc::wire::decode_call(bytes, &Limits::default()).map_err(CodecError::failed)
    }
}

impl Notation<Value> for Xml {
    fn encode(result: &Value) -> Result<Vec<u8>, CodecError> {
        xmlrpc::wire::encode_response(result, &xmlrpc::wire::EncodeOptions::default())
            .map_err(CodecError::failed)
    }

    fn decode(bytes: &[u8]) -> Result<Value, CodecError> {
        match xmlrpc::wire::decode_response(bytes, &Limits::default()).map_err(CodecError::failed)? {
            xmlrpc::wire::Response::Value(value) => Ok(value),
            xmlrpc::wire::Response::Fault(fault) => Err(CodecError::Failed(fault.text)),
        }
    }
}

/// Hessian 2.0.
pub(crate) struct Hessian;

impl Notation<Call> for Hessian {
    fn encode(call: &Call) -> Result<Vec<u8>, CodecError> {
        hessian::encode_call(call).map_err(CodecError::failed)
    }

    fn decode(bytes: &[u8]) -> Result<Call, CodecError> {
        hessian::decode_call(bytes, &Limits::default()).map_err(CodecError::failed)
    }
}

impl Notation<Value> for Hessian {
    fn encode(result: &Value) -> Result<Vec<u8>, CodecError> {
        hessian::encode_reply(result).map_err(CodecError::failed)
    }

    fn decode(bytes: &[u8]) -> Result<Value, CodecError> {
        match hessian::decode_reply(bytes, &Limits::default()).map_err(CodecError::failed)? {
            hessian::Reply::Value(value) => Ok(value),
            hessian::Reply::Fault(fault) => Err(CodecError::Failed(fault.message)),
        }
    }
}

/// The codec of `exchange` from and to values in the notation `N`.
pub(crate) fn codec<N>(exchange: &Exchange) -> Result<Box<dyn Codec>, CodecError>
where
    N: Notation<Call> + Notation<Value> + 'static,
{
    prepared::<N, _, _>(exchange.call.clone(), exchange.result.clone())
}
