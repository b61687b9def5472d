//! What the stacks ran with, setting by setting.

use super::model::{Cell, Column, Row, Table};
use super::stack::StackKind;
use super::text::{self, thousands};
use crate::record::{Fairness, Library, Party, Process, Record, SocketFacts, StackFacts};

const COLUMNS: [Column; 3] = [
    Column::text("setting", "setting"),
    Column::text("value", "value"),
    Column::text("stacks", "stacks").wide(),
];

/// What is shown where a server was already running, or the system does not report the value.
const NOT_OBSERVABLE: &str = "not observable";

/// Up to this number, the stacks with the most frequent value are named one by one.
const MAX_NAMED: usize = 4;

/// A setting with its values.
struct Setting {
    name: &'static str,
    /// Each value with the stacks that have it.
    values: Vec<(String, Vec<String>)>,
    /// Whether every stack that uses sockets has the setting, and all have the same value.
    is_common: bool,
}

impl Setting {
    /// Whether the stacks have different values.
    fn differs(&self) -> bool {
        self.values.len() > 1
    }

    /// Each value, and the stacks that have it.
    fn cells(&self) -> impl Iterator<Item = (&String, Cell)> {
        let concerned: usize = self.values.iter().map(|(_, stacks)| stacks.len()).sum();
        self.values.iter().map(move |(value, stacks)| {
            let shorthand = match stacks.len() {
                _ if self.is_common => Some("all"),
                many if self.differs() && many > MAX_NAMED && 2 * many > concerned => Some("all others"),
                _ => None,
            };
            (value, Cell::Stacks { names: stacks.clone(), shorthand: shorthand.map(str::to_owned) })
        })
    }

    /// The rows of the table for this setting.
    fn rows(&self) -> impl Iterator<Item = Row> {
        let row = |(value, stacks): (&String, Cell)| {
            let cells = vec![self.name.into(), value.as_str().into(), stacks];
            Row { is_muted: !self.differs(), ..Row::new(cells) }
        };
        self.cells().map(row)
    }
}

/// A stack and what is known about it.
struct Peer<'a> {
    facts: &'a StackFacts,
    fairness: Option<&'a Fairness>,
    sockets: Vec<&'a SocketFacts>,
}

/// The table of every setting that any stack of the record has: those in which stacks differ come first.
pub(super) fn table(record: &Record) -> Table {
    let mut settings = settings(record, |_| true);
    settings.sort_by_key(|setting| !setting.differs());
    Table {
        title: "What the stacks ran with".to_owned(),
        subtitle: Some(
            "Settings that differ come first. Socket options were read back from the sockets of both ends."
                .to_owned(),
        ),
        columns: COLUMNS.to_vec(),
        rows: settings.iter().flat_map(Setting::rows).collect(),
        is_grouped: true,
        ..Table::default()
    }
}

/// The settings in which the stacks that are compared differ, a sentence each. Libraries are left out, because
/// stacks differ in their libraries by definition.
pub(super) fn asymmetries(record: &Record) -> Vec<String> {
    let is_compared = |facts: &StackFacts| !StackKind::of(facts).is_any_floor();
    let differing = settings(record, is_compared)
        .into_iter()
        .filter(|setting| setting.differs() && !setting.name.contains("libraries"));
    let sentence = |setting: Setting| {
        let values: Vec<_> = setting
            .cells()
            .map(|(value, stacks)| format!("{value} ({})", text::cell(&stacks, None).value))
            .collect();
        format!("{}: {}", setting.name, values.join("; "))
    };
    differing.map(sentence).collect()
}

