//! The wire ledger: counts the bytes of each call on the wire exactly.
//!
//! One connection makes one call at a time, and each waits until the wire is quiet: an acknowledgement or a confirm that
//! follows an answer then belongs to its own call. So every call takes the same bytes, and two counts of the same build
//! are equal.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use calculator::conformance::Numbers;
use calculator::document::size;
use calculator::{Call, CallError, Client, Deadline, Value};

use super::quiet::{self, AFTER_CONNECTING};
use crate::load::{Operation, PreparedCall};
use crate::observe::Expectation;
use crate::observe::wire::{ByteSource, Flow, Snapshot, SocketTraffic, StreamBytes, Traffic};
use crate::record::{CountedBy, Hop, Parts, Party, SocketFacts, Wire};
use crate::stacks::{Destination, Stack, Way};
use crate::sys::SocketStats;
use crate::trial::{RunningServer, TrialError};

/// The number of calls that are counted.
const CALLS: usize = 32;
/// The wire is quiet when nothing arrived for this long. If the calls differ, as they do when another process keeps the
/// broker from its core, they are counted again with the next pause.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(25),
    Duration::from_millis(125),
];

/// The counts of the ledger for one operation of a stack.
#[derive(Debug, Default)]
pub struct Counted {
    /// The bytes; absent if they cannot be counted, or a call failed.
    pub wire: Option<Wire>,
    /// The options of the sockets that carried them.
    pub sockets: Vec<SocketFacts>,
    /// Whether all calls went over the same connections; absent where that is not observable.
    pub reused: Option<bool>,
    /// The number of threads of the server's process; absent where that is not observable.
    pub threads: Option<u32>,
}

/// Counts the bytes of one call of `operation` on the server `running`, whose answers `numbers` compares with the expected
/// ones.
///
/// # Errors
/// When the server cannot be connected to.
pub async fn count(
    stack: &'static Stack,
    operation: Operation,
    seed: u64,
    timeout: Duration,
    numbers: Numbers,
    running: &RunningServer,
) -> Result<Counted, TrialError> {
    count_in(Way::Call, stack, operation, seed, timeout, numbers, running).await
}

/// Counts the bytes of one message that is sent in `way`, like [`count`]. Those without an answer are not divided into parts.
///
/// # Errors
/// When the server cannot be connected to.
pub async fn count_in(
    way: Way,
    stack: &'static Stack,
    operation: Operation,
    seed: u64,
    timeout: Duration,
    numbers: Numbers,
    running: &RunningServer,
) -> Result<Counted, TrialError> {
    let Some(mut prepared) = operation.example(seed) else { return Ok(Counted::default()) };
    if !way.is_call() {
        prepared.expected = Expectation::Value(Value::Null);
    }
    count_prepared(way, stack, operation, prepared, timeout, numbers, running).await
}

