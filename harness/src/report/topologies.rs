//! Topologies: how many connections N clients and M servers have in each stack, and what they take.

use std::fmt;

use super::describe;
use super::model::{Cell, Column, Quantity, Row, Table, Unit};
use super::spread::Spread;
use super::stack::StackKind;
use super::text;
use crate::deploy::Placement;
use crate::load::{Load, Operation};
use crate::record::{MemoryChange, Record, StackFacts, Status, TopologyResult};
use crate::scenario::{Measurement, Topology};

const COLUMNS: [Column; 11] = [
    Column::text("stack", "stack"),
    Column::number("clients", "N", Unit::Count).meaning("clients, all in one process"),
    Column::number("servers", "M", Unit::Count).meaning("server processes"),
    Column::number("connections", "connections", Unit::Count)
        .meaning("open TCP connections of clients, servers and broker, each counted once")
        .with_inline_range(),
    Column::number("per-pair", "per N × M", Unit::Ratio)
        .meaning("connections for each pair of a client and a server"),
    Column::number("per-process", "per N + M", Unit::Ratio)
        .meaning("connections for each client and each server"),
    Column::number("set-up", "set-up ms", Unit::Milliseconds)
        .meaning("from the first connect of the clients to the last answer of the first calls")
        .with_inline_range(),
    Column::number("client-memory", "clients KiB", Unit::Kibibytes)
        .meaning("by how much the resident memory of the process with all clients grew"),
    Column::number("server-memory", "servers KiB", Unit::Kibibytes)
        .meaning("by how much the resident memory of all servers grew after they had started"),
    Column::number("broker-memory", "broker KiB", Unit::Kibibytes)
        .meaning("the whole resident memory of the broker, which nothing else uses"),
    Column::number("memory-per-connection", "KiB each", Unit::Kibibytes)
        .meaning("growth of the memory of all processes per connection"),
];

const KIB: f64 = 1_024.0;

/// Topologies of a record that differ only in their numbers of clients and servers.
pub(super) struct Topologies<'a> {
    subject: Subject<'a>,
    /// The stacks, the one with the fewest connections in the largest topology first.
    pub stacks: Vec<StackTopologies<'a>>,
}

/// What topologies have in common that are shown together.
#[derive(Clone, Copy, PartialEq)]
struct Subject<'a> {
    /// Those of an included scenario have a prefix.
    prefix: &'a str,
    operation: Operation,
    placement: Placement,
}

impl<'a> Subject<'a> {
    fn of(topology: &'a Topology) -> Self {
        let prefix = topology.name.split_once(": ").map_or("", |(prefix, _)| prefix);
        Subject { prefix, operation: topology.operation, placement: topology.placement }
    }
}

/// The topologies of one stack.
pub(super) struct StackTopologies<'a> {
    pub stack: &'a str,
    /// The kind of the stack; absent where the record does not describe it.
    pub kind: Option<StackKind>,
    /// The topologies with a block that counts, the smallest first.
    pub built: Vec<Built<'a>>,
    /// How the number of connections grows; `None` where the topologies do not tell.
    pub growth: Option<Growth>,
    /// Why the first block that does not count is left out.
    left_out: Option<&'a str>,
}

/// The blocks of a topology of one stack that count; at least one.
pub(super) struct Built<'a> {
    topology: &'a Topology,
    blocks: Vec<&'a TopologyResult>,
}

/// How the number of connections grows with N clients and M servers, where one form gives the number that was counted in every
/// topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// So many for each pair of a client and a server.
    PerPair(u64),
    /// So many for each client, and so many for each server.
    PerProcess { client: u64, server: u64 },
}

