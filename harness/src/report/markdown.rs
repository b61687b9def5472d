//! The report as Markdown, for READMEs and pull requests.

use std::fmt::Write as _;

use super::answer;
use super::capacity::{HEADINGS, capacities};
use super::columns::columns;
use super::plots::{Figure, Figures};
use super::summary::{Summary, Table};
use super::{fairness, ledger, text, ways};
use crate::record::Record;

/// The report of `record`; its figures are files beside it.
pub(super) fn markdown(record: &Record, summary: &Summary, figures: &Figures) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# {}: {}\n", escaped(&record.scenario.name), escaped(&record.scenario.question));
    for sentence in answer::answer(record, summary) {
        let _ = writeln!(out, "- {}", escaped(&sentence));
    }
    let _ = writeln!(out, "\n{}\n", escaped(&text::circumstances(record)));
    list(&mut out, "To know first", &summary.warnings);
    list(&mut out, "Not the same for all", &answer::asymmetries(record, summary));
    for capacity in capacities(record) {
        let _ = writeln!(out, "## {}\n\n{}\n", escaped(&capacity.name), escaped(&capacity.question));
        line(&mut out, HEADINGS.iter().map(|heading| (*heading).to_owned()));
        line(&mut out, HEADINGS.iter().map(|_| ":--".to_owned()));
        for row in &capacity.rows {
            line(&mut out, row.cells().iter().map(|cell| escaped(cell)));
        }
        out.push('\n');
    }
    images(&mut out, &figures.sweeps);
    for (table, figures) in summary.tables.iter().zip(&figures.tables) {
        let _ = writeln!(out, "## {}\n", escaped(&text::title(table)));
        grid(&mut out, table);
        images(&mut out, figures);
    }
    if !figures.bytes.is_empty() {
        let _ = writeln!(out, "## Bytes on the wire\n");
        images(&mut out, &figures.bytes);
    }
    byte_tables(&mut out, record);
    settings(&mut out, record);
    conformance(&mut out, record);
    out
}

fn list(out: &mut String, heading: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(out, "**{heading}**\n");
    for item in items {
        let _ = writeln!(out, "- {}", escaped(item));
    }
    out.push('\n');
}

fn line(out: &mut String, cells: impl Iterator<Item = String>) {
    for cell in cells {
        let _ = write!(out, "| {cell} ");
    }
    out.push_str("|\n");
}

/// The head of a table.
fn heading(out: &mut String, names: &[&str], is_text: impl Fn(&str) -> bool) {
    line(out, names.iter().map(|name| (*name).to_owned()));
    line(out, names.iter().map(|name| if is_text(name) { ":--" } else { "--:" }.to_owned()));
}

fn grid(out: &mut String, table: &Table) {
    let columns = columns(&table.measurement);
    line(out, columns.iter().map(|column| column.heading.to_owned()));
    line(out, columns.iter().map(|column| if column.is_text { ":--" } else { "--:" }.to_owned()));
    for row in &table.rows {
        line(out, columns.iter().map(|column| escaped(&column.text(row))));
    }
    for absent in &table.absent {
        let blank = vec![String::new(); columns.len() - 2];
        let reason = format!("not measured: {}", absent.reason);
        line(out, [escaped(&absent.stack)].into_iter().chain(blank).chain([escaped(&reason)]));
    }
    out.push('\n');
    if let Some(resolution) = text::resolution(table) {
        let _ = writeln!(out, "{}.\n", escaped(&resolution));
    }
    if !table.ways.is_empty() {
        let _ = writeln!(out, "{}:\n", escaped(&ways::title(&table.measurement)));
        heading(out, &ways::HEADINGS, |name| matches!(name, "stack" | "beside"));
        for way in &table.ways {
            line(out, way.cells().iter().map(|cell| escaped(cell)));
        }
        out.push('\n');
    }
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

fn byte_tables(out: &mut String, record: &Record) {
    let operations = ledger::by_operation(record);
    for (operation, links) in &operations {
        let _ = writeln!(out, "### {}\n", escaped(&ledger::title(*operation)));
        heading(out, &ledger::HEADINGS, ledger::is_text);
        for link in links {
            line(out, link.cells().iter().map(|cell| escaped(cell)));
        }
        out.push('\n');
    }
    if !operations.is_empty() {
        let _ = writeln!(out, "{}\n", ledger::CAPTION);
    }
}

fn settings(out: &mut String, record: &Record) {
    let settings = fairness::settings(record);
    if settings.is_empty() {
        return;
    }
    let _ = writeln!(out, "## What the stacks ran with\n\nDifferences first.\n");
    heading(out, &fairness::HEADINGS, |_| true);
    for row in settings.iter().flat_map(fairness::Setting::rows) {
        line(out, row.iter().map(|cell| escaped(cell)));
    }
    out.push('\n');
}

fn conformance(out: &mut String, record: &Record) {
    if record.checks.is_empty() {
        return;
    }
    let _ = writeln!(out, "## Conformance\n");
    heading(out, &["stack", "core", "strict", "not passed"], |name| matches!(name, "stack" | "not passed"));
    for check in &record.checks {
        let failures: Vec<_> = check.failures.iter().map(|failure| escaped(&failure.call)).collect();
        let cells = [
            escaped(&check.stack),
            format!("{} of {}", check.core_passed, check.core),
            format!("{} of {}", check.strict_passed, check.strict),
            failures.join("; "),
        ];
        line(out, cells.into_iter());
    }
}

/// `text` so that Markdown shows it as it is, in a line of a table too.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(character);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_not_break_out_of_its_cell() {
        assert_eq!(escaped("a|b\n<i>*x*</i>`c`"), "a\\|b &lt;i>\\*x\\*&lt;/i>\\`c\\`");
    }
}
