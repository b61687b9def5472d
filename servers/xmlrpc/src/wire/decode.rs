//! Decodes messages.

use calculator::{Call, Limits, Params, Value};
use quick_xml::Reader;
use quick_xml::events::Event;

use super::builder::{Message, MessageBuilder, MessageKind};
use super::error::DecodeError;
use super::fault::Fault;
use super::{declaration, encoding, syntax};

/// The content of a `methodResponse`.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// The result of a successful call.
    Value(Value),
    /// The fault of a failed call.
    Fault(Fault),
}

/// Decodes a `methodCall` document.
///
/// # Errors
/// [`DecodeError`] if `body` is not such a document, or exceeds `limits`.
pub fn decode_call(body: &[u8], limits: &Limits) -> Result<Call, DecodeError> {
    match decode(body, limits)? {
        Message { kind: Some(MessageKind::Call), method: Some(method), params, .. } => {
            Ok(Call { method: method.into(), params: Params::Positional(params.unwrap_or_default()) })
        }
        _ => Err(DecodeError::shape("not a methodCall with a methodName")),
    }
}

/// Decodes a `methodResponse` document. A single result is returned as it is, any other number of results as a list, as
/// in CPython.
///
/// # Errors
/// [`DecodeError`] if `body` is not such a document, or exceeds `limits`.
pub fn decode_response(body: &[u8], limits: &Limits) -> Result<Response, DecodeError> {
    match decode(body, limits)? {
        Message { kind: Some(MessageKind::Response), fault: Some(fault), .. } => {
            Ok(Response::Fault(Fault::from_value(fault)))
        }
        Message { kind: Some(MessageKind::Response), params: Some(mut params), .. } => {
            let only = if params.len() == 1 { params.pop() } else { None };
            Ok(Response::Value(only.unwrap_or_else(|| Value::list(params))))
        }
        _ => Err(DecodeError::shape("not a methodResponse with params or a fault")),
    }
}

/// Decodes a message of either kind.
fn decode(body: &[u8], limits: &Limits) -> Result<Message, DecodeError> {
    let (text, encoding) = encoding::decode(body)?;
    let text = &*text;
    syntax::check_characters(text)?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut builder = MessageBuilder::new(limits);
    loop {
        let start = reader.buffer_position();
        let error_here = |what| syntax::error_at(text, syntax::offset(start), what);
        let event = reader
            .read_event()
            .map_err(|error| syntax::parser_error(text, syntax::offset(reader.error_position()), &error))?;
        match event {
            Event::Start(tag) => builder.start_element(syntax::tag_name(&tag).map_err(error_here)?)?,
            Event::Empty(tag) => {
                builder.start_element(syntax::tag_name(&tag).map_err(error_here)?)?;
                builder.end_element()?;
            }
            Event::End(_) => builder.end_element()?,
            Event::Text(piece) => {
                let piece = piece.into_inner();
                if !builder.in_root() {
                    if !piece.trim_matches(syntax::WHITE_SPACE).is_empty() {
                        return Err(error_here(syntax::text_outside_root(builder.root_seen())));
                    }
                } else if piece.contains('>') && piece.contains("]]>") {
                    return Err(error_here(syntax::INVALID_TOKEN));
                } else {
                    builder.add_text(piece);
                }
            }
            Event::CData(piece) if builder.in_root() => builder.add_text(piece.into_inner()),
            Event::GeneralRef(name) if builder.in_root() => {
                builder.add_char(syntax::resolve_reference(&name.into_inner()).map_err(error_here)?);
            }
            Event::CData(_) | Event::GeneralRef(_) => {
                return Err(error_here(syntax::text_outside_root(builder.root_seen())));
            }
            Event::Decl(event) => {
                declaration::check(&event, start, text, encoding).map_err(error_here)?;
            }
            Event::PI(instruction) => {
                let target = instruction.target();
                if !syntax::is_name(target) || target.eq_ignore_ascii_case("xml") {
                    return Err(error_here(syntax::INVALID_TOKEN));
                }
            }
            Event::Comment(_) => {}
            Event::DocType(_) => return Err(error_here("document type declarations are not accepted")),
            Event::Eof if builder.root_seen() && !builder.in_root() => return Ok(builder.finish()),
            Event::Eof => return Err(error_here(syntax::NO_ELEMENT)),
        }
    }
}