/// Counts the bytes of `prepared`, a message of `operation` that is sent in `way`, like [`count_in`].
///
/// # Errors
/// When the server cannot be connected to.
pub async fn count_prepared(
    way: Way,
    stack: &'static Stack,
    operation: Operation,
    prepared: PreparedCall,
    timeout: Duration,
    numbers: Numbers,
    running: &RunningServer,
) -> Result<Counted, TrialError> {
    let location = &running.location;
    let address = stack.parse_url(&location.destination.url).ok();
    let source = address.and_then(|address| ByteSource::of(address.endpoint()));
    let Some(source) = source else { return Ok(Counted::default()) };
    let Some(mut ends) = Ends::new(stack, source, running) else { return Ok(Counted::default()) };
    let client = operation.client(location.connect_in(stack, way, timeout).await?);
    let deadline = Deadline::new(timeout);
    let mut caller = Caller { client: &*client, deadline, numbers, prepared, right: true, answer: None };
    // The first call may open the connection; the bytes that it takes beyond those of the other calls belong to the set-up.
    caller.call().await;
    ends.find_counter();
    let opened = ends.wait_until_quiet(AFTER_CONNECTING[usize::from(ends.has_broker)]).await;
    let mut series = Series::default();
    for pause in PAUSES {
        series = caller.series(&ends, pause).await;
        let is_closed = || match (&opened.client, &ends.read_counts().client) {
            (Some(opened), Some(now)) => !opened.has_the_sockets_of(now),
            _ => true,
        };
        if !caller.right || series.is_uniform() || is_closed() {
            break;
        }
    }
    let after = ends.read_counts();
    let (Some(opened), Some(after), true) = (opened.client, after.client, caller.right) else {
        return Ok(Counted::default());
    };
    if opened.is_empty() && ends.counted_by != CountedBy::Kernel {
        // At both ends, a library owns the sockets.
        return Ok(Counted::default());
    }
    if opened.is_empty() || !opened.has_the_sockets_of(&after) {
        // The peer closes the connection after each call, and its counts are lost.
        return Ok(Counted { reused: Some(false), ..Counted::default() });
    }
    let first = opened.since(&Snapshot::of([]));
    let server_is_ours = running.is_ours() && stack.reference().is_none();
    let Caller { prepared, answer, .. } = &caller;
    let (call, answer) = (&prepared.call, answer.as_ref());
    let wire = series.wire(stack, operation, (call, answer), &location.destination, first, server_is_ours);
    let wire = wire.map(|mut wire| {
        if !way.is_call() {
            wire.hops.iter_mut().for_each(|hop| hop.parts = None);
        }
        Wire { counted_by: ends.counted_by, ..wire }
    });
    let server = running.stats();
    let threads = server.as_ref().and_then(|stats| stats.threads);
    let sockets = socket_facts(stack, &after, server.and_then(|stats| stats.sockets));
    // Streams are counted together, so a new connection is not noticed.
    let reused = (ends.counted_by == CountedBy::Kernel).then_some(true);
    Ok(Counted { wire, sockets, reused, threads })
}

fn socket_facts(stack: &Stack, own: &Snapshot, of_server: Option<Vec<SocketStats>>) -> Vec<SocketFacts> {
    let mut facts = SocketFacts::of(stack.name, Party::Client, own.sockets());
    if let Some(theirs) = of_server {
        // A server behind a broker has separate connections; any other has one per connection of the client.
        let of_this_client = theirs
            .iter()
            .filter(|socket| stack.needs_broker() || own.sockets().any(|own| own.local == socket.peer));
        facts.extend(SocketFacts::of(stack.name, Party::Server, of_this_client));
    }
    facts
}

/// The two ends whose counts are read.
struct Ends<'a> {
    source: ByteSource,
    counted_by: CountedBy,
    /// Connections of this process that were open before, and may be closing.
    others: Snapshot,
    /// The server's counts before the ledger, from the client's point of view.
    peer_before: Snapshot,
    running: &'a RunningServer,
    has_broker: bool,
}

/// The counts of the sockets at one point in time.
#[derive(PartialEq)]
struct Counts {
    client: Option<Snapshot>,
    /// Only behind a broker; otherwise the server's counts are the client's.
    server: Option<Snapshot>,
}

/// The bytes that the server's streams have counted, from the client's point of view; `None` if the server does not
/// report them.
fn counted_by_peer(running: &RunningServer) -> Option<Snapshot> {
    Some(Snapshot::of_streams(running.stats()?.streams.map(StreamBytes::seen_from_peer)?))
}

impl<'a> Ends<'a> {
    /// Must be called before connecting. `None` where the system does not report its sockets.
    fn new(stack: &Stack, source: ByteSource, running: &'a RunningServer) -> Option<Self> {
        let (counted_by, peer_before) = match source {
            ByteSource::Sockets(_) => (CountedBy::Kernel, None),
            ByteSource::Streams => (CountedBy::Stream, counted_by_peer(running)),
        };
        Some(Ends {
            source,
            counted_by,
            others: Snapshot::take(source)?,
            peer_before: peer_before.unwrap_or_default(),
            running,
            has_broker: stack.needs_broker(),
        })
    }

    /// Must be called after the first call. If the streams of this end have counted nothing, because a library owns the
    /// socket, the counts of the other end are used from now on.
    fn find_counter(&mut self) {
        let none = || self.read_counts().client.is_none_or(|client| client.is_empty());
        if self.counted_by == CountedBy::Stream && none() {
            self.counted_by = CountedBy::Peer;
        }
    }

    fn read_counts(&self) -> Counts {
        let server = || self.running.stats().and_then(|stats| stats.sockets).map(Snapshot::of);
        let client = match self.counted_by {
            CountedBy::Kernel | CountedBy::Stream => {
                Snapshot::take(self.source).map(|all| all.without(&self.others))
            }
            CountedBy::Peer => counted_by_peer(self.running).map(|all| all.without(&self.peer_before)),
        };
        Counts { client, server: self.has_broker.then(server).flatten() }
    }

