//! Calls, results and problem documents in XML, for clients that ask for it.
//!
//! ```xml
//! <arguments><x>2</x><y>3</y></arguments>
//! <result type="integer">5</result>
//! ```
//!
//! The attribute `type` names the JSON type of a value: `null`, `boolean`, `integer`, `number`, `string`, `array` with
//! `item` elements, or `object` with `member` elements that have a `name`. Results always have the attribute. An argument
//! may omit it; its text is then read as the type of its parameter. Problem documents are those of RFC 9457, appendix B.

use std::borrow::Cow;
use std::fmt::Write as _;

use calculator::{CallError, ErrorKind, Limits, Params, Text, Value, json};
use http_layer::xml::{is_xml_char, predefined_entity, replace_invalid_chars};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::problem::Problem;
use super::query::ParameterType;

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// The namespace of problem documents (RFC 9457, appendix B).
const PROBLEM_NAMESPACE: &str = "urn:ietf:rfc:7807";

/// The maximum number of attributes of an element. Only `type` and `name` have a meaning.
const MAX_ATTRIBUTES: usize = 16;

/// The levels of elements around a value: the root, and the argument itself.
const ENVELOPE_DEPTH: usize = 2;

/// The maximum number of characters of a value that an error message quotes.
const MAX_QUOTED_CHARS: usize = 40;

fn malformed(message: impl Into<String>) -> CallError {
    CallError::new(ErrorKind::Malformed, message)
}

fn not_xml(error: impl std::fmt::Display) -> CallError {
    malformed(format!("not XML: {error}"))
}

/// Encodes the document of a result.
///
/// # Errors
/// As [`json::write`], and [`ErrorKind::NotRepresentable`] for a character that XML does not allow.
pub fn encode_result(result: &Value) -> Result<Vec<u8>, CallError> {
    json::check_representable(result)?;
    let mut out = DECLARATION.to_owned();
    write_value(&mut out, "result", None, result)?;
    Ok(out.into_bytes())
}

/// Appends an element. The recursion is bounded, since results are made of arguments, whose depth has been checked.
fn write_value(out: &mut String, tag: &str, name: Option<&str>, value: &Value) -> Result<(), CallError> {
    let type_name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Int(_) | Value::BigInt(_) => "integer",
        Value::Float(_) => "number",
        Value::Str(_) | Value::Bytes(_) | Value::DateTime(_) | Value::Extension(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
    };
    let _ = write!(out, "<{tag} ");
    if let Some(name) = name {
        out.push_str("name=\"");
        write_text(out, name)?;
        out.push_str("\" ");
    }
    let _ = write!(out, "type=\"{type_name}\">");
    match value {
        Value::Null | Value::Bytes(_) | Value::DateTime(_) | Value::Extension(_) => {}
        Value::Bool(v) => write!(out, "{v}").unwrap_or_default(),
        Value::Int(v) => write!(out, "{v}").unwrap_or_default(),
        Value::BigInt(digits) => out.push_str(digits),
        Value::Float(v) => write!(out, "{v:?}").unwrap_or_default(),
        Value::Str(text) => write_text(out, text)?,
        Value::List(items) => {
            for item in items {
                write_value(out, "item", None, item)?;
            }
        }
        Value::Map(members) => {
            for (name, value) in members {
                write_value(out, "member", Some(name), value)?;
            }
        }
    }
    let _ = write!(out, "</{tag}>");
    Ok(())
}

/// Appends text, escaped so that it is read back unchanged both from an element and from an attribute.
fn write_text(out: &mut String, text: &str) -> Result<(), CallError> {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => write!(out, "&#{};", u32::from(c)).unwrap_or_default(),
            c if is_xml_char(c) => out.push(c),
            c => {
                let message = format!("XML cannot represent the character U+{:04X}", u32::from(c));
                return Err(CallError::new(ErrorKind::NotRepresentable, message));
            }
        }
    }
    Ok(())
}

/// Encodes a problem document (RFC 9457, appendix B). Characters that XML does not allow become U+FFFD.
#[must_use]
pub fn encode_problem(problem: &Problem) -> Vec<u8> {
    let mut out = format!("{DECLARATION}<problem xmlns=\"{PROBLEM_NAMESPACE}\">");
    for (tag, text) in [
        ("type", problem.type_uri().as_str()),
        ("title", problem.title),
        ("status", &problem.status.to_string()),
        ("detail", &problem.detail),
        ("kind", problem.kind.name()),
    ] {
        let _ = write!(out, "<{tag}>");
        // Cannot fail: the characters that XML does not allow have been replaced.
        let _ = write_text(&mut out, &replace_invalid_chars(text));
        let _ = write!(out, "</{tag}>");
    }
    out.push_str("</problem>");
    out.into_bytes()
}

