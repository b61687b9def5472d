//! What each stack really runs with: for the table that shows where a comparison is uneven. Whatever can be is read
//! from the process, its sockets, the broker, or the constants that the two ends use themselves.

use std::time::Duration;

use amqp::terms::{self, Terms};
use amqp::{QueueKind, RpcServerOptions, Transport, TransportUrl};
use calculator::Protocol;

use crate::record::{BrokerTerms, Fairness, Library, Process};
use crate::stacks::libraries::library;
use crate::stacks::{Address, Driver, Runtime, Stack, Way};
use crate::trial::{CLIENT_RUNTIME, TrialContext};

/// What was seen of a stack while it was called.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Whether call after call went over the same connections.
    pub reused: Option<bool>,
    /// How many threads the server's process had.
    pub threads: Option<u32>,
    /// The broker's name and version.
    pub broker: Option<String>,
}

/// No protocol of the suite compresses, and no client asks for it.
const COMPRESSION: &str = "none";
/// TLS is not built in: [`Stack::check_url`] refuses its schemes.
const ENCRYPTION: &str = "none";

/// The name and version of the broker at `url`; `None` where it does not tell.
pub async fn product(url: &str, timeout: Duration) -> Option<String> {
    amqp::product(&url.parse().ok()?, timeout).await
}

/// What `stack` runs with under `setting` where clients find it at `address`, as far as it is known beside what was
/// `observed`.
#[must_use]
pub fn of(stack: &Stack, setting: &TrialContext<'_>, address: &Address, observed: Observed) -> Fairness {
    let is_target = setting.targets.contains_key(stack.name);
    Fairness {
        stack: stack.name.to_owned(),
        client: Process {
            runtime: match stack.driver {
                Driver::Tokio => CLIENT_RUNTIME.to_string(),
                Driver::Threads => "none, a thread for each caller".to_owned(),
            },
            executor: None,
            threads: None,
            libraries: libraries(stack, stack.client),
        },
        server: (!is_target).then(|| server(stack, setting, observed.threads)),
        multiplexes: stack.multiplexes,
        reused: observed.reused,
        compression: COMPRESSION.to_owned(),
        encryption: ENCRYPTION.to_owned(),
        // A reference server answers as it likes.
        http: (stack.reference().is_none()
            && matches!(stack.protocol, Protocol::Rest | Protocol::Xmlrpc | Protocol::Jsonrpc))
        .then(|| format!("{:?}", http_layer::VERSION)),
        broker: stack
            .needs_broker()
            .then(|| terms_of(stack, setting, address))
            .flatten()
            .map(|terms| broker_terms(terms, is_target, observed.broker)),
    }
}

fn server(stack: &Stack, setting: &TrialContext<'_>, threads: Option<u32>) -> Process {
    if let Some(reference) = stack.reference() {
        // Which version the interpreter found is its own business.
        let library = Library { name: stack.server.to_owned(), version: String::new() };
        return Process {
            runtime: "Python".to_owned(),
            executor: Some(reference.executor.to_owned()),
            threads,
            libraries: vec![library],
        };
    }
    let (runtime, executor) = match stack.driver {
        Driver::Tokio => (Runtime::of(setting.workers).to_string(), setting.executor.to_string()),
        Driver::Threads if stack.server == "libzmq" => {
            ("none, a thread for all connections beside libzmq's own".to_owned(), "that thread".to_owned())
        }
        Driver::Threads if stack.has_server() => {
            ("none, a thread for each connection".to_owned(), "the connection's thread".to_owned())
        }
        Driver::Threads => ("none, a thread for each caller".to_owned(), "the caller's thread".to_owned()),
    };
    Process { runtime, executor: Some(executor), threads, libraries: libraries(stack, stack.server) }
}

fn broker_terms(terms: Terms, is_target: bool, product: Option<String>) -> BrokerTerms {
    let Terms { queue, persistent, prefetch, acknowledged, confirmed } = terms;
    BrokerTerms {
        product,
        queue: (!is_target).then(|| queue.name().to_owned()),
        durable: (!is_target).then_some(queue != QueueKind::Transient),
        persistent,
        prefetch: (!is_target).then_some(prefetch),
        acknowledged,
        confirmed,
    }
}

/// On which terms the messages of `stack` pass the broker at `address`.
fn terms_of(stack: &Stack, setting: &TrialContext<'_>, address: &Address) -> Option<Terms> {
    let url: TransportUrl = address.url.parse().ok()?;
    let transport = address.queues.into_iter().fold(Transport::from(url), Transport::queue_kind);
    let prefetch = setting.server_option("--prefetch").and_then(|count| count.parse().ok());
    let options = RpcServerOptions::default();
    let options = RpcServerOptions { prefetch: prefetch.unwrap_or(options.prefetch), ..options };
    Some(match stack.base_name() {
        "amqp-bare" => terms::bare(),
        // oslo.messaging bounds nothing unless it is told to.
        _ if stack.reference().is_some() => {
            let prefetch = transport.url().prefetch().unwrap_or(0);
            Terms { prefetch, ..terms::rpc(&transport, &options) }
        }
        name => terms::rpc(&Way::of(name).on(transport), &options),
    })
}

/// The libraries between a call and its socket: that of the transport, what it stands on, and that of the notation.
fn libraries(stack: &Stack, transport: &str) -> Vec<Library> {
    let transport: &[&str] = match transport {
        "reqwest" => &["reqwest", "hyper", "tokio"],
        "hyper" => &["hyper", "tokio"],
        "axum" => &["axum", "hyper", "tokio"],
        "jsonrpsee" => &["jsonrpsee", "hyper", "tokio"],
        "zeromq" => &["zeromq", "tokio"],
        "libzmq" if stack.driver == Driver::Threads => &["zmq"],
        "libzmq" => &["zmq", "tokio"],
        "own ZMTP" => &["tokio"],
        "lapin" => &["lapin", "tokio"],
        _ => &[],
    };
    let notation: &[&str] = match stack.protocol {
        Protocol::Rest | Protocol::Jsonrpc | Protocol::Amqp => &["serde_json"],
        Protocol::Xmlrpc => &["quick-xml"],
        Protocol::Zerorpc => &["rmp"],
        Protocol::Inproc | Protocol::Tcp => &[],
    };
    transport.iter().chain(notation).map(|name| library(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::ALL;

    #[test]
    fn every_library_has_a_version_and_every_end_but_the_floors_libraries() {
        for stack in ALL {
            let server = stack.reference().is_none().then_some(stack.server);
            for end in [stack.client].into_iter().chain(server) {
                let libraries = libraries(stack, end);
                let has_none = stack.protocol.is_floor() && end != "libzmq";
                assert_eq!(libraries.is_empty(), has_none, "{} {end}", stack.name);
                assert!(libraries.iter().all(|library| !library.version.is_empty()), "{libraries:?}");
                if let Some(first) = libraries.first() {
                    let expected = match end {
                        "own ZMTP" => "tokio",
                        "libzmq" => "zmq",
                        name => name,
                    };
                    assert_eq!(first.name, expected);
                }
            }
        }
    }
}