    /// Waits until no bytes were transferred for `pause`, and returns the counts.
    async fn wait_until_quiet(&self, pause: Duration) -> Counts {
        quiet::wait_until_quiet(pause, || self.read_counts()).await
    }
}

struct Caller<'a> {
    client: &'a dyn Client,
    deadline: Deadline,
    numbers: Numbers,
    prepared: PreparedCall,
    /// Whether every answer was right.
    right: bool,
    /// The last answer that was a value.
    answer: Option<Value>,
}

impl Caller<'_> {
    async fn call(&mut self) {
        let Caller { client, deadline, numbers, prepared, right, answer } = self;
        let result: Result<Value, CallError> =
            deadline.within(Instant::now(), client.call(&prepared.call)).await;
        *right &= prepared.expected.is_met_by(&result, *numbers);
        *answer = result.ok();
    }

    async fn series(&mut self, ends: &Ends<'_>, pause: Duration) -> Series {
        let mut series = Series::default();
        let mut last = ends.wait_until_quiet(pause).await;
        for _ in 0..CALLS {
            self.call().await;
            if !self.right {
                break;
            }
            let now = ends.wait_until_quiet(pause).await;
            series.push(&last, &now);
            last = now;
        }
        series
    }
}

/// The bytes of each of a series of calls.
#[derive(Default)]
struct Series {
    /// The hops of each call, in their order.
    calls: Vec<Vec<Flow>>,
}

impl Series {
    fn push(&mut self, earlier: &Counts, later: &Counts) {
        let since = |earlier: &Option<Snapshot>, later: &Option<Snapshot>| {
            Some(later.as_ref()?.since(earlier.as_ref()?))
        };
        let Some(SocketTraffic { sent: up, received: down }) = since(&earlier.client, &later.client) else {
            return;
        };
        self.calls.push(match since(&earlier.server, &later.server) {
            None => vec![up, down],
            Some(server) => vec![up, server.received, server.sent, down],
        });
    }

    fn is_uniform(&self) -> bool {
        self.calls.windows(2).all(|pair| bytes(&pair[0]) == bytes(&pair[1]))
    }

    /// The bytes of most calls: a heartbeat may be in one of them.
    fn usual(&self) -> Option<Vec<u64>> {
        let mut counts: BTreeMap<Vec<u64>, usize> = BTreeMap::new();
        for call in &self.calls {
            *counts.entry(bytes(call)).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(bytes, _)| bytes)
    }

    /// The entry of the ledger of a call, with its answer where that is a value. `first` is the traffic on the client's connections up
    /// to the end of the first call.
    #[allow(clippy::cast_precision_loss)] // No call has 2⁵³ bytes.
    fn wire(
        &self,
        stack: &Stack,
        operation: Operation,
        (call, answer): (&Call, Option<&Value>),
        destination: &Destination,
        first: SocketTraffic,
        server_is_ours: bool,
    ) -> Option<Wire> {
        let usual = self.usual()?;
        let (from_client, to_client) = (*usual.first()?, *usual.last()?);
        // The messages of several calls, and those of a stream, have no one anatomy.
        let answer_of_one = answer.filter(|_| operation.has_one_answer());
        let anatomy = answer_of_one.and_then(|answer| stack.anatomy(destination, call, answer).ok());
        // The answers of a foreign server are not known byte for byte.
        let [request, reply] = [anatomy.map(|a| a[0]), anatomy.map(|a| a[1]).filter(|_| server_is_ours)];
        let hop_ends = if stack.needs_broker() { &BROKERED[..] } else { &DIRECT[..] };
        // Behind a broker, only the client's hops are observable unless the server reports its own.
        let hop_ends = hop_ends.iter().filter(|(from, to)| {
            usual.len() == hop_ends.len() || *from == Party::Client || *to == Party::Client
        });
        let hops = hop_ends.zip(&usual).enumerate().map(|(index, (&(from, to), &bytes))| {
            let is_request = from == Party::Client || to == Party::Server;
            let message = if is_request { request } else { reply };
            let segments: u64 =
                self.calls.iter().filter_map(|call| call.get(index)).map(|f| f.segments).sum();
            Hop {
                from,
                to,
                bytes,
                parts: message.and_then(|message| Parts::of(bytes, message.values, message.message)),
                packets: segments as f64 / self.calls.len() as f64,
            }
        });
        // The answer of a stream is the number of its items; each of them is an integer, too.
        let answers = operation.stream().map_or(1, |length| length.get() as usize);
        let (up, down) = (call.params.values().map(size).sum::<usize>(), answers * answer.map_or(0, size));
        let beyond = |first: Flow, usual: u64| first.bytes.saturating_sub(usual) as f64;
        Some(Wire {
            stack: stack.name.to_owned(),
            operation,
            payload: Traffic { up: up as f64, down: down as f64 },
            per_call: Traffic { up: from_client as f64, down: to_client as f64 },
            setup: Traffic { up: beyond(first.sent, from_client), down: beyond(first.received, to_client) },
            behind_broker: match usual.as_slice() {
                &[_, to_server, from_server, _] => {
                    Some(Traffic { up: to_server as f64, down: from_server as f64 })
                }
                _ => None,
            },
            hops: hops.collect(),
            exact: self.is_uniform(),
            counted_by: CountedBy::Kernel,
        })
    }
}

