//! Thrift's binary and compact protocols, by the crate `thrift`. The structs are written and read as the code does that
//! Thrift's compiler makes of:
//!
//! ```thrift
//! struct Record { 1: i64 id, 2: string name, 3: double score, 4: bool active, 5: list<string> tags }
//! service Calculator {
//!     i64 add(1: i64 x, 2: i64 y),
//!     list<Record> echo(1: list<Record> value),
//! }
//! ```

use std::marker::PhantomData;

use thrift::protocol::{
    TBinaryInputProtocol, TBinaryOutputProtocol, TCompactInputProtocol, TCompactOutputProtocol,
    TFieldIdentifier, TInputProtocol, TListIdentifier, TMessageIdentifier, TMessageType, TOutputProtocol,
    TStructIdentifier, TType, field_id, prealloc_size, verify_required_field_exists,
};

use crate::codec::{Codec, CodecError, Notation, prepared};
use crate::exchange::{Exchange, Typed};
use crate::structs::Record;

/// One of Thrift's protocols.
pub(crate) trait Protocol {
    /// What `write` writes to it.
    fn encode(write: impl FnOnce(&mut dyn TOutputProtocol) -> thrift::Result<()>) -> thrift::Result<Vec<u8>>;

    /// What `read` reads from it, and the bytes that are left.
    fn decode<T>(
        bytes: &[u8],
        read: impl FnOnce(&mut dyn TInputProtocol) -> thrift::Result<T>,
    ) -> thrift::Result<(T, &[u8])>;
}

/// The binary protocol, with its version in each message.
pub(crate) struct Binary;

impl Protocol for Binary {
    fn encode(write: impl FnOnce(&mut dyn TOutputProtocol) -> thrift::Result<()>) -> thrift::Result<Vec<u8>> {
        let mut out = Vec::new();
        write(&mut TBinaryOutputProtocol::new(&mut out, true))?;
        Ok(out)
    }

    fn decode<T>(
        mut bytes: &[u8],
        read: impl FnOnce(&mut dyn TInputProtocol) -> thrift::Result<T>,
    ) -> thrift::Result<(T, &[u8])> {
        let message = read(&mut TBinaryInputProtocol::new(&mut bytes, true))?;
        Ok((message, bytes))
    }
}

/// The compact protocol.
pub(crate) struct Compact;

impl Protocol for Compact {
    fn encode(write: impl FnOnce(&mut dyn TOutputProtocol) -> thrift::Result<()>) -> thrift::Result<Vec<u8>> {
        let mut out = Vec::new();
        write(&mut TCompactOutputProtocol::new(&mut out))?;
        Ok(out)
    }

    fn decode<T>(
        mut bytes: &[u8],
        read: impl FnOnce(&mut dyn TInputProtocol) -> thrift::Result<T>,
    ) -> thrift::Result<(T, &[u8])> {
        let message = read(&mut TCompactInputProtocol::new(&mut bytes))?;
        Ok((message, bytes))
    }
}

/// Messages in the protocol `P`.
struct Thrift<P>(PhantomData<P>);

/// A call or a reply.
#[derive(PartialEq)]
struct Message<B> {
    method: String,
    body: B,
}

/// The struct of a message.
trait Body: Sized {
    /// Whether it is a call or a reply.
    const KIND: TMessageType;
    /// The name of the struct, which is not sent.
    const NAME: &'static str;

    fn write_fields(&self, out: &mut dyn TOutputProtocol) -> thrift::Result<()>;

    fn read(input: &mut dyn TInputProtocol) -> thrift::Result<Self>;
}

impl<P: Protocol, B: Body> Notation<Message<B>> for Thrift<P> {
    fn encode(message: &Message<B>) -> Result<Vec<u8>, CodecError> {
        let encoded = P::encode(|out| {
            out.write_message_begin(&TMessageIdentifier::new(message.method.as_str(), B::KIND, 1))?;
            write_struct(out, B::NAME, |out| message.body.write_fields(out))?;
            out.write_message_end()?;
            out.flush()
        });
        encoded.map_err(CodecError::failed)
    }

