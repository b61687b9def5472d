//! Whole reports, of records that are made up here.

mod simulation;
mod sweeps;
mod variants;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use calculator::Value;
use calculator::conformance::Numbers;

use super::model::Cell;
use super::plots::Figures;
use super::{Summary, html, markdown, report, terminal, text, write};
use crate::deploy::Cores;
use crate::load::{Load, Operation};
use crate::observe::wire::Traffic;
use crate::observe::{Observation, Timing};
use crate::record::{
    Build, Check, CheckFailure, CheckLevel, CountedBy, Hop, Label, Latency, Parts, Party, Record, SCHEMA,
    Skipped, StackFacts, Tool, Trial, Used, Wire, audit,
};
use crate::scenario::{Measurement, Scenario, TrialSpec};
use crate::stacks::Stack;
use crate::stats::Statement;
use crate::sys;

/// Text that breaks out of any format into which it is put without escaping, and that XML does not allow.
const NASTY: &str = "<script>alert('1')</script>\"&amp;|\u{0}\u{1b}`*\n{{ 7 * 7 }}]]>";

/// A record of `blocks` blocks of `stacks`, each a microsecond slower than the one before it.
pub(super) fn record(stacks: &[&str], blocks: u32) -> Record {
    let mut scenario = Scenario::load("quick").unwrap();
    scenario.blocks = NonZeroU32::new(blocks.max(1)).unwrap();
    let stacks: Vec<_> = stacks.iter().map(|name| Stack::named(name).unwrap()).collect();
    let facts: Vec<_> = stacks.iter().map(|stack| StackFacts::new(stack, "async".to_owned(), None)).collect();
    let mut trials = Vec::new();
    for block in 0..blocks {
        for measurement in &scenario.measurements {
            for (position, facts) in (0..).zip(&facts) {
                if facts.name != "inproc" || measurement.load == Load::ONE_CALLER {
                    trials.push(trial(facts, measurement, block, position));
                }
            }
        }
    }
    of_trials(scenario, facts, trials)
}

fn of_trials(scenario: Scenario, facts: Vec<StackFacts>, trials: Vec<Trial>) -> Record {
    Record {
        schema: SCHEMA,
        id: "0123abcd".to_owned(),
        started: "2026-01-02T03:04:05Z".to_owned(),
        seconds: 12.0,
        interrupted: false,
        tool: Tool {
            version: "0.1.0".to_owned(),
            optimised: true,
            full_observation: true,
            build: Build::default(),
        },
        machine: sys::machine(),
        agents: vec![],
        scenario,
        seed: 7,
        checks: facts.iter().map(|facts| check(&facts.name)).collect(),
        sockets: vec![],
        fairness: vec![],
        wire: facts.iter().skip(1).map(|facts| wire(&facts.name)).collect(),
        stacks: facts,
        skipped: vec![],
        trials,
        searches: vec![],
    }
}

fn trial(facts: &StackFacts, measurement: &Measurement, block: u32, position: u32) -> Trial {
    let mut seen = Observation::default();
    for i in 0..1_000 {
        let took = Duration::from_nanos(u64::from(1_000 * (position + 1) + 10 * block + i));
        seen.record(Timing::closed(took), &Ok(Value::Null), &Ok(Value::Null), Numbers::Exact);
    }
    let used = |cpu_ns| {
        Some(Used { cpu_ns, utilisation: 0.5, voluntary_switches: 0, involuntary_switches: 0, peak_rss: 1 })
    };
    let cores = Cores { client: vec![0], server: vec![0] };
    let stack = Stack::named(&facts.name).unwrap();
    let mut trial = Trial {
        at_seconds: 1.0,
        measured_seconds: 0.3,
        latency: Latency::new(&seen.latency, 0).unwrap(),
        counts: seen.counts,
        throughput: 100_000.0 / f64::from(position + 1),
        client: used(1_500_000),
        server: (facts.name != "inproc").then(|| used(2_500_000)).flatten(),
        broker: facts.name.starts_with("amqp").then(|| used(90_000_000)).flatten(),
        ..Trial::new(&TrialSpec::new(stack, measurement, &cores), block, position)
    };
    audit(&mut trial);
    trial
}

fn check(stack: &str) -> Check {
    Check {
        stack: stack.to_owned(),
        not_sent: 0,
        gated_by: vec![],
        core_passed: 18,
        core: 18,
        strict_passed: 8,
        strict: 9,
        failures: vec![CheckFailure {
            level: CheckLevel::Strict,
            call: "echo([])".to_owned(),
            expected: "[]".to_owned(),
            answer: "null".to_owned(),
        }],
    }
}

