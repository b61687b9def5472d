//! Bytes to values.

use std::borrow::Cow;
use std::mem;

use calculator::{Call, CallError, ErrorKind, Limits, Params, Value};
use quick_xml::Reader;
use quick_xml::events::Event;

use super::encoding;
use super::fault::Fault;
use super::scalar::Scalar;
use super::xml;

/// Why a message was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not well-formed XML, or XML of a kind that is refused.
    #[error("{what}: line {line}, column {column}")]
    NotWellFormed {
        /// What is wrong; in expat's words where it has some for it.
        what: &'static str,
        /// Counted from 1.
        line: usize,
        /// Bytes before the place on its line.
        column: usize,
    },
    /// In an encoding that is not read.
    #[error("unsupported encoding '{0}'; send UTF-8, UTF-16, ISO-8859-1 or US-ASCII")]
    Encoding(String),
    /// Well-formed, but no XML-RPC message of the kind that was expected.
    #[error("ResponseError({0:?})")]
    Shape(String),
    /// Text that is no number of its element's kind.
    #[error("invalid literal for a number: '{0}'")]
    Number(String),
    /// A boolean that is neither `0` nor `1`.
    #[error("bad boolean value")]
    Boolean,
    /// Base64 whose last group is incomplete, or that is not ASCII.
    #[error("Incorrect padding")]
    Base64,
    /// More of something than is accepted.
    #[error("{found} {what}; the limit is {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much of it was found, up to where reading stopped.
        found: usize,
        /// How much is accepted.
        limit: usize,
    },
}

impl DecodeError {
    /// The kind of the failed call.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            DecodeError::TooLarge { .. } => ErrorKind::TooLarge,
            _ => ErrorKind::Malformed,
        }
    }

    /// The Python exception that a fault names for this error.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            DecodeError::NotWellFormed { .. } => "xml.parsers.expat.ExpatError",
            DecodeError::Encoding(_) => "LookupError",
            DecodeError::Shape(_) => "xmlrpc.client.ResponseError",
            DecodeError::Boolean => "TypeError",
            DecodeError::Base64 => "binascii.Error",
            DecodeError::Number(_) | DecodeError::TooLarge { .. } => "ValueError",
        }
    }
}

impl From<DecodeError> for CallError {
    fn from(error: DecodeError) -> Self {
        CallError::new(error.kind(), error.to_string())
    }
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// A result.
    Value(Value),
    /// A failure.
    Fault(Fault),
}

/// Reads a `methodCall` document.
///
/// # Errors
/// When `body` is not one, or exceeds `limits`.
pub fn decode_call(body: &[u8], limits: &Limits) -> Result<Call, DecodeError> {
    match decode(body, limits)? {
        Message { kind: Some(Kind::Call), method: Some(method), params, .. } => {
            Ok(Call { method: method.into(), params: Params::Positional(params.unwrap_or_default()) })
        }
        _ => Err(shape("no methodCall with a methodName")),
    }
}

/// Reads a `methodResponse` document. One result is itself; any other number of them is a list, as in CPython.
///
/// # Errors
/// When `body` is not one, or exceeds `limits`.
pub fn decode_response(body: &[u8], limits: &Limits) -> Result<Response, DecodeError> {
    match decode(body, limits)? {
        Message { kind: Some(Kind::Response), fault: Some(fault), .. } => {
            Fault::from_value(fault).map(Response::Fault)
        }
        Message { kind: Some(Kind::Response), params: Some(mut params), .. } => {
            let only = if params.len() == 1 { params.pop() } else { None };
            Ok(Response::Value(only.unwrap_or(Value::List(params))))
        }
        _ => Err(shape("no methodResponse with params or a fault")),
    }
}