fn bytes(call: &[Flow]) -> Vec<u64> {
    call.iter().map(|flow| flow.bytes).collect()
}

const DIRECT: [(Party, Party); 2] = [(Party::Client, Party::Server), (Party::Server, Party::Client)];
const BROKERED: [(Party, Party); 4] = [
    (Party::Client, Party::Broker),
    (Party::Broker, Party::Server),
    (Party::Server, Party::Broker),
    (Party::Broker, Party::Client),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(bytes: u64, segments: u64) -> Flow {
        Flow { bytes, segments }
    }

    fn wire(stack: &str, calls: Vec<Vec<Flow>>, server_is_ours: bool) -> Wire {
        let stack = Stack::named(stack).unwrap();
        let prepared = Operation::ADD.example(1).unwrap();
        let destination = Destination::new("http://127.0.0.1:12345/");
        let first = SocketTraffic { sent: flow(300, 2), received: flow(120, 1) };
        let exchange = (&prepared.call, prepared.expected.value());
        Series { calls }.wire(stack, Operation::ADD, exchange, &destination, first, server_is_ours).unwrap()
    }

    #[test]
    fn the_ledger_has_the_bytes_of_most_calls_and_whether_all_were_equal() {
        let usual = || vec![flow(150, 1), flow(120, 1)];
        let counted = wire("rest", vec![usual(), usual()], true);
        assert!(counted.exact);
        assert_eq!(counted.setup, Traffic { up: 150.0, down: 0.0 });
        let parts = counted.hops[0].parts.unwrap();
        assert_eq!((parts.arguments, parts.envelope, parts.framing), (2, 11, 137));

        let counted = wire("rest", vec![usual(), vec![flow(158, 2), flow(120, 1)], usual(), usual()], true);
        assert!(!counted.exact);
        assert_eq!((counted.hops[0].bytes, counted.hops[0].packets), (150, 1.25));
    }

    #[test]
    fn answers_of_a_foreign_server_are_counted_but_not_divided() {
        let counted = wire("rest", vec![vec![flow(150, 1), flow(130, 1)]], false);
        assert!(counted.hops[0].parts.is_some() && counted.hops[1].parts.is_none());
    }

    #[test]
    fn a_broker_has_four_hops_if_its_server_reports_its_own_and_two_otherwise() {
        let ends = |wire: &Wire| wire.hops.iter().map(|hop| (hop.from, hop.to)).collect::<Vec<_>>();
        let four = [flow(900, 2), flow(800, 1), flow(700, 2), flow(600, 1)].to_vec();
        let counted = wire("amqp", vec![four.clone()], true);
        assert_eq!(ends(&counted), BROKERED);
        assert_eq!(counted.behind_broker, Some(Traffic { up: 800.0, down: 700.0 }));
        assert!(counted.hops.iter().all(|hop| hop.parts.is_some()));

        let counted = wire("amqp", vec![vec![four[0], four[3]]], false);
        assert_eq!(ends(&counted), [BROKERED[0], BROKERED[3]]);
        assert_eq!((counted.hops[1].bytes, counted.behind_broker), (600, None));
    }
}
