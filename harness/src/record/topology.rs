//! What was counted of a topology: connections, memory, and the time until every first call was answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::judgement::Status;
use crate::deploy::Cores;
use crate::observe::Counts;
use crate::scenario::PlannedTopology;
use crate::stacks::Stack;

/// What was counted of a topology of one stack in one block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopologyResult {
    /// The topology of the scenario that it belongs to.
    pub topology: String,
    /// The stack.
    pub stack: String,
    /// The block, from 0.
    pub block: u32,
    /// The start in seconds since the start of the run.
    pub at_seconds: f64,
    /// The number of clients.
    pub clients: u32,
    /// The number of servers.
    pub servers: u32,
    /// The cores on which clients and servers ran; empty where they were free.
    pub cores: Cores,
    /// The open TCP connections between clients, servers and broker, each counted once; absent where the system does not report
    /// them. Those that servers and a broker have open before the clients connect are included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// The time from the first connect to the last answer of the first calls, in nanoseconds; absent where that did not happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_ns: Option<u64>,
    /// The outcomes of the first calls, one for each client and server.
    pub counts: Counts,
    /// The memory of the process with all clients; absent where it is not observable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_memory: Option<MemoryChange>,
    /// The memory of all servers; absent where it is not observable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_memory: Option<MemoryChange>,
    /// The memory of the broker; absent where there is none, or it is not observable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_memory: Option<MemoryChange>,
    /// Whether it counts.
    pub status: Status,
    /// Why it does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complaint: Option<String>,
}

/// The resident memory of processes in bytes, before the clients connect, and when every first call is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryChange {
    /// Before. Servers have started; behind a broker they are connected to it. Of a broker, before the first topology.
    pub before: u64,
    /// After.
    pub after: u64,
}

/// What was seen of a topology.
#[derive(Clone, Debug, Default)]
pub struct TopologyObservation {
    /// The open TCP connections.
    pub connections: Option<u64>,
    /// The time from the first connect to the last first answer, in nanoseconds.
    pub setup_ns: u64,
    /// The outcomes of the first calls.
    pub counts: Counts,
    /// The memory of clients, servers and broker.
    pub memory: [Option<MemoryChange>; 3],
}

impl MemoryChange {
    /// By how much it grew, in bytes; 0 where it did not.
    #[must_use]
    pub fn growth(self) -> u64 {
        self.after.saturating_sub(self.before)
    }
}

impl TopologyResult {
    /// The result of `planned` for `stack` in `block`, with nothing seen yet.
    #[must_use]
    pub fn new(planned: &PlannedTopology, stack: &Stack, block: u32) -> Self {
        let PlannedTopology { topology, cores, .. } = planned;
        TopologyResult {
            topology: topology.name.clone(),
            stack: stack.name.to_owned(),
            block,
            at_seconds: 0.0,
            clients: topology.clients.get(),
            servers: topology.servers.get(),
            cores: cores.clone(),
            connections: None,
            setup_ns: None,
            counts: Counts::default(),
            client_memory: None,
            server_memory: None,
            broker_memory: None,
            status: Status::Valid,
            complaint: None,
        }
    }

    /// Enters what was seen.
    pub fn fill(&mut self, seen: TopologyObservation) {
        self.connections = seen.connections;
        self.setup_ns = Some(seen.setup_ns);
        self.counts = seen.counts;
        [self.client_memory, self.server_memory, self.broker_memory] = seen.memory;
    }

    /// Marks it as failed for the reason `complaint`.
    pub fn fail(&mut self, complaint: String) {
        self.status = Status::Failed;
        self.complaint = Some(complaint);
    }

    /// Checks that every client got the right answer of every server.
    pub fn audit(&mut self) {
        if self.status != Status::Valid {
            return;
        }
        let (counts, pairs) = (&self.counts, u64::from(self.clients) * u64::from(self.servers));
        let complaint = if !counts.is_conserved() {
            Some(format!("{} calls were started, but a different number is accounted for", counts.started))
        } else if counts.started != pairs {
            Some(format!(
                "{} calls were made, and not {pairs}: one for each client and server",
                counts.started
            ))
        } else {
            let right = counts.right;
            (right != pairs).then(|| format!("{right} of {pairs} first calls got the right answer"))
        };
        if complaint.is_some() {
            self.status = Status::Invalid;
            self.complaint = complaint;
        }
    }

