//! What happens in a simulation: clients, calls and faults, drawn from a seed.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use net::simulated::{Conditions, Loss};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A protocol that is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "lower")]
pub enum Protocol {
    /// MessagePack over ZMTP, with pipelined calls and streams.
    Zerorpc,
    /// JSON over HTTP, a resource per method.
    Rest,
    /// The same without an HTTP library at either end.
    #[value(name = "rest-bare")]
    RestBare,
    /// XML-RPC over HTTP.
    XmlRpc,
    /// JSON-RPC over HTTP.
    JsonRpc,
}

/// The protocols, with zerorpc as often as two others: it has streams, heartbeats and several calls on a connection.
const PROTOCOLS: [Protocol; 6] = [
    Protocol::Zerorpc,
    Protocol::Zerorpc,
    Protocol::Rest,
    Protocol::RestBare,
    Protocol::XmlRpc,
    Protocol::JsonRpc,
];

/// The maximum size of a message in bytes, which is small so that buffers fill up.
pub(crate) const MAX_BODY: usize = 64 << 10;

/// The timeout of calls if there are no faults: no call may reach it.
pub(crate) const CALM_TIMEOUT: Duration = Duration::from_secs(600);

/// What happens in a simulation.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed that it follows from.
    pub seed: u64,
    /// The protocol of server and clients.
    pub protocol: Protocol,
    /// The heartbeat period of zerorpc.
    pub heartbeat: Duration,
    /// How many calls the server works on at a time.
    pub max_in_flight: usize,
    /// How the network carries bytes at first.
    pub conditions: Conditions,
    /// The clients, each of which has one connection at a time.
    pub clients: Vec<ClientPlan>,
    /// The faults in order, each with the pause before it.
    pub faults: Vec<(Duration, Fault)>,
}

/// A client.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    /// The timeout of connecting.
    pub connect_timeout: Duration,
    /// The calls of each of its concurrent callers, which are made sequentially.
    pub callers: Vec<Vec<CallPlan>>,
}

/// A call.
#[derive(Clone, Copy, Debug)]
pub struct CallPlan {
    /// Different for each call of a plan.
    pub id: i64,
    /// The pause before it.
    pub pause: Duration,
    /// The timeout: of the whole call, or of each item of a stream.
    pub timeout: Duration,
    /// What is called.
    pub kind: CallKind,
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// An addition whose handler waits.
    Add {
        /// How long it waits.
        wait: Duration,
    },
    /// Echo of a text.
    Echo {
        /// The length of the text in bytes.
        bytes: usize,
    },
    /// A division by zero, whose error is the right answer.
    DivideByZero,
    /// A method that does not exist, whose error is the right answer.
    Unknown,
    /// A stream of numbers, from 0 on.
    Stream {
        /// How many.
        items: usize,
        /// How many may be received before they are taken.
        slots: usize,
        /// How long the server waits before each item.
        server_pause: Duration,
        /// How long the caller waits before it takes an item.
        caller_pause: Duration,
        /// After how many items the caller drops the stream.
        dropped_after: Option<usize>,
    },
}

/// A fault.
#[derive(Clone, Debug)]
pub enum Fault {
    /// From now on, the network carries bytes in another way.
    Conditions(Conditions),
    /// For this time, nothing arrives.
    Stall(Duration),
    /// For this time, nothing arrives, and no connection can be opened.
    Partition(Duration),
    /// All connections are reset.
    Reset,
    /// All connections become half-open.
    LoseConnections(Loss),
    /// The server is stopped in an orderly way, and started again after this time.
    Stop(Duration),
    /// The server is killed, and started again after this time.
    Kill(Duration),
    /// The server's host fails, and starts again after this time.
    HostFailure(Duration, Loss),
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Zerorpc => "zerorpc",
            Protocol::Rest => "rest",
            Protocol::RestBare => "rest-bare",
            Protocol::XmlRpc => "xmlrpc",
            Protocol::JsonRpc => "jsonrpc",
        })
    }
}

impl Plan {
    /// The plan that follows from `seed`. A given `protocol` replaces the one that is drawn.
    #[must_use]
    pub fn from_seed(seed: u64, protocol: Option<Protocol>) -> Self {
        let mut random = Random { random: ChaCha8Rng::seed_from_u64(seed), max_text_bits: 17 };
        let drawn = *random.pick(&PROTOCOLS);
        let protocol = protocol.unwrap_or(drawn);
        let heartbeat =
            *random.pick(&[Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5)]);
        let max_in_flight = random.within(4..=32);
        let conditions = random.conditions();
        if conditions.max_transfer.is_some_and(|bytes| bytes < SHORT_TRANSFER) {
            random.max_text_bits = 11;
        }
        let faults = if random.chance(4) { vec![] } else { random.faults() };
        let is_calm = faults.is_empty();
        let mut next_id = 0;
        let clients = (0..random.within(1..=4))
            .map(|_| ClientPlan {
                connect_timeout: random.duration_ms(if is_calm { 5_000..=10_000 } else { 200..=5_000 }),
                callers: (0..random.within(1..=5))
                    .map(|_| random.calls(protocol, is_calm, &mut next_id))
                    .collect(),
            })
            .collect();
        Plan { seed, protocol, heartbeat, max_in_flight, conditions, clients, faults }
    }

    /// Whether there are no faults, so that every call must succeed.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.faults.is_empty()
    }

    /// All calls.
    pub fn calls(&self) -> impl Iterator<Item = &CallPlan> {
        self.clients.iter().flat_map(|client| &client.callers).flatten()
    }
}

