//! The settings in which two records differ.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use calculator::conformance::Numbers;
use calculator::printable;
use serde::Serialize;

use crate::load::{OwnName, OwnOperation};
use crate::record::{Record, StackFacts};
use crate::report::settings_of;
use crate::scenario::{Contention, Measurement};

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// What the setting decides.
    pub kind: SettingKind,
    /// The name of the setting.
    pub name: String,
    /// Its value in the first record.
    pub base: String,
    /// Its value in the second record.
    pub new: String,
}

/// What a setting decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SettingKind {
    /// The machine that measured
    Machines,
    /// Where client and server ran
    Placements,
    /// What was measured, and how long
    Scenarios,
    /// What is compared: programs, libraries, options of the stacks.
    #[value(skip)]
    Subject,
}

impl SettingKind {
    /// The name as an argument.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SettingKind::Machines => "machines",
            SettingKind::Placements => "placements",
            SettingKind::Scenarios => "scenarios",
            SettingKind::Subject => "subject",
        }
    }

    /// Whether figures are not comparable if such a setting differs.
    pub(super) fn is_decisive(self) -> bool {
        self != SettingKind::Subject
    }
}

/// The name of the setting that is the commit of the program.
pub(super) const COMMIT: &str = "the commit";

/// Collects the settings that differ.
#[derive(Default)]
struct Differences(Vec<Setting>);

impl Differences {
    fn add(&mut self, kind: SettingKind, name: impl Into<String>, [base, new]: [String; 2]) {
        if base != new {
            self.0.push(Setting { kind, name: name.into(), base, new });
        }
    }

    fn add_of(&mut self, kind: SettingKind, name: &str, records: [&Record; 2], value: fn(&Record) -> String) {
        self.add(kind, name, records.map(value));
    }
}

/// The settings in which `base` and `new` differ, those first that decide what figures mean.
pub(super) fn differing(base: &Record, new: &Record) -> Vec<Setting> {
    differing_for(base, new, |_| true)
}

/// The same, of stacks only those that `is_wanted`.
pub(super) fn differing_for(base: &Record, new: &Record, is_wanted: impl Fn(&str) -> bool) -> Vec<Setting> {
    let mut found = Differences::default();
    let records = [base, new];
    hardware(&mut found, records);
    system(&mut found, records);
    scenario(&mut found, records);
    subject(&mut found, records, is_wanted);
    found.0.sort_by_key(|setting| setting.kind);
    found.0
}

/// The settings in which `base` and `new` differ so that they are not of one history: the hardware and what was measured. An
/// update of the operating system is part of a history.
pub(super) fn separating(base: &Record, new: &Record) -> Vec<Setting> {
    let mut found = Differences::default();
    hardware(&mut found, [base, new]);
    scenario(&mut found, [base, new]);
    found.0
}

/// A value that may be unknown.
fn known(value: Option<&String>) -> String {
    value.map_or_else(|| "not known".to_owned(), Clone::clone)
}

fn hardware(found: &mut Differences, records: [&Record; 2]) {
    use SettingKind::Machines;
    found.add_of(Machines, "the processor", records, |record| {
        known(record.machine.processor.as_ref().or(Some(&record.machine.architecture)))
    });
    found.add_of(Machines, "the number of cores", records, |record| record.machine.cores.to_string());
    found.add_of(Machines, "a virtual machine", records, |record| {
        record.machine.virtualised.map_or("not known", |is| if is { "yes" } else { "no" }).to_owned()
    });
    found.add_of(Machines, "the number of agents", records, |record| record.agents.len().max(1).to_string());
    found.add_of(Machines, "the build", records, |record| {
        if record.tool.optimised { "optimised" } else { "not optimised" }.to_owned()
    });
}

fn system(found: &mut Differences, records: [&Record; 2]) {
    use SettingKind::Machines;
    found.add_of(Machines, "the operating system", records, |record| record.machine.system.clone());
    found.add_of(Machines, "the frequency governor", records, |record| {
        known(record.machine.governor.as_ref())
    });
}

