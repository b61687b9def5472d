//! A report as Markdown, for READMEs and pull requests.

use std::fmt::Write as _;

use calculator::is_unprintable;

use super::contents::Report;
use super::decision::{DecisionCell, DecisionColumn, DecisionTable};
use super::model::{Alignment, Cell, Row, Table};
use super::plots::{Figure, Figures, Multiples};
use super::text;

/// `report` as Markdown; its figures are files in the same folder.
pub(super) fn render(report: &Report, figures: &Figures) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# {}: {}\n", escaped(&report.name), escaped(&report.question));
    items(&mut out, &report.answer);
    let _ = writeln!(out, "{}\n", escaped(&report.circumstances));
    list(&mut out, "Read this first", &report.warnings);
    list(&mut out, "Not equal for all stacks", &report.asymmetries);
    let facts = report.overview.facts.iter().map(|fact| format!("{}: {}", fact.title, fact.text));
    list(&mut out, "What to know about the figures", &facts.collect::<Vec<_>>());
    if !report.overview.recommendations.is_empty() {
        section(&mut out, &report.overview.table());
    }
    if let Some(table) = &report.decision {
        decision(&mut out, table);
    }
    if let Some(table) = &report.slos {
        section(&mut out, table);
    }
    if !report.claims.is_empty() {
        let _ = writeln!(out, "## Claims\n");
    }
    if let Some(verdicts) = &report.verdicts {
        rows(&mut out, verdicts);
    }
    for (claim, figure) in report.claims.iter().zip(&figures.claims) {
        subsection(&mut out, &claim.table);
        let _ = writeln!(out, "{}\n", escaped(&claim.sentence));
        images(&mut out, std::slice::from_ref(figure));
    }
    let capacities = report.capacities.iter().zip(&figures.capacities).map(|found| (found, None));
    let timelines = report.timelines.iter().zip(&figures.timelines);
    let timelines = timelines.zip(report.over_time.iter().map(Option::as_ref));
    let topologies = report.topologies.iter().zip(&figures.topologies).map(|found| (found, None));
    for ((table, figure), over_time) in capacities.chain(timelines).chain(topologies) {
        section(&mut out, table);
        images(&mut out, std::slice::from_ref(figure));
        if let Some(over_time) = over_time {
            subsection(&mut out, over_time);
        }
    }
    figures.offered_loads.iter().for_each(|figure| multiples(&mut out, Some(figure)));
    images(&mut out, &figures.sweeps);
    report.crossings.iter().for_each(|table| section(&mut out, table));
    let measured = report.measurements.iter().zip(&figures.measurements).zip(&figures.latencies);
    for ((tables, figures), latencies) in measured {
        section(&mut out, &tables.stacks);
        for table in tables.further() {
            subsection(&mut out, table);
        }
        images(&mut out, figures);
        multiples(&mut out, latencies.as_ref());
    }
    if let Some(codecs) = &report.codecs {
        let _ = writeln!(out, "## Codecs\n");
        for (table, figure) in codecs.measurements.iter().zip(&figures.codecs) {
            subsection(&mut out, table);
            images(&mut out, std::slice::from_ref(figure));
        }
        subsection(&mut out, &codecs.formats);
    }
    if !figures.bytes.is_empty() {
        let _ = writeln!(out, "## Bytes on the wire\n");
        images(&mut out, &figures.bytes);
    }
    for table in &report.ledgers {
        subsection(&mut out, table);
    }
    if !report.ledgers.is_empty() {
        let _ = writeln!(out, "{}\n", report.ledger_note);
    }
    anatomy(&mut out, report, figures);
    trust(&mut out, report, figures);
    for table in [&report.fairness, &report.conformance].into_iter().filter(|table| !table.rows.is_empty()) {
        section(&mut out, table);
    }
    out
}

/// The bytes of one call of each protocol, and where its time goes.
fn anatomy(out: &mut String, report: &Report, figures: &Figures) {
    if report.calls_note.is_some() || report.call_time.is_some() {
        let _ = writeln!(out, "## Anatomy of a call\n");
    }
    if let Some(note) = &report.calls_note {
        let _ = writeln!(out, "{}\n", escaped(note));
    }
    let calls = report.calls.iter().zip(&report.call_tables);
    for (_, table) in calls.filter(|(call, _)| call.is_usual) {
        let _ = writeln!(out, "<details><summary>{}</summary>\n", escaped(&table.title));
        rows(out, table);
        let _ = writeln!(out, "</details>\n");
    }
    if let Some(table) = &report.call_time {
        subsection(out, table);
    }
    multiples(out, figures.call_time.as_ref());
}

/// How noisy the run was, and how to repeat it.
fn trust(out: &mut String, report: &Report, figures: &Figures) {
    let _ = writeln!(out, "## Trust\n");
    subsection(out, &report.trust);
    multiples(out, figures.stability.as_ref());
    multiples(out, figures.noise.as_ref());
}

