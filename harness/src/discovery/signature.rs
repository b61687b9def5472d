//! The answers of `system.methodSignature` (XML-RPC introspection).

use calculator::Value;
use serde_json::{Value as Json, json};

use super::method::{Argument, Arguments, ValueSource};

/// The arguments by `signatures`, a list of signatures, of which each is a list of the result's type and the arguments' types.
/// Of several, the first one. CPython's servers answer with a text instead, which says nothing.
#[must_use]
pub fn arguments_of_signatures(signatures: &Value) -> Arguments {
    let Value::List(signatures) = signatures else { return Arguments::Unknown };
    let types: &[Value] = match signatures.first() {
        Some(Value::List(types)) => types,
        // Some servers answer with a single signature.
        Some(Value::Str(_)) => signatures,
        _ => return Arguments::Unknown,
    };
    let Some((_, arguments)) = types.split_first() else { return Arguments::Unknown };
    let argument = |kind: &Value| match kind {
        Value::Str(kind) => {
            Argument { name: kind.to_string(), value: value_of_type(kind), source: ValueSource::Guess }
        }
        _ => Argument { name: String::new(), value: json!("text"), source: ValueSource::Guess },
    };
    Arguments::Positional(arguments.iter().map(argument).collect())
}

/// A value of a type of XML-RPC, in the form in which XML-RPC's values are written in JSON.
fn value_of_type(kind: &str) -> Json {
    match kind {
        "int" | "i4" | "integer" => json!(1),
        "i8" => json!({ "i8": 1 }),
        "double" | "float" => json!(1.0),
        "boolean" | "bool" => json!(false),
        "dateTime.iso8601" | "dateTime" => json!({ "dateTime.iso8601": "20260101T00:00:00" }),
        "base64" => json!({ "base64": "" }),
        "array" | "list" => json!([]),
        "struct" | "dict" => json!({}),
        _ => json!("text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Arguments {
        let value = calculator::json::read(text.as_bytes(), &calculator::Limits::default()).unwrap();
        arguments_of_signatures(&value)
    }

    #[test]
    fn the_first_signature_gives_the_types() {
        let values = |text: &str| match of(text) {
            Arguments::Positional(arguments) => {
                Some(arguments.into_iter().map(|argument| argument.value).collect::<Vec<_>>())
            }
            _ => None,
        };
        assert_eq!(
            values(r#"[["int", "int", "string", "struct"], ["int"]]"#),
            Some(vec![json!(1), json!("text"), json!({})])
        );
        assert_eq!(values(r#"["string", "dateTime.iso8601"]"#).unwrap().len(), 1);
        assert_eq!(values(r#"[["array"]]"#), Some(vec![]));
        assert_eq!(values(r#"[["int", 5]]"#), Some(vec![json!("text")]));
        for unknown in [r#""signatures not supported""#, "[]", "[[]]", "null", "[5]", r#"{"a": 1}"#] {
            assert_eq!(of(unknown), Arguments::Unknown, "{unknown}");
        }
    }
}