impl Growth {
    /// The only form that gives the number in each of `counts`, which are clients, servers and connections; `None` if there is
    /// none, or more than one.
    fn of(counts: &[(u64, u64, u64)]) -> Option<Self> {
        /// More than the connections that any client or server has to a broker.
        const MAX_PER_PROCESS: u64 = 8;
        let gives = |form: &Growth| {
            counts.iter().all(|(clients, servers, count)| form.connections(*clients, *servers) == *count)
        };
        let per_pair = (1..=MAX_PER_PROCESS).map(Growth::PerPair);
        let per_process = (0..=MAX_PER_PROCESS).flat_map(|client| {
            (0..=MAX_PER_PROCESS).map(move |server| Growth::PerProcess { client, server })
        });
        let mut forms = per_pair.chain(per_process).filter(gives);
        let form = forms.next()?;
        forms.next().is_none().then_some(form)
    }

    fn connections(self, clients: u64, servers: u64) -> u64 {
        match self {
            Growth::PerPair(each) => each * clients * servers,
            Growth::PerProcess { client, server } => client * clients + server * servers,
        }
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = |number: u64, of: &str| match number {
            0 => None,
            1 => Some(of.to_owned()),
            number => Some(format!("{number} {of}")),
        };
        let terms = match *self {
            Growth::PerPair(each) => [times(each, "N × M"), None],
            Growth::PerProcess { client, server } => [times(client, "N"), times(server, "M")],
        };
        let terms: Vec<_> = terms.into_iter().flatten().collect();
        f.write_str(&terms.join(" + "))
    }
}

/// The topologies of `record` that were built, in groups.
pub(super) fn all(record: &Record) -> Vec<Topologies<'_>> {
    let mut subjects: Vec<Subject<'_>> = Vec::new();
    for topology in &record.scenario.topologies {
        let subject = Subject::of(topology);
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    let groups = subjects.into_iter().map(|subject| Topologies::new(subject, record));
    groups.filter(|group| !group.stacks.is_empty()).collect()
}

/// How many topologies do not count, and why the first of them does not.
pub(super) fn left_out(record: &Record) -> Option<String> {
    let left_out: Vec<_> = record.topologies.iter().filter(|it| it.status != Status::Valid).collect();
    let first = left_out.first()?;
    Some(format!(
        "{} of {} topologies are left out. The first: {} ({}): {}",
        left_out.len(),
        record.topologies.len(),
        first.stack,
        first.topology,
        first.complaint.as_deref().unwrap_or("no reason recorded")
    ))
}

