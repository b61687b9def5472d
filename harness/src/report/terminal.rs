//! The tables for a terminal.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table as Grid};

use super::capacity::{HEADINGS, capacities};
use super::columns::columns;
use super::summary::{Summary, Table};
use super::{fairness, ledger, text, ways};
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
        if !table.ways.is_empty() {
            let _ = writeln!(out, "\n{}", ways::title(&table.measurement));
            let mut grid = new_grid(&ways::HEADINGS, 2);
            for way in &table.ways {
                grid.add_row(aligned(2, way.cells()));
            }
            let _ = writeln!(out, "{}", grid.trim_fmt());
        }
        for absent in &table.absent {
            let _ = writeln!(out, " {} was not measured (see below)", absent.stack);
        }
    }
    for capacity in capacities(record) {
        let _ = writeln!(out, "\n{}: {}", capacity.name, capacity.question);
        let mut grid = new_grid(&HEADINGS, 1);
        for row in &capacity.rows {
            grid.add_row(aligned(1, row.cells().map(str::to_owned)));
        }
        let _ = writeln!(out, "{}", grid.trim_fmt());
    }
    for (operation, links) in ledger::by_operation(record) {
        let _ = writeln!(out, "\n{}", ledger::title(operation));
        let mut grid = new_grid(&ledger::HEADINGS, 2);
        for link in &links {
            grid.add_row(aligned(2, link.cells()));
        }
        let _ = writeln!(out, "{}", grid.trim_fmt());
    }
    let settings = fairness::settings(record);
    if !settings.is_empty() {
        let _ = writeln!(out, "\nWhat the stacks ran with: differences first");
        let mut grid = new_grid(&fairness::HEADINGS, 3);
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
    let columns = columns(&table.measurement);
    let mut grid = new_grid(&columns.iter().map(|column| column.heading).collect::<Vec<_>>(), 1);
    for row in &table.rows {
        grid.add_row(aligned(1, columns.iter().map(|column| column.text(row))));
    }
    grid
}

/// A table without lines, of which the first columns, so many, are `words`.
fn new_grid(headings: &[&str], words: usize) -> Grid {
    let mut grid = Grid::new();
    grid.load_style(NOTHING);
    grid.set_header(aligned(words, headings.iter().map(|heading| (*heading).to_owned())));
    grid
}

fn aligned(words: usize, cells: impl IntoIterator<Item = String>) -> Vec<Cell> {
    let cells = cells.into_iter().enumerate().map(|(column, text)| {
        let alignment = if column < words { CellAlignment::Left } else { CellAlignment::Right };
        Cell::new(text).set_alignment(alignment)
    });
    cells.collect()
}
