//! The messages and the description are those that a compiler makes of `proto/calculator.proto`.

#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

use std::path::Path;

use calculator::{Calculator, Call, Limits, Params, Value, strategies};
use grpc::{descriptor, wire};
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage};
use prost_types::FileDescriptorSet;

fn compiled() -> FileDescriptorSet {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    protox::compile(["calculator.proto"], [folder]).unwrap()
}

#[test]
fn the_server_describes_itself_as_the_file_does() {
    let mut compiled = compiled();
    // Comments and positions.
    compiled.file.iter_mut().for_each(|file| file.source_code_info = None);
    assert_eq!(descriptor::file_set(&Calculator), compiled);
    assert_eq!(FileDescriptorSet::decode(&*descriptor::encoded(&Calculator)).unwrap(), compiled);
}

/// The message `name` that a library which knows only the definitions reads in `bytes`.
fn read(name: &str, bytes: &[u8]) -> DynamicMessage {
    let pool = DescriptorPool::from_file_descriptor_set(compiled()).unwrap();
    DynamicMessage::decode(pool.get_message_by_name(name).unwrap(), bytes).unwrap()
}

/// The value in a message `Value` of the library.
fn value_of(message: &DynamicMessage) -> Value {
    let kind = message.descriptor().oneofs().next().unwrap();
    let field = kind.fields().find(|field| message.has_field(field)).unwrap();
    let content = message.get_field(&field);
    let inside = |name: &str| {
        let message = content.as_message().unwrap();
        message.get_field_by_name(name).unwrap().into_owned().as_list().unwrap().to_vec()
    };
    match field.name() {
        "null" => Value::Null,
        "bool" => Value::Bool(content.as_bool().unwrap()),
        "int" => Value::Int(content.as_i64().unwrap()),
        "float" => Value::Float(content.as_f64().unwrap()),
        "string" => Value::from(content.as_str().unwrap()),
        "bytes" => Value::from(content.as_bytes().unwrap().to_vec()),
        "list" => {
            let items = inside("items");
            Value::list(items.iter().map(|item| value_of(item.as_message().unwrap())).collect::<Vec<_>>())
        }
        _ => {
            let member = |member: &prost_reflect::Value| {
                let member = member.as_message().unwrap();
                let name = member.get_field_by_name("name").unwrap();
                let value = member.get_field_by_name("value").unwrap();
                (name.as_str().unwrap().into(), value_of(value.as_message().unwrap()))
            };
            Value::map(inside("members").iter().map(member).collect())
        }
    }
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![strategies::json_values(), any::<Vec<u8>>().prop_map(Value::from)]
}

proptest! {
    #[test]
    fn a_library_reads_and_writes_the_same_messages(x in values(), y in values()) {
        let bytes = wire::encode_value(&x).unwrap();
        let message = read("rpcbench.Value", &bytes);
        assert_eq!(value_of(&message), x);
        assert_eq!(message.encode_to_vec().escape_ascii().to_string(), bytes.escape_ascii().to_string());

        let request = wire::encode_arguments(&Call::positional("add", [x.clone(), y.clone()])).unwrap();
        let message = read("rpcbench.AddRequest", &request);
        for (name, value) in [("x", &x), ("y", &y)] {
            let field = message.get_field_by_name(name).unwrap();
            assert_eq!(&value_of(field.as_message().unwrap()), value);
        }
        let decoded = wire::decode_arguments(&message.encode_to_vec(), &["x", "y"], &Limits::default());
        assert_eq!(decoded, Ok(Params::Positional(vec![x, y])));
    }
}