impl<'a> Topologies<'a> {
    fn new(subject: Subject<'a>, record: &'a Record) -> Self {
        let all = record.scenario.topologies.iter();
        let mut topologies: Vec<_> = all.filter(|topology| Subject::of(topology) == subject).collect();
        topologies.sort_by_key(|topology| (topology.pairs(), topology.clients));
        let of_stack = |facts: &'a StackFacts| {
            StackTopologies::new(&facts.name, Some(StackKind::of(facts)), &topologies, record)
        };
        let mut stacks: Vec<_> = record
            .stacks
            .iter()
            .map(of_stack)
            .filter(|stack| !stack.built.is_empty() || stack.left_out.is_some())
            .collect();
        stacks.sort_by(|a, b| a.most_connections().total_cmp(&b.most_connections()));
        Topologies { subject, stacks }
    }

    /// A name for the file of the figure.
    pub(super) fn name(&self) -> String {
        let Subject { prefix, operation, placement } = self.subject;
        format!("{prefix} {operation} {placement}")
    }

    /// What is called, and where it runs.
    pub(super) fn conditions(&self) -> String {
        let Subject { operation, placement, .. } = self.subject;
        // Cores are not kept awake.
        let mut calls = Measurement::new(String::new(), operation, Load::ONE_CALLER, placement);
        calls.warm = false;
        let placement = describe::placement(&calls);
        format!(
            "each client calls {operation} once at each server, over connections that stay open; {placement}"
        )
    }

    /// A row for each stack and topology.
    pub(super) fn table(&self) -> Table {
        Table {
            title: "Connections of N clients and M servers".to_owned(),
            subtitle: Some(self.conditions()),
            columns: COLUMNS.to_vec(),
            rows: self.stacks.iter().flat_map(StackTopologies::rows).collect(),
            note: self.forms().map(|forms| {
                format!("the only formula that gives the counted number in every topology: {forms}")
            }),
            is_grouped: true,
            ..Table::default()
        }
    }

    /// The form that gives the number of connections of each stack; `None` where there is none for any.
    pub(super) fn forms(&self) -> Option<String> {
        let mut forms: Vec<(Growth, Vec<&str>)> = Vec::new();
        for stack in &self.stacks {
            let Some(growth) = stack.growth else { continue };
            match forms.iter_mut().find(|(known, _)| *known == growth) {
                Some((_, stacks)) => stacks.push(stack.stack),
                None => forms.push((growth, vec![stack.stack])),
            }
        }
        let list: Vec<_> =
            forms.iter().map(|(growth, stacks)| format!("{growth} in {}", stacks.join(", "))).collect();
        (!list.is_empty()).then(|| list.join("; "))
    }

    /// The connections of each stack in the largest topology, in a sentence; `None` where they are not known.
    pub(super) fn answer(&self) -> Option<String> {
        let largest = self.stacks.iter().filter_map(|stack| stack.built.last());
        let largest = largest.map(|built| built.topology).max_by_key(|topology| topology.pairs())?;
        let of_stack = |stack: &StackTopologies<'_>| {
            let built = stack.built.iter().find(|built| built.topology.name == largest.name)?;
            let connections = text::thousands(built.connections()?.median);
            let form = stack.growth.map_or_else(String::new, |growth| format!(" ({growth})"));
            Some(format!("{} {connections}{form}", stack.stack))
        };
        let list: Vec<_> = self.stacks.iter().filter_map(of_stack).collect();
        (!list.is_empty()).then(|| {
            format!(
                "{} clients (N) and {} servers (M) have these connections: {}.",
                largest.clients,
                largest.servers,
                list.join(", ")
            )
        })
    }
}

impl<'a> StackTopologies<'a> {
    fn new(name: &'a str, kind: Option<StackKind>, topologies: &[&'a Topology], record: &'a Record) -> Self {
        let is_of = |result: &TopologyResult| {
            result.stack == name && topologies.iter().any(|topology| topology.name == result.topology)
        };
        let (blocks, others): (Vec<_>, Vec<_>) = record
            .topologies
            .iter()
            .filter(|result| is_of(result))
            .partition(|result| result.status == Status::Valid);
        let of_topology = |topology: &&'a Topology| Built {
            topology,
            blocks: blocks.iter().copied().filter(|result| result.topology == topology.name).collect(),
        };
        let built: Vec<_> =
            topologies.iter().map(of_topology).filter(|built| !built.blocks.is_empty()).collect();
        let counts = built.iter().map(Built::count).collect::<Option<Vec<_>>>();
        StackTopologies {
            stack: name,
            kind,
            growth: counts.and_then(|counts| Growth::of(&counts)),
            built,
            left_out: others.first().and_then(|result| result.complaint.as_deref()),
        }
    }

    fn most_connections(&self) -> f64 {
        let largest = self.built.last().and_then(Built::connections);
        largest.map_or(f64::INFINITY, |connections| connections.median)
    }

    fn rows(&self) -> Vec<Row> {
        if self.built.is_empty() {
            return vec![Row::not_measured(self.stack, self.left_out.unwrap_or("no reason recorded"))];
        }
        let row = |built: &Built<'_>| Row { stack: self.kind, ..built.row(self.stack) };
        self.built.iter().map(row).collect()
    }
}

