//! Calls, results and problems as XML, for clients that ask for it.
//!
//! ```xml
//! <arguments><x>2</x><y>3</y></arguments>
//! <result type="integer">5</result>
//! ```
//!
//! An attribute `type` names the JSON type of a value: `null`, `boolean`, `integer`, `number`, `string`, `array` with
//! `item` elements, `object` with `member` elements that have a `name`. Results always have it. An argument may leave it
//! out; what its text is then follows from its parameter. Problems are those of RFC 9457, appendix B.

use std::fmt::Write as _;

use calculator::{CallError, ErrorKind, Limits, Params, Value, json};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::{Kind, Problem, malformed};

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// The namespace of problem documents (RFC 9457, appendix B).
const PROBLEM_NAMESPACE: &str = "urn:ietf:rfc:7807";

/// Two have a meaning.
const MOST_ATTRIBUTES: usize = 16;

/// Whether XML 1.0 (§ 2.2) has the character.
fn is_xml_char(c: char) -> bool {
    !matches!(c, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// The document of a result.
///
/// # Errors
/// As [`json::write`], and [`ErrorKind::NotRepresentable`] for a character that XML does not have.
pub fn encode_result(result: &Value) -> Result<Vec<u8>, CallError> {
    json::check_representable(result)?;
    let mut out = DECLARATION.to_owned();
    write_value(&mut out, "result", None, result)?;
    Ok(out.into_bytes())
}

/// Appends an element. What is nested here has passed a limit on its way in.
fn write_value(out: &mut String, tag: &str, name: Option<&str>, value: &Value) -> Result<(), CallError> {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Int(_) | Value::BigInt(_) => "integer",
        Value::Float(_) => "number",
        Value::Str(_) | Value::Bytes(_) | Value::DateTime(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
    };
    let _ = write!(out, "<{tag} ");
    if let Some(name) = name {
        out.push_str("name=\"");
        write_text(out, name)?;
        out.push_str("\" ");
    }
    let _ = write!(out, "type=\"{kind}\">");
    match value {
        Value::Null | Value::Bytes(_) | Value::DateTime(_) => {}
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

/// Appends text so that it comes back the same from an element and from an attribute.
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
                let message = format!("XML has no form for the character U+{:04X}", u32::from(c));
                return Err(CallError::new(ErrorKind::NotRepresentable, message));
            }
        }
    }
    Ok(())
}

/// The document of a problem.
pub(super) fn encode_problem(problem: &Problem) -> Vec<u8> {
    let mut out = format!("{DECLARATION}<problem xmlns=\"{PROBLEM_NAMESPACE}\">");
    let status = problem.status.to_string();
    let kind = problem.kind.name();
    for (tag, text) in [
        ("type", format!("{}{kind}", super::PROBLEM_URN).as_str()),
        ("title", problem.title),
        ("status", &status),
        ("detail", &problem.detail),
        ("kind", kind),
    ] {
        let readable: String = text.chars().map(|c| if is_xml_char(c) { c } else { '\u{fffd}' }).collect();
        let _ = write!(out, "<{tag}>");
        // Nothing is left that could fail.
        let _ = write_text(&mut out, &readable);
        let _ = write!(out, "</{tag}>");
    }
    out.push_str("</problem>");
    out.into_bytes()
}

/// An element whose end has not come.
struct Open {
    /// The name of an argument or of a member.
    name: String,
    /// What `type` says.
    declared: Option<String>,
    text: String,
    children: Vec<(String, Value)>,
}

