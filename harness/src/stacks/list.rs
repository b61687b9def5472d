//! The list of the protocols, and finding them and their stacks by name.

use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, de};

use super::broker_kind::BrokerKind;
use super::facts::Role;
use super::options::OptionGroup;
use super::protocol::{Protocol, ProtocolRef, Stack};
use super::serve::COMMON;
use super::suggestion::{hint, nearest};
use super::tcp::{EVENT_FLOOR, NETWORK_FLOOR};

/// Every protocol, floors first. Add one by a line.
pub static PROTOCOLS: &[&dyn Protocol] = &[
    &super::inproc::Inproc,
    &super::tcp::Tcp,
    &super::rest::Rest,
    &super::xmlrpc::Xmlrpc,
    &super::jsonrpc::Jsonrpc,
    &super::jsonrpc_lines::JsonrpcLines,
    &super::jsonrpc_ws::JsonrpcWs,
    &super::zerorpc::Zerorpc,
    &super::grpc::Grpc,
    &super::thrift::Thrift,
    &super::amqp::Amqp,
    &super::nats::Nats,
    #[cfg(feature = "dummy")]
    &super::dummy::Dummy,
];

/// The stacks that are measured in every block of a scenario with floors, where they are applicable.
pub const FLOORS: [&str; 3] = ["inproc", NETWORK_FLOOR, EVENT_FLOOR];

static STACKS: LazyLock<Vec<Stack>> = LazyLock::new(|| {
    let (references, ours): (Vec<_>, Vec<_>) = PROTOCOLS
        .iter()
        .flat_map(|protocol| protocol.stacks())
        .partition(|stack| stack.role == Role::Reference);
    ours.into_iter().chain(references).collect()
});

/// Every stack, in the order in which tables list them when nothing else decides: by protocol, reference servers last.
#[must_use]
pub fn all() -> &'static [Stack] {
    &STACKS
}

/// A name that no protocol has.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown protocol `{0}`{suggestion}; the protocols are {list}",
    suggestion = hint(nearest(.0, PROTOCOLS.iter().map(|protocol| protocol.name()))),
    list = names(PROTOCOLS.iter().map(|protocol| protocol.name()))
)]
pub struct UnknownProtocol(String);

/// A name that no stack has.
#[derive(Debug, thiserror::Error)]
pub enum UnknownStack {
    /// There is no such stack.
    #[error(
        "unknown stack `{0}`{suggestion}; the stacks are {list}",
        suggestion = hint(nearest(.0.split(['@', '+']).next().unwrap_or_default(), all().iter().map(|stack| stack.name))),
        list = names(all().iter().map(|stack| stack.name))
    )]
    Name(String),
    /// There is, but not over this transport. Holds what it has instead, in words.
    #[error("{0}")]
    Transport(String),
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

impl ProtocolRef {
    /// Finds the protocol with this name.
    ///
    /// # Errors
    /// [`UnknownProtocol`], which lists the valid names.
    pub fn named(name: &str) -> Result<Self, UnknownProtocol> {
        let found = PROTOCOLS.iter().find(|protocol| protocol.name() == name);
        found.map(|protocol| ProtocolRef::new(*protocol)).ok_or_else(|| UnknownProtocol(name.to_owned()))
    }
}

impl<'de> Deserialize<'de> for ProtocolRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        ProtocolRef::named(&name).map_err(de::Error::custom)
    }
}

/// The option groups of all servers: those that every server has, then each protocol's.
#[must_use]
pub fn server_groups() -> Vec<&'static OptionGroup> {
    unique(
        [&COMMON].into_iter().chain(PROTOCOLS.iter().flat_map(|protocol| protocol.server_options().to_vec())),
    )
}

/// The option groups that address a server, of all protocols.
#[must_use]
pub fn client_groups() -> Vec<&'static OptionGroup> {
    unique(PROTOCOLS.iter().flat_map(|protocol| protocol.client_options().to_vec()))
}

/// The option groups of `rpcbench call`, of all protocols.
#[must_use]
pub fn call_groups() -> Vec<&'static OptionGroup> {
    unique(PROTOCOLS.iter().flat_map(|protocol| protocol.call_options().to_vec()))
}