struct Random {
    random: ChaCha8Rng,
    /// The logarithm of the maximum length of texts.
    max_text_bits: u32,
}

/// Transfers of fewer bytes are drawn only with short texts: a simulation would take long otherwise.
const SHORT_TRANSFER: usize = 256;

impl Random {
    fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        values.choose(&mut self.random).unwrap_or(&values[0])
    }

    fn within(&mut self, range: RangeInclusive<usize>) -> usize {
        self.random.random_range(range)
    }

    /// True once in `n` times.
    fn chance(&mut self, n: u32) -> bool {
        self.random.random_ratio(1, n)
    }

    fn duration_ms(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.random.random_range(range))
    }

    /// A number of at most 2^`bits`, of any order of magnitude.
    fn of_any_magnitude(&mut self, bits: u32) -> usize {
        let bits = self.random.random_range(0..=bits);
        self.random.random_range(0..=1_usize << bits)
    }

    fn conditions(&mut self) -> Conditions {
        let longest = *self.pick(&[0, 1, 10, 100, 300]);
        let shortest = self.random.random_range(0..=longest);
        let max_transfer = match self.within(0..=3) {
            0 => Some(1 + self.of_any_magnitude(6)),
            1 => Some(1 + self.of_any_magnitude(14)),
            _ => None,
        };
        Conditions {
            latency: Duration::from_millis(shortest)..=Duration::from_millis(longest),
            max_transfer,
            capacity: (8 << 10) + self.of_any_magnitude(18),
        }
    }

    fn calls(&mut self, protocol: Protocol, is_calm: bool, next_id: &mut i64) -> Vec<CallPlan> {
        (0..self.within(1..=8))
            .map(|_| {
                *next_id += 1;
                let pause =
                    if self.chance(3) { self.duration_ms(0..=8_000) } else { self.duration_ms(0..=50) };
                let timeout = match (is_calm, self.within(0..=2)) {
                    (true, _) => CALM_TIMEOUT,
                    (false, 0) => self.duration_ms(1..=200),
                    (false, _) => self.duration_ms(500..=20_000),
                };
                CallPlan { id: *next_id, pause, timeout, kind: self.call_kind(protocol, is_calm) }
            })
            .collect()
    }

    fn call_kind(&mut self, protocol: Protocol, is_calm: bool) -> CallKind {
        let most = if protocol == Protocol::Zerorpc { 9 } else { 6 };
        match self.within(0..=most) {
            0 | 1 => CallKind::Add { wait: Duration::ZERO },
            2 => CallKind::Add { wait: self.duration_ms(1..=if is_calm { 2_000 } else { 20_000 }) },
            // Some are above the limit.
            3 | 4 => CallKind::Echo { bytes: self.of_any_magnitude(self.max_text_bits) },
            5 => CallKind::DivideByZero,
            6 => CallKind::Unknown,
            _ => {
                let items = self.of_any_magnitude(8);
                CallKind::Stream {
                    items,
                    slots: 1 + self.of_any_magnitude(6),
                    server_pause: if self.chance(3) { self.duration_ms(0..=500) } else { Duration::ZERO },
                    caller_pause: if self.chance(3) { self.duration_ms(0..=100) } else { Duration::ZERO },
                    dropped_after: self.chance(4).then(|| self.within(0..=items)),
                }
            }
        }
    }

    fn faults(&mut self) -> Vec<(Duration, Fault)> {
        (0..self.within(1..=6)).map(|_| (self.duration_ms(0..=6_000), self.fault())).collect()
    }

    fn fault(&mut self) -> Fault {
        // Some last longer than timeouts and heartbeats.
        let time = if self.chance(3) { self.duration_ms(0..=40_000) } else { self.duration_ms(0..=2_000) };
        let loss = *self.pick(&[Loss::Silent, Loss::ResetOnWrite]);
        match self.within(0..=7) {
            0 => {
                let drawn = self.conditions();
                let max_transfer = drawn.max_transfer.map(|bytes| bytes.max(SHORT_TRANSFER));
                Fault::Conditions(Conditions { max_transfer, ..drawn })
            }
            1 => Fault::Stall(time),
            2 => Fault::Partition(time),
            3 => Fault::Reset,
            4 => Fault::LoseConnections(loss),
            5 => Fault::Stop(time),
            6 => Fault::Kill(time),
            _ => Fault::HostFailure(time, loss),
        }
    }
}
