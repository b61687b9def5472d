//! Values for parameters: an example from the server's description, or a value of the right type.

use std::cell::Cell;
use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::method::ValueSource;

/// How deep values are nested, and how many references in a row are followed. Descriptions can refer to themselves.
const MAX_DEPTH: usize = 8;

/// The most optional properties of an object that are made up.
const MAX_PROPERTIES: usize = 20;

/// The most parts of a value, also those that `allOf` joins. Where objects refer to themselves several times, the number of parts
/// would be a power of that.
const MAX_PARTS: u32 = 1_000;

/// What `value` refers to by `$ref`, inside `document`; `value` itself without a reference.
pub(super) fn resolved<'a>(document: &'a Json, value: &'a Json) -> &'a Json {
    let mut value = value;
    for _ in 0..MAX_DEPTH {
        let Some(reference) = value.get("$ref").and_then(Json::as_str) else { break };
        let Some(target) = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer)) else {
            break;
        };
        value = target;
    }
    value
}

/// The example that `holder` states: a parameter, a media type or a schema.
pub(super) fn stated_example(document: &Json, holder: &Json) -> Option<Json> {
    if let Some(example) = holder.get("example") {
        return Some(example.clone());
    }
    match holder.get("examples")? {
        // Of a schema.
        Json::Array(examples) => examples.first().cloned(),
        // Of OpenAPI's parameters and media types: named, each with a value.
        Json::Object(examples) => resolved(document, examples.values().next()?).get("value").cloned(),
        _ => None,
    }
}

/// A value that `schema` allows, as far as that can be seen. `document` is what its references refer to.
pub(super) fn value_of(document: &Json, schema: &Json) -> (Json, ValueSource) {
    let schema = resolved(document, schema);
    if let Some(example) = stated_example(document, schema) {
        return (example, ValueSource::Example);
    }
    if let Some(default) = schema.get("default") {
        return (default.clone(), ValueSource::Default);
    }
    (guess(document, schema, 0, &Cell::new(MAX_PARTS)), ValueSource::Guess)
}

/// A value that `schema` allows, whose parts are subtracted from those that are `left`.
fn guess(document: &Json, schema: &Json, depth: usize, left: &Cell<u32>) -> Json {
    let schema = resolved(document, schema);
    if depth >= MAX_DEPTH || left.get() == 0 {
        return Json::Object(Map::new());
    }
    left.set(left.get() - 1);
    let stated = stated_example(document, schema)
        .or_else(|| schema.get("default").cloned())
        .or_else(|| schema.get("const").cloned())
        .or_else(|| schema.get("enum")?.get(0).cloned());
    if let Some(value) = stated {
        left.set(left.get().saturating_sub(size(&value)));
        return value;
    }
    let within = |part: &Json| guess(document, part, depth + 1, left);
    if let Some(parts) = schema.get("allOf").and_then(Json::as_array) {
        return merged(parts.iter().take_while(|_| left.get() > 0).map(within));
    }
    for choice in ["oneOf", "anyOf"] {
        let parts = schema.get(choice).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        if let Some(part) = parts.iter().find(|part| type_of(resolved(document, part)) != Some("null")) {
            return within(part);
        }
    }
    match type_of(schema) {
        Some("integer") => least(schema).map_or(Json::from(1), |least| Json::from(ceiling(least).max(1))),
        Some("number") => Json::from(least(schema).map_or(1.0, |least| least.max(1.0))),
        Some("boolean") => Json::Bool(false),
        Some("array") => {
            let items = schema.get("items").filter(|items| items.is_object());
            Json::Array(items.map(within).into_iter().collect())
        }
        Some("object") => object(schema, within),
        Some("string") | None => Json::from(text(schema.get("format").and_then(Json::as_str))),
        Some(_) => Json::Object(Map::new()),
    }
}

