//! What the stacks ran with, setting by setting, as every kind of report shows it: what differs comes first.

use super::text::thousands;
use crate::record::{Fairness, Library, Party, Process, Record, SocketFacts, StackFacts};
use crate::stacks::Role;

/// The columns of the table.
pub(super) const HEADINGS: [&str; 3] = ["setting", "value", "stacks"];

/// What stands where a server was already running, or the system does not tell.
const NOT_OBSERVABLE: &str = "not observable";

/// So many stacks are named one by one, and no more where they are most of all.
const MANY: usize = 4;

/// A setting with its values.
pub(super) struct Setting {
    /// What is set.
    pub(super) name: &'static str,
    /// Each value with the stacks that have it.
    pub(super) values: Vec<(String, Vec<String>)>,
    /// Whether every stack has it that talks over sockets, and all have the same.
    is_common: bool,
}

impl Setting {
    /// Whether the stacks differ in it.
    pub(super) fn differs(&self) -> bool {
        self.values.len() > 1
    }

    /// The rows of its part of the table, a cell for each of [`HEADINGS`].
    pub(super) fn rows(&self) -> impl Iterator<Item = [String; 3]> {
        let concerned: usize = self.values.iter().map(|(_, stacks)| stacks.len()).sum();
        self.values.iter().enumerate().map(move |(index, (value, stacks))| {
            let name = if index == 0 { self.name } else { "" };
            let stacks = match stacks.len() {
                _ if self.is_common => "all".to_owned(),
                many if self.differs() && many > MANY && 2 * many > concerned => "all others".to_owned(),
                _ => stacks.join(", "),
            };
            [name.to_owned(), value.clone(), stacks]
        })
    }
}

/// A stack and what is known of it.
struct Peer<'a> {
    facts: &'a StackFacts,
    fairness: Option<&'a Fairness>,
    sockets: Vec<&'a SocketFacts>,
}

/// Every setting that any stack of the record has: those that differ first.
pub(super) fn settings(record: &Record) -> Vec<Setting> {
    let mut settings = of(record, |_| true);
    settings.sort_by_key(|setting| !setting.differs());
    settings
}

/// What differs among the stacks that are compared, libraries apart: those are what tells a stack from another.
pub(super) fn asymmetries(record: &Record) -> Vec<String> {
    let contends = |facts: &StackFacts| !matches!(facts.role, Role::Floor | Role::BrokerFloor);
    let differing = of(record, contends).into_iter().filter(|s| s.differs() && !s.name.contains("libraries"));
    let each = |setting: Setting| {
        let values = setting.rows().map(|[_, value, stacks]| format!("{value} ({stacks})"));
        format!("{}: {}", setting.name, values.collect::<Vec<_>>().join("; "))
    };
    differing.map(each).collect()
}

fn of(record: &Record, include: impl Fn(&StackFacts) -> bool) -> Vec<Setting> {
    let peers: Vec<_> = record
        .stacks
        .iter()
        .filter(|facts| include(facts))
        .map(|facts| Peer {
            facts,
            fairness: record.fairness.iter().find(|fairness| fairness.stack == facts.name),
            sockets: record.sockets.iter().filter(|sockets| sockets.stack == facts.name).collect(),
        })
        .collect();
    SETTINGS.iter().filter_map(|(name, value)| setting(name, &peers, *value)).collect()
}

/// `None` where no stack has that setting.
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
    // What most have comes last, for the others to be seen.
    if let Some(most) = values.iter().position(|(_, stacks)| values.len() > 1 && 2 * stacks.len() > concerned)
    {
        let most = values.remove(most);
        values.push(most);
    }
    (!values.is_empty()).then_some(Setting { name, values, is_common })
}

/// A stack's value of a setting; `None` where it has no such thing.
type Value = fn(&Peer<'_>) -> Option<String>;

/// Every setting, in the order of how much it may weigh.
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
            0 => "no bound".to_owned(),
            bound => format!("{bound} messages"),
        })))
    }),
    ("acknowledgements", |peer| {
        let acknowledged = peer.fairness?.broker.as_ref()?.acknowledged;
        Some(if acknowledged { "every message, several at a time" } else { "none" }.to_owned())
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

/// Whether it talks over sockets at all.
fn has_sockets(peer: &Peer<'_>) -> bool {
    !peer.facts.protocol.is_in_process()
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

/// The value at both ends where it is the same, and else at each.
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

/// The libraries with their versions, or what stands in place of any.
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

    fn value(settings: &[Setting], name: &str) -> Vec<(String, Vec<String>)> {
        settings.iter().find(|setting| setting.name == name).map_or_else(Vec::new, |s| s.values.clone())
    }

    #[test]
    fn what_differs_comes_first_and_is_told_apart() {
        let settings = settings(&record());
        let differing: Vec<_> = settings.iter().take_while(|s| s.differs()).map(|s| s.name).collect();
        assert_eq!(
            differing,
            ["calls in flight on a connection", "send buffer", "client's libraries", "server's libraries"]
        );
        assert!(settings.iter().skip(differing.len()).all(|setting| !setting.differs()));
        let nodelay = settings.iter().find(|setting| setting.name == "TCP_NODELAY").unwrap();
        assert_eq!(nodelay.rows().collect::<Vec<_>>(), [["TCP_NODELAY", "on", "all"].map(str::to_owned)]);
        assert_eq!(
            asymmetries(&record()),
            [
                "calls in flight on a connection: any number (zerorpc); one (rest, rest-hyper)",
                "send buffer: 8 KiB (zerorpc); 2 KiB (rest, rest-hyper)",
            ]
        );
    }

    #[test]
    fn a_setting_of_one_protocol_is_no_difference_to_the_others() {
        let settings = settings(&record());
        let http = settings.iter().find(|setting| setting.name == "HTTP version").unwrap();
        assert!(!http.differs());
        assert_eq!(http.rows().next().unwrap()[2], "rest, rest-hyper");
        assert!(value(&settings, "prefetch").is_empty());
    }

    #[test]
    fn what_is_not_known_of_another_s_server_says_so() {
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
        let settings = settings(&record);
        let of_rest = |name: &str| {
            let values = value(&settings, name);
            values.into_iter().find(|(_, stacks)| stacks.contains(&"rest".to_owned())).unwrap().0
        };
        assert_eq!(of_rest("server's runtime"), "not observable");
        assert_eq!(of_rest("TCP_NODELAY"), "client on, server not observable");
        assert_eq!(value(&settings, "prefetch")[0].0, "not observable");
    }

    #[test]
    fn a_record_without_such_facts_has_what_its_sockets_tell() {
        let mut record = record();
        record.fairness.clear();
        let settings = settings(&record);
        assert_eq!(value(&settings, "send buffer").len(), 2);
        assert!(value(&settings, "server's runtime").is_empty());
    }
}
