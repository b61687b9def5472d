//! Encoding.

use calculator::{Call, CallError, ErrorKind, Text, Value};
use framed::Reply;
use thrift::protocol::{
    TFieldIdentifier, TListIdentifier, TMapIdentifier, TMessageIdentifier, TMessageType, TOutputProtocol,
    TStructIdentifier, TType,
};
use thrift::{ApplicationError, ApplicationErrorKind};

use super::frame::PREFIX_LEN;
use super::{ReplyTo, field, number_of};
use crate::encoding::Encoding;

/// Why something was not encoded.
struct EncodeError(CallError);

impl From<CallError> for EncodeError {
    fn from(error: CallError) -> Self {
        EncodeError(error)
    }
}

/// The library has no reason to fail while it writes to memory.
impl From<thrift::Error> for EncodeError {
    fn from(error: thrift::Error) -> Self {
        EncodeError(CallError::new(ErrorKind::Internal, format!("cannot encode the message: {error}")))
    }
}

/// Appends the request for `call` with its frame to `out`; nothing if that fails.
///
/// # Errors
/// [`ErrorKind::InvalidArguments`] for arguments that the request has no fields for ([`Call::numbered_arguments`]),
/// [`ErrorKind::TooLarge`] for more than 32,767 arguments or 2 GiB. Otherwise as [`encode_value`].
pub fn encode_request<E: Encoding>(out: &mut Vec<u8>, call: &Call, sequence: i32) -> Result<(), CallError> {
    let arguments = call.numbered_arguments()?;
    message::<E>(out, &call.method, TMessageType::Call, sequence, |out| {
        for (number, value) in arguments {
            let id = i16::try_from(number + 1);
            let id =
                id.map_err(|_| CallError::new(ErrorKind::TooLarge, "too many arguments for a request"))?;
            write_field(out, TType::Struct, id, |out| write_value(out, value))?;
        }
        Ok(())
    })
}

/// Appends the outcome of a call with its frame to `out`. A result that the protocol cannot represent becomes an error.
pub fn encode_reply<E: Encoding>(out: &mut Vec<u8>, to: &ReplyTo, result: &Reply) {
    let encoded = match result {
        Ok(value) => reply::<E>(out, to, |out| {
            write_field(out, TType::Struct, field::SUCCESS, |out| write_value(out, value))
        }),
        Err(error) => failure::<E>(out, to, error),
    };
    if let Err(error) = encoded {
        // Its text is short.
        let _ = failure::<E>(out, to, &error);
    }
}

/// Encodes the union `Value` of `value`.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] for dates and MessagePack's extension types, [`ErrorKind::Overflow`] for an integer
/// beyond 64 bits, [`ErrorKind::TooLarge`] for 2³¹ items.
pub fn encode_value<E: Encoding>(value: &Value) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::new();
    write_value(&mut E::output(&mut out), value).map_err(|EncodeError(error)| error)?;
    Ok(out)
}

/// The length of the union `Value` of `value`, in bytes.
///
/// # Errors
/// As [`encode_value`].
pub fn encoded_len<E: Encoding>(value: &Value) -> Result<usize, CallError> {
    encode_value::<E>(value).map(|bytes| bytes.len())
}

/// Appends the reply for an error.
fn failure<E: Encoding>(out: &mut Vec<u8>, to: &ReplyTo, error: &CallError) -> Result<(), CallError> {
    match error.kind {
        ErrorKind::UnknownMethod => {
            application_exception::<E>(out, to, ApplicationErrorKind::UnknownMethod, &error.message)
        }
        ErrorKind::Malformed => {
            application_exception::<E>(out, to, ApplicationErrorKind::ProtocolError, &error.message)
        }
        kind => reply::<E>(out, to, |out| {
            write_field(out, TType::Struct, field::FAILED, |out| call_failed(out, kind, &error.message))
        }),
    }
}

/// Appends a `TApplicationException`.
fn application_exception<E: Encoding>(
    out: &mut Vec<u8>,
    to: &ReplyTo,
    kind: ApplicationErrorKind,
    message: &str,
) -> Result<(), CallError> {
    framed(out, |out| {
        let mut out = E::output(out);
        out.write_message_begin(&TMessageIdentifier::new(&*to.method, TMessageType::Exception, to.sequence))?;
        let error = ApplicationError::new(kind, message);
        thrift::Error::write_application_error_to_out_protocol(&error, &mut out)?;
        Ok(out.write_message_end()?)
    })
}

/// Writes a `CallFailed`.
fn call_failed<O: TOutputProtocol>(out: &mut O, kind: ErrorKind, message: &str) -> Result<(), EncodeError> {
    write_struct(out, |out| {
        write_field(out, TType::I32, field::KIND, |out| Ok(out.write_i32(number_of(kind))?))?;
        write_field(out, TType::String, field::MESSAGE, |out| Ok(out.write_string(message)?))
    })
}