fn wire(stack: &str) -> Wire {
    Wire {
        stack: stack.to_owned(),
        operation: Operation::ADD,
        payload: Traffic { up: 16.0, down: 8.0 },
        per_call: Traffic { up: 123.0, down: 7.0 },
        setup: Traffic::default(),
        behind_broker: None,
        hops: hops(stack.starts_with("amqp")),
        exact: true,
        counted_by: CountedBy::Kernel,
    }
}

/// The hops between client and server, directly or through a broker.
fn hops(brokered: bool) -> Vec<Hop> {
    use Party::{Broker, Client, Server};
    let hops: &[_] = if brokered {
        &[(Client, Broker), (Broker, Server), (Server, Broker), (Broker, Client)]
    } else {
        &[(Client, Server), (Server, Client)]
    };
    let hop = |&(from, to): &(Party, Party)| {
        let bytes = if from == Client { 123 } else { 7 };
        Hop { from, to, bytes, parts: Parts::of(bytes, 2, 5), packets: 1.0 }
    };
    hops.iter().map(hop).collect()
}

/// The contents of every file of a report, by name; the plain text is named `terminal`.
fn rendered(record: &Record) -> BTreeMap<String, String> {
    let summary = Summary::new(record).unwrap();
    let figures = Figures::new(record, &summary).unwrap();
    let report = report(record, &summary);
    let mut files: BTreeMap<_, _> =
        figures.all().map(|figure| (format!("{}.svg", figure.name), figure.standalone_svg())).collect();
    files.insert("index.html".to_owned(), html::render(&report, &figures).unwrap());
    files.insert("report.md".to_owned(), markdown::render(&report, &figures));
    files.insert("terminal".to_owned(), terminal(record, &summary));
    files
}

/// Renders a report and checks what must be true of every report.
fn checked(record: &Record) -> BTreeMap<String, String> {
    let files = rendered(record);
    for (name, contents) in &files {
        for not_finite in ["NaN", "inf\"", "inf,", "inf ", "-2147483648", "2147483647"] {
            assert!(!contents.contains(not_finite), "{name} contains {not_finite}");
        }
        for facts in &record.stacks {
            if !name.ends_with(".svg") {
                assert!(contents.contains(&facts.name), "{} is missing in {name}", facts.name);
            }
        }
        for skipped in &record.skipped {
            if !name.contains("percentiles") && !name.contains("cpu") {
                assert!(contents.contains(&skipped.stack), "{} is missing in {name}", skipped.stack);
            }
        }
    }
    files
}

const ALL: [&str; 11] = [
    "inproc",
    "tcp",
    "rest",
    "rest-hyper",
    "xmlrpc",
    "xmlrpc-hyper",
    "jsonrpc",
    "jsonrpc-hyper",
    "zerorpc",
    "amqp",
    "amqp-bare",
];

#[test]
fn a_full_record_gives_every_figure_and_every_stack() {
    let files = checked(&record(&ALL, 14));
    let names: Vec<_> = files.keys().map(String::as_str).filter(|name| name.ends_with(".svg")).collect();
    assert_eq!(
        names,
        [
            "bytes-add.svg",
            "latency-cpu.svg",
            "latency-p50.svg",
            "latency-percentiles.svg",
            "throughput-calls.svg",
            "throughput-cpu.svg",
            "throughput-percentiles.svg",
        ]
    );
    for name in names {
        assert!(files["report.md"].contains(&format!("]({name})")), "{name}");
        for stack in ALL.iter().filter(|stack| **stack != "inproc") {
            assert!(files[name].contains(&format!("{stack}\n")), "{stack} is missing in {name}");
        }
    }
    assert!(files["index.html"].contains("is the fastest, with usual and with minimal libraries"));
    for name in ["index.html", "report.md", "terminal"] {
        assert!(files[name].contains("all below"), "{name}");
    }
}