fn scenario(found: &mut Differences, records: [&Record; 2]) {
    use SettingKind::{Placements, Scenarios};
    let duration = |value: std::time::Duration| humantime::format_duration(value).to_string();
    found.add(Scenarios, "the warm-up", records.map(|record| duration(record.scenario.warmup)));
    found.add(Scenarios, "the measured window", records.map(|record| duration(record.scenario.measure)));
    found.add(Scenarios, "the deadline of a call", records.map(|record| duration(record.scenario.timeout)));
    found.add_of(Scenarios, "the treatment of contention", records, |record| {
        match record.scenario.contention {
            Contention::Reject => "reject",
            Contention::Label => "label",
        }
        .to_owned()
    });
    found.add(
        Scenarios,
        "the comparison of numbers",
        records.map(|record| numbers(record.scenario.numbers).to_owned()),
    );
    for base in &records[0].scenario.measurements {
        let Some(new) = measurement(records[1], &base.name) else { continue };
        let both = [base, new];
        let name = |what: &str| format!("{what} of `{}`", base.name);
        found.add(
            Scenarios,
            name("the operation"),
            both.map(|measurement| measurement.operation.to_string()),
        );
        found.add(Scenarios, name("the load"), both.map(|measurement| measurement.load.to_string()));
        found.add(Scenarios, name("the number of connections"), both.map(connections));
        found.add(Scenarios, name("the use of connections"), both.map(|it| it.connection.to_string()));
        let executor = |measurement: &Measurement| {
            measurement.executor.map_or_else(|| "the default".to_owned(), |executor| executor.to_string())
        };
        found.add(Scenarios, name("the executor"), both.map(executor));
        let work = |measurement: &Measurement| {
            measurement.work.map_or_else(|| "none".to_owned(), |work| work.to_string())
        };
        found.add(Scenarios, name("the work of handlers"), both.map(work));
        found.add(Scenarios, name("the way of sending"), both.map(|it| it.way.to_string()));
        let exchange = |measurement: &Measurement| {
            measurement.exchange.map_or_else(|| "the default".to_owned(), |exchange| exchange.to_string())
        };
        found.add(Scenarios, name("the exchange"), both.map(exchange));
        found.add(Scenarios, name("the number of servers"), both.map(|it| it.servers.to_string()));
        let slow = |measurement: &Measurement| {
            measurement
                .slow
                .map_or_else(|| "none".to_owned(), |slow| format!("{}, {}", slow.servers, slow.work))
        };
        found.add(Scenarios, name("the slow servers"), both.map(slow));
        found.add(Scenarios, name("the options of servers"), both.map(|it| it.options.to_string()));
        found.add(Placements, name("the placement"), both.map(placement));
        let slice = |measurement: &Measurement| measurement.slice.map_or_else(|| "none".to_owned(), duration);
        found.add(Scenarios, name("the length of a slice"), both.map(slice));
        let or_the_scenarios =
            |time: Option<std::time::Duration>| time.map_or_else(|| "the scenario's".to_owned(), duration);
        found.add(Scenarios, name("the warm-up"), both.map(|it| or_the_scenarios(it.warmup)));
        found.add(Scenarios, name("the measured window"), both.map(|it| or_the_scenarios(it.measure)));
    }
    definitions(found, records);
}

/// The definitions of the operations of one's own that measurements of both records call: the same name can stand for other work.
fn definitions(found: &mut Differences, records: [&Record; 2]) {
    let is_in_both = |measurement: &&Measurement| {
        records.iter().all(|record| self::measurement(record, &measurement.name).is_some())
    };
    let measured = records.iter().flat_map(|record| &record.scenario.measurements).filter(is_in_both);
    let called: BTreeSet<OwnName> = measured.filter_map(|it| it.operation.own_name()).collect();
    let is_mixed = called.contains(&OwnName::MIX);
    let defined = records.iter().flat_map(|record| &record.scenario.operations).map(|defined| defined.name);
    let names: BTreeSet<OwnName> = defined.filter(|name| is_mixed || called.contains(name)).collect();
    for name in names {
        let definition = |record: &Record| {
            let defined = record.scenario.operations.iter().find(|defined| defined.name == name)?;
            // The weight of an operation counts in a mix only.
            let weight = if is_mixed { defined.weight } else { NonZeroU32::MIN };
            serde_json::to_string(&OwnOperation { weight, ..defined.clone() }).ok()
        };
        let shown = |text: Option<String>| {
            text.map_or_else(|| "none".to_owned(), |text| printable(&text).into_owned())
        };
        let both = records.map(|record| shown(definition(record)));
        found.add(SettingKind::Scenarios, format!("the definition of `{name}`"), both);
    }
}

