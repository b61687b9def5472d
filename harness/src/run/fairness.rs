//! The facts for the fairness table, which shows where a comparison is uneven. As far as possible they are read from the
//! process, its sockets, the broker, or the constants that client and server use themselves.

use crate::record::{BrokerTerms, Fairness, Library, Process, TlsFacts};
use crate::stacks::libraries::version;
use crate::stacks::{CertificateCheck, DeliveryTerms, Destination, Driver, End, Runtime, Stack, Transport};
use crate::trial::{CLIENT_RUNTIME, TrialContext};

/// Facts observed while a stack was called.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Whether call after call went over the same connections.
    pub reused: Option<bool>,
    /// How many threads the server's process had.
    pub threads: Option<u32>,
    /// What was negotiated for TLS; `None` without TLS.
    pub tls: Option<TlsFacts>,
    /// The broker's name and version.
    pub broker: Option<String>,
}

/// No protocol of the suite compresses, and no client asks for it.
const COMPRESSION: &str = "none";
/// The encryption of a stack without TLS.
const NO_ENCRYPTION: &str = "none";

/// Collects the facts about `stack` for the fairness table: those `observed` while clients called it at `destination`, and
/// those that follow from the settings in `context`.
#[must_use]
pub fn collect(
    stack: &Stack,
    context: &TrialContext<'_>,
    destination: &Destination,
    observed: Observed,
) -> Fairness {
    let is_target = context.targets.contains_key(stack.name);
    let has_tls = stack.protocol.certificate_check(destination).is_some();
    Fairness {
        stack: stack.name.to_owned(),
        client: Process {
            runtime: match stack.driver {
                Driver::Tokio => CLIENT_RUNTIME.to_string(),
                Driver::Threads => "none, a thread for each caller".to_owned(),
            },
            executor: None,
            threads: None,
            libraries: libraries(stack, stack.client, has_tls),
        },
        server: (!is_target).then(|| server(stack, context, observed.threads, has_tls)),
        multiplexes: stack.multiplexes,
        reused: observed.reused,
        compression: COMPRESSION.to_owned(),
        encryption: encryption(stack, destination, observed.tls.as_ref()),
        tls: observed.tls,
        http: http(stack, context),
        broker: stack
            .protocol
            .brokered()
            .and_then(|broker| broker.delivery_terms(stack.name, destination, &context.server.protocol))
            .map(|terms| broker_terms(terms, is_target, observed.broker)),
    }
}

/// The version of HTTP that carries the calls of `stack`. That of a reference server is not known.
fn http(stack: &Stack, context: &TrialContext<'_>) -> Option<String> {
    if stack.transport.has_http2() {
        return Some("HTTP/2.0".to_owned());
    }
    stack.protocol.http_version(&context.server.protocol).filter(|_| stack.reference().is_none())
}

/// What encrypts the calls of `stack` to `destination`, and how clients check the certificate. `negotiated` is what a handshake with a
/// server that was already running has shown.
fn encryption(stack: &Stack, destination: &Destination, negotiated: Option<&TlsFacts>) -> String {
    let certificate = match stack.transport {
        Transport::Tcp | Transport::Unix | Transport::Stdio | Transport::H2 => {
            let title = stack.protocol.certificate_check(destination).map(CertificateCheck::title);
            return match (title, negotiated) {
                (None, _) => NO_ENCRYPTION.to_owned(),
                (Some(title), None) => title.to_owned(),
                (Some(title), Some(TlsFacts { version, cipher })) => {
                    title.replacen("TLS", &format!("{version} ({cipher})"), 1)
                }
            };
        }
        Transport::Tls | Transport::H2Tls => "certificate checked by an authority of the run",
        Transport::TlsResumed => "sessions resumed, certificate checked by an authority of the run",
    };
    format!("{}, {certificate}", net::TLS_TERMS)
}

fn server(stack: &Stack, setting: &TrialContext<'_>, threads: Option<u32>, has_tls: bool) -> Process {
    if let Some(reference) = stack.reference() {
        // The version depends on the packages that the interpreter finds.
        let library = Library { name: stack.server.name.to_owned(), version: String::new() };
        return Process {
            runtime: reference.language.version().unwrap_or_else(|| reference.language.to_string()),
            executor: Some(reference.executor.to_owned()),
            threads,
            libraries: vec![library],
        };
    }
    let (runtime, executor) = stack.server.threads.map_or_else(
        || {
            let common = &setting.server.common;
            (Runtime::of(common.workers.into()).to_string(), common.executor.to_string())
        },
        |(runtime, executor)| (runtime.to_owned(), executor.to_owned()),
    );
    Process { runtime, executor: Some(executor), threads, libraries: libraries(stack, stack.server, has_tls) }
}

fn broker_terms(terms: DeliveryTerms, is_target: bool, product: Option<String>) -> BrokerTerms {
    let DeliveryTerms { queue, durable, persistent, prefetch, acknowledged, confirmed } = terms;
    BrokerTerms {
        product,
        queue: (!is_target).then(|| queue.to_owned()),
        durable: (!is_target).then_some(durable),
        persistent,
        prefetch: (!is_target).then_some(prefetch),
        acknowledged,
        confirmed,
    }
}

/// The libraries of one end, with their versions.
fn libraries(stack: &Stack, end: End, has_tls: bool) -> Vec<Library> {
    let version = |name| Library { version: version(name).to_owned(), name: name.to_owned() };
    stack.libraries(end, has_tls).map(version).collect()
}
