//! The record of a run while it grows.

use jiff::Timestamp;

use super::options::Options;
use crate::record::{Build, Record, SCHEMA, StackFacts, Tool};
use crate::scenario::Scenario;
use crate::stacks::{Destination, Stack};
use crate::sys;

/// The record of a run of `scenario` that starts now, with nothing measured yet.
pub(crate) fn new_record(scenario: &Scenario, options: &Options) -> Record {
    Record {
        schema: SCHEMA,
        id: options.id.clone(),
        started: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        seconds: 0.0,
        interrupted: false,
        tool: Tool {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            optimised: !cfg!(debug_assertions),
            full_observation: sys::FULL,
            build: Build::own(),
        },
        machine: sys::machine(),
        agents: vec![],
        scenario: scenario.clone(),
        seed: options.seed,
        stacks: vec![],
        skipped: vec![],
        checks: vec![],
        wire: vec![],
        wire_of_ways: vec![],
        counts: vec![],
        captures: vec![],
        sockets: vec![],
        fairness: vec![],
        trials: vec![],
        searches: vec![],
        codecs: vec![],
        timelines: vec![],
        topologies: vec![],
    }
}

/// The facts about `stack`, served with `options`.
pub(crate) fn stack_facts(stack: &Stack, options: &Options) -> StackFacts {
    let target = options.targets.urls.get(stack.name).map(|url| net::redacted(url));
    let executor = match stack.reference() {
        _ if target.is_some() => "not observable".to_owned(),
        Some(reference) => reference.executor.to_owned(),
        None => options.server.common.executor.to_string(),
    };
    let mut facts = StackFacts::new(stack, executor, target);
    if let Some(url) = options.targets.urls.get(stack.name) {
        let destination = Destination { url: url.clone(), options: options.targets.clients.clone() };
        facts.certificate = stack.protocol.certificate_check(&destination);
    }
    if options.targets.controls.contains_key(stack.name) {
        // Only this suite's servers have a control port.
        facts.server = stack.server.name.to_owned();
    }
    facts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::run::targets::Targets;
    use crate::stacks::{BrokerUrls, ServerOptions};

    #[test]
    fn a_password_or_a_token_in_a_target_stays_out_of_the_record() {
        let options = Options {
            seed: 1,
            server: ServerOptions::default(),
            twin: ServerOptions::default(),
            targets: Targets {
                urls: BTreeMap::from([
                    ("amqp".to_owned(), "amqp://user:secret@host:5672/%2f".to_owned()),
                    ("rest".to_owned(), "http://host:80/hooks/secret?token=secret#secret".to_owned()),
                ]),
                ..Targets::default()
            },
            brokers: BrokerUrls::new(["amqp://user:secret@host/".to_owned()]).unwrap(),
            require: vec![],
            counts: false,
            file: "record.json".into(),
            fallback: None,
            id: String::new(),
            live: None,
        };
        let mut record = new_record(&Scenario::load("quick").unwrap(), &options);
        for name in ["amqp", "rest"] {
            record.stacks.push(stack_facts(Stack::named(name).unwrap(), &options));
        }
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains("\"amqp://host:5672\"") && text.contains("\"http://host:80\""), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}
