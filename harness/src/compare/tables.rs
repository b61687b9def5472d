//! A comparison in sentences and tables.

use super::counts;
use super::figures::Metric;
use super::ratios;
use super::{BytesComparison, Comparison, MeasurementComparison, TimingComparison};
use crate::load::Operation;
use crate::report::model::{Cell, Column, Row, Table, Unit};
use crate::report::{Document, thousands};
use crate::stats::{ERROR_RATE, Statement};

const SETTINGS: [Column; 3] = [
    Column::text("setting", "setting"),
    Column::text("base", "first").wide(),
    Column::text("new", "second").wide(),
];

const BYTES: [Column; 5] = [
    Column::text("stack", "stack"),
    Column::number("base", "first ↑ ↓", Unit::Bytes)
        .meaning("bytes of a call towards the server and back, over all hops"),
    Column::number("new", "second ↑ ↓", Unit::Bytes)
        .meaning("bytes of a call towards the server and back, over all hops"),
    Column::text("difference", "difference").meaning("exact, unless the bytes of a call varied"),
    Column::number("packets", "packets first, second", Unit::Packets)
        .meaning("TCP segments with payload in the first and the second record; they depend on timing"),
];

const TIMINGS: [Column; 5] = [
    Column::text("stack", "stack"),
    Column::text("metric", "metric"),
    Column::number("base", "first", Unit::Microseconds).meaning("median of the blocks"),
    Column::number("new", "second", Unit::Microseconds).meaning("median of the blocks"),
    Column::text("statement", "second than first").meaning(
        "what is certain about the second record; CPU time is compared as calls per second of CPU time",
    ),
];

/// The comparison in sentences and tables.
pub(super) fn document(comparison: &Comparison) -> Document {
    let settings = (!comparison.settings.is_empty()).then(|| settings(comparison));
    let bytes = (!comparison.bytes.is_empty()).then(|| bytes(&comparison.bytes));
    let counts = counts::of_records(&comparison.counts);
    let timings = comparison.measurements.iter().map(timings);
    Document {
        title: "Two records compared".to_owned(),
        circumstances: vec![
            format!("first: {}", comparison.base.describe()),
            format!("second: {}", comparison.new.describe()),
        ],
        answer: answer(comparison),
        warnings: warnings(comparison),
        tables: settings.into_iter().chain(bytes).chain(counts).chain(timings).collect(),
        charts: ratios::charts(comparison),
        filter: Some("Only what differs for certain"),
    }
}

fn answer(comparison: &Comparison) -> Vec<String> {
    let mut sentences = Vec::new();
    if !comparison.bytes.is_empty() {
        sentences.push(bytes_in_words(&comparison.bytes));
    }
    sentences.extend(counts::in_words(&comparison.counts));
    let timings = comparison.measurements.iter().flat_map(|measurement| &measurement.timings);
    let statements: Vec<_> = timings.map(|timing| timing.statement).collect();
    let all = statements.len();
    let [slower, faster, same] = [Statement::Slower, Statement::Faster, Statement::NoDifference]
        .map(|statement| statements.iter().filter(|other| **other == statement).count());
    if all > 0 {
        sentences.push(format!(
            "Of {all} timings, the second record is slower in {slower}, faster in {faster}, and not different by more \
             than δ in {same}; {} are undecided.",
            all - slower - faster - same
        ));
    }
    sentences
}

fn bytes_in_words(all: &[BytesComparison]) -> String {
    let differing: Vec<_> = all.iter().filter(|bytes| bytes.is_equal == Some(false)).collect();
    let unknown = all.iter().filter(|bytes| bytes.is_equal.is_none()).count();
    let varied = match unknown {
        0 => String::new(),
        unknown => format!(" The bytes of {unknown} varied from call to call and are not compared."),
    };
    if unknown == all.len() {
        return "The bytes of every call varied from call to call and are not compared.".to_owned();
    }
    if differing.is_empty() {
        return format!("The bytes of every call are unchanged.{varied}");
    }
    let names: Vec<_> =
        differing.iter().map(|bytes| format!("{} ({})", row_name(bytes), difference(bytes))).collect();
    format!("The bytes of a call changed for {}.{varied}", names.join(", "))
}

fn warnings(comparison: &Comparison) -> Vec<String> {
    let mut warnings: Vec<_> = comparison
        .settings
        .iter()
        .filter(|setting| setting.kind.is_decisive())
        .map(|setting| format!("{} differs: {} and {}", setting.name, setting.base, setting.new))
        .collect();
    warnings.extend(comparison.missing.iter().cloned());
    warnings.extend(comparison.warnings.iter().cloned());
    if comparison.base == comparison.new {
        warnings.push("Both are records of the same run.".to_owned());
    } else if !comparison.measurements.is_empty() {
        warnings.push(
            "The runs were made at different times. What differs from run to run, such as the layout of a linked program, \
             is not in the intervals."
                .to_owned(),
        );
    }
    warnings
}

