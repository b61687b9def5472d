//! Values and texts with places for variables.

use std::fmt::Write as _;

use calculator::{Text, Value, json};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What is encoded in a path: all but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The variables of an operation, and where each one stands first.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The name, and the key of the operation in which it stands.
    pub(super) all: Vec<(String, &'static str)>,
}

impl Names {
    /// The number of the variable `name`, which stands in the value of `key`.
    fn number(&mut self, name: &str, key: &'static str) -> usize {
        match self.all.iter().position(|(known, _)| known == name) {
            Some(number) => number,
            None => {
                self.all.push((name.to_owned(), key));
                self.all.len() - 1
            }
        }
    }
}

/// A text with places for variables.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TextTemplate(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    /// The variable of this number.
    Variable(usize),
}

impl TextTemplate {
    /// Reads `text`, which stands in the value of `key`.
    pub(super) fn new(text: &str, key: &'static str, names: &mut Names) -> Self {
        let mut pieces = vec![];
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some((name, after)) = placeholder(rest) {
                pieces.extend((!plain.is_empty()).then(|| Piece::Text(std::mem::take(&mut plain))));
                pieces.push(Piece::Variable(names.number(name, key)));
                rest = after;
            } else if let Some((name, after)) = rest.strip_prefix('{').and_then(placeholder)
                && let Some(after) = after.strip_prefix('}')
            {
                let _ = write!(plain, "{{{name}}}");
                rest = after;
            } else {
                plain.push('{');
                rest = &rest[1..];
            }
        }
        plain.push_str(rest);
        pieces.extend((!plain.is_empty()).then_some(Piece::Text(plain)));
        TextTemplate(pieces)
    }

    /// The only variable, where there is nothing else.
    fn variable(&self) -> Option<usize> {
        match self.0.as_slice() {
            [Piece::Variable(number)] => Some(*number),
            _ => None,
        }
    }

    /// Whether there is a variable.
    pub(super) fn has_variables(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Variable(_)))
    }

    /// The text with the values of the variables.
    pub(super) fn render(&self, values: &[Value]) -> String {
        self.write(values, |out, text| out.push_str(text))
    }

    /// The text with the values of the variables, which are percent-encoded.
    pub(super) fn render_encoded(&self, values: &[Value]) -> String {
        self.write(values, |out, text| out.extend(utf8_percent_encode(text, ENCODED)))
    }

    fn write(&self, values: &[Value], mut add: impl FnMut(&mut String, &str)) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Variable(number) => match values.get(*number) {
                    Some(Value::Str(text)) => add(&mut out, text),
                    Some(value) => add(&mut out, &text_of(value)),
                    None => {}
                },
            }
        }
        out
    }
}

/// The name of the variable with whose place `text` begins, and what follows that.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    is_name(name).then_some((name, after))
}

/// Whether `text` can be the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(is_first) && text.chars().all(|c| is_first(c) || c.is_ascii_digit())
}

/// `value` as a part of a text: numbers as in JSON, and nothing for null.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Str(text) => text.to_string(),
        other => {
            let mut out = Vec::new();
            // JSON cannot represent all values; those that variables have, it can.
            let _ = json::write(&mut out, other);
            String::from_utf8(out).unwrap_or_default()
        }
    }
}

/// A value with places for variables.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Template {
    /// The same in every call.
    Fixed(Value),
    /// The value of the variable of this number.
    Variable(usize),
    /// A text with the texts of variables in it.
    Text(TextTemplate),
    List(Box<[Template]>),
    Map(Box<[(Text, Template)]>),
}