    fn decode(bytes: &[u8]) -> Result<Message<B>, CodecError> {
        let decoded = P::decode(bytes, |input| {
            let identifier = input.read_message_begin()?;
            let body = B::read(input)?;
            input.read_message_end()?;
            Ok((identifier, body))
        });
        let ((identifier, body), rest) = decoded.map_err(CodecError::failed)?;
        if !rest.is_empty() || identifier.message_type != B::KIND {
            return Err(CodecError::failed("a message of another kind, or bytes after it"));
        }
        Ok(Message { method: identifier.name, body })
    }
}

/// The arguments of `add`.
#[derive(PartialEq)]
struct Numbers([i64; 2]);

impl Body for Numbers {
    const KIND: TMessageType = TMessageType::Call;
    const NAME: &'static str = "CalculatorAddArgs";

    fn write_fields(&self, out: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        let [x, y] = self.0;
        write_field(out, "x", TType::I64, 1, |out| out.write_i64(x))?;
        write_field(out, "y", TType::I64, 2, |out| out.write_i64(y))
    }

    fn read(input: &mut dyn TInputProtocol) -> thrift::Result<Self> {
        let (mut x, mut y) = (None, None);
        read_struct(input, |input, id, kind| {
            match id {
                1 => x = Some(input.read_i64()?),
                2 => y = Some(input.read_i64()?),
                _ => input.skip(kind)?,
            }
            Ok(())
        })?;
        Ok(Numbers([required("x", x)?, required("y", y)?]))
    }
}

/// The result of `add`.
#[derive(PartialEq)]
struct Number(i64);

impl Body for Number {
    const KIND: TMessageType = TMessageType::Reply;
    const NAME: &'static str = "CalculatorAddResult";

    fn write_fields(&self, out: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        write_field(out, "result_value", TType::I64, 0, |out| out.write_i64(self.0))
    }

    fn read(input: &mut dyn TInputProtocol) -> thrift::Result<Self> {
        let mut result = None;
        read_struct(input, |input, id, kind| {
            match id {
                0 => result = Some(input.read_i64()?),
                _ => input.skip(kind)?,
            }
            Ok(())
        })?;
        Ok(Number(required("result_value", result)?))
    }
}

/// The number of the field with the argument.
const ARGUMENT: i16 = 1;
/// The number of the field with the result.
const RESULT: i16 = 0;

/// The argument or the result of `echo`, in the field with this number.
#[derive(PartialEq)]
struct Document<const FIELD: i16>(Vec<Record>);

impl<const FIELD: i16> Body for Document<FIELD> {
    const KIND: TMessageType = if FIELD == RESULT { TMessageType::Reply } else { TMessageType::Call };
    const NAME: &'static str = if FIELD == RESULT { "CalculatorEchoResult" } else { "CalculatorEchoArgs" };

    fn write_fields(&self, out: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        let name = if FIELD == RESULT { "result_value" } else { "value" };
        write_field(out, name, TType::List, FIELD, |out| {
            write_list(out, TType::Struct, &self.0, write_record)
        })
    }

    fn read(input: &mut dyn TInputProtocol) -> thrift::Result<Self> {
        let mut records = None;
        read_struct(input, |input, id, kind| {
            if id == FIELD {
                records = Some(read_list(input, read_record)?);
                Ok(())
            } else {
                input.skip(kind)
            }
        })?;
        Ok(Document(required("value", records)?))
    }
}

fn write_record(out: &mut dyn TOutputProtocol, record: &Record) -> thrift::Result<()> {
    write_struct(out, "Record", |out| {
        write_field(out, "id", TType::I64, 1, |out| out.write_i64(record.id))?;
        write_field(out, "name", TType::String, 2, |out| out.write_string(&record.name))?;
        write_field(out, "score", TType::Double, 3, |out| out.write_double(record.score))?;
        write_field(out, "active", TType::Bool, 4, |out| out.write_bool(record.active))?;
        write_field(out, "tags", TType::List, 5, |out| {
            write_list(out, TType::String, &record.tags, |out, tag| out.write_string(tag))
        })
    })
}