    /// The memory in bytes by which clients and servers grew, with all that the broker takes if the stack `is_brokered`: nothing
    /// else needs the broker. `None` where one of these is not known.
    #[must_use]
    pub fn memory_bytes(&self, is_brokered: bool) -> Option<u64> {
        let broker = if is_brokered { self.broker_memory?.after } else { 0 };
        Some(self.client_memory?.growth() + self.server_memory?.growth() + broker)
    }

    /// The memory in bytes by which all processes grew. `None` where that is not known.
    #[must_use]
    pub fn growth_bytes(&self) -> Option<u64> {
        let broker = self.broker_memory.map_or(0, MemoryChange::growth);
        Some(self.client_memory?.growth() + self.server_memory?.growth() + broker)
    }
}

/// A result of `stack` with `clients` and `servers` that call each other over `connections` connections, with 1 KiB each at both
/// ends, and a broker of 100 MiB where it needs one.
#[cfg(test)]
pub(crate) fn topology_sample(
    topology: &str,
    stack: &str,
    block: u32,
    [clients, servers]: [u32; 2],
    connections: u64,
) -> TopologyResult {
    let pairs = u64::from(clients * servers);
    let grown = |bytes| Some(MemoryChange { before: 5 << 20, after: (5 << 20) + bytes });
    let is_brokered = Stack::named(stack).unwrap().needs_broker();
    TopologyResult {
        topology: topology.to_owned(),
        stack: stack.to_owned(),
        block,
        at_seconds: 1.0,
        clients,
        servers,
        cores: Cores::default(),
        connections: Some(connections),
        setup_ns: Some(1_000_000 * connections),
        counts: Counts { started: pairs, right: pairs, ..Counts::default() },
        client_memory: grown(1_024 * connections),
        server_memory: grown(1_024 * connections),
        broker_memory: is_brokered.then_some(MemoryChange { before: 99 << 20, after: 100 << 20 }),
        status: Status::Valid,
        complaint: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calculator::ErrorKind;

    #[test]
    fn a_topology_counts_only_if_every_pair_got_the_right_answer() {
        let audited = |change: fn(&mut TopologyResult)| {
            let mut result = topology_sample("t", "rest", 0, [3, 2], 6);
            change(&mut result);
            result.audit();
            (result.status, result.complaint.unwrap_or_default())
        };
        assert_eq!(audited(|_| ()), (Status::Valid, String::new()));
        for (change, expected) in [
            ((|it| it.counts.right = 5) as fn(&mut TopologyResult), "a different number is accounted for"),
            (
                |it| {
                    it.counts.right = 5;
                    it.counts.failed = [(ErrorKind::Undeliverable, 1)].into();
                },
                "5 of 6 first calls got the right answer",
            ),
            (
                |it| (it.counts.right, it.counts.started) = (5, 5),
                "5 calls were made, and not 6: one for each client and server",
            ),
        ] {
            let (status, complaint) = audited(change);
            assert!(status == Status::Invalid && complaint.contains(expected), "{complaint}");
        }
        assert_eq!(audited(|it| it.fail("no broker".to_owned())), (Status::Failed, "no broker".to_owned()));
    }

    #[test]
    fn the_memory_of_a_stack_with_a_broker_includes_the_whole_broker() {
        let rest = topology_sample("t", "rest", 0, [2, 2], 4);
        assert_eq!((rest.memory_bytes(false), rest.growth_bytes()), (Some(8 << 10), Some(8 << 10)));
        let amqp = topology_sample("t", "amqp", 0, [2, 2], 8);
        assert_eq!(amqp.memory_bytes(true), Some((100 << 20) + (16 << 10)));
        assert_eq!(amqp.growth_bytes(), Some((1 << 20) + (16 << 10)));
        let elsewhere = TopologyResult { broker_memory: None, ..amqp };
        assert_eq!(elsewhere.memory_bytes(true), None);
        assert_eq!(MemoryChange { before: 7, after: 3 }.growth(), 0);
    }
}