/// The number of parts of `value`, with long texts as several.
fn size(value: &Json) -> u32 {
    const TEXT: usize = 100;
    match value {
        Json::String(text) => u32::try_from(1 + text.len() / TEXT).unwrap_or(u32::MAX),
        Json::Array(items) => items.iter().map(size).fold(1, u32::saturating_add),
        Json::Object(members) => members.values().map(size).fold(1, u32::saturating_add),
        _ => 1,
    }
}

/// The type that `schema` states, or that its keys imply; of several types the first other than null.
fn type_of(schema: &Json) -> Option<&str> {
    let stated = match schema.get("type") {
        Some(Json::String(name)) => Some(name.as_str()),
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).find(|name| *name != "null"),
        _ => None,
    };
    stated
        .or_else(|| schema.get("properties").map(|_| "object"))
        .or_else(|| schema.get("items").map(|_| "array"))
}

/// The least number that `schema` allows, as far as it says.
fn least(schema: &Json) -> Option<f64> {
    let exclusive = schema.get("exclusiveMinimum").and_then(Json::as_f64).map(|bound| bound + 1.0);
    schema.get("minimum").and_then(Json::as_f64).or(exclusive)
}

#[allow(clippy::cast_possible_truncation, reason = "the cast saturates, and the value is only an example")]
fn ceiling(number: f64) -> i64 {
    number.ceil() as i64
}

fn object(schema: &Json, value_of: impl Fn(&Json) -> Json) -> Json {
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else {
        return Json::Object(Map::new());
    };
    let required: Option<HashSet<_>> = schema
        .get("required")
        .and_then(Json::as_array)
        .map(|names| names.iter().filter_map(Json::as_str).collect());
    let is_used = |name: &str| required.as_ref().is_none_or(|required| required.contains(name));
    let used = properties.iter().filter(|(name, _)| is_used(name)).take(MAX_PROPERTIES);
    Json::Object(used.map(|(name, part)| (name.clone(), value_of(part))).collect())
}

/// Objects as one, the later ones over the earlier ones; otherwise the first value.
fn merged(values: impl Iterator<Item = Json>) -> Json {
    let mut whole = Map::new();
    let mut first = None;
    for value in values {
        match value {
            Json::Object(members) => whole.extend(members),
            other => drop(first.get_or_insert(other)),
        }
    }
    if whole.is_empty() { first.unwrap_or(Json::Object(whole)) } else { Json::Object(whole) }
}

/// A text in one of the formats of JSON Schema.
fn text(format: Option<&str>) -> &'static str {
    match format {
        Some("date") => "2026-01-01",
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("time") => "00:00:00Z",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        Some("email") => "name@example.com",
        Some("uri" | "url") => "http://example.com/",
        Some("hostname") => "example.com",
        Some("ipv4") => "127.0.0.1",
        Some("ipv6") => "::1",
        Some("byte") => "AA==",
        _ => "text",
    }
}

