//! The tables for a terminal.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table as Grid};

use super::summary::{Summary, Table};
use super::{fairness, ledger, text};
use crate::record::Record;

/// The whole summary as plain text.
#[must_use]
pub fn terminal(record: &Record, summary: &Summary) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{} · {}", record.scenario.name, record.scenario.question);
    let _ = writeln!(out, "{}", text::circumstances(record));
    for table in &summary.tables {
        let _ = writeln!(out, "\n{}", text::title(table));
        let _ = writeln!(out, "{}", grid(table).trim_fmt());
        if let Some(resolution) = text::resolution(table) {
            let _ = writeln!(out, " {resolution}");
        }
        for absent in &table.absent {
            let _ = writeln!(out, " {} was not measured (see below)", absent.stack);
        }
    }
    for (operation, links) in ledger::by_operation(record) {
        let _ = writeln!(out, "\n{}", ledger::title(operation));
        let mut grid = plain(&ledger::HEADINGS, ledger::is_text);
        for link in &links {
            grid.add_row(aligned(&ledger::HEADINGS, ledger::is_text, link.cells()));
        }
        let _ = writeln!(out, "{}", grid.trim_fmt());
    }
    let settings = fairness::settings(record);
    if !settings.is_empty() {
        let _ = writeln!(out, "\nWhat the stacks ran with: differences first");
        let mut grid = plain(&fairness::HEADINGS, |_| true);
        for row in settings.iter().flat_map(fairness::Setting::rows) {
            grid.add_row(row);
        }
        let _ = writeln!(out, "{}", grid.trim_fmt());
    }
    if !summary.warnings.is_empty() {
        out.push('\n');
    }
    for warning in &summary.warnings {
        let _ = writeln!(out, "! {warning}");
    }
    out
}

fn grid(table: &Table) -> Grid {
    let is_left = |heading: &str| heading == text::HEADINGS[0];
    let mut grid = plain(&text::HEADINGS, is_left);
    for row in &table.rows {
        let cells = text::cells(row)
            .into_iter()
            .enumerate()
            .map(|(column, cell)| if column == text::TIMES_TCP { cell.with_range() } else { cell.value });
        grid.add_row(aligned(&text::HEADINGS, is_left, cells));
    }
    grid
}

/// A table without lines.
fn plain(headings: &[&str], is_left: impl Fn(&str) -> bool) -> Grid {
    let mut grid = Grid::new();
    grid.load_style(NOTHING);
    grid.set_header(aligned(headings, is_left, headings.iter().map(|heading| (*heading).to_owned())));
    grid
}

fn aligned(
    headings: &[&str],
    is_left: impl Fn(&str) -> bool,
    cells: impl IntoIterator<Item = String>,
) -> Vec<Cell> {
    let cells = headings.iter().zip(cells).map(|(heading, cell)| {
        let alignment = if is_left(heading) { CellAlignment::Left } else { CellAlignment::Right };
        Cell::new(cell).set_alignment(alignment)
    });
    cells.collect()
}