/// Removes duplicates: protocols share groups, which a command line has once.
fn unique(groups: impl Iterator<Item = &'static OptionGroup>) -> Vec<&'static OptionGroup> {
    let mut kept: Vec<&'static OptionGroup> = Vec::new();
    for group in groups {
        if !kept.iter().any(|other| other.name == group.name) {
            kept.push(group);
        }
    }
    kept
}

/// The names of the protocols that have the option group `name`, as `http, xmlrpc`.
#[must_use]
pub fn protocols_with(name: &str) -> String {
    let has = |protocol: &&&dyn Protocol| {
        let (servers, clients) = (protocol.server_options(), protocol.client_options());
        servers.iter().chain(clients).chain(protocol.call_options()).any(|group| group.name == name)
    };
    names(PROTOCOLS.iter().filter(has).map(|protocol| protocol.name()))
}

/// The default stacks of the protocols that need a broker, each with the kind of its broker.
pub fn default_brokered() -> impl Iterator<Item = (BrokerKind, &'static Stack)> {
    let is_default = |stack: &&Stack| stack.name == stack.protocol.name();
    all().iter().filter(is_default).filter_map(|stack| Some((stack.broker()?, stack)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::libraries::version;
    use crate::stacks::{Destination, GroupArguments, Options};

    #[test]
    fn every_protocol_has_the_stack_of_its_name_and_names_are_unique() {
        for protocol in PROTOCOLS {
            let stack = Stack::named(protocol.name()).unwrap();
            assert_eq!(stack.protocol, ProtocolRef::new(*protocol));
        }
        for (i, stack) in all().iter().enumerate() {
            assert!(all()[i + 1..].iter().all(|other| other.name != stack.name));
            assert!(stack.name.starts_with(stack.protocol.name()));
        }
        let unknown = ProtocolRef::named("soap").unwrap_err().to_string();
        assert!(unknown.contains("soap") && unknown.contains("xmlrpc"), "{unknown}");
    }

    #[test]
    fn a_protocol_is_written_as_its_name() {
        for protocol in PROTOCOLS {
            let text = serde_json::to_string(&ProtocolRef::new(*protocol)).unwrap();
            assert_eq!(text, format!("\"{}\"", protocol.name()));
            assert_eq!(serde_json::from_str::<ProtocolRef>(&text).unwrap().name(), protocol.name());
        }
    }

    #[test]
    fn colours_are_unique_to_each_protocol_under_comparison() {
        let compared: Vec<_> = PROTOCOLS.iter().filter(|protocol| !protocol.is_floor()).collect();
        for (i, protocol) in compared.iter().enumerate() {
            let colour = protocol.colour();
            for other in compared[i + 1..].iter().map(|other| other.colour()) {
                assert!(colour.light != other.light && colour.dark != other.dark, "{}", protocol.name());
            }
        }
    }

    #[test]
    fn every_library_of_a_stack_has_a_version() {
        for stack in all() {
            for name in stack.libraries(stack.client, true).chain(stack.libraries(stack.server, true)) {
                assert!(!version(name).is_empty(), "{}: {name}", stack.name);
            }
            let ends_without =
                [stack.client, stack.server].map(|end| stack.libraries(end, false).next().is_none());
            assert!(stack.protocol.is_floor() || ends_without == [false, false], "{}", stack.name);
        }
    }

    #[test]
    fn an_empty_command_line_gives_the_default_options_of_every_group() {
        for group in server_groups().into_iter().chain(client_groups()).chain(call_groups()) {
            let command = group.augment(clap::Command::new("options"));
            let matches = command.try_get_matches_from(["options"]).unwrap();
            let parsed = GroupArguments::parse(&[group], &matches).unwrap();
            assert_eq!(parsed.given().count(), 0);
            assert_eq!(Some(&group.default_value()), parsed.options().raw(group), "{}", group.name);
        }
    }

    #[test]
    fn a_url_that_a_client_cannot_use_is_refused_without_being_repeated() {
        let check = |stack: &str, url: &str| Stack::named(stack).unwrap().parse_url(url).map(|_| ());
        for (stack, url) in [
            ("rest", "http://h:1/"),
            ("zerorpc", "ipc:///tmp/s"),
            ("grpc", "grpc://h:1"),
            ("grpc-h2", "unix:///tmp/s"),
            ("jsonrpc-lines", "tcp://h:1"),
            ("jsonrpc-ws", "ws://h"),
            ("jsonrpc-ws", "ws+unix://%2Ftmp%2Fs/jsonrpc"),
            ("thrift", "thrift://h"),
            ("thrift-compact", "unix:///tmp/s"),
            ("amqp", "rabbit://u:p@h/v"),
            ("amqp-bare", "amqp://h"),
            ("xmlrpc", "https://h/"),
            ("amqp", "amqps://u:p@h/"),
            ("nats", "nats://u:p@h"),
            ("nats-bare", "nats://h:1"),
            ("jsonrpc-ws", "wss://h/"),
            ("jsonrpc-lines", "tls://h:1"),
            ("thrift-compact", "thrifts://h"),
        ] {
            assert_eq!(check(stack, url), Ok(()));
        }
        for (stack, url) in [
            ("rest", "tcp://h:1"),
            ("rest", "h:1"),
            ("rest", "http://h:99999/"),
            ("amqp", "http://u:secret@h/"),
            ("amqp", "amqp://u:sec/ret@h/"),
            ("nats", "amqp://u:secret@h"),
            ("nats", "nats://u:sec/ret@h"),
            ("tcp", "tcp://"),
            ("grpc", "http://h:1/"),
            ("thrift", "tcp://h:1"),
            ("jsonrpc-lines", "http://h:1/"),
            ("jsonrpc-ws", "http://h:1/"),
            ("tcp", "tls://h:1"),
        ] {
            let message = check(stack, url).unwrap_err();
            assert!(message.contains("takes a URL such as") && !message.contains("sec"), "{message}");
        }
        for url in ["https://h/", "curve://h:1"] {
            assert!(check("zerorpc", url).unwrap_err().contains("neither TLS nor CURVE"), "{url}");
        }
    }

    #[test]
    fn debug_output_of_a_destination_shows_no_secrets() {
        let mut options = Options::default();
        let group = OptionGroup::of::<crate::stacks::http::ClientOptions>("http");
        options.set(&group, &serde_json::json!({ "headers": [["authorization", "Bearer hidden"]] })).unwrap();
        let destination = Destination { url: "http://u:secret@h/".to_owned(), options };
        let shown = format!("{destination:?}");
        assert!(shown.contains("http") && !shown.contains("secret") && !shown.contains("hidden"), "{shown}");
    }

    #[test]
    fn an_unknown_stack_is_answered_with_the_known_ones() {
        let Err(error) = Stack::named("soap") else { panic!("there is no such stack") };
        assert!(error.to_string().contains("soap") && error.to_string().contains("rest-hyper"));
    }
}
