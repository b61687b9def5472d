//! The description of a service as Protocol Buffers describe one, for server reflection.

use calculator::stream::COUNT;
use calculator::{MethodInfo, Service};
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, OneofDescriptorProto,
    ServiceDescriptorProto,
};

use crate::names::{PACKAGE, SERVICE, rpc_name};
use crate::wire::field;

/// The name of the file.
const FILE: &str = "calculator.proto";

/// The definitions of [`file_set`] as an encoded message, which is how programs in other languages read them.
#[must_use]
pub fn encoded(service: &dyn Service) -> Vec<u8> {
    file_set(service).encode_to_vec()
}

/// The definitions of the methods of `service` and of [`COUNT`], and of their messages. For the calculator they are those of
/// `proto/calculator.proto`.
#[must_use]
pub fn file_set(service: &dyn Service) -> FileDescriptorSet {
    let methods = || service.methods().iter().chain([&COUNT]);
    let messages = methods().map(request).chain(value_messages()).collect();
    let file = FileDescriptorProto {
        name: Some(FILE.to_owned()),
        package: Some(PACKAGE.to_owned()),
        message_type: messages,
        enum_type: vec![null()],
        service: vec![ServiceDescriptorProto {
            name: SERVICE.strip_prefix(PACKAGE).map(|name| name.trim_start_matches('.').to_owned()),
            method: methods().map(method).collect(),
            ..ServiceDescriptorProto::default()
        }],
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }
}

fn method(info: &MethodInfo) -> MethodDescriptorProto {
    MethodDescriptorProto {
        name: Some(rpc_name(info.name).into_owned()),
        input_type: Some(type_name(&request_name(info))),
        output_type: Some(type_name("Value")),
        server_streaming: (info.name == COUNT.name).then_some(true),
        ..MethodDescriptorProto::default()
    }
}

fn request_name(info: &MethodInfo) -> String {
    format!("{}Request", rpc_name(info.name))
}

/// The message with the arguments of a method.
fn request(info: &MethodInfo) -> DescriptorProto {
    let fields = (1..).zip(info.params).map(|(number, name)| value_field(name, number));
    message(request_name(info), fields.collect())
}

/// The message `Value`, and those that it consists of.
fn value_messages() -> [DescriptorProto; 4] {
    let scalars = [
        ("bool", field::BOOL, Type::Bool),
        ("int", field::INT, Type::Sint64),
        ("float", field::FLOAT, Type::Double),
        ("string", field::STRING, Type::String),
        ("bytes", field::BYTES, Type::Bytes),
    ];
    let scalars = scalars.into_iter().map(|(name, number, kind)| scalar_field(name, number, kind));
    let null = FieldDescriptorProto {
        type_name: Some(type_name("Null")),
        ..scalar_field("null", field::NULL, Type::Enum)
    };
    let containers = [message_field("list", field::LIST, "List"), message_field("map", field::MAP, "Map")];
    let kinds = [null].into_iter().chain(scalars).chain(containers);
    let kinds = kinds.map(|field| FieldDescriptorProto { oneof_index: Some(0), ..field });
    let value = DescriptorProto {
        oneof_decl: vec![OneofDescriptorProto {
            name: Some("kind".to_owned()),
            ..OneofDescriptorProto::default()
        }],
        ..message("Value".to_owned(), kinds.collect())
    };
    let list = message("List".to_owned(), vec![repeated(value_field("items", field::ITEMS))]);
    let members = repeated(message_field("members", field::ITEMS, "Member"));
    let map = message("Map".to_owned(), vec![members]);
    let name = scalar_field("name", field::NAME, Type::String);
    let member = message("Member".to_owned(), vec![name, value_field("value", field::VALUE)]);
    [value, list, map, member]
}

fn null() -> EnumDescriptorProto {
    EnumDescriptorProto {
        name: Some("Null".to_owned()),
        value: vec![EnumValueDescriptorProto {
            name: Some("NULL".to_owned()),
            number: Some(0),
            ..EnumValueDescriptorProto::default()
        }],
        ..EnumDescriptorProto::default()
    }
}

fn message(name: String, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name), field, ..DescriptorProto::default() }
}

fn value_field(name: &str, number: u32) -> FieldDescriptorProto {
    message_field(name, number, "Value")
}

fn message_field(name: &str, number: u32, message: &str) -> FieldDescriptorProto {
    FieldDescriptorProto { type_name: Some(type_name(message)), ..scalar_field(name, number, Type::Message) }
}

fn scalar_field(name: &str, number: u32, kind: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: i32::try_from(number).ok(),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        json_name: Some(json_name(name)),
        ..FieldDescriptorProto::default()
    }
}

/// The name of a field in JSON, as compilers derive it: `read_all` is `readAll`.
fn json_name(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &rpc_name(word))
}

fn repeated(field: FieldDescriptorProto) -> FieldDescriptorProto {
    FieldDescriptorProto { label: Some(Label::Repeated.into()), ..field }
}

/// The full name of a message, as descriptors write it.
fn type_name(name: &str) -> String {
    format!(".{PACKAGE}.{name}")
}