/// Decodes the arguments in an XML document: each child of the root `arguments` is an argument, by its name. The last
/// child with a name wins.
///
/// # Errors
/// [`ErrorKind::Malformed`] for a body that is not such a document, [`ErrorKind::TooLarge`] for one that is nested too
/// deeply.
pub fn decode_params(body: &[u8], parameters: ParameterType, limits: &Limits) -> Result<Params, CallError> {
    let text = str::from_utf8(body).map_err(|error| malformed(format!("not UTF-8: {error}")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(c) = text.chars().find(|c| !is_xml_char(*c)) {
        return Err(malformed(format!("not XML: the character U+{:04X}", u32::from(c))));
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut decoder = Decoder { parameters, limits, open: Vec::new(), arguments: None };
    loop {
        match reader.read_event().map_err(not_xml)? {
            Event::Start(tag) => decoder.start_element(&tag)?,
            Event::Empty(tag) => {
                decoder.start_element(&tag)?;
                decoder.end_element()?;
            }
            Event::End(_) => decoder.end_element()?,
            Event::Text(piece) => decoder.add_text(&piece.xml10_content())?,
            Event::CData(piece) => decoder.add_text(&piece.xml10_content())?,
            Event::GeneralRef(reference) => {
                decoder.add_text(resolve(reference)?.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(malformed("document type declarations are not accepted")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => return decoder.finish(),
        }
    }
}

/// The character that a reference stands for.
fn resolve(reference: BytesRef<'_>) -> Result<char, CallError> {
    match reference.resolve_char_ref().map_err(not_xml)? {
        Some(c) if is_xml_char(c) => Ok(c),
        Some(_) => Err(malformed("not XML: a reference to a character that XML does not allow")),
        None => predefined_entity(&reference.into_inner())
            .ok_or_else(|| malformed("not XML: an undefined entity")),
    }
}

/// An element whose end tag has not been read yet.
struct OpenElement {
    /// The name of an argument, or of a member of an object.
    name: Text,
    /// The value of the attribute `type`.
    declared: Option<String>,
    text: String,
    children: Vec<(Text, Value)>,
}

/// Builds the arguments from the events of a parser.
struct Decoder<'a> {
    parameters: ParameterType,
    limits: &'a Limits,
    /// The elements around the current position, the root first.
    open: Vec<OpenElement>,
    /// The arguments, once the root element has ended.
    arguments: Option<Vec<(Text, Value)>>,
}

impl Decoder<'_> {
    fn start_element(&mut self, tag: &BytesStart<'_>) -> Result<(), CallError> {
        if self.open.len() > self.limits.with_envelope(ENVELOPE_DEPTH).max_depth {
            let message = format!("more than {} nested levels", self.limits.max_depth);
            return Err(CallError::new(ErrorKind::TooLarge, message));
        }
        let Attributes { declared, name } = attributes(tag)?;
        let tag_name = tag.name().0;
        let name = match self.open.len() {
            0 if tag_name == "arguments" && self.arguments.is_none() => Text::new(),
            0 => {
                return Err(malformed(
                    "the document must be one element `arguments` with a child for each argument",
                ));
            }
            1 => tag_name.into(),
            _ if tag_name == "item" => Text::new(),
            _ => match (tag_name, name) {
                ("member", Some(name)) => (&*name).into(),
                _ => {
                    return Err(malformed(
                        "a value may contain only `item` elements, or `member` elements with a name",
                    ));
                }
            },
        };
        let declared = declared.map(Cow::into_owned);
        self.open.push(OpenElement { name, declared, text: String::new(), children: Vec::new() });
        Ok(())
    }

    /// Adds character data to the current element. Outside the root element only white space is allowed.
    fn add_text(&mut self, text: &str) -> Result<(), CallError> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(malformed("not XML: text outside of the root element")),
        }
        Ok(())
    }

    /// Adds the value of the current element to its parent. The parser has matched its end tag with its start tag.
    fn end_element(&mut self) -> Result<(), CallError> {
        let element = self.open.pop().ok_or_else(|| malformed("not XML: an end tag without a start tag"))?;
        let is_argument = self.open.len() == 1;
        match self.open.last_mut() {
            None => self.arguments = Some(element.children),
            Some(parent) => {
                let default_type = is_argument.then_some(self.parameters);
                let OpenElement { name, declared, text, children } = element;
                let value = value_of(declared.as_deref(), default_type, &text, children)?;
                parent.children.push((name, value));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Params, CallError> {
        match self.arguments {
            Some(arguments) if self.open.is_empty() => Ok(Params::named(arguments)),
            _ => Err(malformed("not XML: the document is incomplete")),
        }
    }
}

/// The attributes that have a meaning.
struct Attributes<'a> {
    /// `type`
    declared: Option<Cow<'a, str>>,
    /// `name`
    name: Option<Cow<'a, str>>,
}

fn attributes<'a>(tag: &'a BytesStart<'_>) -> Result<Attributes<'a>, CallError> {
    let mut found = Attributes { declared: None, name: None };
    for (index, attribute) in tag.attributes().enumerate() {
        // The parser compares each name with all before it, so their number must be limited.
        if index == MAX_ATTRIBUTES {
            return Err(malformed("too many attributes on one element"));
        }
        let attribute = attribute.map_err(not_xml)?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(not_xml)?;
        match attribute.key.0 {
            "type" => found.declared = Some(value),
            "name" => found.name = Some(value),
            _ => {}
        }
    }
    Ok(found)
}

/// The value of an element that has the `declared` type, or else the `default_type` of an argument, or else is a string.
fn value_of(
    declared: Option<&str>,
    default_type: Option<ParameterType>,
    text: &str,
    children: Vec<(Text, Value)>,
) -> Result<Value, CallError> {
    if !children.is_empty() && !matches!(declared, Some("array" | "object")) {
        return Err(malformed("only a value of type array or object may contain elements"));
    }
    let literal = |type_name: &str, is_of_type: fn(&Value) -> bool| {
        json::read(text.trim().as_bytes(), &Limits::default()).ok().filter(is_of_type).ok_or_else(|| {
            let quoted: String = text.chars().take(MAX_QUOTED_CHARS).collect();
            malformed(format!("`{quoted}` is not of type {type_name}"))
        })
    };
    match (declared, default_type) {
        (None, Some(parameter)) => Ok(parameter.parse(text)),
        (None, None) | (Some("string"), _) => Ok(text.into()),
        (Some("null"), _) => Ok(Value::Null),
        (Some("boolean"), _) => literal("boolean", |value| matches!(value, Value::Bool(_))),
        (Some("integer"), _) => literal("integer", |value| matches!(value, Value::Int(_) | Value::BigInt(_))),
        (Some("number"), _) => {
            literal("number", |value| matches!(value, Value::Int(_) | Value::BigInt(_) | Value::Float(_)))
        }
        (Some("array"), _) => Ok(Value::List(children.into_iter().map(|(_, value)| value).collect())),
        (Some("object"), _) => Ok(Value::map(children)),
        (Some(_), _) => Err(malformed("the types are null, boolean, integer, number, string, array, object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calculator::strategies::json_values;
    use proptest::prelude::*;

    fn read(body: &str, parameters: ParameterType) -> Result<Params, ErrorKind> {
        decode_params(body.as_bytes(), parameters, &Limits::default()).map_err(|error| error.kind)
    }

    fn one(name: &str, value: Value) -> Result<Params, ErrorKind> {
        Ok(Params::Named(vec![(name.into(), value)]))
    }

    #[test]
    fn an_argument_has_its_declared_type_or_that_of_its_parameter() {
        for (body, parameters, expected) in [
            ("<arguments><x>2</x></arguments>", ParameterType::Number, one("x", 2.into())),
            (
                "<?xml version='1.0'?>\n<arguments>\n<x> 2.0 </x>\n</arguments>\n",
                ParameterType::Number,
                one("x", 2.0.into()),
            ),
            ("<arguments><x>two</x></arguments>", ParameterType::Number, one("x", "two".into())),
            ("<arguments><name>5</name></arguments>", ParameterType::Text, one("name", "5".into())),
            (
                "<arguments><name type='integer'>5</name></arguments>",
                ParameterType::Text,
                one("name", 5.into()),
            ),
            ("<arguments><name/></arguments>", ParameterType::Text, one("name", "".into())),
            (
                "<arguments><name>a&lt;&#252;<![CDATA[&]]></name></arguments>",
                ParameterType::Text,
                one("name", "a<ü&".into()),
            ),
            ("<arguments><x>1</x><x>2</x></arguments>", ParameterType::Number, one("x", 2.into())),
            ("<arguments/>", ParameterType::Any, Ok(Params::Named(vec![]))),
            (
                "<arguments><value type='array'><item type='null'/><item type='object'><member name='a&amp;' \
                 type='boolean'>true</member></item></value></arguments>",
                ParameterType::Any,
                one(
                    "value",
                    Value::list(vec![Value::Null, Value::map(vec![("a&".into(), Value::Bool(true))])]),
                ),
            ),
        ] {
            assert_eq!(read(body, parameters), expected, "{body}");
        }
    }

    #[test]
    fn rejects_documents_that_are_not_arguments() {
        for body in [
            "",
            "x",
            "<x/>",
            "<arguments>",
            "<arguments/><arguments/>",
            "<arguments/>x",
            "<arguments></argument>",
            "<arguments><x>&nbsp;</x></arguments>",
            "<arguments><x>&#0;</x></arguments>",
            "<arguments><x type='integer'>1.5</x></arguments>",
            "<arguments><x type='int'>1</x></arguments>",
            "<arguments><x a='1' a='2'>1</x></arguments>",
            "<arguments><x><item>1</item></x></arguments>",
            "<arguments><x type='array'><y/></x></arguments>",
            "<arguments><x type='object'><member>1</member></x></arguments>",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><arguments><x>&b;</x></arguments>",
            "<arguments><x>\u{1}</x></arguments>",
        ] {
            assert_eq!(read(body, ParameterType::Any), Err(ErrorKind::Malformed), "{body}");
        }
        let deep = |levels: usize| {
            let (open, close) = ("<item type='array'>".repeat(levels), "</item>".repeat(levels));
            format!("<arguments><value type='array'>{open}{close}</value></arguments>")
        };
        assert!(read(&deep(63), ParameterType::Any).is_ok());
        assert_eq!(read(&deep(10_000), ParameterType::Any), Err(ErrorKind::TooLarge));
    }

    #[test]
    fn encodes_results_and_problems_as_documents() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().split_off(DECLARATION.len());
        assert_eq!(text(encode_result(&5.into()).unwrap()), "<result type=\"integer\">5</result>");
        assert_eq!(
            text(encode_result(&"<\n>".into()).unwrap()),
            "<result type=\"string\">&lt;&#10;&gt;</result>"
        );
        assert_eq!(encode_result(&"\u{1}".into()).unwrap_err().kind, ErrorKind::NotRepresentable);
        let problem = Problem::from(CallError::new(ErrorKind::ZeroDivision, "1/0\u{0}"));
        assert_eq!(
            text(encode_problem(&problem)),
            "<problem xmlns=\"urn:ietf:rfc:7807\"><type>urn:rpcbench:problem:zero-division</type>\
             <title>Division by zero</title><status>422</status><detail>1/0\u{fffd}</detail>\
             <kind>zero-division</kind></problem>"
        );
    }

    proptest! {
        #[test]
        fn encoded_values_are_decoded_unchanged_or_rejected(value in json_values()) {
            if let Ok(result) = encode_result(&value) {
                let text = String::from_utf8(result).unwrap();
                let inner = text.trim_start_matches(DECLARATION).replacen("<result ", "<value ", 1);
                let inner = inner.strip_suffix("</result>").unwrap();
                let body = format!("<arguments>{inner}</value></arguments>");
                prop_assert_eq!(read(&body, ParameterType::Any), one("value", value));
            } else {
                let controls = |text: &str| text.chars().any(|c| !is_xml_char(c));
                let unreadable = value.any(|value| match value {
                    Value::Str(text) => controls(text),
                    Value::Map(members) => members.iter().any(|(name, _)| controls(name)),
                    _ => false,
                });
                prop_assert!(unreadable);
            }
        }

        #[test]
        fn any_bytes_are_decoded_or_rejected_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_params(&bytes, ParameterType::Any, &Limits::default());
            let _ = decode_params(&[b"<arguments><value type='", bytes.as_slice()].concat(), ParameterType::Any, &Limits::default());
        }
    }
}
