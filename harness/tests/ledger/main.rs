//! The wire ledger, counted twice and compared with a count that does not come from the kernel; and the facts of the
//! fairness table that can be seen on the wire.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod captured;
mod frames;
#[path = "../common/relay.rs"]
mod relay;
mod unix;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use calculator::conformance::Numbers;
use calculator::{Call, Client, Value};
use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};
use rpcbench::load::Operation;
use rpcbench::record::{BrokerTerms, Hop, Party, Wire};
use rpcbench::run::fairness::{self, Observed};
use rpcbench::run::ledger;
use rpcbench::scenario::Scenario;
use rpcbench::stacks::{Destination, Options, ServerOptions, Stack, all};
use rpcbench::trial::{BrokerLocation, RunningServer, ServerCopy, TrialContext};

use frames::{Frame, frames};
use relay::{Passed, Relay};

const TIMEOUT: Duration = Duration::from_secs(60);
/// Calls that are counted the other way.
const CALLS: u64 = 20;

fn with_context<T>(action: impl FnOnce(&TrialContext<'_>) -> T) -> T {
    let scenario = Scenario { timeout: TIMEOUT, ..Scenario::load("quick").unwrap() };
    let interrupted = Arc::new(AtomicBool::new(false));
    let (targets, controls) = (BTreeMap::new(), BTreeMap::new());
    let (server, clients) = (ServerOptions::default(), Options::default());
    action(&TrialContext {
        scenario: &scenario,
        seed: 1,
        server: &server,
        twin: &server,
        targets: &targets,
        clients: &clients,
        controls: &controls,
        started_at: Instant::now(),
        interrupted: &interrupted,
        live: None,
    })
}

async fn count(stack: &'static Stack, running: &RunningServer) -> Wire {
    let counted = ledger::count(stack, Operation::ADD, 1, TIMEOUT, Numbers::Exact, running).await.unwrap();
    assert_eq!(counted.reused, Some(true), "{}", stack.name);
    assert!(!counted.sockets.is_empty(), "{}", stack.name);
    counted.wire.unwrap()
}

/// The ledger, which must be the same when it is counted again.
async fn ledger_of(stack: &'static Stack, running: &RunningServer) -> Wire {
    let (first, second) = (count(stack, running).await, count(stack, running).await);
    let bytes = |wire: &Wire| {
        wire.hops.iter().map(|hop| (hop.from, hop.to, hop.bytes, hop.parts)).collect::<Vec<_>>()
    };
    assert_eq!(bytes(&first), bytes(&second), "{}", stack.name);
    assert_eq!((first.per_call, first.setup), (second.per_call, second.setup), "{}", stack.name);
    for hop in &first.hops {
        let parts = hop.parts.unwrap();
        assert_eq!(parts.arguments + parts.envelope + parts.framing, hop.bytes, "{} {hop:?}", stack.name);
    }
    first
}

async fn call(client: &Arc<dyn Client>) {
    let call = Call::positional("add", [Value::Int(2), Value::Int(3)]);
    assert_eq!(client.call(&call).await, Ok(Value::Int(5)));
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(bytes: f64) -> u64 {
    assert!(bytes.fract() == 0.0 && bytes >= 0.0, "{bytes}");
    bytes as u64
}

/// Bytes each way, as a relay counts them.
type Bytes = (u64, u64);

/// Makes calls and compares what passes each of `relays` with the ledger after each call: it was at the first given
/// count before, and grows by the second.
async fn compare_with_relays(
    relays: &[(&Relay, Bytes, Bytes)],
    stack: &'static Stack,
    running: &RunningServer,
) {
    let client = running.location.connect(stack, 1, TIMEOUT).await.unwrap().remove(0);
    for calls in 1..=CALLS {
        call(&client).await;
        for (relay, before, per_call) in relays {
            relay.wait_for((before.0 + calls * per_call.0, before.1 + calls * per_call.1)).await;
        }
    }
}

/// What a client's set-up and each of its calls take.
fn of_client(wire: &Wire) -> [Bytes; 2] {
    [wire.setup, wire.per_call].map(|traffic| (whole(traffic.up), whole(traffic.down)))
}

fn message(hop: &Hop) -> u64 {
    hop.parts.map(|parts| parts.arguments + parts.envelope).unwrap()
}

#[test]
fn without_a_broker_the_ledger_is_what_a_relay_counts() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    with_context(|context| {
        // Most reference servers close each connection after its call.
        let ours =
            |stack: &&Stack| stack.has_server() && !stack.needs_broker() && stack.reference().is_none();
        for stack in all().iter().filter(ours) {
            let mut running = RunningServer::start(stack, context, None, &[], ServerCopy::default()).unwrap();
            let wire = runtime.block_on(ledger_of(stack, &running));
            assert!(wire.exact && wire.behind_broker.is_none() && wire.hops.len() == 2, "{wire:?}");
            captured::compare_with_ledger(&runtime, stack, context, None, &running, &wire);
            let relay = Relay::to(relay::port_of(&running.location.destination.url));
            running.location.destination.url = relay.in_place_of(&running.location.destination.url);
            let [setup, per_call] = of_client(&wire);
            runtime.block_on(compare_with_relays(&[(&relay, setup, per_call)], stack, &running));
            let passed = relay.passed();
            let [Passed { up, down }] = passed.as_slice() else { panic!("{} connections", passed.len()) };
            let last =
                |bytes: &[u8], hop: &Hop| bytes[bytes.len() - usize::try_from(hop.bytes).unwrap()..].to_vec();
            for (bytes, hop) in [(up, &wire.hops[0]), (down, &wire.hops[1])] {
                let expected = message(hop);
                let last = last(bytes, hop);
                let found = match (stack.protocol.name(), stack.server.name) {
                    ("tcp", "libzmq") => zeromq_message(b"", &last),
                    ("zerorpc", _) => zeromq_message(DELIMITER, &last),
                    ("grpc", _) => grpc_message(&last),
                    ("thrift", _) => thrift_message(&last),
                    ("jsonrpc-lines", _) => last.strip_suffix(b"\n").unwrap().len() as u64,
                    ("jsonrpc-ws", _) => websocket_message(&last),
                    _ if stack.protocol.http_version(&Options::default()).is_some() => http_message(&last),
                    _ => last.len() as u64,
                };
                assert_eq!(found, expected, "{}: {}", stack.name, String::from_utf8_lossy(&last));
            }
            let fairness =
                fairness::collect(stack, context, &running.location.destination, Observed::default());
            let is_http2 = up.starts_with(b"PRI * HTTP/2.0\r\n");
            // WebSocket uses HTTP only for its opening handshake.
            let has_http = is_http2 || down.starts_with(b"HTTP/1.1 200 ");
            assert_eq!(fairness.http.is_some(), has_http, "{}", stack.name);
            assert_eq!(fairness.http.as_deref() == Some("HTTP/2.0"), is_http2, "{}", stack.name);
            if let Some(version) = fairness.http.filter(|_| !is_http2) {
                let text = String::from_utf8_lossy(up).to_lowercase()
                    + &String::from_utf8_lossy(down).to_lowercase();
                assert!(down.starts_with(version.as_bytes()), "{text}");
                assert!(text.contains(&version.to_lowercase()) && !text.contains("-encoding:"), "{text}");
            }
        }
    });
}

/// The payload length of the one WebSocket frame in `bytes`. Only for payloads of at most 125 bytes, as those of an addition are.
fn websocket_message(bytes: &[u8]) -> u64 {
    let (length, mask) = (bytes[1] & 0x7f, if bytes[1] & 0x80 == 0 { 0 } else { 4 });
    assert!(bytes[0] == 0x81 && bytes.len() == 2 + mask + usize::from(length), "{bytes:?}");
    length.into()
}

/// The length of the one message of gRPC in the frames of HTTP/2 that are all of `bytes`.
fn grpc_message(bytes: &[u8]) -> u64 {
    let mut rest = bytes;
    let mut data = Vec::new();
    while let [a, b, c, kind, _, _, _, _, _, after @ ..] = rest {
        let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let (content, after) = after.split_at(len);
        if *kind == 0 {
            data.extend_from_slice(content);
        }
        rest = after;
    }
    assert!(rest.is_empty(), "all of it is frames: {}", bytes.escape_ascii());
    let [0, a, b, c, d, message @ ..] = data.as_slice() else { panic!("{}", bytes.escape_ascii()) };
    assert_eq!(u32::from_be_bytes([*a, *b, *c, *d]) as usize, message.len());
    message.len() as u64
}

/// The length of the message in the frame that is all of `bytes`.
fn thrift_message(bytes: &[u8]) -> u64 {
    let (length, message) = bytes.split_first_chunk().unwrap();
    assert_eq!(u32::from_be_bytes(*length) as usize, message.len());
    message.len() as u64
}

/// The length of the body of a request or a response that is all of `bytes`.
fn http_message(bytes: &[u8]) -> u64 {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    assert_eq!(end as u64 + length, bytes.len() as u64, "{head}");
    length
}

/// An empty frame, after which another follows.
const DELIMITER: &[u8] = &[1, 0];

/// The length of the last frame of a ZeroMQ message that begins with `before` and has a short body (RFC 23/ZMTP).
fn zeromq_message(before: &[u8], bytes: &[u8]) -> u64 {
    let Some([0, length, body @ ..]) = bytes.strip_prefix(before) else { panic!("{bytes:?}") };
    assert_eq!(usize::from(*length), body.len());
    (*length).into()
}

/// The ledger of a stack behind a broker, and what passed the relays of its client and its server.
struct ThroughBroker {
    wire: Wire,
    of_client: Vec<Passed>,
    of_server: Vec<Passed>,
}

/// Compares the ledger of `stack`, whose broker is at `direct`, with what relays between it and both ends count.
fn through_broker(
    runtime: &tokio::runtime::Runtime,
    context: &TrialContext<'_>,
    stack: &'static Stack,
    direct: &str,
) -> ThroughBroker {
    let port = relay::port_of(direct);
    let of_server = Relay::to(port);
    let behind = BrokerLocation { url: of_server.in_place_of(direct), pid: None, tls: None };
    let mut running =
        RunningServer::start(stack, context, Some(&behind), &[], ServerCopy::default()).unwrap();
    direct.clone_into(&mut running.location.destination.url);
    let wire = runtime.block_on(ledger_of(stack, &running));
    let hops: Vec<_> = wire.hops.iter().map(|hop| (hop.from, hop.to)).collect();
    let (client, broker, server) = (Party::Client, Party::Broker, Party::Server);
    assert_eq!(hops, [(client, broker), (broker, server), (server, broker), (broker, client)]);

    let broker = BrokerLocation { url: direct.to_owned(), pid: None, tls: None };
    captured::compare_with_ledger(runtime, stack, context, Some(&broker), &running, &wire);

    let relay = Relay::to(port);
    running.location.destination.url = relay.in_place_of(direct);
    let [setup, per_call] = of_client(&wire);
    // What the server receives goes up the call's way, and down the relay's.
    let behind = (wire.hops[2].bytes, wire.hops[1].bytes);
    let relays = [(&relay, setup, per_call), (&of_server, of_server.totals(), behind)];
    runtime.block_on(compare_with_relays(&relays, stack, &running));
    ThroughBroker { of_client: relay.passed(), of_server: of_server.passed(), wire }
}

#[test]
fn through_rabbitmq_every_hop_is_what_relays_count() {
    let broker = PrivateBroker::start(BrokerKind::RabbitMq, &[]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    with_context(|context| {
        for name in ["amqp", "amqp-quorum", "amqp-direct", "amqp-bare"] {
            let stack = Stack::named(name).unwrap();
            // No heartbeats: they are of no call.
            let direct = format!("{}?heartbeat=0", broker.url());
            let ThroughBroker { wire, of_client, of_server } =
                through_broker(&runtime, context, stack, &direct);
            for (passed, [away, towards]) in
                [(&of_client, [&wire.hops[0], &wire.hops[3]]), (&of_server, [&wire.hops[2], &wire.hops[1]])]
            {
                let bodies = |side: fn(&Passed) -> &[u8]| {
                    let frames = passed.iter().flat_map(|passed| frames(side(passed)));
                    frames.filter_map(|frame| frame.body_size()).collect::<Vec<_>>()
                };
                for (bodies, hop) in [(bodies(|p| &p.up), away), (bodies(|p| &p.down), towards)] {
                    assert!(bodies.len() as u64 >= CALLS, "{name} {hop:?}");
                    assert!(bodies.iter().all(|size| *size == message(hop)), "{name} {hop:?}: {bodies:?}");
                }
            }
            let product = stack.protocol.brokered().unwrap().product(direct.clone(), TIMEOUT);
            let product = runtime.block_on(product);
            assert!(product.as_ref().is_some_and(|product| product.starts_with("RabbitMQ ")), "{product:?}");
            let destination = Destination { url: direct, ..Destination::default() };
            let terms = fairness::collect(stack, context, &destination, Observed::default()).broker.unwrap();
            assert_eq!(terms.queue.as_deref() == Some("quorum"), name == "amqp-quorum");
            hold_terms_against(&terms, &of_client, &of_server);
        }
    });
    broker.stop().unwrap();
}

/// The fairness table's broker terms compared with what client and server sent to the broker.
fn hold_terms_against(terms: &BrokerTerms, of_client: &[Passed], of_server: &[Passed]) {
    let sent: Vec<Frame> = of_client.iter().chain(of_server).flat_map(|passed| frames(&passed.up)).collect();
    let methods = |class, method| sent.iter().filter_map(move |frame| frame.method(class, method));
    // confirm.select, basic.qos, basic.ack (AMQP 0-9-1, section 1.8; RabbitMQ's confirms are class 85).
    assert_eq!(methods(85, 10).count() == 2, terms.confirmed);
    assert_eq!(methods(60, 80).count() as u64 >= CALLS, terms.acknowledged);
    let prefetch: Vec<_> =
        methods(60, 10).map(|arguments| u16::from_be_bytes([arguments[4], arguments[5]])).collect();
    assert_eq!(prefetch.first().copied().unwrap_or(0), terms.prefetch.unwrap());
    // The bits of queue.declare: passive, durable, exclusive, auto-delete, no-wait; behind a reserved short and a name.
    // The queues for replies and fanout casts are never durable.
    for arguments in methods(50, 10) {
        let (name, bits) = arguments[3..].split_at(usize::from(arguments[2]));
        let name = String::from_utf8_lossy(name);
        let is_of_one_process = name.starts_with("reply_") || name.contains("_fanout_");
        assert_eq!(bits[0] & 2 != 0, terms.durable.unwrap() && !is_of_one_process, "{name}");
    }
    // The second bit of basic.consume is no-ack, behind a reserved short and two names.
    for arguments in methods(60, 20) {
        let tag = 3 + usize::from(arguments[2]);
        let bits = arguments[tag + 1 + usize::from(arguments[tag])];
        assert_eq!(bits & 2 == 0, terms.acknowledged);
    }
}
