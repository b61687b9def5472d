//! Decoding.

use std::borrow::Cow;
use std::cell::Cell;

use calculator::{
    Call, CallError, ErrorKind, Limits, MAX_ITEMS, Params, Remote, Service, Text, Value, ValueBuilder,
};
use framed::{Reply, Request};
use thrift::protocol::{TFieldIdentifier, TInputProtocol, TMessageIdentifier, TMessageType, TType};
use thrift::{ProtocolErrorKind, TConfiguration, TransportErrorKind};

use super::frame::PREFIX_LEN;
use super::{ReplyTo, field, kind_of};
use crate::encoding::{Bytes, Encoding};

/// How many structs surround the values of a message: its arguments or its outcome, and the innermost value.
const ENVELOPE_LEVELS: usize = 2;

/// Why a message is not what the definition says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a message of the protocol, with the reason of the library.
    #[error("{0}")]
    Invalid(String),
    /// The message ends inside a value, or states a length beyond its end.
    #[error("the message ends inside a value")]
    Truncated,
    /// Bytes follow the message.
    #[error("bytes follow the message")]
    Surplus,
    /// The field has another type.
    #[error("field {0} has another type")]
    WrongType(i16),
    /// A field occurs twice, or a union has two.
    #[error("field {0} occurs twice, or beside another of a union")]
    Repeated(i16),
    /// A value without a known field.
    #[error("a value without a known field")]
    NoKind,
    /// A reply without a result and without an exception.
    #[error("a reply without a result")]
    NoResult,
    /// Values, or unknown fields, are nested deeper than the limit.
    #[error("nested deeper than the limit")]
    TooDeep,
    /// More than [`MAX_ITEMS`] items and members.
    #[error("more than {MAX_ITEMS} items")]
    TooMany,
    /// A message of another type, such as a reply in place of a request.
    #[error("a message of another type")]
    MessageType,
    /// The reply has the number of another request.
    #[error("the reply to another request")]
    Sequence,
}

impl From<thrift::Error> for DecodeError {
    fn from(error: thrift::Error) -> Self {
        match error {
            thrift::Error::Protocol(error) => match error.kind {
                ProtocolErrorKind::DepthLimit => DecodeError::TooDeep,
                ProtocolErrorKind::SizeLimit => DecodeError::Truncated,
                _ => DecodeError::Invalid(error.message),
            },
            thrift::Error::Transport(error) if error.kind == TransportErrorKind::EndOfFile => {
                DecodeError::Truncated
            }
            error => DecodeError::Invalid(error.to_string()),
        }
    }
}

impl From<DecodeError> for CallError {
    fn from(error: DecodeError) -> Self {
        let kind = match error {
            DecodeError::TooDeep | DecodeError::TooMany => ErrorKind::TooLarge,
            _ => ErrorKind::Malformed,
        };
        CallError::new(kind, format!("the message cannot be read: {error}"))
    }
}

/// Decodes a request to `service` in its frame. Arguments without a gap before them are positional.
#[must_use]
pub fn decode_request<E: Encoding>(frame: &[u8], service: &dyn Service, limits: &Limits) -> Request<ReplyTo> {
    let rest = Cell::new(frame.get(PREFIX_LEN..).unwrap_or_default());
    let mut reader = Reader::<E>::new(&rest, limits);
    let TMessageIdentifier { name, message_type, sequence_number } = match reader.input.read_message_begin() {
        Ok(identifier) => identifier,
        Err(error) => return Request { to: None, call: Err(DecodeError::from(error).into()) },
    };
    let info = service.methods().iter().find(|info| info.name == name);
    let method: Cow<'static, str> = info.map_or(Cow::Owned(name), |info| Cow::Borrowed(info.name));
    let to = Some(ReplyTo { method: method.clone(), sequence: sequence_number });
    if message_type != TMessageType::Call {
        return Request { to, call: Err(DecodeError::MessageType.into()) };
    }
    let params = reader.arguments(info.map_or(&[][..], |info| info.params)).and_then(|params| {
        reader.end()?;
        Ok(params)
    });
    Request { to, call: params.map(|params| Call { method, params }).map_err(CallError::from) }
}

