//! Plain text, in lines that end with a line feed.
//!
//! A call with two numbers is one line, `add 2 3`, and its result is another, `5`. A call with a document is a line with
//! the name of the method, and the lines of the document; its result is those lines. A line of a document is a record:
//! its id, name, score, flag (`true` or `false`) and tags, with a tab between two of them, and a comma after each tag. In a
//! text, `\t`, `\n`, `\c` and `\\` stand for a tab, a line feed, a comma and a backslash.

use std::io::Write as _;

use crate::codec::{Codec, CodecError, Notation, prepared};
use crate::exchange::{Exchange, Typed};
use crate::structs::{DocumentCall, NumbersCall, Record};

/// The initial capacity of a message in bytes.
const INITIAL_CAPACITY: usize = 128;

/// Characters that have a meaning, and the letter that stands for each after a backslash.
const ESCAPES: [(char, u8); 4] = [('\t', b't'), ('\n', b'n'), (',', b'c'), ('\\', b'\\')];

/// Plain text.
struct Text;

/// The codec of `exchange`.
pub(crate) fn codec(exchange: &Exchange) -> Result<Box<dyn Codec>, CodecError> {
    let method = exchange.call.method.as_ref().to_owned();
    match exchange.typed.clone() {
        Typed::Numbers { arguments, result } => {
            prepared::<Text, _, _>(NumbersCall { method, arguments }, result)
        }
        Typed::Document(document) => {
            let result = document.clone();
            prepared::<Text, _, _>(DocumentCall { method, document }, result)
        }
    }
}

impl Notation<NumbersCall> for Text {
    fn encode(call: &NumbersCall) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::with_capacity(INITIAL_CAPACITY);
        let [x, y] = call.arguments;
        writeln!(out, "{} {x} {y}", call.method).map_err(CodecError::failed)?;
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<NumbersCall, CodecError> {
        let mut words = line(bytes)?.split(' ');
        let (Some(method), Some(x), Some(y), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(CodecError::failed("not a method and two numbers"));
        };
        Ok(NumbersCall { method: method.to_owned(), arguments: [parsed(x)?, parsed(y)?] })
    }
}

impl Notation<i64> for Text {
    fn encode(result: &i64) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::with_capacity(INITIAL_CAPACITY);
        writeln!(out, "{result}").map_err(CodecError::failed)?;
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<i64, CodecError> {
        parsed(line(bytes)?)
    }
}

impl Notation<DocumentCall> for Text {
    fn encode(call: &DocumentCall) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::with_capacity(INITIAL_CAPACITY);
        out.extend_from_slice(call.method.as_bytes());
        out.push(b'\n');
        write_document(&mut out, &call.document)?;
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<DocumentCall, CodecError> {
        let text = str::from_utf8(bytes).map_err(CodecError::failed)?;
        let (method, document) = text.split_once('\n').ok_or_else(|| CodecError::failed("no line"))?;
        Ok(DocumentCall { method: method.to_owned(), document: records(document)? })
    }
}

impl Notation<Vec<Record>> for Text {
    fn encode(result: &Vec<Record>) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::with_capacity(INITIAL_CAPACITY);
        write_document(&mut out, result)?;
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<Vec<Record>, CodecError> {
        records(str::from_utf8(bytes).map_err(CodecError::failed)?)
    }
}

fn write_document(out: &mut Vec<u8>, document: &[Record]) -> Result<(), CodecError> {
    for record in document {
        write!(out, "{}\t", record.id).map_err(CodecError::failed)?;
        write_escaped(out, &record.name);
        write!(out, "\t{}\t{}\t", record.score, record.active).map_err(CodecError::failed)?;
        for tag in &record.tags {
            write_escaped(out, tag);
            out.push(b',');
        }
        out.push(b'\n');
    }
    Ok(())
}

fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(|character: char| letter_for(character).is_some()) {
        let (before, special) = rest.split_at(at);
        out.extend_from_slice(before.as_bytes());
        let mut characters = special.chars();
        if let Some(letter) = characters.next().and_then(letter_for) {
            out.extend_from_slice(&[b'\\', letter]);
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}

/// The letter that stands for `character` after a backslash.
fn letter_for(character: char) -> Option<u8> {
    ESCAPES.iter().find(|(special, _)| *special == character).map(|(_, letter)| *letter)
}

/// The records of the lines of a document.
fn records(text: &str) -> Result<Vec<Record>, CodecError> {
    text.split_terminator('\n').map(record).collect()
}

fn record(line: &str) -> Result<Record, CodecError> {
    let mut fields = line.split('\t');
    let mut field = || fields.next().ok_or_else(|| CodecError::failed("a record without all its fields"));
    let record = Record {
        id: parsed(field()?)?,
        name: unescaped(field()?)?,
        score: field()?.parse().map_err(CodecError::failed)?,
        active: field()?.parse().map_err(CodecError::failed)?,
        tags: field()?.split_terminator(',').map(unescaped).collect::<Result<_, _>>()?,
    };
    if fields.next().is_some() { Err(CodecError::failed("a record with another field")) } else { Ok(record) }
}

fn unescaped(text: &str) -> Result<String, CodecError> {
    let mut rest = text;
    let mut whole = String::new();
    while let Some((before, after)) = rest.split_once('\\') {
        whole.push_str(before);
        let mut characters = after.chars();
        let letter = characters.next();
        let meaning = ESCAPES.iter().find(|(_, known)| Some(char::from(*known)) == letter);
        whole.push(meaning.ok_or_else(|| CodecError::failed("an unknown escape"))?.0);
        rest = characters.as_str();
    }
    if whole.is_empty() {
        return Ok(rest.to_owned());
    }
    whole.push_str(rest);
    Ok(whole)
}

/// The text of a message that is one line.
fn line(bytes: &[u8]) -> Result<&str, CodecError> {
    let text = str::from_utf8(bytes).map_err(CodecError::failed)?;
    text.strip_suffix('\n').ok_or_else(|| CodecError::failed("the line has no end"))
}

fn parsed(number: &str) -> Result<i64, CodecError> {
    number.parse().map_err(CodecError::failed)
}