/// Every setting by name, with its value for the stack of `facts`; `None` where the stack has no such setting.
pub(crate) fn settings_of<'a>(
    record: &'a Record,
    facts: &'a StackFacts,
) -> impl Iterator<Item = (&'static str, Option<String>)> + 'a {
    let peer = Peer::new(record, facts);
    SETTINGS.iter().map(move |(name, value)| (*name, value(&peer)))
}

impl<'a> Peer<'a> {
    fn new(record: &'a Record, facts: &'a StackFacts) -> Self {
        Peer {
            facts,
            fairness: record.fairness.iter().find(|fairness| fairness.stack == facts.name),
            sockets: record.sockets.iter().filter(|sockets| sockets.stack == facts.name).collect(),
        }
    }
}

fn settings(record: &Record, include: impl Fn(&StackFacts) -> bool) -> Vec<Setting> {
    let included = record.stacks.iter().filter(|facts| include(facts));
    let peers: Vec<_> = included.map(|facts| Peer::new(record, facts)).collect();
    SETTINGS.iter().filter_map(|(name, value)| setting(name, &peers, *value)).collect()
}

/// The setting `name` with the values that it has for each of `peers`; `None` if no peer has the setting.
fn setting(name: &'static str, peers: &[Peer<'_>], value: Value) -> Option<Setting> {
    let mut values: Vec<(String, Vec<String>)> = Vec::new();
    for peer in peers {
        let Some(value) = value(peer) else { continue };
        match values.iter_mut().find(|(known, _)| *known == value) {
            Some((_, stacks)) => stacks.push(peer.facts.name.clone()),
            None => values.push((value, vec![peer.facts.name.clone()])),
        }
    }
    let concerned: usize = values.iter().map(|(_, stacks)| stacks.len()).sum();
    let on_sockets = peers.iter().filter(|peer| has_sockets(peer)).count();
    let is_common = values.len() == 1 && concerned >= on_sockets;
    // The value of the majority comes last, so that the exceptions are seen first.
    let is_majority = |(_, stacks): &(String, Vec<String>)| values.len() > 1 && 2 * stacks.len() > concerned;
    if let Some(majority) = values.iter().position(is_majority) {
        let majority = values.remove(majority);
        values.push(majority);
    }
    (!values.is_empty()).then_some(Setting { name, values, is_common })
}