#[test]
fn tables_show_the_figures_of_the_summary() {
    let record = record(&ALL, 3);
    let summary = Summary::new(&record).unwrap();
    let files = rendered(&record);
    for measurement in &summary.measurements {
        for row in &measurement.stacks {
            let p50 = row.p50.unwrap();
            let (value, min, max) = (text::micros(p50.median), text::micros(p50.min), text::micros(p50.max));
            let cell = format!("<td>{value}<small>{min}–{max}</small></td>");
            assert!(files["index.html"].contains(&cell), "{} {cell}", row.stack);
            let throughput = text::thousands(row.throughput.unwrap().median);
            for name in ["index.html", "report.md", "terminal"] {
                assert!(files[name].contains(&throughput), "{name}: {} {throughput}", row.stack);
                assert!(files[name].contains(&value), "{name}: {} {value}", row.stack);
            }
        }
    }
}

#[test]
fn every_format_shows_every_hop_of_the_ledger() {
    let record = record(&["tcp", "rest", "amqp"], 1);
    let files = rendered(&record);
    for name in ["index.html", "report.md", "terminal"] {
        for word in ["Bytes of one call: add(2, 3)", "client–server", "client–broker", "broker–server", "118"]
        {
            assert!(files[name].contains(word), "{name}: {word}");
        }
    }
    assert!(!files["terminal"].contains('≈'));
    let mut inexact = record;
    inexact.wire[0].exact = false;
    inexact.wire[1].hops[1].parts = None;
    assert!(checked(&inexact)["terminal"].contains("≈ 123"));
}

#[test]
fn text_from_a_record_is_escaped() {
    let mut record = record(&["inproc", "tcp", "rest", "zerorpc"], 2);
    record.scenario.question = NASTY.to_owned();
    record.scenario.measurements[0].name = NASTY.to_owned();
    NASTY.clone_into(&mut record.stacks[2].name);
    record.stacks[3].target = Some(NASTY.to_owned());
    record.machine.processor = Some(NASTY.to_owned());
    record.skipped.push(Skipped { stack: NASTY.to_owned(), reason: NASTY.to_owned() });
    record.checks[2].failures[0].answer = NASTY.to_owned();
    for wire in record.wire.iter_mut().filter(|wire| wire.stack == "rest") {
        NASTY.clone_into(&mut wire.stack);
    }
    for trial in &mut record.trials {
        if trial.measurement == "latency" {
            NASTY.clone_into(&mut trial.measurement);
        }
        if trial.stack == "rest" {
            NASTY.clone_into(&mut trial.stack);
        }
    }
    for (name, contents) in rendered(&record) {
        if name == "terminal" {
            continue;
        }
        assert!(!contents.contains("<script"), "{name}");
        assert!(!contents.contains(">49<") && !contents.contains(" 49 "), "{name}");
        assert!(!name.contains('/') && !name.contains('<'), "{name}");
        if name.ends_with(".svg") {
            assert!(contents.chars().all(|c| !c.is_control() || c == '\n'), "{name}");
        }
        if name == "report.md" {
            let columns = |line: &str| line.replace("\\|", "").matches('|').count();
            let of_tables = contents.lines().filter(|line| line.starts_with('|'));
            assert!(of_tables.map(columns).all(|columns| [4, 5, 12, 14].contains(&columns)), "{contents}");
        }
    }
}

#[test]
fn a_record_with_little_or_nothing_in_it_still_has_a_report() {
    // One stack, one block.
    let files = checked(&record(&["inproc", "tcp", "rest"], 1));
    assert!(!files["index.html"].contains("<small>"), "a range of one block");
    // Nothing but the floors.
    checked(&record(&["inproc", "tcp"], 2));
    // Without the floor with which the others are compared.
    checked(&record(&["rest", "zerorpc"], 2));

    // No valid trial.
    let mut wrong = record(&["inproc", "tcp", "rest", "zerorpc"], 2);
    for trial in &mut wrong.trials {
        trial.counts.wrong += 3;
        trial.counts.started += 3;
        audit(trial);
    }
    let files = checked(&wrong);
    assert!(files["index.html"].contains("No trial is valid"));
    assert!(files["latency-p50.svg"].contains("no figure: 3 of 1003 answers were wrong"));

    // No trial at all.
    let mut none = record(&["inproc", "tcp", "rest"], 1);
    none.trials.clear();
    none.wire.clear();
    none.checks.clear();
    none.interrupted = true;
    let summary = Summary::new(&none).unwrap();
    let figures = Figures::new(&none, &summary).unwrap();
    assert_eq!(figures.all().count(), 0);
    assert!(html::render(&report(&none, &summary), &figures).unwrap().contains("latency has no trial"));
}