/// A value for a parameter of which only the name is known.
#[must_use]
pub fn value_for_name(name: &str) -> Json {
    let name = name.to_ascii_lowercase();
    let is_number =
        ["id", "count", "limit", "offset", "number", "index", "page", "size", "quantity", "amount"]
            .iter()
            .any(|word| name == *word || name.ends_with(&format!("_{word}")));
    // Mathematical functions have parameters of one letter.
    if is_number || name.chars().count() == 1 { Json::from(1) } else { Json::from("text") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_have_the_types_of_their_schemas() {
        let document = json!({
            "components": {"schemas": {
                "Id": {"type": "integer", "minimum": 7},
                "Tree": {"type": "object", "properties": {"child": {"$ref": "#/components/schemas/Tree"}}},
            }},
        });
        for (schema, expected) in [
            (json!({"type": "integer"}), json!(1)),
            (json!({"type": "integer", "minimum": 2.5}), json!(3)),
            (json!({"type": "number"}), json!(1.0)),
            (json!({"type": "boolean"}), json!(false)),
            (json!({"type": ["null", "string"], "format": "date"}), json!("2026-01-01")),
            (json!({"enum": ["new", "paid"]}), json!("new")),
            (json!({"$ref": "#/components/schemas/Id"}), json!(7)),
            (json!({"type": "array", "items": {"$ref": "#/components/schemas/Id"}}), json!([7])),
            (json!({"anyOf": [{"type": "null"}, {"type": "boolean"}]}), json!(false)),
            (
                json!({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["b"]}),
                json!({"b": "text"}),
            ),
            (
                json!({"allOf": [
                    {"properties": {"a": {"type": "integer"}}},
                    {"properties": {"b": {"const": 5}}},
                ]}),
                json!({"a": 1, "b": 5}),
            ),
            (json!({"$ref": "#/nowhere"}), json!("text")),
            (json!({"$ref": "http://elsewhere/"}), json!("text")),
            (json!({"type": "future"}), json!({})),
            (json!(true), json!("text")),
        ] {
            assert_eq!(value_of(&document, &schema), (expected, ValueSource::Guess), "{schema}");
        }
        // A schema that refers to itself ends.
        let (tree, _) = value_of(&document, &json!({"$ref": "#/components/schemas/Tree"}));
        assert!(tree.pointer("/child/child").is_some());
        let circle = json!({"a": {"$ref": "#/a"}});
        assert_eq!(value_of(&circle, &json!({"$ref": "#/a"})).0, json!("text"));
    }

    #[test]
    fn schemas_that_refer_to_themselves_more_than_once_have_values_of_a_limited_size() {
        fn parts(value: &Json) -> usize {
            match value {
                Json::Array(items) => 1 + items.iter().map(parts).sum::<usize>(),
                Json::Object(members) => 1 + members.values().map(parts).sum::<usize>(),
                _ => 1,
            }
        }
        let itself = json!({"$ref": "#/s"});
        let properties: Map<String, Json> = (0..20).map(|n| (format!("p{n}"), itself.clone())).collect();
        let many = vec![itself; 20];
        for schema in [
            json!({"properties": properties}),
            json!({"properties": properties, "required": ["p0", "p1", "p2", "p3", "p4", "p5"]}),
            json!({"allOf": many}),
            json!({"anyOf": [{"allOf": many}]}),
        ] {
            let document = json!({"s": schema});
            let (value, source) = value_of(&document, &json!({"$ref": "#/s"}));
            assert!(parts(&value) < 2 * MAX_PROPERTIES * MAX_PARTS as usize, "{}", parts(&value));
            assert_eq!(source, ValueSource::Guess);
        }
        // Nor do many copies of a large example add up.
        let large = json!({"example": vec![Json::Null; 2_000]});
        let copies: Map<String, Json> = (0..20).map(|n| (format!("p{n}"), large.clone())).collect();
        assert!(parts(&value_of(&Json::Null, &json!({"properties": copies})).0) < 2_100);
    }

    #[test]
    fn examples_and_defaults_come_first() {
        let document = json!({"e": {"value": 3}});
        for (schema, expected, source) in [
            (json!({"type": "integer", "example": 5, "default": 6}), json!(5), ValueSource::Example),
            (json!({"examples": [8, 9]}), json!(8), ValueSource::Example),
            (json!({"examples": {"x": {"$ref": "#/e"}}}), json!(3), ValueSource::Example),
            (json!({"default": null}), json!(null), ValueSource::Default),
        ] {
            assert_eq!(value_of(&document, &schema), (expected, source), "{schema}");
        }
    }

    #[test]
    fn a_name_suggests_a_number_or_a_text() {
        for (name, expected) in [
            ("id", json!(1)),
            ("order_id", json!(1)),
            ("x", json!(1)),
            ("name", json!("text")),
            ("valid", json!("text")),
        ] {
            assert_eq!(value_for_name(name), expected, "{name}");
        }
    }
}