/// All stacks side by side, each figure as a multiple of that of the column's baseline.
fn decision(out: &mut String, table: &DecisionTable) {
    let _ = writeln!(out, "## All stacks side by side\n");
    let _ = writeln!(out, "Each figure as a multiple of that of the stack in the heading; less is better.\n");
    let baseline = |column: &DecisionColumn| Some(escaped(&table.rows.get(column.baseline?)?.stack));
    let heading = |column: &DecisionColumn| {
        let baseline = baseline(column).map_or_else(String::new, |stack| format!(", × {stack}"));
        format!("{}: {}{baseline}", escaped(&column.heading), column.quantity)
    };
    line(out, std::iter::once("stack".to_owned()).chain(table.columns.iter().map(heading)));
    line(out, std::iter::once(":--").chain(table.columns.iter().map(|_| "--:")).map(str::to_owned));
    for row in &table.rows {
        let multiple = |cell: &Option<DecisionCell>| {
            let ratio = cell.as_ref().and_then(|cell| cell.ratio.as_ref());
            ratio.map_or_else(|| "–".to_owned(), text::multiple)
        };
        line(out, std::iter::once(escaped(&row.stack)).chain(row.cells.iter().map(multiple)));
    }
    out.push('\n');
}

/// A list under a heading; nothing where it is empty.
pub(super) fn list(out: &mut String, heading: &str, entries: &[String]) {
    if !entries.is_empty() {
        let _ = writeln!(out, "**{heading}**\n");
        items(out, entries);
    }
}

/// The items of a list, and a blank line.
pub(super) fn items(out: &mut String, entries: &[String]) {
    for entry in entries {
        let _ = writeln!(out, "- {}", escaped(entry));
    }
    out.push('\n');
}

/// A table under a heading.
pub(super) fn section(out: &mut String, table: &Table) {
    let _ = writeln!(out, "## {}\n", escaped(&table.title));
    if let Some(subtitle) = &table.subtitle {
        let _ = writeln!(out, "{}\n", escaped(subtitle));
    }
    rows(out, table);
}

/// A table under a heading of the second rank.
fn subsection(out: &mut String, table: &Table) {
    let subtitle = table.subtitle.as_ref().map_or_else(String::new, |subtitle| format!(": {subtitle}"));
    let _ = writeln!(out, "### {}{}\n", escaped(&table.title), escaped(&subtitle));
    rows(out, table);
}

fn rows(out: &mut String, table: &Table) {
    line(out, table.columns.iter().map(text::heading));
    let rule = |alignment| match alignment {
        Alignment::Left => ":--".to_owned(),
        Alignment::Right => "--:".to_owned(),
    };
    line(out, table.columns.iter().map(|column| rule(column.alignment)));
    for (row, group) in table.grouped_rows() {
        line(out, cells(row, table, group.is_none()));
    }
    out.push('\n');
    if let Some(note) = &table.note {
        let _ = writeln!(out, "{}.\n", escaped(note));
    }
}

/// The cells of a row. A cell that spans several columns goes into the last of them, as Markdown knows no spans.
fn cells<'a>(row: &'a Row, table: &'a Table, is_repeated: bool) -> impl Iterator<Item = String> + 'a {
    let is_spanning = row.cells.len() < table.columns.len();
    let last = table.columns.len() - 1;
    table.columns.iter().enumerate().map(move |(index, column)| {
        let cell = match (is_spanning, row.cells.last()) {
            (true, Some(spanning)) if index == last => spanning,
            (true, _) if index + 1 >= row.cells.len() => &Cell::Empty,
            _ => row.cells.get(index).unwrap_or(&Cell::Empty),
        };
        if index == 0 && is_repeated { String::new() } else { escaped(&text::inline(cell, column)) }
    })
}

fn line(out: &mut String, cells: impl Iterator<Item = String>) {
    for cell in cells {
        let _ = write!(out, "| {cell} ");
    }
    out.push_str("|\n");
}

fn multiples(out: &mut String, figure: Option<&Multiples>) {
    images(out, figure.map_or(&[], |figure| std::slice::from_ref(&figure.figure)));
}

fn images(out: &mut String, figures: &[Figure]) {
    for figure in figures {
        let _ = writeln!(
            out,
            "![{}]({}.svg)\n\n{}\n",
            escaped(&figure.title),
            figure.name,
            escaped(&figure.caption)
        );
    }
}

/// `text` escaped so that Markdown shows it as it is, also in a cell of a table.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(character);
            }
            '\n' | '\r' | '\t' => out.push(' '),
            c if is_unprintable(c) => {
                out.push('\\');
                out.extend(c.escape_default());
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_out_of_its_cell() {
        assert_eq!(escaped("a|b\n<i>*x*</i>`c`"), "a\\|b &lt;i>\\*x\\*&lt;/i>\\`c\\`");
        assert_eq!(escaped("\u{1b}[2J\u{202e}"), "\\\\u{1b}\\[2J\\\\u{202e}");
    }
}
