//! Values for the fields of a request of which only the types are known.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};
use serde_json::{Map, Value as Json};

/// How deep messages are nested. Messages can contain themselves.
const MAX_DEPTH: usize = 4;

/// A value for each field of `message`, in the JSON form of Protocol Buffers; for one field of each `oneof`.
pub(super) fn fields(message: &MessageDescriptor) -> Map<String, Json> {
    fields_at(message, 0)
}

fn fields_at(message: &MessageDescriptor, depth: usize) -> Map<String, Json> {
    let is_used = |field: &FieldDescriptor| {
        field.containing_oneof().is_none_or(|oneof| chosen(&oneof) == Some(field.number()))
    };
    let used = message.fields().filter(is_used);
    used.map(|field| (field.name().to_owned(), value(&field, depth))).collect()
}

/// The number of the field of `oneof` that has a value: the first number or text, or else the first field.
fn chosen(oneof: &OneofDescriptor) -> Option<u32> {
    let is_plain = |field: &FieldDescriptor| {
        !matches!(field.kind(), Kind::Message(_) | Kind::Enum(_) | Kind::Bool | Kind::Bytes)
    };
    let plain = oneof.fields().find(is_plain).or_else(|| oneof.fields().next());
    plain.map(|field| field.number())
}

fn value(field: &FieldDescriptor, depth: usize) -> Json {
    if field.is_map() {
        return Json::Object(Map::new());
    }
    let value = value_of(&field.kind(), depth);
    if field.is_list() { Json::Array(vec![value]) } else { value }
}

fn value_of(kind: &Kind, depth: usize) -> Json {
    match kind {
        Kind::Double | Kind::Float => Json::from(1.0),
        Kind::Bool => Json::Bool(false),
        Kind::String => Json::from("text"),
        Kind::Bytes => Json::from("AA=="),
        Kind::Enum(kind) => Json::from(kind.default_value().name()),
        Kind::Message(message) => message_value(message, depth),
        Kind::Int32
        | Kind::Int64
        | Kind::Uint32
        | Kind::Uint64
        | Kind::Sint32
        | Kind::Sint64
        | Kind::Fixed32
        | Kind::Fixed64
        | Kind::Sfixed32
        | Kind::Sfixed64 => Json::from(1),
    }
}

/// A value for `message`. Some messages that Protocol Buffers define have another form in JSON.
fn message_value(message: &MessageDescriptor, depth: usize) -> Json {
    match message.full_name() {
        "google.protobuf.Timestamp" => Json::from("2026-01-01T00:00:00Z"),
        "google.protobuf.Duration" => Json::from("1s"),
        "google.protobuf.FieldMask" => Json::from(""),
        "google.protobuf.Value" | "google.protobuf.StringValue" => Json::from("text"),
        "google.protobuf.BytesValue" => Json::from("AA=="),
        "google.protobuf.BoolValue" => Json::Bool(false),
        "google.protobuf.ListValue" => Json::Array(vec![]),
        "google.protobuf.Struct" | "google.protobuf.Any" => Json::Object(Map::new()),
        name if name.starts_with("google.protobuf.") && name.ends_with("Value") => Json::from(1),
        _ if depth + 1 >= MAX_DEPTH => Json::Object(Map::new()),
        _ => Json::Object(fields_at(message, depth + 1)),
    }
}