impl Built<'_> {
    /// The number of pairs of a client and a server, and the median number of connections.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn point(&self) -> Option<(f64, f64)> {
        Some((self.topology.pairs() as f64, self.connections()?.median))
    }

    /// Whether there are as many clients as servers.
    pub(super) fn is_square(&self) -> bool {
        self.topology.clients == self.topology.servers
    }

    /// The clients, the servers and the connections; `None` where the blocks differ in these.
    fn count(&self) -> Option<(u64, u64, u64)> {
        let first = self.blocks.first()?.connections?;
        let is_same = self.blocks.iter().all(|result| result.connections == Some(first));
        let [clients, servers] = [self.topology.clients, self.topology.servers].map(|it| u64::from(it.get()));
        is_same.then_some((clients, servers, first))
    }

    #[allow(clippy::cast_precision_loss)]
    fn connections(&self) -> Option<Spread> {
        self.spread(|result| Some(result.connections? as f64))
    }

    /// The spread of a number over the blocks; `None` where a block lacks it.
    fn spread(&self, number: impl Fn(&TopologyResult) -> Option<f64>) -> Option<Spread> {
        let numbers = self.blocks.iter().map(|result| Some((result.block, number(result)?)));
        Spread::of(&numbers.collect::<Option<Vec<_>>>()?)
    }

    #[allow(clippy::cast_precision_loss)]
    fn row(&self, stack: &str) -> Row {
        let [clients, servers] = [self.topology.clients, self.topology.servers].map(|it| f64::from(it.get()));
        let connections = self.connections();
        let per = |number: f64| Cell::optional(connections.map(|connections| connections.median / number));
        let kib = |bytes: u64| bytes as f64 / KIB;
        let growth = |party: fn(&TopologyResult) -> Option<MemoryChange>| {
            cell(self.spread(|result| Some(kib(party(result)?.growth()))))
        };
        let broker = self.blocks.iter().any(|result| result.broker_memory.is_some());
        Row::new(vec![
            stack.into(),
            Cell::number(clients),
            Cell::number(servers),
            cell(connections),
            per(clients * servers),
            per(clients + servers),
            cell(self.spread(|result| Some(result.setup_ns? as f64 / 1e6))),
            growth(|result| result.client_memory),
            growth(|result| result.server_memory),
            if broker {
                cell(self.spread(|result| Some(kib(result.broker_memory?.after))))
            } else {
                Cell::Missing
            },
            cell(self.spread(|result| Some(kib(result.growth_bytes()?) / result.connections? as f64))),
        ])
    }
}

/// A cell with the median of `spread`, and its range where the blocks differ.
fn cell(spread: Option<Spread>) -> Cell {
    spread.map_or(Cell::Missing, |Spread { median, min, max, .. }| {
        Cell::Quantity(Quantity { range: (min < max).then_some((min, max)), ..Quantity::new(median) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_the_only_one_that_gives_every_number() {
        let sizes = [(1, 1), (2, 2), (8, 8), (1, 8), (8, 1), (32, 32)];
        let counted = |count: fn(u64, u64) -> u64| {
            let counts: Vec<_> = sizes.iter().map(|&(n, m)| (n, m, count(n, m))).collect();
            Growth::of(&counts).map(|growth| growth.to_string())
        };
        assert_eq!(counted(|n, m| n * m).as_deref(), Some("N × M"));
        assert_eq!(counted(|n, m| 2 * n * m).as_deref(), Some("2 N × M"));
        assert_eq!(counted(|n, m| n + m).as_deref(), Some("N + M"));
        assert_eq!(counted(|n, m| 2 * n + 3 * m).as_deref(), Some("2 N + 3 M"));
        assert_eq!(counted(|_, m| m).as_deref(), Some("M"));
        assert_eq!(counted(|n, m| n * m + 1), None);
        // One connection may be one for each pair, for each client, or for each server.
        assert_eq!(Growth::of(&[(1, 1, 1)]), None);
        assert_eq!(Growth::of(&[(1, 1, 1), (1, 8, 8)]), None);
        assert_eq!(Growth::of(&[]), None);
    }
}