/// Returns the value that a setting has for a stack; `None` where the stack has no such setting.
type Value = fn(&Peer<'_>) -> Option<String>;

/// Every setting, roughly in the order of its influence on the figures.
const SETTINGS: [(&str, Value); 22] = [
    ("client's runtime", |peer| Some(peer.fairness?.client.runtime.clone())),
    ("server's runtime", |peer| of_server(peer, |server| Some(server.runtime.clone()))),
    ("server's executor", |peer| of_server(peer, |server| server.executor.clone())),
    ("threads of the server's process", |peer| {
        has_sockets(peer).then(|| of_server(peer, |server| server.threads.map(|n| n.to_string())))?
    }),
    ("connections of a client", |peer| {
        of_sockets(peer, |sockets| {
            let clients = sockets.iter().filter(|facts| facts.end == Party::Client);
            clients.map(|facts| facts.connections).sum::<usize>().to_string()
        })
    }),
    ("connections are reused", |peer| {
        let fairness = peer.fairness.filter(|_| has_sockets(peer))?;
        Some(fairness.reused.map_or(NOT_OBSERVABLE, yes_no).to_owned())
    }),
    ("calls in flight on a connection", |peer| {
        let fairness = peer.fairness.filter(|_| has_sockets(peer))?;
        Some(if fairness.multiplexes { "any number" } else { "one" }.to_owned())
    }),
    ("TCP_NODELAY", |peer| both_ends(peer, |facts| if facts.nodelay { "on" } else { "off" }.to_owned())),
    ("send buffer", |peer| both_ends(peer, |facts| kibibytes(facts.send_buffer))),
    ("receive buffer", |peer| both_ends(peer, |facts| kibibytes(facts.receive_buffer))),
    ("congestion control", |peer| {
        both_ends(peer, |facts| match facts.congestion.as_str() {
            "" => NOT_OBSERVABLE.to_owned(),
            name => name.to_owned(),
        })
    }),
    ("HTTP version", |peer| peer.fairness?.http.clone()),
    ("compression", |peer| Some(peer.fairness.filter(|_| has_sockets(peer))?.compression.clone())),
    ("encryption", |peer| Some(peer.fairness.filter(|_| has_sockets(peer))?.encryption.clone())),
    ("broker", |peer| Some(or_not_observable(peer.fairness?.broker.as_ref()?.product.clone()))),
    ("kind of queue", |peer| {
        let broker = peer.fairness?.broker.as_ref()?;
        let either = broker.durable.map(|durable| if durable { "durable" } else { "transient" }.to_owned());
        Some(or_not_observable(broker.queue.clone().or(either)))
    }),
    ("messages are persistent", |peer| Some(yes_no(peer.fairness?.broker.as_ref()?.persistent).to_owned())),
    ("prefetch", |peer| {
        let prefetch = peer.fairness?.broker.as_ref()?.prefetch;
        Some(or_not_observable(prefetch.map(|prefetch| match prefetch {
            0 => "no limit".to_owned(),
            limit => format!("{limit} messages"),
        })))
    }),
    ("acknowledgements", |peer| {
        let acknowledged = peer.fairness?.broker.as_ref()?.acknowledged;
        Some(if acknowledged { "every message, in batches" } else { "none" }.to_owned())
    }),
    ("publisher confirms", |peer| {
        let confirmed = peer.fairness?.broker.as_ref()?.confirmed;
        Some(if confirmed { "every message; a call does not wait for them" } else { "none" }.to_owned())
    }),
    ("client's libraries", |peer| Some(named(&peer.fairness?.client.libraries, &peer.facts.client))),
    ("server's libraries", |peer| {
        of_server(peer, |server| Some(named(&server.libraries, &peer.facts.server)))
    }),
];

/// Whether the stack uses sockets.
fn has_sockets(peer: &Peer<'_>) -> bool {
    !StackKind::of(peer.facts).is_function_call()
}

fn of_server(peer: &Peer<'_>, value: impl Fn(&Process) -> Option<String>) -> Option<String> {
    Some(or_not_observable(peer.fairness?.server.as_ref().and_then(value)))
}

fn or_not_observable(value: Option<String>) -> String {
    value.unwrap_or_else(|| NOT_OBSERVABLE.to_owned())
}

fn of_sockets(peer: &Peer<'_>, value: impl Fn(&[&SocketFacts]) -> String) -> Option<String> {
    has_sockets(peer).then(|| match peer.sockets.as_slice() {
        [] => NOT_OBSERVABLE.to_owned(),
        sockets => value(sockets),
    })
}

/// The value at both ends where it is the same, otherwise the value at each.
fn both_ends(peer: &Peer<'_>, value: fn(&SocketFacts) -> String) -> Option<String> {
    of_sockets(peer, |sockets| {
        let at = |end: Party| {
            let mut values: Vec<_> =
                sockets.iter().filter(|facts| facts.end == end).map(|facts| value(facts)).collect();
            values.sort();
            values.dedup();
            if values.is_empty() { NOT_OBSERVABLE.to_owned() } else { values.join(" and ") }
        };
        let (client, server) = (at(Party::Client), at(Party::Server));
        if client == server { client } else { format!("client {client}, server {server}") }
    })
}

fn kibibytes(bytes: u32) -> String {
    format!("{} KiB", thousands(f64::from(bytes / 1024)))
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// The libraries with their versions, or `otherwise` where none are known.
fn named(libraries: &[Library], otherwise: &str) -> String {
    if libraries.is_empty() {
        return otherwise.to_owned();
    }
    let each: Vec<_> = libraries
        .iter()
        .map(|Library { name, version }| format!("{name} {version}").trim_end().to_owned())
        .collect();
    each.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::BrokerTerms;
    use crate::stacks::Stack;

    fn facts(name: &str, target: Option<&str>) -> StackFacts {
        StackFacts::new(Stack::named(name).unwrap(), "async".to_owned(), target.map(str::to_owned))
    }

    fn process() -> Process {
        Process {
            runtime: "Tokio, one thread".to_owned(),
            executor: None,
            threads: Some(3),
            libraries: vec![],
        }
    }

    fn fairness(stack: &str) -> Fairness {
        Fairness {
            stack: stack.to_owned(),
            client: process(),
            server: Some(process()),
            multiplexes: stack == "zerorpc",
            reused: Some(true),
            compression: "none".to_owned(),
            tls: None,
            encryption: "none".to_owned(),
            http: stack.starts_with("rest").then(|| "HTTP/1.1".to_owned()),
            broker: None,
        }
    }

    fn sockets(stack: &str, end: Party, send_buffer: u32) -> SocketFacts {
        SocketFacts {
            stack: stack.to_owned(),
            end,
            connections: 1,
            nodelay: true,
            send_buffer,
            receive_buffer: 131_072,
            congestion: "cubic".to_owned(),
        }
    }

    fn record() -> Record {
        let mut record = crate::report::tests::record(&["rest", "rest-hyper", "zerorpc"], 1);
        record.fairness = ["rest", "rest-hyper", "zerorpc"].map(fairness).to_vec();
        for (stack, buffer) in [("rest", 2048), ("rest-hyper", 2048), ("zerorpc", 8192)] {
            record.sockets.extend([Party::Client, Party::Server].map(|end| sockets(stack, end, buffer)));
        }
        record
    }

    fn all_settings(record: &Record) -> Vec<Setting> {
        settings(record, |_| true)
    }

    fn values(record: &Record, name: &str) -> Vec<(String, Vec<String>)> {
        let mut settings = all_settings(record).into_iter();
        settings.find(|setting| setting.name == name).map_or_else(Vec::new, |setting| setting.values)
    }

    /// The text of the cells of all rows with the setting `name`.
    fn rows(table: &Table, name: &str) -> Vec<Vec<String>> {
        let texts = |row: &Row| row.cells.iter().map(|cell| text::cell(cell, None).value).collect::<Vec<_>>();
        table.rows.iter().map(texts).filter(|row| row[0] == name).collect()
    }

    #[test]
    fn settings_that_differ_come_first() {
        let table = table(&record());
        let names = |is_muted: bool| {
            let rows = table.rows.iter().filter(move |row| row.is_muted == is_muted);
            let mut names: Vec<_> = rows.map(|row| row.cells[0].clone()).collect();
            names.dedup();
            names
        };
        assert_eq!(
            names(false),
            ["calls in flight on a connection", "send buffer", "client's libraries", "server's libraries"]
                .map(Cell::from)
        );
        assert!(table.rows.is_sorted_by_key(|row| row.is_muted));
        assert!(names(true).contains(&"TCP_NODELAY".into()));
        assert_eq!(rows(&table, "TCP_NODELAY"), [["TCP_NODELAY", "on", "all"]]);
        assert_eq!(
            asymmetries(&record()),
            [
                "calls in flight on a connection: any number (zerorpc); one (rest, rest-hyper)",
                "send buffer: 8 KiB (zerorpc); 2 KiB (rest, rest-hyper)",
            ]
        );
    }

    #[test]
    fn a_setting_that_only_one_protocol_has_is_not_a_difference() {
        let record = record();
        let settings = all_settings(&record);
        assert!(!settings.iter().find(|setting| setting.name == "HTTP version").unwrap().differs());
        assert_eq!(rows(&table(&record), "HTTP version")[0][2], "rest, rest-hyper");
        assert!(values(&record, "prefetch").is_empty());
    }

    #[test]
    fn unknown_settings_of_a_server_that_was_already_running_are_not_observable() {
        let mut record = record();
        record.stacks[0] = facts("rest", Some("http://elsewhere/"));
        record.fairness[0].server = None;
        record.sockets.retain(|facts| facts.stack != "rest" || facts.end == Party::Client);
        record.fairness[2].broker = Some(BrokerTerms {
            product: None,
            queue: None,
            durable: None,
            persistent: true,
            prefetch: None,
            acknowledged: true,
            confirmed: true,
        });
        let of_rest = |name: &str| {
            let values = values(&record, name);
            values.into_iter().find(|(_, stacks)| stacks.contains(&"rest".to_owned())).unwrap().0
        };
        assert_eq!(of_rest("server's runtime"), "not observable");
        assert_eq!(of_rest("TCP_NODELAY"), "client on, server not observable");
        assert_eq!(values(&record, "prefetch")[0].0, "not observable");
    }

    #[test]
    fn a_record_without_fairness_facts_still_has_the_options_of_its_sockets() {
        let mut record = record();
        record.fairness.clear();
        assert_eq!(values(&record, "send buffer").len(), 2);
        assert!(values(&record, "server's runtime").is_empty());
    }
}