fn shape(what: &str) -> DecodeError {
    DecodeError::Shape(what.to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Call,
    Response,
}

/// What a document said, of either kind.
#[derive(Default)]
struct Message {
    kind: Option<Kind>,
    method: Option<String>,
    params: Option<Vec<Value>>,
    fault: Option<Value>,
}

/// An element whose end has not come.
enum Open {
    Message(Kind),
    MethodName,
    Params,
    Param {
        filled: bool,
    },
    Fault,
    /// With the value of its typed child, once that has ended.
    Value(Option<Value>),
    Scalar(Scalar),
    /// `data` is no level of its own: CPython reads values with or without it.
    Array {
        items: Vec<Value>,
        in_data: bool,
    },
    Struct(Vec<(String, Value)>),
    Member {
        name: Option<String>,
        value: Option<Value>,
    },
    Name,
}

/// Builds a message from XML events, with a stack of its own instead of the thread's.
struct Builder<'a, 'l> {
    limits: &'l Limits,
    message: Message,
    stack: Vec<Open>,
    /// Lists and maps on the stack.
    depth: usize,
    /// Character data since the last start tag.
    text: Cow<'a, str>,
}

/// Room on the stack for a message without nested values.
const ROOM: usize = 8;

fn decode(body: &[u8], limits: &Limits) -> Result<Message, DecodeError> {
    let (text, encoding) = encoding::read(body)?;
    let text = &*text;
    xml::check_characters(text)?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut builder = Builder {
        limits,
        message: Message::default(),
        stack: Vec::with_capacity(ROOM),
        depth: 0,
        text: Cow::Borrowed(""),
    };
    loop {
        let start = reader.buffer_position();
        let refused = |what| xml::position(text, xml::offset(start), what);
        let event = reader
            .read_event()
            .map_err(|error| xml::syntax(text, xml::offset(reader.error_position()), &error))?;
        match event {
            Event::Start(tag) => builder.open(xml::checked_tag(&tag).map_err(refused)?)?,
            Event::Empty(tag) => {
                builder.open(xml::checked_tag(&tag).map_err(refused)?)?;
                builder.close()?;
            }
            Event::End(_) => builder.close()?,
            Event::Text(piece) => {
                let piece = piece.into_inner();
                if builder.stack.is_empty() {
                    if !piece.trim_matches(xml::WHITE_SPACE).is_empty() {
                        return Err(refused(xml::outside(builder.message.kind.is_some())));
                    }
                } else if piece.contains('>') && piece.contains("]]>") {
                    return Err(refused(xml::INVALID_TOKEN));
                } else {
                    builder.text(piece);
                }
            }
            Event::CData(piece) if !builder.stack.is_empty() => builder.text(piece.into_inner()),
            Event::GeneralRef(name) if !builder.stack.is_empty() => {
                let character = xml::resolve(&name.into_inner()).map_err(refused)?;
                builder.character(character);
            }
            Event::CData(_) | Event::GeneralRef(_) => {
                return Err(refused(xml::outside(builder.message.kind.is_some())));
            }
            Event::Decl(declaration) => {
                xml::check_declaration(&declaration, start, text, encoding).map_err(refused)?;
            }
            Event::PI(instruction) => {
                let target = instruction.target();
                if !xml::is_name(target) || target.eq_ignore_ascii_case("xml") {
                    return Err(refused(xml::INVALID_TOKEN));
                }
            }
            Event::Comment(_) => {}
            Event::DocType(_) => return Err(refused("document type declarations are not accepted")),
            Event::Eof if builder.stack.is_empty() && builder.message.kind.is_some() => {
                return Ok(builder.message);
            }
            Event::Eof => return Err(refused(xml::NO_ELEMENT)),
        }
    }
}

impl<'a> Builder<'a, '_> {
    /// Whether character data counts at this place. Beside other elements it is ignored, as in CPython.
    fn wants_text(&self) -> bool {
        matches!(self.stack.last(), Some(Open::Value(None) | Open::Scalar(_) | Open::MethodName | Open::Name))
    }

    fn text(&mut self, piece: Cow<'a, str>) {
        if !self.wants_text() {
            return;
        }
        let piece = xml::with_folded_line_ends(piece);
        if self.text.is_empty() {
            self.text = piece;
        } else {
            self.text.to_mut().push_str(&piece);
        }
    }

    fn character(&mut self, character: char) {
        if self.wants_text() {
            self.text.to_mut().push(character);
        }
    }

    fn open(&mut self, tag: &str) -> Result<(), DecodeError> {
        self.text = Cow::Borrowed("");
        let message = &mut self.message;
        let opened = match (self.stack.last_mut(), tag) {
            (None, "methodCall" | "methodResponse") if message.kind.is_none() => {
                let kind = if tag == "methodCall" { Kind::Call } else { Kind::Response };
                message.kind = Some(kind);
                Open::Message(kind)
            }
            (Some(Open::Message(Kind::Call)), "methodName") if message.method.is_none() => Open::MethodName,
            (Some(Open::Message(_)), "params") if message.params.is_none() && message.fault.is_none() => {
                message.params = Some(Vec::new());
                Open::Params
            }
            (Some(Open::Message(Kind::Response)), "fault")
                if message.params.is_none() && message.fault.is_none() =>
            {
                Open::Fault
            }
            (Some(Open::Params), "param") => Open::Param { filled: false },
            (
                Some(Open::Param { filled: false } | Open::Array { .. } | Open::Member { value: None, .. }),
                "value",
            ) => Open::Value(None),
            (Some(Open::Fault), "value") if message.fault.is_none() => Open::Value(None),
            (Some(Open::Array { in_data: in_data @ false, .. }), "data") => {
                *in_data = true;
                return Ok(());
            }
            (Some(Open::Struct(_)), "member") => Open::Member { name: None, value: None },
            (Some(Open::Member { name: None, .. }), "name") => Open::Name,
            (Some(Open::Value(None)), tag) => return self.open_typed(tag),
            _ => return Err(misplaced(tag)),
        };
        self.stack.push(opened);
        Ok(())
    }

    fn open_typed(&mut self, tag: &str) -> Result<(), DecodeError> {
        let opened = match Scalar::from_tag(tag) {
            Some(scalar) => Open::Scalar(scalar),
            None => {
                let opened = match tag {
                    "array" => Open::Array { items: Vec::new(), in_data: false },
                    "struct" => Open::Struct(Vec::new()),
                    _ => return Err(misplaced(tag)),
                };
                self.depth += 1;
                if self.depth > self.limits.max_depth {
                    return Err(DecodeError::TooLarge {
                        what: "nested levels",
                        found: self.depth,
                        limit: self.limits.max_depth,
                    });
                }
                opened
            }
        };
        self.stack.push(opened);
        Ok(())
    }

    fn close(&mut self) -> Result<(), DecodeError> {
        if let Some(Open::Array { in_data: in_data @ true, .. }) = self.stack.last_mut() {
            *in_data = false;
            return Ok(());
        }
        let text = mem::replace(&mut self.text, Cow::Borrowed(""));
        match self.stack.pop() {
            Some(Open::Value(Some(value))) => self.put_value(value),
            Some(Open::Value(None)) => self.put_value(Value::Str(text.into_owned())),
            Some(Open::Scalar(scalar)) => self.put_typed(scalar.read(text)?),
            Some(Open::Array { items, .. }) => {
                self.depth -= 1;
                self.put_typed(Value::List(items))
            }
            Some(Open::Struct(members)) => {
                self.depth -= 1;
                self.put_typed(Value::map(members))
            }
            Some(Open::Member { name: Some(name), value: Some(value) }) => match self.stack.last_mut() {
                Some(Open::Struct(members)) => {
                    members.push((name, value));
                    Ok(())
                }
                _ => Err(misplaced("member")),
            },
            Some(Open::Member { .. }) => Err(shape("a member without a name or a value")),
            Some(Open::Name) => match self.stack.last_mut() {
                Some(Open::Member { name, .. }) => {
                    *name = Some(text.into_owned());
                    Ok(())
                }
                _ => Err(misplaced("name")),
            },
            Some(Open::MethodName) => {
                self.message.method = Some(text.into_owned());
                Ok(())
            }
            Some(Open::Param { filled: false }) => Err(shape("a param without a value")),
            Some(Open::Fault) if self.message.fault.is_none() => Err(shape("a fault without a value")),
            Some(Open::Message(_) | Open::Params | Open::Param { .. } | Open::Fault) | None => Ok(()),
        }
    }

    /// Hands a typed child's value to its `value` element.
    fn put_typed(&mut self, value: Value) -> Result<(), DecodeError> {
        match self.stack.last_mut() {
            Some(Open::Value(slot)) => {
                *slot = Some(value);
                Ok(())
            }
            _ => Err(misplaced(value.kind())),
        }
    }

    /// Hands a finished `value` to what holds it.
    fn put_value(&mut self, value: Value) -> Result<(), DecodeError> {
        match self.stack.last_mut() {
            Some(Open::Param { filled }) => {
                *filled = true;
                self.message.params.get_or_insert_default().push(value);
            }
            Some(Open::Array { items, .. }) => items.push(value),
            Some(Open::Member { value: slot, .. }) => *slot = Some(value),
            Some(Open::Fault) => self.message.fault = Some(value),
            _ => return Err(misplaced("value")),
        }
        Ok(())
    }
}

fn misplaced(tag: &str) -> DecodeError {
    let known = Scalar::from_tag(tag).is_some()
        || matches!(
            tag,
            "methodCall"
                | "methodResponse"
                | "methodName"
                | "params"
                | "param"
                | "value"
                | "fault"
                | "array"
                | "data"
                | "struct"
                | "member"
                | "name"
        );
    let what = if known { "misplaced" } else { "unknown" };
    let tag: String = tag.chars().take(40).collect();
    DecodeError::Shape(format!("{what} tag '{tag}'"))
}