#[test]
fn zeros_and_huge_values_stay_inside_the_figures() {
    let mut strange = record(&["inproc", "tcp", "rest", "zerorpc", "amqp"], 2);
    for trial in &mut strange.trials {
        match trial.stack.as_str() {
            "tcp" => {
                trial.throughput = 0.0;
                trial.latency.as_mut().unwrap().p50 = Some(0);
                trial.counts.right = 0;
            }
            "rest" => {
                trial.throughput = 1e300;
                trial.latency.as_mut().unwrap().p50 = Some(u64::MAX);
            }
            "zerorpc" => {
                trial.client.as_mut().unwrap().cpu_ns = u64::MAX;
                trial.latency.as_mut().unwrap().p50 = None;
            }
            _ => trial.latency = None,
        }
    }
    for wire in &mut strange.wire {
        wire.per_call.up = -5.0;
        wire.payload.down = 1e300;
    }
    checked(&strange);
}

#[test]
fn skipped_and_unreached_stacks_are_named_with_the_reason() {
    let mut record = record(&["inproc", "tcp", "rest", "zerorpc"], 2);
    record.skipped.push(Skipped { stack: "amqp".to_owned(), reason: "no broker here".to_owned() });
    record.interrupted = true;
    record.trials.retain(|trial| trial.stack != "zerorpc" || trial.measurement == "latency");
    let files = checked(&record);
    for name in ["latency-p50.svg", "throughput-calls.svg", "bytes-add.svg", "index.html", "report.md"] {
        assert!(files[name].contains("not measured: no broker here"), "{name}");
    }
    assert!(files["throughput-calls.svg"].contains("not measured: the run was interrupted earlier"));
    assert!(!files["latency-p50.svg"].contains("interrupted"));
}

#[test]
fn a_verdict_needs_enough_blocks_and_both_rankings() {
    let page = |record: &Record| rendered(record).remove("index.html").unwrap();
    // An interval from nine blocks is wrong once in 256 times, which is more often than 1 % ÷ 3 pairs of stacks.
    let few = page(&record(&["tcp", "rest", "rest-hyper", "zerorpc"], 9));
    assert!(few.contains("No verdict on the fastest protocol: it takes 10 blocks"), "{few}");
    assert!(few.contains("that takes at least 10 for 3 pairs of stacks"));
    // `rest` leads with usual libraries, `zerorpc` with minimal ones.
    let mixed = record(&["tcp", "rest", "zerorpc", "rest-hyper"], 10);
    assert!(page(&mixed).contains("it is rest with usual libraries and zerorpc with minimal ones"));
    // The first and the second stack change places in every other block.
    let mut tied = record(&["tcp", "zerorpc", "rest", "rest-hyper"], 10);
    for trial in tied.trials.iter_mut().filter(|trial| trial.block % 2 == 0 && trial.stack == "zerorpc") {
        trial.latency.as_mut().unwrap().p50 = Some(1 << 20);
    }
    assert!(page(&tied).contains("rest leads both rankings, but in at least one of them its lead"));
    let clear = record(&["tcp", "zerorpc", "rest", "rest-hyper"], 10);
    assert!(
        page(&clear)
            .contains("zerorpc is the fastest, with usual and with minimal libraries: faster than rest by")
    );
}

#[test]
fn every_pair_of_ranked_stacks_gets_one_of_the_three_statements() {
    let mut record = record(&["tcp", "rest", "jsonrpc", "zerorpc"], 12);
    for trial in &mut record.trials {
        let nanos = match trial.stack.as_str() {
            "rest" => 10_000 + u64::from(trial.block % 3) * 20,
            "jsonrpc" => 10_000 + u64::from((trial.block + 1) % 3) * 20,
            "zerorpc" => 9_000 + 3_000 * u64::from(trial.block % 2),
            _ => continue,
        };
        trial.latency.as_mut().unwrap().p50 = Some(nanos);
    }
    let summary = Summary::new(&record).unwrap();
    let ranking = &summary.measurements[0].ranking;
    assert_eq!(ranking.comparisons.pairs.len(), 3);
    let statement = |a, b| ranking.between(a, b).unwrap().statement;
    assert_eq!(statement("rest", "jsonrpc"), Statement::NoDifference);
    assert_eq!(statement("zerorpc", "rest"), Statement::Undecided);
    assert_eq!(ranking.between("tcp", "rest"), None);
    // Calls per second were not changed.
    let throughput = &summary.measurements[1].ranking;
    assert_eq!(throughput.between("rest", "zerorpc").unwrap().statement, Statement::Faster);
    assert_eq!(throughput.between("zerorpc", "rest").unwrap().statement, Statement::Slower);
    let files = checked(&record);
    for name in ["index.html", "report.md", "terminal"] {
        for text in ["no difference above 1.0 %", "undecided", "faster by 50 % (50–50 %)", "δ is 1.0 %"] {
            assert!(files[name].contains(text), "{name}: {text}\n{}", files[name]);
        }
    }
}

