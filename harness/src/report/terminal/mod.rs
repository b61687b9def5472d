//! A report as plain text, for a terminal.

mod grid;
mod lines;

use super::contents::Report;
use super::model::{CodecTables, Table};
use crate::claims::Verdict;
use grid::not_measured;
pub use lines::{Text, Tone};

/// How much of a report a terminal shows, and how wide it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// The number of columns; absent where lines may have any width.
    pub width: Option<usize>,
    /// Whether the conditions of the measurement are shown, too: what the stacks ran with and consist of, the checks that they
    /// passed, every setting and the machine.
    pub verbose: bool,
}

/// `report` as plain text. The answer comes last, where a reader of a terminal looks.
pub(super) fn render(report: &Report, screen: Screen) -> Text {
    let mut out = Text::new(screen.width);
    out.line(Tone::Title, &format!("{} · {}", report.name, report.question));
    out.line(Tone::Muted, &report.circumstances);
    results(&mut out, report);
    if screen.verbose {
        conditions(&mut out, report);
    } else {
        out.blank();
        let unequal = match report.asymmetries.len() {
            0 => "All settings and the machine are left out".to_owned(),
            1 => "A condition was not equal for all stacks".to_owned(),
            several => format!("{several} conditions were not equal for all stacks"),
        };
        out.line(Tone::Muted, &format!("{unequal}; --verbose shows them"));
    }
    if !report.warnings.is_empty() {
        out.blank();
    }
    for warning in &report.warnings {
        out.line(Tone::Caution, &format!("! {warning}"));
    }
    if let Some(table) = &report.slos {
        write_table(&mut out, table);
    }
    if !report.overview.recommendations.is_empty() {
        write_table(&mut out, &report.overview.table());
    }
    out.blank();
    let tones = report.claims.iter().map(|claim| tone(claim.verdict)).chain(std::iter::repeat(Tone::Plain));
    for (sentence, tone) in report.answer.iter().zip(tones) {
        out.line(tone, sentence);
    }
    out
}

/// The figures, and the verdicts on claims.
fn results(out: &mut Text, report: &Report) {
    for tables in &report.measurements {
        write_table(out, &tables.stacks);
        for table in tables.further() {
            write_table(out, table);
        }
    }
    for table in report.codecs.iter().flat_map(CodecTables::all) {
        write_table(out, table);
    }
    let timelines = report.timelines.iter().zip(&report.over_time);
    let timelines = timelines.flat_map(|(table, over_time)| std::iter::once(table).chain(over_time));
    let results = report.capacities.iter().chain(timelines).chain(&report.topologies);
    for table in report.crossings.iter().chain(results).chain(&report.ledgers) {
        write_table(out, table);
    }
    for claim in &report.claims {
        write_table(out, &claim.table);
        out.line(tone(claim.verdict), &format!(" {}", claim.sentence));
    }
}

/// The conditions under which the figures were measured.
fn conditions(out: &mut Text, report: &Report) {
    let tables = [&report.fairness, &report.conformance, &report.stacks, &report.settings];
    for table in tables.into_iter().filter(|table| !table.rows.is_empty()) {
        write_table(out, table);
    }
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Holds => Tone::Good,
        Verdict::HoldsInPart => Tone::Caution,
        Verdict::DoesNotHold => Tone::Bad,
        Verdict::CannotTell => Tone::Muted,
    }
}

/// Appends `table` below a blank line.
pub(super) fn write_table(out: &mut Text, table: &Table) {
    out.blank();
    match &table.subtitle {
        Some(subtitle) => out.line(Tone::Title, &format!("{}: {subtitle}", table.title)),
        None => out.line(Tone::Title, &table.title),
    }
    for part in grid::parts(table, out.width()) {
        for (index, line) in part.lines().enumerate() {
            out.fitting(if index == 0 { Tone::Muted } else { Tone::Plain }, line);
        }
    }
    if let Some(note) = &table.note {
        out.line(Tone::Muted, &format!(" {note}"));
    }
    for stack in table.rows.iter().filter_map(not_measured) {
        out.line(Tone::Caution, &format!(" {stack} was not measured (the reason is below)"));
    }
}