fn numbers(numbers: Numbers) -> &'static str {
    match numbers {
        Numbers::Exact => "exact",
        Numbers::Any => "by value",
    }
}

fn connections(measurement: &Measurement) -> String {
    measurement.connections.map_or_else(|| "the default".to_owned(), |number| number.to_string())
}

fn placement(measurement: &Measurement) -> String {
    let awake = if measurement.warm { "" } else { ", cores not kept awake" };
    format!("{}{awake}", measurement.placement.name())
}

/// The measurement `name` of `record`.
pub(super) fn measurement<'a>(record: &'a Record, name: &str) -> Option<&'a Measurement> {
    record.scenario.measurements.iter().find(|measurement| measurement.name == name)
}

fn subject(found: &mut Differences, records: [&Record; 2], is_wanted: impl Fn(&str) -> bool) {
    use SettingKind::Subject;
    found.add_of(Subject, "the version of rpcbench", records, |record| record.tool.version.clone());
    found.add_of(Subject, COMMIT, records, |record| known(record.tool.build.revision().as_ref()));
    found.add_of(Subject, "the compiler", records, |record| known(record.tool.build.compiler.as_ref()));
    found.add_of(Subject, "the profile", records, |record| known(record.tool.build.profile.as_ref()));
    found.add_of(Subject, "the number of blocks", records, |record| record.scenario.blocks.to_string());
    for base in records[0].stacks.iter().filter(|facts| is_wanted(&facts.name)) {
        let Some(new) = records[1].stacks.iter().find(|facts| facts.name == base.name) else { continue };
        let both = [base, new];
        let name = |what: &str| format!("{what} of {}", base.name);
        found.add(Subject, name("the client"), both.map(|facts| facts.client.clone()));
        found.add(Subject, name("the server"), both.map(|facts| facts.server.clone()));
        let address = |facts: &StackFacts| {
            facts.target.clone().unwrap_or_else(|| "that of the run's server".to_owned())
        };
        found.add(Subject, name("the address"), both.map(address));
        let [of_base, of_new] = [settings_of(records[0], base), settings_of(records[1], new)];
        for ((setting, base), (_, new)) in of_base.zip(of_new) {
            found.add(
                Subject,
                name(&format!("the {setting}")),
                [base, new].map(|value| known(value.as_ref())),
            );
        }
    }
}

/// What only one of the records has, a sentence each.
pub(super) fn missing(base: &Record, new: &Record) -> Vec<String> {
    let stacks = |record: &Record| record.stacks.iter().map(|facts| facts.name.clone()).collect::<Vec<_>>();
    let measurements = |record: &Record| {
        record.scenario.measurements.iter().map(|measurement| measurement.name.clone()).collect::<Vec<_>>()
    };
    let mut sentences = Vec::new();
    for (names, what) in [(stacks as fn(&Record) -> Vec<String>, "stacks"), (measurements, "measurements")] {
        let (base, new): (BTreeSet<_>, BTreeSet<_>) =
            (names(base).into_iter().collect(), names(new).into_iter().collect());
        for (which, only) in [("first", base.difference(&new)), ("second", new.difference(&base))] {
            let only: Vec<_> = only.cloned().collect();
            if !only.is_empty() {
                let what = if only.len() == 1 { what.trim_end_matches('s') } else { what };
                sentences.push(format!("Only the {which} record has the {what} {}.", only.join(", ")));
            }
        }
    }
    sentences
}