fn read_record(input: &mut dyn TInputProtocol) -> thrift::Result<Record> {
    let (mut number, mut name, mut score, mut active, mut tags) = (None, None, None, None, None);
    read_struct(input, |input, id, kind| {
        match id {
            1 => number = Some(input.read_i64()?),
            2 => name = Some(input.read_string()?),
            3 => score = Some(input.read_double()?),
            4 => active = Some(input.read_bool()?),
            5 => tags = Some(read_list(input, |input| input.read_string())?),
            _ => input.skip(kind)?,
        }
        Ok(())
    })?;
    Ok(Record {
        id: required("Record.id", number)?,
        name: required("Record.name", name)?,
        score: required("Record.score", score)?,
        active: required("Record.active", active)?,
        tags: required("Record.tags", tags)?,
    })
}

fn write_struct(
    out: &mut dyn TOutputProtocol,
    name: &str,
    fields: impl FnOnce(&mut dyn TOutputProtocol) -> thrift::Result<()>,
) -> thrift::Result<()> {
    out.write_struct_begin(&TStructIdentifier::new(name))?;
    fields(out)?;
    out.write_field_stop()?;
    out.write_struct_end()
}

fn write_field(
    out: &mut dyn TOutputProtocol,
    name: &'static str,
    kind: TType,
    id: i16,
    value: impl FnOnce(&mut dyn TOutputProtocol) -> thrift::Result<()>,
) -> thrift::Result<()> {
    out.write_field_begin(&TFieldIdentifier::new(name, kind, id))?;
    value(out)?;
    out.write_field_end()
}

fn write_list<T>(
    out: &mut dyn TOutputProtocol,
    kind: TType,
    items: &[T],
    write: impl Fn(&mut dyn TOutputProtocol, &T) -> thrift::Result<()>,
) -> thrift::Result<()> {
    let length = i32::try_from(items.len()).map_err(|error| error.to_string())?;
    out.write_list_begin(&TListIdentifier::new(kind, length))?;
    for item in items {
        write(out, item)?;
    }
    out.write_list_end()
}

/// Reads a struct. `field` reads the value of the field with a number and a type.
fn read_struct(
    input: &mut dyn TInputProtocol,
    mut field: impl FnMut(&mut dyn TInputProtocol, i16, TType) -> thrift::Result<()>,
) -> thrift::Result<()> {
    input.read_struct_begin()?;
    loop {
        let identifier = input.read_field_begin()?;
        if identifier.field_type == TType::Stop {
            break;
        }
        let id = field_id(&identifier)?;
        field(input, id, identifier.field_type)?;
        input.read_field_end()?;
    }
    input.read_struct_end()
}

fn read_list<T>(
    input: &mut dyn TInputProtocol,
    mut read: impl FnMut(&mut dyn TInputProtocol) -> thrift::Result<T>,
) -> thrift::Result<Vec<T>> {
    let length = input.read_list_begin()?.size;
    let mut items = Vec::with_capacity(prealloc_size(length));
    for _ in 0..length {
        items.push(read(input)?);
    }
    input.read_list_end()?;
    Ok(items)
}

fn required<T>(name: &str, value: Option<T>) -> thrift::Result<T> {
    verify_required_field_exists(name, &value)?;
    value.ok_or_else(|| thrift::Error::from(format!("{name} is missing")))
}

/// The codec of `exchange` in the protocol `P`.
pub(crate) fn codec<P: Protocol + 'static>(exchange: &Exchange) -> Result<Box<dyn Codec>, CodecError> {
    let method = exchange.call.method.as_ref().to_owned();
    match exchange.typed.clone() {
        Typed::Numbers { arguments, result } => prepared::<Thrift<P>, _, _>(
            Message { method: method.clone(), body: Numbers(arguments) },
            Message { method, body: Number(result) },
        ),
        Typed::Document(records) => prepared::<Thrift<P>, _, _>(
            Message { method: method.clone(), body: Document::<ARGUMENT>(records.clone()) },
            Message { method, body: Document::<RESULT>(records) },
        ),
    }
}
