//! Whole reports.

mod anatomy;
mod capacity;
mod claims;
mod codecs;
mod own;
mod page;
mod panels;
mod records;
mod simulation;
pub(crate) mod staged;
mod statements;
mod svg;
mod sweeps;
mod timelines;
mod topologies;
mod variants;

use std::collections::{BTreeMap, BTreeSet};

use super::model::Cell;
use super::plots::Figures;
use super::{Screen, Summary, asymmetries, html, markdown, measurements, report, terminal, text, write};
use crate::record::{Label, Record, Skipped, Trial, audit};
use crate::scenario::{Claim, ClaimFigure, Condition, Contention};
use crate::stats::Statement;

pub(crate) use records::{of_trials, record, trial};

/// Text that breaks out of any format into which it is put without escaping, and that XML does not allow.
const NASTY: &str = "<script>alert('1')</script>\"&amp;|\u{0}\u{1b}`*\n{{ 7 * 7 }}]]>";

/// The contents of every file of a report, by name; the plain text is named `terminal`.
fn rendered(record: &Record) -> BTreeMap<String, String> {
    let summary = Summary::new(record).unwrap();
    let figures = Figures::new(record, &summary).unwrap();
    let report = report(record, &summary);
    let mut files: BTreeMap<_, _> =
        figures.all().map(|figure| (format!("{}.svg", figure.name), figure.standalone_svg())).collect();
    files.insert("index.html".to_owned(), html::render(&report, &figures).unwrap());
    files.insert("report.md".to_owned(), markdown::render(&report, &figures));
    files.insert("terminal".to_owned(), printed(record, &summary));
    files
}

/// The plain text of a report, with all that it can show.
fn printed(record: &Record, summary: &Summary) -> String {
    terminal(record, summary, Screen { width: None, verbose: true }).to_string()
}

/// Figures without the stacks that were skipped.
const WITHOUT_SKIPPED: [&str; 5] = ["percentiles", "cpu", "call-time", "stability", "noise"];

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
            if !WITHOUT_SKIPPED.iter().any(|figure| name.contains(figure)) {
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
            "call-time.svg",
            "latency-cpu.svg",
            "latency-p50.svg",
            "latency-percentiles.svg",
            "noise.svg",
            "stability.svg",
            "throughput-calls.svg",
            "throughput-cpu.svg",
            "throughput-percentiles.svg",
        ]
    );
    for name in names {
        assert!(files["report.md"].contains(&format!("]({name})")), "{name}");
        for stack in ALL.iter().filter(|stack| **stack != "inproc") {
            // Floors are not compared with others, and a pair of stacks shares a text.
            let (text, is_shown) = match name {
                "noise.svg" => ((*stack).to_owned(), *stack != "tcp"),
                _ => (format!("{stack}\n"), true),
            };
            assert!(!is_shown || files[name].contains(&text), "{stack} is missing in {name}");
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
fn many_callers_are_compared_with_the_floor_with_an_event_loop_where_it_was_measured() {
    let column = |stacks: &[&str], measurement: usize| {
        let summary = Summary::new(&record(stacks, 3)).unwrap();
        let summary = &summary.measurements[measurement];
        let table = measurements::tables(summary).stacks;
        let at = table.columns.iter().position(|column| column.heading.starts_with('×')).unwrap();
        let row = summary.stacks.iter().position(|stack| stack.stack == "rest").unwrap();
        let Cell::Quantity(ratio) = &table.rows[row].cells[at] else { panic!("a ratio") };
        (table.columns[at].heading, table.columns[at].key, ratio.value)
    };
    // The stacks of the record are slower by a microsecond each.
    let both = ["tcp", "tcp-async", "rest"];
    let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 0.2;
    let (heading, key, ratio) = column(&both, 0);
    assert!((heading, key) == ("× tcp", "ratio-to-floor") && near(ratio, 3.5 / 1.5), "{heading} {ratio}");
    let (heading, key, ratio) = column(&both, 1);
    assert!(
        (heading, key) == ("× tcp-async", "ratio-to-floor") && near(ratio, 3.5 / 2.5),
        "{heading} {ratio}"
    );
    let (heading, _, ratio) = column(&["tcp", "rest"], 1);
    assert!(heading == "× tcp" && near(ratio, 2.5 / 1.5), "{heading} {ratio}");

    let notes = |stacks: &[&str]| {
        let record = record(stacks, 3);
        asymmetries::asymmetries(&record, &Summary::new(&record).unwrap()).join("\n")
    };
    assert!(notes(&["tcp", "rest"]).contains("tcp has a thread per connection"));
    assert!(!notes(&both).contains("a thread per connection"));
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
    record.scenario.claims = vec![Claim {
        name: NASTY.to_owned(),
        statement: NASTY.to_owned(),
        conditions: vec![Condition {
            name: NASTY.to_owned(),
            measurement: NASTY.to_owned(),
            stack: Some(NASTY.to_owned()),
            format: None,
            figure: ClaimFigure::Bytes,
            at_least: Some(1.0),
            at_most: None,
            reason: NASTY.to_owned(),
            over: None,
        }],
    }];
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
        // The page has a script, and no other one.
        let scripts = usize::from(name == "index.html");
        assert_eq!(contents.matches("<script").count(), scripts, "{name}");
        assert!(!contents.contains(">49<") && !contents.contains(" 49 "), "{name}");
        assert!(!name.contains('/') && !name.contains('<'), "{name}");
        if name.ends_with(".svg") {
            assert!(contents.chars().all(|c| !c.is_control() || c == '\n'), "{name}");
        }
        if name == "report.md" {
            let columns = |line: &str| line.replace("\\|", "").matches('|').count();
            let of_tables = contents.lines().filter(|line| line.starts_with('|'));
            assert!(
                of_tables.map(columns).all(|columns| [3, 4, 5, 6, 7, 8, 12, 14].contains(&columns)),
                "{contents}"
            );
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
        audit(trial, Contention::Reject);
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
    assert_eq!(html.matches("<script").count(), 1);
    for external in ["http://", "https://", "src=", "url(", "@import", "<script ", "<link"] {
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
    let of_claims = report.claims.iter().map(|claim| &claim.table);
    for table in measured.chain(of_claims).chain(&report.capacities).chain(&report.ledgers).chain(others) {
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
