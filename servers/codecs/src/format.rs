//! The formats.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::{Codec, CodecError};
use crate::exchange::Exchange;
use crate::{protobuf, raw, self_describing, text, thrift_protocols, untyped};

/// A format with a library for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// JSON, from and to structs.
    Json,
    /// JSON, from and to values of any type.
    JsonUntyped,
    /// XML as XML-RPC writes it, from and to values of any type.
    Xml,
    /// Hessian 2.0, from and to values of any type.
    Hessian,
    /// Protocol Buffers, from and to structs.
    Protobuf,
    /// Thrift's binary protocol, from and to structs.
    ThriftBinary,
    /// Thrift's compact protocol, from and to structs.
    ThriftCompact,
    /// MessagePack, from and to structs.
    Msgpack,
    /// MessagePack, from and to values of any type.
    MsgpackUntyped,
    /// Plain text, from and to structs.
    Text,
    /// Raw bytes of fixed width, from and to structs.
    Raw,
}

impl Format {
    /// All formats, in the order of tables.
    pub const ALL: [Format; 11] = [
        Format::Json,
        Format::JsonUntyped,
        Format::Xml,
        Format::Hessian,
        Format::Protobuf,
        Format::ThriftBinary,
        Format::ThriftCompact,
        Format::Msgpack,
        Format::MsgpackUntyped,
        Format::Text,
        Format::Raw,
    ];

    /// The name in scenarios and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::JsonUntyped => "json-untyped",
            Format::Xml => "xml",
            Format::Hessian => "hessian",
            Format::Protobuf => "protobuf",
            Format::ThriftBinary => "thrift-binary",
            Format::ThriftCompact => "thrift-compact",
            Format::Msgpack => "msgpack",
            Format::MsgpackUntyped => "msgpack-untyped",
            Format::Text => "text",
            Format::Raw => "raw",
        }
    }

    /// The library that encodes and decodes.
    #[must_use]
    pub fn library(self) -> &'static str {
        match self {
            Format::Json | Format::JsonUntyped => "serde_json",
            Format::Xml => "the codec of this suite's XML-RPC, on quick-xml",
            Format::Hessian => "the codec of this suite",
            Format::Protobuf => "prost",
            Format::ThriftBinary | Format::ThriftCompact => "thrift, used as its compiler's code does",
            Format::Msgpack | Format::MsgpackUntyped => "rmp-serde",
            Format::Text | Format::Raw => "written for these structs",
        }
    }

    /// What the messages consist of, in half a sentence.
    #[must_use]
    pub fn notation(self) -> &'static str {
        match self {
            Format::Json | Format::JsonUntyped => "objects with names, compact",
            Format::Xml => "methodCall and methodResponse, as CPython writes them",
            Format::Hessian => "calls and replies with names, records as maps",
            Format::Protobuf => "numbers instead of names",
            Format::ThriftBinary => "calls and replies, numbers instead of names, fixed widths",
            Format::ThriftCompact => "calls and replies, numbers instead of names, varints",
            Format::Msgpack | Format::MsgpackUntyped => "maps with names",
            Format::Text => "a line for each record, tabs between its fields",
            Format::Raw => "fixed widths, little endian, lengths of 32 bits, no names",
        }
    }

    /// Whether it converts from and to structs that the program knows when it is compiled, not values of any type.
    #[must_use]
    pub fn is_typed(self) -> bool {
        !matches!(self, Format::JsonUntyped | Format::Xml | Format::Hessian | Format::MsgpackUntyped)
    }

    /// Whether people can read it.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Format::Json | Format::JsonUntyped | Format::Xml | Format::Text)
    }

    /// The codec of `exchange` in this format. It has been checked: what it decodes is what it encoded.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn codec(self, exchange: &Exchange) -> Result<Box<dyn Codec>, CodecError> {
        match self {
            Format::Json => self_describing::typed::<self_describing::Json>(exchange),
            Format::JsonUntyped => self_describing::untyped::<self_describing::Json>(exchange),
            Format::Xml => untyped::codec::<untyped::Xml>(exchange),
            Format::Hessian => untyped::codec::<untyped::Hessian>(exchange),
            Format::Protobuf => protobuf::codec(exchange),
            Format::ThriftBinary => thrift_protocols::codec::<thrift_protocols::Binary>(exchange),
            Format::ThriftCompact => thrift_protocols::codec::<thrift_protocols::Compact>(exchange),
            Format::Msgpack => self_describing::typed::<self_describing::Msgpack>(exchange),
            Format::MsgpackUntyped => self_describing::untyped::<self_describing::Msgpack>(exchange),
            Format::Text => text::codec(exchange),
            Format::Raw => raw::codec(exchange),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