/// The arguments in an XML document: a child of the root `arguments` for each, by its name. Of children with the same
/// name the last one counts.
///
/// # Errors
/// [`ErrorKind::Malformed`] for what is no such document, [`ErrorKind::TooLarge`] for one nested too deep.
pub fn decode_params(body: &[u8], kind: Kind, limits: &Limits) -> Result<Params, CallError> {
    let text = str::from_utf8(body).map_err(|error| malformed(format!("not UTF-8: {error}")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(c) = text.chars().find(|c| !is_xml_char(*c)) {
        return Err(malformed(format!("not XML: the character U+{:04X}", u32::from(c))));
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    // The root and an argument are no levels of the value.
    let most = limits.max_depth.saturating_add(2);
    let mut stack: Vec<Open> = Vec::new();
    let mut arguments = None;
    loop {
        match reader.read_event().map_err(not_xml)? {
            Event::Start(tag) => {
                if stack.len() > most {
                    let message = format!("more than {} nested levels", limits.max_depth);
                    return Err(CallError::new(ErrorKind::TooLarge, message));
                }
                stack.push(open(&tag, stack.len(), arguments.is_some())?);
            }
            Event::Empty(tag) => {
                let element = open(&tag, stack.len(), arguments.is_some())?;
                close(element, &mut stack, kind, &mut arguments)?;
            }
            Event::End(_) => {
                // The reader has matched it with its start.
                let Some(element) = stack.pop() else {
                    return Err(malformed("not XML: an end without a start"));
                };
                close(element, &mut stack, kind, &mut arguments)?;
            }
            Event::Text(piece) => add(&mut stack, &piece.xml10_content())?,
            Event::CData(piece) => add(&mut stack, &piece.xml10_content())?,
            Event::GeneralRef(reference) => {
                let character = match reference.resolve_char_ref().map_err(not_xml)? {
                    Some(c) if is_xml_char(c) => c,
                    Some(_) => {
                        return Err(malformed("not XML: a reference to a character that it does not have"));
                    }
                    None => match &*reference.into_inner() {
                        "lt" => '<',
                        "gt" => '>',
                        "amp" => '&',
                        "apos" => '\'',
                        "quot" => '"',
                        _ => return Err(malformed("not XML: an undefined entity")),
                    },
                };
                add(&mut stack, character.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(malformed("document type declarations are not accepted")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => {
                return match arguments {
                    Some(arguments) if stack.is_empty() => Ok(Params::named(arguments)),
                    _ => Err(malformed("not XML: no whole document")),
                };
            }
        }
    }
}

fn not_xml(error: impl std::fmt::Display) -> CallError {
    malformed(format!("not XML: {error}"))
}

/// Character data; outside of the root there is only white space.
fn add(stack: &mut [Open], text: &str) -> Result<(), CallError> {
    match stack.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(malformed("not XML: text outside of the root element")),
    }
    Ok(())
}

fn open(tag: &BytesStart<'_>, level: usize, done: bool) -> Result<Open, CallError> {
    let tag_name = tag.name().0;
    let (mut name, mut declared) = (None, None);
    for (index, attribute) in tag.attributes().enumerate() {
        // Each is compared with those before it.
        if index == MOST_ATTRIBUTES {
            return Err(malformed("too many attributes on one element"));
        }
        let attribute = attribute.map_err(not_xml)?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(not_xml)?.into_owned();
        match attribute.key.0 {
            "type" => declared = Some(value),
            "name" => name = Some(value),
            _ => {}
        }
    }
    let name = match level {
        0 if tag_name == "arguments" && !done => String::new(),
        0 => return Err(malformed("the document is one element `arguments` with a child for each argument")),
        1 => tag_name.to_owned(),
        _ if tag_name == "item" => String::new(),
        _ => match (tag_name, name) {
            ("member", Some(name)) => name,
            _ => {
                return Err(malformed(
                    "inside a value are `item` elements, or `member` elements with a name",
                ));
            }
        },
    };
    Ok(Open { name, declared, text: String::new(), children: Vec::new() })
}

fn close(
    element: Open,
    stack: &mut [Open],
    kind: Kind,
    arguments: &mut Option<Vec<(String, Value)>>,
) -> Result<(), CallError> {
    let level = stack.len();
    let Some(parent) = stack.last_mut() else {
        *arguments = Some(element.children);
        return Ok(());
    };
    let Open { name, declared, text, children } = element;
    let literal = || json::read(text.trim().as_bytes(), &Limits::default()).ok();
    let of_type = |value: Option<Value>, what: &str| {
        value
            .ok_or_else(|| malformed(format!("`{}` is no {what}", text.chars().take(40).collect::<String>())))
    };
    let value = match declared.as_deref() {
        _ if !children.is_empty() && !matches!(declared.as_deref(), Some("array" | "object")) => {
            return Err(malformed("a value with elements inside has the type array or object"));
        }
        None if level == 1 => kind.read(text),
        None | Some("string") => Value::Str(text),
        Some("null") => Value::Null,
        Some("boolean") => of_type(literal().filter(|v| matches!(v, Value::Bool(_))), "boolean")?,
        Some("integer") => {
            of_type(literal().filter(|v| matches!(v, Value::Int(_) | Value::BigInt(_))), "integer")?
        }
        Some("number") => {
            let number = |v: &Value| matches!(v, Value::Int(_) | Value::BigInt(_) | Value::Float(_));
            of_type(literal().filter(number), "number")?
        }
        Some("array") => Value::List(children.into_iter().map(|(_, value)| value).collect()),
        Some("object") => Value::map(children),
        Some(_) => {
            return Err(malformed("the types are null, boolean, integer, number, string, array, object"));
        }
    };
    parent.children.push((name, value));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use calculator::strategies::json_values;
    use proptest::prelude::*;

    fn read(body: &str, kind: Kind) -> Result<Params, ErrorKind> {
        decode_params(body.as_bytes(), kind, &Limits::default()).map_err(|error| error.kind)
    }

    fn one(name: &str, value: Value) -> Result<Params, ErrorKind> {
        Ok(Params::Named(vec![(name.to_owned(), value)]))
    }

    #[test]
    fn an_argument_is_what_its_type_says_or_else_its_parameter() {
        for (body, kind, expected) in [
            ("<arguments><x>2</x></arguments>", Kind::Number, one("x", 2.into())),
            (
                "<?xml version='1.0'?>\n<arguments>\n<x> 2.0 </x>\n</arguments>\n",
                Kind::Number,
                one("x", 2.0.into()),
            ),
            ("<arguments><x>two</x></arguments>", Kind::Number, one("x", "two".into())),
            ("<arguments><name>5</name></arguments>", Kind::Text, one("name", "5".into())),
            ("<arguments><name type='integer'>5</name></arguments>", Kind::Text, one("name", 5.into())),
            ("<arguments><name/></arguments>", Kind::Text, one("name", "".into())),
            (
                "<arguments><name>a&lt;&#252;<![CDATA[&]]></name></arguments>",
                Kind::Text,
                one("name", "a<ü&".into()),
            ),
            ("<arguments><x>1</x><x>2</x></arguments>", Kind::Number, one("x", 2.into())),
            ("<arguments/>", Kind::Any, Ok(Params::Named(vec![]))),
            (
                "<arguments><value type='array'><item type='null'/><item type='object'><member name='a&amp;' \
                 type='boolean'>true</member></item></value></arguments>",
                Kind::Any,
                one(
                    "value",
                    Value::List(vec![Value::Null, Value::Map(vec![("a&".to_owned(), Value::Bool(true))])]),
                ),
            ),
        ] {
            assert_eq!(read(body, kind), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
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
            assert_eq!(read(body, Kind::Any), Err(ErrorKind::Malformed), "{body}");
        }
        let deep = |levels: usize| {
            let (open, close) = ("<item type='array'>".repeat(levels), "</item>".repeat(levels));
            format!("<arguments><value type='array'>{open}{close}</value></arguments>")
        };
        assert!(read(&deep(63), Kind::Any).is_ok());
        assert_eq!(read(&deep(10_000), Kind::Any), Err(ErrorKind::TooLarge));
    }

    #[test]
    fn results_and_problems_are_documents() {
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
        fn what_is_written_is_read_back_or_refused(value in json_values()) {
            if let Ok(result) = encode_result(&value) {
                let text = String::from_utf8(result).unwrap();
                let inner = text.trim_start_matches(DECLARATION).replacen("<result ", "<value ", 1);
                let inner = inner.strip_suffix("</result>").unwrap();
                let body = format!("<arguments>{inner}</value></arguments>");
                prop_assert_eq!(read(&body, Kind::Any), one("value", value));
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
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_params(&bytes, Kind::Any, &Limits::default());
            let _ = decode_params(&[b"<arguments><value type='", bytes.as_slice()].concat(), Kind::Any, &Limits::default());
        }
    }
}
