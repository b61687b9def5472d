//! The protocols of the suite and their stacks. A stack is one client library and one server library that speak one
//! protocol.
//!
//! Everything that the harness knows of a protocol is in one file here, as an implementation of [`Protocol`], and of
//! [`Brokered`] if its calls go through a broker: its stacks, how they connect and serve, its URLs and options, the anatomy
//! of its messages, its facts for the fairness table, its colour. To add a protocol, write its crate, its file, and a line
//! in [`list::PROTOCOLS`].

mod amqp;
mod anatomy;
mod broker_kind;
mod broker_urls;
mod brokered;
mod casts;
mod certificate;
mod destination;
mod dissection;
#[cfg(feature = "dummy")]
mod dummy;
mod exchange;
mod facts;
mod grpc;
mod http;
mod inproc;
mod invoke;
mod jsonrpc;
mod jsonrpc_lines;
mod jsonrpc_ws;
mod language;
pub mod libraries;
mod list;
mod method_list;
mod nats;
mod option_values;
mod options;
mod protocol;
mod reference;
mod rest;
mod secret;
mod serve;
mod size;
mod stack_builder;
mod stack_name;
mod stack_transport;
mod suggestion;
mod tcp;
pub(crate) mod text;
mod thrift;
mod tls;
mod tls_session;
mod topics;
mod transport;
mod variant;
mod way;
mod xmlrpc;
mod zerorpc;

pub use anatomy::Anatomy;
pub use broker_kind::BrokerKind;
pub use broker_urls::BrokerUrls;
pub use brokered::Brokered;
pub use certificate::{CertificateError, Identity, RunCertificate};
pub use destination::{Connecting, Destination};
pub use dissection::{Layer, Leg, Message, Part};
pub use exchange::{Exchange, ExchangeKind, Undeclare};
pub use facts::{Colour, DeliveryTerms, Driver, End, Role, UrlForm};
pub use invoke::{Invocation, InvokeError, Output, parse_params};
pub use language::{Language, LanguageError, PYTHON_VARIABLE};
pub use list::{
    FLOORS, PROTOCOLS, UnknownProtocol, UnknownStack, all, call_groups, client_groups, default_brokered,
    protocols_with, server_groups,
};
pub use option_values::{OptionValue, OptionValueError, OptionValues};
pub use options::{GroupArguments, OptionGroup, Options, OptionsError};
pub use protocol::{Protocol, ProtocolRef, ServedBy, Stack};
pub use reference::{Reference, ReferenceError};
pub use secret::{SecretError, revealed};
pub use serve::{
    BROKER_VARIABLE, CommonOptions, Runtime, ServeContext, ServeError, ServerOptions, ServerSettings,
    ServiceName, Serving,
};
pub use size::parse_size;
pub use stack_name::{at_the_place_of, base_name, route, transport_of, without_label};
pub(crate) use suggestion::{hint, nearest, nearest_expected, parse_or_suggest};
pub use tcp::{EVENT_FLOOR, NETWORK_FLOOR};
pub use tls::CertificateCheck;
pub use tls_session::negotiated;
pub use topics::MAX_INSTANCES;
pub use transport::{Transport, UnknownTransport};
pub use way::Way;
