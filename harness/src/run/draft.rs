//! The record of a run while it grows.

use jiff::Timestamp;

use super::error::RunError;
use super::options::Options;
use crate::record::{Record, SCHEMA, StackFacts, Tool, write_atomically};
use crate::scenario::Scenario;
use crate::stacks::Stack;
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
        },
        machine: sys::machine(),
        agents: vec![],
        scenario: scenario.clone(),
        seed: options.seed,
        stacks: vec![],
        skipped: vec![],
        checks: vec![],
        wire: vec![],
        sockets: vec![],
        fairness: vec![],
        trials: vec![],
        searches: vec![],
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
    if options.targets.controls.contains_key(stack.name) {
        // Only this suite's servers have a control port.
        facts.server = stack.server.name.to_owned();
    }
    facts
}

/// Writes `record` to the folder of the run.
///
/// # Errors
/// [`RunError::Write`].
pub(super) fn save(record: &Record, options: &Options) -> Result<(), RunError> {
    let path = options.folder.join("record.json");
    let failed = |source: std::io::Error| RunError::Write { path: path.clone(), source };
    let text = serde_json::to_vec_pretty(record).map_err(|error| failed(error.into()))?;
    write_atomically(&path, &text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::run::targets::Targets;
    use crate::stacks::ServerOptions;

    #[test]
    fn a_password_in_a_target_stays_out_of_the_record() {
        let options = Options {
            seed: 1,
            server: ServerOptions::default(),
            twin: ServerOptions::default(),
            targets: Targets {
                urls: BTreeMap::from([("amqp".to_owned(), "amqp://user:secret@host:5672/%2f".to_owned())]),
                ..Targets::default()
            },
            broker: Some("amqp://user:secret@host/".to_owned()),
            require: vec![],
            folder: PathBuf::new(),
            id: String::new(),
        };
        let mut record = new_record(&Scenario::load("quick").unwrap(), &options);
        record.stacks.push(stack_facts(Stack::named("amqp").unwrap(), &options));
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains("amqp://host:5672/%2f") && !text.contains("secret"), "{text}");
    }
}