impl Template {
    /// Reads `value`, which stands in the value of `key`.
    pub(super) fn new(value: &Value, key: &'static str, names: &mut Names) -> Self {
        match value {
            Value::Str(text) => {
                let template = TextTemplate::new(text, key, names);
                match template.variable() {
                    Some(number) => Template::Variable(number),
                    None if template.has_variables() => Template::Text(template),
                    // Not `text`: `{{x}}` is the text `{x}`.
                    None => Template::Fixed(Value::from(template.render(&[]))),
                }
            }
            Value::List(items) => {
                let items: Box<[_]> = items.iter().map(|item| Template::new(item, key, names)).collect();
                match items.iter().map(Template::fixed).collect::<Option<Vec<_>>>() {
                    Some(fixed) => Template::Fixed(Value::list(fixed)),
                    None => Template::List(items),
                }
            }
            Value::Map(members) => {
                let member = |(name, value): &(Text, Value)| (name.clone(), Template::new(value, key, names));
                let members: Box<[_]> = members.iter().map(member).collect();
                let fixed = members.iter().map(|(name, value)| Some((name.clone(), value.fixed()?)));
                match fixed.collect::<Option<Vec<_>>>() {
                    Some(fixed) => Template::Fixed(Value::map(fixed)),
                    None => Template::Map(members),
                }
            }
            other => Template::Fixed(other.clone()),
        }
    }

    /// The value, if it is the same in every call.
    fn fixed(&self) -> Option<Value> {
        match self {
            Template::Fixed(value) => Some(value.clone()),
            _ => None,
        }
    }

    /// The value with the values of the variables: `values` where one stands alone, `texts` within texts.
    pub(super) fn render(&self, values: &[Value], texts: &[Value]) -> Value {
        match self {
            Template::Fixed(value) => value.clone(),
            Template::Variable(number) => values.get(*number).cloned().unwrap_or(Value::Null),
            Template::Text(text) => Value::from(text.render(texts)),
            Template::List(items) => {
                Value::list(items.iter().map(|item| item.render(values, texts)).collect::<Vec<_>>())
            }
            Template::Map(members) => {
                let member = |(name, value): &(Text, Template)| (name.clone(), value.render(values, texts));
                Value::Map(members.iter().map(member).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(template: &str, values: &[Value]) -> (String, Vec<String>) {
        let mut names = Names::default();
        let template = TextTemplate::new(template, "path", &mut names);
        (template.render_encoded(values), names.all.into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn variables_in_a_text_are_replaced_and_encoded_and_other_braces_stay() {
        let values = ["a/b ü".into(), Value::Int(7)];
        assert_eq!(
            text("/users/{name}/{id}?n={name}", &values),
            ("/users/a%2Fb%20%C3%BC/7?n=a%2Fb%20%C3%BC".to_owned(), vec!["name".to_owned(), "id".to_owned()])
        );
        for plain in ["{\"a\": 1}", "{", "}", "{}", "{1}", "{a b}", "x{", "{{", "a}}"] {
            assert_eq!(text(plain, &values), (plain.to_owned(), vec![]));
        }
        assert_eq!(text("{{name}} {{", &values), ("{name} {{".to_owned(), vec![]));
        assert_eq!(text("{{{name}", &["x".into()]).0, "{{x");
    }

    #[test]
    fn a_whole_text_becomes_the_value_with_its_type() {
        let value = Value::map(vec![
            ("id".into(), "{id}".into()),
            ("text".into(), "no. {id}, {ratio}{none}{flag}".into()),
            ("list".into(), Value::list(vec!["{list}".into(), Value::Int(1)])),
            ("fixed".into(), Value::list(vec!["{{id}}".into(), Value::Null])),
        ]);
        let mut names = Names::default();
        let template = Template::new(&value, "params", &mut names);
        let order: Vec<_> = names.all.iter().map(|(name, key)| (name.as_str(), *key)).collect();
        assert_eq!(order, ["id", "ratio", "none", "flag", "list"].map(|name| (name, "params")));
        let list = Value::list(vec![Value::Int(1), "x".into()]);
        let values = [Value::Int(7), Value::Float(2.5), Value::Null, true.into(), list.clone()];
        let expected = Value::map(vec![
            ("id".into(), Value::Int(7)),
            ("text".into(), "no. 7, 2.5true".into()),
            ("list".into(), Value::list(vec![list, Value::Int(1)])),
            ("fixed".into(), Value::list(vec!["{id}".into(), Value::Null])),
        ]);
        assert_eq!(template.render(&values, &values), expected);
    }

    #[test]
    fn a_value_without_variables_is_fixed() {
        let value = Value::map(vec![("a".into(), Value::list(vec![Value::Int(1), "x".into()]))]);
        assert_eq!(Template::new(&value, "params", &mut Names::default()), Template::Fixed(value));
    }
}