fn settings(comparison: &Comparison) -> Table {
    let row = |setting: &super::Setting| {
        Row::new(vec![
            setting.name.as_str().into(),
            setting.base.as_str().into(),
            setting.new.as_str().into(),
        ])
    };
    Table {
        title: "Settings that differ".to_owned(),
        columns: SETTINGS.to_vec(),
        rows: comparison.settings.iter().map(row).collect(),
        ..Table::default()
    }
}

/// The name of the row about the bytes of a call.
fn row_name(bytes: &BytesComparison) -> String {
    if bytes.operation == Operation::ADD {
        bytes.stack.clone()
    } else {
        format!("{} {}", bytes.stack, bytes.operation)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a message is far shorter than 2⁵³ bytes")]
fn bytes(all: &[BytesComparison]) -> Table {
    let row = |bytes: &BytesComparison| {
        let pair = |call: &super::CallBytes| Cell::Pair([Some(call.up as f64), Some(call.down as f64)]);
        let packets = Cell::Pair([Some(bytes.base.packets), Some(bytes.new.packets)]);
        let cells = vec![
            row_name(bytes).into(),
            pair(&bytes.base),
            pair(&bytes.new),
            difference(bytes).into(),
            packets,
        ];
        Row { is_muted: bytes.is_equal == Some(true), ..Row::new(cells) }
    };
    Table {
        title: "Bytes of a call".to_owned(),
        subtitle: Some(
            "counted while nothing else used the connections, without TCP and IP headers".to_owned(),
        ),
        columns: BYTES.to_vec(),
        rows: all.iter().map(row).collect(),
        ..Table::default()
    }
}

fn difference(bytes: &BytesComparison) -> String {
    match (bytes.is_equal, bytes.difference()) {
        (None, _) => "not exact".to_owned(),
        (Some(true), _) => "equal".to_owned(),
        (Some(false), 0) => "the same total, other parts".to_owned(),
        (Some(false), difference) => {
            format!("{difference:+} {}", if difference.abs() == 1 { "byte" } else { "bytes" })
        }
    }
}

fn timings(measurement: &MeasurementComparison) -> Table {
    let row = |timing: &TimingComparison| {
        let statement =
            Cell::Statement { statement: timing.statement, ratio: timing.ratio, delta: timing.delta };
        let [base, new] = [timing.base, timing.new].map(|figure| figure_cell(timing.metric, figure));
        Row {
            is_muted: matches!(timing.statement, Statement::NoDifference | Statement::Undecided),
            ..Row::new(vec![
                timing.stack.as_str().into(),
                timing.metric.heading().into(),
                base,
                new,
                statement,
            ])
        }
    };
    let relative = measurement.floor.as_ref().map_or_else(String::new, |floor| {
        format!(
            "statements are about multiples of the floor {floor}, so that a machine that is slower as a whole makes no \
             difference; "
        )
    });
    Table {
        title: measurement.name.clone(),
        subtitle: Some(format!(
            "{relative}at most one such table in {:.0} contains a false statement about these two runs",
            1.0 / ERROR_RATE
        )),
        columns: TIMINGS.to_vec(),
        rows: measurement.timings.iter().map(row).collect(),
        note: Some(note(measurement)),
        is_grouped: true,
        ..Table::default()
    }
}

/// δ of each metric, and how many blocks a statement takes where there are too few.
fn note(measurement: &MeasurementComparison) -> String {
    let mut deltas: Vec<String> = Vec::new();
    for timing in &measurement.timings {
        let delta = format!("{:.1} % for {}", 100.0 * timing.delta, timing.metric.name());
        if !deltas.contains(&delta) {
            deltas.push(delta);
        }
    }
    let deltas = format!("δ is {}", deltas.join("; "));
    if measurement.blocks < measurement.blocks_needed {
        return format!("{deltas}. A statement takes {} blocks in each record", measurement.blocks_needed);
    }
    deltas
}

/// A figure in the column of its unit: a number of microseconds, or else the text of a rate.
fn figure_cell(metric: Metric, figure: f64) -> Cell {
    match figure * metric.scale() {
        shown if !shown.is_finite() => Cell::Missing,
        shown if metric.is_time() => Cell::number(shown),
        shown => Cell::Text(thousands(shown)),
    }
}
