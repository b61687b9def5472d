//! Raw bytes: what a program sends that knows the layout of each message. All numbers are little endian.
//!
//! A call begins with a byte: the position of the method in [`Method::ALL`]. Two numbers are two integers of 64 bits,
//! a result is one. A document is the number of its records in 32 bits, and the records. A record is its id in 64 bits,
//! its score as a double, its flag in a byte, its name, the number of its tags in 32 bits, and the tags. A text is the
//! number of its bytes in 32 bits, and the bytes.

use calculator::Method;

use crate::codec::{Codec, CodecError, Notation, prepared};
use crate::exchange::{Exchange, Typed};
use crate::structs::{DocumentCall, NumbersCall, Record};

/// The initial capacity of a message in bytes.
const INITIAL_CAPACITY: usize = 128;
/// The length of a record whose texts are empty.
const MIN_RECORD: usize = 8 + 8 + 1 + 4 + 4;

/// Raw bytes.
struct Raw;

/// The codec of `exchange`.
pub(crate) fn codec(exchange: &Exchange) -> Result<Box<dyn Codec>, CodecError> {
    let method = exchange.call.method.as_ref().to_owned();
    match exchange.typed.clone() {
        Typed::Numbers { arguments, result } => {
            prepared::<Raw, _, _>(NumbersCall { method, arguments }, result)
        }
        Typed::Document(document) => {
            let result = document.clone();
            prepared::<Raw, _, _>(DocumentCall { method, document }, result)
        }
    }
}

impl Notation<NumbersCall> for Raw {
    fn encode(call: &NumbersCall) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::with_capacity(INITIAL_CAPACITY);
        write_method(&mut out, &call.method)?;
        for number in call.arguments {
            out.extend_from_slice(&number.to_le_bytes());
        }
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<NumbersCall, CodecError> {
        let mut reader = Reader(bytes);
        let method = reader.method()?;
        let arguments = [i64::from_le_bytes(reader.array()?), i64::from_le_bytes(reader.array()?)];
        reader.finish(NumbersCall { method, arguments })
    }
}

impl Notation<i64> for Raw {
    fn encode(result: &i64) -> Result<Vec<u8>, CodecError> {
        Ok(result.to_le_bytes().to_vec())
    }

    fn decode(bytes: &[u8]) -> Result<i64, CodecError> {
        let mut reader = Reader(bytes);
        let result = i64::from_le_bytes(reader.array()?);
        reader.finish(result)
    }
}

impl Notation<DocumentCall> for Raw {
    fn encode(call: &DocumentCall) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::with_capacity(INITIAL_CAPACITY);
        write_method(&mut out, &call.method)?;
        write_document(&mut out, &call.document)?;
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<DocumentCall, CodecError> {
        let mut reader = Reader(bytes);
        let method = reader.method()?;
        let document = reader.document()?;
        reader.finish(DocumentCall { method, document })
    }
}

impl Notation<Vec<Record>> for Raw {
    fn encode(result: &Vec<Record>) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::with_capacity(INITIAL_CAPACITY);
        write_document(&mut out, result)?;
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<Vec<Record>, CodecError> {
        let mut reader = Reader(bytes);
        let document = reader.document()?;
        reader.finish(document)
    }
}

fn write_method(out: &mut Vec<u8>, method: &str) -> Result<(), CodecError> {
    let position = Method::ALL.iter().position(|known| known.name() == method);
    let position = position.and_then(|position| u8::try_from(position).ok());
    out.push(position.ok_or_else(|| CodecError::Failed(format!("there is no method {method}")))?);
    Ok(())
}

fn write_document(out: &mut Vec<u8>, document: &[Record]) -> Result<(), CodecError> {
    write_length(out, document.len())?;
    for record in document {
        out.extend_from_slice(&record.id.to_le_bytes());
        out.extend_from_slice(&record.score.to_le_bytes());
        out.push(u8::from(record.active));
        write_text(out, &record.name)?;
        write_length(out, record.tags.len())?;
        for tag in &record.tags {
            write_text(out, tag)?;
        }
    }
    Ok(())
}

fn write_text(out: &mut Vec<u8>, text: &str) -> Result<(), CodecError> {
    write_length(out, text.len())?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn write_length(out: &mut Vec<u8>, length: usize) -> Result<(), CodecError> {
    out.extend_from_slice(&u32::try_from(length).map_err(CodecError::failed)?.to_le_bytes());
    Ok(())
}

/// Reads from the start of what is left of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn method(&mut self) -> Result<String, CodecError> {
        let [position] = self.array()?;
        let method = Method::ALL.get(usize::from(position));
        Ok(method
            .ok_or_else(|| CodecError::Failed(format!("there is no method {position}")))?
            .name()
            .to_owned())
    }

    fn document(&mut self) -> Result<Vec<Record>, CodecError> {
        let length = self.length()?;
        // No more than the rest of the message can hold, whatever number it announces.
        let mut records = Vec::with_capacity(length.min(self.0.len() / MIN_RECORD));
        for _ in 0..length {
            let id = i64::from_le_bytes(self.array()?);
            let score = f64::from_le_bytes(self.array()?);
            let [active] = self.array()?;
            let name = self.text()?;
            let length = self.length()?;
            let mut tags = Vec::with_capacity(length.min(self.0.len() / 4));
            for _ in 0..length {
                tags.push(self.text()?);
            }
            records.push(Record { id, name, score, active: active != 0, tags });
        }
        Ok(records)
    }

    fn text(&mut self) -> Result<String, CodecError> {
        let length = self.length()?;
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(truncated)?;
        self.0 = rest;
        Ok(str::from_utf8(text).map_err(CodecError::failed)?.to_owned())
    }

    fn length(&mut self) -> Result<usize, CodecError> {
        usize::try_from(u32::from_le_bytes(self.array()?)).map_err(CodecError::failed)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// Returns `decoded` if nothing follows.
    fn finish<T>(self, decoded: T) -> Result<T, CodecError> {
        if self.0.is_empty() { Ok(decoded) } else { Err(CodecError::failed("bytes after the message")) }
    }
}

fn truncated() -> CodecError {
    CodecError::failed("the message is too short")
}
