//! Reports: a record as tables and figures.
//!
//! A record is summed up ([`Summary`]), the summary becomes a [`Report`], which holds every table as
//! data, and the report is rendered as plain text, Markdown or HTML. Nothing in a report comes from anywhere else than
//! the record.

mod anatomy;
mod answer;
mod asymmetries;
mod call_bytes;
mod call_time;
mod capacity;
mod chart;
mod claims;
mod codecs;
mod conformance;
mod contents;
mod crossings;
pub mod decision;
mod deliveries;
mod describe;
mod document;
mod fairness;
mod headroom;
mod html;
mod ledger;
mod markdown;
mod measurements;
pub mod model;
mod names;
mod operation_summary;
mod operations;
pub mod overview;
mod plots;
mod receivers;
mod server_capacity;
mod servers;
mod settings;
mod slos;
mod spread;
mod stability;
mod stack;
mod stack_summary;
mod stages;
mod statements;
mod summary;
mod terminal;
mod text;
mod timelines;
mod topologies;
mod trust;
mod variants;
mod verdict;
mod warnings;

#[cfg(test)]
pub(crate) mod tests;

use std::io;
use std::path::{Path, PathBuf};

use schemars::generate::SchemaSettings;

use crate::record::{Record, write_atomically};
use call_time::CallTimes;
use plots::Figures;

pub(crate) use answer::lead;
pub use chart::{Chart, ChartLevel, ChartPoint, Charts, RatioGroup, RatioRow, Ratios};
pub use contents::Report;
pub(crate) use fairness::settings_of;
pub(crate) use html::render_index;
pub use model::{ClaimReport, Document};
pub use operation_summary::OperationSummary;
pub use receivers::DeliverySummary;
pub use server_capacity::{SeenRate, ServerCapacity};
pub use spread::Spread;
pub use stack::StackKind;
pub use stack_summary::{Cpu, StackSummary};
pub(crate) use summary::network_floor;
pub use summary::{MeasurementSummary, NotMeasured, SelfComparison, Summary};
pub use terminal::{Screen, Text, Tone};
pub(crate) use text::{decimals, thousands};
pub use variants::Variant;
pub use verdict::Ranking;

/// The report of `record`, of which `summary` is the summary.
#[must_use]
pub fn report(record: &Record, summary: &Summary) -> Report {
    let calls = anatomy::calls(record);
    let stability = stability::all(record, summary);
    let timelines = timelines::timelines(record);
    Report {
        name: record.scenario.name.clone(),
        question: record.scenario.question.clone(),
        circumstances: describe::circumstances(record),
        overview: overview::overview(record, summary),
        answer: answer::answer(record, summary),
        warnings: summary.warnings.clone(),
        asymmetries: asymmetries::asymmetries(record, summary),
        decision: decision::table(record, summary),
        slos: slos::table(&summary.slos),
        claims: summary.claims.iter().map(claims::report).collect(),
        verdicts: claims::verdicts(&summary.claims),
        capacities: capacity::capacities(record).iter().map(capacity::Capacity::table).collect(),
        crossings: crossings::tables(record),
        codecs: codecs::tables(record),
        timelines: timelines.iter().map(stages::table).collect(),
        over_time: timelines.iter().map(stages::over_time).collect(),
        topologies: topologies::all(record).iter().map(topologies::Topologies::table).collect(),
        measurements: summary.measurements.iter().map(measurements::tables).collect(),
        ledgers: ledger::tables(record),
        ledger_note: ledger::note(record),
        call_tables: calls.iter().map(anatomy::table).collect(),
        calls_note: anatomy::note(record),
        calls,
        call_time: CallTimes::of(record, summary).map(|times| times.table()),
        trust: trust::table(record),
        stability: (!stability.is_empty()).then(|| stability::table(&stability)),
        fairness: fairness::table(record),
        conformance: conformance::table(record),
        stacks: settings::stacks(record),
        settings: settings::settings(record),
    }
}

/// The JSON Schema of a report, as it is published in `results/report.schema.json`.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    // As a report is written: every member is there, and may be null.
    let generator = SchemaSettings::default().for_serialize().into_generator();
    generator.into_root_schema_for::<Report>().to_value()
}

/// The tables, the warnings and the answer of a report as plain text, for a terminal.
#[must_use]
pub fn terminal(record: &Record, summary: &Summary, screen: Screen) -> Text {
    terminal::render(&report(record, summary), screen)
}

/// Writes the report of `record` into `folder`: a self-contained HTML page, the same report as Markdown, and each
/// figure as an SVG file. Returns the path of the page.
///
/// # Errors
/// When a file cannot be written or a figure cannot be drawn.
pub fn write(record: &Record, summary: &Summary, folder: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let report = report(record, summary);
    let figures = Figures::new(record, summary).map_err(io::Error::other)?;
    for figure in figures.all() {
        write_atomically(&folder.join(format!("{}.svg", figure.name)), figure.standalone_svg().as_bytes())?;
    }
    write_atomically(&folder.join("report.md"), markdown::render(&report, &figures).as_bytes())?;
    let page = folder.join("index.html");
    let html = html::render(&report, &figures).map_err(io::Error::other)?;
    write_atomically(&page, html.as_bytes())?;
    Ok(page)
}