/// Decodes the reply to the request with the number `sequence`, in its frame.
///
/// # Errors
/// If it is not the reply to that request.
pub fn decode_reply<E: Encoding>(frame: &[u8], sequence: i32, limits: &Limits) -> Result<Reply, CallError> {
    let rest = Cell::new(frame.get(PREFIX_LEN..).unwrap_or_default());
    let mut reader = Reader::<E>::new(&rest, limits);
    let identifier = reader.input.read_message_begin().map_err(DecodeError::from)?;
    if identifier.sequence_number != sequence {
        return Err(DecodeError::Sequence.into());
    }
    let outcome = match identifier.message_type {
        TMessageType::Reply => reader.outcome(),
        TMessageType::Exception => reader.exception().map(Err),
        TMessageType::Call | TMessageType::OneWay => return Err(DecodeError::MessageType.into()),
    };
    let outcome = outcome.and_then(|outcome| {
        reader.end()?;
        Ok(outcome)
    });
    Ok(outcome.unwrap_or_else(|error| Err(error.into())))
}

/// Decodes a union `Value` that is all of `bytes`.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_value<E: Encoding>(bytes: &[u8], limits: &Limits) -> Result<Value, DecodeError> {
    let rest = Cell::new(bytes);
    let mut reader = Reader::<E>::new(&rest, limits);
    let value = reader.value(limits.max_depth)?;
    reader.end()?;
    Ok(value)
}

/// The length of the union `Value` at the start of `bytes`; `None` if there is none.
#[must_use]
pub fn leading_value_len<E: Encoding>(bytes: &[u8], limits: &Limits) -> Option<usize> {
    let rest = Cell::new(bytes);
    Reader::<E>::new(&rest, limits).value(limits.max_depth).ok()?;
    Some(bytes.len() - rest.get().len())
}

/// Reads the values of a message.
struct Reader<'a, E: Encoding> {
    input: E::Input<'a>,
    /// The bytes that have not been read.
    rest: &'a Cell<&'a [u8]>,
    builder: ValueBuilder,
    /// The number of items and members so far.
    items: usize,
    max_depth: usize,
}

impl<'a, E: Encoding> Reader<'a, E> {
    /// No text can be longer than the message, so that a length cannot allocate more than has arrived.
    fn new(rest: &'a Cell<&'a [u8]>, limits: &Limits) -> Self {
        let len = rest.get().len();
        let max_structs = limits.max_depth.saturating_add(ENVELOPE_LEVELS);
        let configuration = TConfiguration::builder()
            .max_message_size(Some(len))
            .max_frame_size(None)
            .max_string_size(Some(len))
            .max_recursion_depth(Some(max_structs))
            .build();
        Reader {
            input: E::input(Bytes(rest), configuration.unwrap_or_default()),
            rest,
            builder: ValueBuilder::default(),
            items: 0,
            max_depth: limits.max_depth,
        }
    }

    /// Checks that the message ends here.
    fn end(mut self) -> Result<(), DecodeError> {
        self.input.read_message_end()?;
        if self.rest.get().is_empty() { Ok(()) } else { Err(DecodeError::Surplus) }
    }