fn reply<E: Encoding>(
    out: &mut Vec<u8>,
    to: &ReplyTo,
    fields: impl FnOnce(&mut E::Output<'_>) -> Result<(), EncodeError>,
) -> Result<(), CallError> {
    message::<E>(out, &to.method, TMessageType::Reply, to.sequence, fields)
}

/// Appends a message with the struct of the fields that `fields` writes.
fn message<E: Encoding>(
    out: &mut Vec<u8>,
    method: &str,
    kind: TMessageType,
    sequence: i32,
    fields: impl FnOnce(&mut E::Output<'_>) -> Result<(), EncodeError>,
) -> Result<(), CallError> {
    framed(out, |out| {
        let mut out = E::output(out);
        out.write_message_begin(&TMessageIdentifier::new(method, kind, sequence))?;
        write_struct(&mut out, fields)?;
        Ok(out.write_message_end()?)
    })
}

/// Appends the message that `write` appends, with its length before it; nothing if that fails.
fn framed(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), CallError> {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX_LEN]);
    let written = write(out).map_err(|EncodeError(error)| error).and_then(|()| {
        let len = i32::try_from(out.len() - start - PREFIX_LEN);
        len.map_err(|_| CallError::new(ErrorKind::TooLarge, "a message of more than 2 GiB"))
    });
    match written {
        Ok(len) => {
            out[start..start + PREFIX_LEN].copy_from_slice(&len.to_be_bytes());
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

fn write_value<O: TOutputProtocol>(out: &mut O, value: &Value) -> Result<(), EncodeError> {
    write_struct(out, |out| match value {
        Value::Null => write_field(out, TType::Bool, field::NOTHING, |out| Ok(out.write_bool(true)?)),
        Value::Bool(v) => write_field(out, TType::Bool, field::BOOLEAN, |out| Ok(out.write_bool(*v)?)),
        Value::Int(v) => write_field(out, TType::I64, field::INTEGER, |out| Ok(out.write_i64(*v)?)),
        Value::Float(v) => write_field(out, TType::Double, field::NUMBER, |out| Ok(out.write_double(*v)?)),
        Value::Str(text) => write_field(out, TType::String, field::TEXT, |out| Ok(out.write_string(text)?)),
        Value::Bytes(v) => write_field(out, TType::String, field::OCTETS, |out| Ok(out.write_bytes(v)?)),
        Value::List(items) => write_field(out, TType::List, field::ITEMS, |out| write_list(out, items)),
        Value::Map(members) => write_field(out, TType::Map, field::MEMBERS, |out| write_map(out, members)),
        Value::BigInt(_) => Err(CallError::new(ErrorKind::Overflow, "Integer value out of range").into()),
        Value::DateTime(_) | Value::Extension(_) => {
            let message = format!("the union Value has no field for a {}", value.kind());
            Err(CallError::new(ErrorKind::NotRepresentable, message).into())
        }
    })
}

fn write_list<O: TOutputProtocol>(out: &mut O, items: &[Value]) -> Result<(), EncodeError> {
    out.write_list_begin(&TListIdentifier::new(TType::Struct, size(items.len())?))?;
    for item in items {
        write_value(out, item)?;
    }
    Ok(out.write_list_end()?)
}

fn write_map<O: TOutputProtocol>(out: &mut O, members: &[(Text, Value)]) -> Result<(), EncodeError> {
    out.write_map_begin(&TMapIdentifier::new(TType::String, TType::Struct, size(members.len())?))?;
    for (name, value) in members {
        out.write_string(name)?;
        write_value(out, value)?;
    }
    Ok(out.write_map_end()?)
}

/// Writes a struct with the fields that `fields` writes.
fn write_struct<O: TOutputProtocol>(
    out: &mut O,
    fields: impl FnOnce(&mut O) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    // Names are not sent.
    out.write_struct_begin(&TStructIdentifier::new(""))?;
    fields(out)?;
    out.write_field_stop()?;
    Ok(out.write_struct_end()?)
}

fn write_field<O: TOutputProtocol>(
    out: &mut O,
    kind: TType,
    id: i16,
    value: impl FnOnce(&mut O) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    out.write_field_begin(&TFieldIdentifier { name: None, field_type: kind, id: Some(id) })?;
    value(out)?;
    Ok(out.write_field_end()?)
}

fn size(items: usize) -> Result<i32, CallError> {
    i32::try_from(items).map_err(|_| CallError::new(ErrorKind::TooLarge, "more items than a list can have"))
}