#[test]
fn a_stack_that_differs_from_itself_puts_a_warning_on_the_run() {
    let mut record = record(&["tcp", "rest", "zerorpc"], 10);
    let twins: Vec<Trial> = record
        .trials
        .iter()
        .filter(|trial| trial.stack == "rest")
        .map(|trial| Trial { twin: true, ..trial.clone() })
        .collect();
    record.trials.extend(twins);
    let same = Summary::new(&record).unwrap();
    assert!(same.measurements[0].pairs[0].ratio.unwrap().contains_one());
    assert!(same.warnings.iter().all(|warning| !warning.contains("distinguishable from itself")));
    assert!(rendered(&record)["index.html"].contains("rest against itself: 1.000"));

    for trial in record.trials.iter_mut().filter(|trial| trial.twin) {
        let p50 = &mut trial.latency.as_mut().unwrap().p50;
        *p50 = p50.map(|nanos| nanos * 2);
    }
    assert!(Summary::new(&record).unwrap().warnings[0].contains("rest is distinguishable from itself"));
}

#[test]
fn a_client_bound_stack_is_marked_and_not_ranked() {
    let mut record = record(&["tcp", "zerorpc", "rest", "jsonrpc"], 2);
    for trial in record.trials.iter_mut().filter(|trial| trial.stack == "zerorpc") {
        trial.labels.push(Label::ClientBound);
    }
    record.scenario.measurements[1].load = Load::Closed(NonZeroU32::new(32).unwrap());
    let files = checked(&record);
    assert!(files["throughput-calls.svg"].contains("≥ 50,000 client-bound"));
    assert!(files["index.html"].contains("Client-bound and not ranked: zerorpc (50,000)"));
}

#[test]
fn a_report_consists_of_its_files_and_refers_to_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(&ALL, 2);
    let page = write(&record, &Summary::new(&record).unwrap(), &folder.path().join("report")).unwrap();
    assert!(page.ends_with("report/index.html"));
    let mut written: Vec<_> = std::fs::read_dir(page.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort();
    let mut expected: Vec<_> = rendered(&record).into_keys().filter(|name| name != "terminal").collect();
    expected.sort();
    assert_eq!(written, expected);
    let html = std::fs::read_to_string(page).unwrap();
    for external in ["http://", "https://", "src=", "url(", "@import", "<script", "<link"] {
        let found = html.replace("http://www.w3.org/2000/svg", "");
        assert!(!found.contains(external), "the page needs {external}");
    }
}

#[test]
fn a_report_is_data_with_a_cell_for_every_column() {
    let mut record = record(&ALL, 10);
    record.skipped.push(Skipped { stack: "zerorpc-libzmq".to_owned(), reason: "not built in".to_owned() });
    let report = report(&record, &Summary::new(&record).unwrap());
    let measured = report.measurements.iter().flat_map(|m| std::iter::once(&m.stacks).chain(m.further()));
    let others = [&report.fairness, &report.conformance, &report.stacks, &report.settings];
    for table in measured.chain(&report.capacities).chain(&report.ledgers).chain(others) {
        let keys: BTreeSet<_> = table.columns.iter().map(|column| column.key).collect();
        assert_eq!(keys.len(), table.columns.len(), "{}: keys are not unique", table.title);
        for row in &table.rows {
            let is_measured = !matches!(row.cells.last(), Some(Cell::NotMeasured(_)));
            let expected = if is_measured { table.columns.len() } else { 2 };
            assert_eq!(row.cells.len(), expected, "{}: {:?}", table.title, row.cells);
        }
    }
    let json = serde_json::to_value(&report).unwrap();
    let rest = json["measurements"][0]["stacks"]["rows"].as_array().unwrap().iter();
    let rest = rest.map(|row| &row["cells"]).find(|cells| cells[0]["text"] == "rest").unwrap();
    let p50 = &rest[1]["quantity"];
    assert!(p50["value"].as_f64().unwrap() > 2.0 && p50["range"].as_array().unwrap().len() == 2, "{p50}");
}

fn small_record() -> Record {
    record(&["inproc", "tcp", "rest"], 2)
}