    /// Reads the struct of the arguments of a method with the parameters `names`.
    fn arguments(&mut self, names: &[&'static str]) -> Result<Params, DecodeError> {
        let mut found: Vec<(usize, Value)> = Vec::with_capacity(names.len());
        self.each_field(|reader, id, kind| {
            let number = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
            let Some(number) = number.filter(|number| *number < names.len()) else { return Ok(false) };
            if found.iter().any(|(earlier, _)| *earlier == number) {
                return Err(DecodeError::Repeated(id));
            }
            if kind != TType::Struct {
                return Err(DecodeError::WrongType(id));
            }
            found.push((number, reader.value(reader.max_depth)?));
            Ok(true)
        })?;
        Ok(Params::from_numbered(found, names))
    }

    /// Reads the struct of the outcome of a call: a result or an exception.
    fn outcome(&mut self) -> Result<Reply, DecodeError> {
        let mut found = None;
        self.each_field(|reader, id, kind| {
            let outcome = match (id, kind) {
                (field::SUCCESS, TType::Struct) => Ok(reader.value(reader.max_depth)?),
                (field::FAILED, TType::Struct) => Err(reader.call_failed()?),
                (field::SUCCESS | field::FAILED, _) => return Err(DecodeError::WrongType(id)),
                _ => return Ok(false),
            };
            if found.replace(outcome).is_some() { Err(DecodeError::Repeated(id)) } else { Ok(true) }
        })?;
        found.ok_or(DecodeError::NoResult)
    }

    /// Reads a `CallFailed`.
    fn call_failed(&mut self) -> Result<CallError, DecodeError> {
        let (mut kind, mut message) = (None, String::new());
        self.each_field(|reader, id, field_type| {
            match (id, field_type) {
                (field::KIND, TType::I32) => kind = kind_of(reader.input.read_i32()?),
                (field::MESSAGE, TType::String) => message = reader.input.read_string()?,
                (field::KIND | field::MESSAGE, _) => return Err(DecodeError::WrongType(id)),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let remote = Remote { class: Some("CallFailed".to_owned()), ..Remote::default() };
        Ok(CallError::remote(kind.unwrap_or(ErrorKind::Internal), message, remote))
    }

    /// Reads a `TApplicationException`. The types are those of the specification.
    fn exception(&mut self) -> Result<CallError, DecodeError> {
        let (mut number, mut message) = (0, String::new());
        self.each_field(|reader, id, field_type| {
            match (id, field_type) {
                (field::EXCEPTION_MESSAGE, TType::String) => message = reader.input.read_string()?,
                (field::EXCEPTION_TYPE, TType::I32) => number = reader.input.read_i32()?,
                (field::EXCEPTION_MESSAGE | field::EXCEPTION_TYPE, _) => {
                    return Err(DecodeError::WrongType(id));
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let kind = match number {
            1 => ErrorKind::UnknownMethod,
            // An invalid type of message, a wrong name of a method, a bad sequence number, a protocol error, an invalid
            // transform, an invalid protocol.
            2..=4 | 7..=9 => ErrorKind::Malformed,
            _ => ErrorKind::Internal,
        };
        if message.is_empty() {
            message = format!("an exception of type {number}");
        }
        let class = Some("TApplicationException".to_owned());
        Ok(CallError::remote(kind, message, Remote { code: Some(number.into()), class, data: None }))
    }

    /// Reads a struct. `read` reads the value of the field with a number and a type, or returns false to have it skipped.
    fn each_field(
        &mut self,
        mut read: impl FnMut(&mut Self, i16, TType) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        self.input.read_struct_begin()?;
        loop {
            let TFieldIdentifier { field_type, id, .. } = self.input.read_field_begin()?;
            if field_type == TType::Stop {
                break;
            }
            // Only the end of a struct has no number. A negative one is that of an unknown field.
            if !read(self, id.unwrap_or(-1), field_type)? {
                self.input.skip(field_type)?;
            }
            self.input.read_field_end()?;
        }
        Ok(self.input.read_struct_end()?)
    }

    /// Reads a union `Value`. `depth` limits how deep lists and maps may nest in it.
    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let mut found = None;
        self.each_field(|reader, id, kind| {
            let input = &mut reader.input;
            let value = match (id, kind) {
                (field::NOTHING, TType::Bool) => input.read_bool().map(|_| Value::Null)?,
                (field::BOOLEAN, TType::Bool) => Value::Bool(input.read_bool()?),
                (field::INTEGER, TType::I64) => Value::Int(input.read_i64()?),
                (field::NUMBER, TType::Double) => Value::Float(input.read_double()?),
                (field::TEXT, TType::String) => Value::from(input.read_string()?),
                (field::OCTETS, TType::String) => Value::from(input.read_bytes()?),
                (field::ITEMS, TType::List) => reader.list(depth)?,
                (field::MEMBERS, TType::Map) => reader.map(depth)?,
                (field::NOTHING..=field::MEMBERS, _) => return Err(DecodeError::WrongType(id)),
                _ => return Ok(false),
            };
            if found.replace(value).is_some() { Err(DecodeError::Repeated(id)) } else { Ok(true) }
        })?;
        found.ok_or(DecodeError::NoKind)
    }

    fn list(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let depth = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
        let identifier = self.input.read_list_begin()?;
        if identifier.size > 0 && identifier.element_type != TType::Struct {
            return Err(DecodeError::WrongType(field::ITEMS));
        }
        let list = self.builder.open_list();
        for _ in 0..identifier.size {
            self.count_item()?;
            let item = self.value(depth)?;
            self.builder.push_item(item);
        }
        self.input.read_list_end()?;
        Ok(self.builder.close_list(list))
    }

    fn map(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let depth = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
        let identifier = self.input.read_map_begin()?;
        let types = (identifier.key_type, identifier.value_type);
        if identifier.size > 0 && types != (Some(TType::String), Some(TType::Struct)) {
            return Err(DecodeError::WrongType(field::MEMBERS));
        }
        let map = self.builder.open_map();
        for _ in 0..identifier.size {
            self.count_item()?;
            let name = Text::from(self.input.read_string()?);
            let value = self.value(depth)?;
            self.builder.push_member(name, value);
        }
        self.input.read_map_end()?;
        Ok(self.builder.close_map(map))
    }

    fn count_item(&mut self) -> Result<(), DecodeError> {
        self.items += 1;
        if self.items > MAX_ITEMS { Err(DecodeError::TooMany) } else { Ok(()) }
    }
}
