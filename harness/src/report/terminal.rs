//! The tables for a terminal.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table as Grid};

use super::capacity::{HEADINGS, capacities};
use super::columns::columns;
use super::summary::{Summary, Table};
use super::text;
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
    for capacity in capacities(record) {
        let _ = writeln!(out, "\n{}: {}", capacity.name, capacity.question);
        let mut grid = new_grid(&HEADINGS);
        for row in &capacity.rows {
            grid.add_row(row.cells().map(str::to_owned).into_iter().enumerate().map(aligned));
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

fn new_grid(headings: &[&str]) -> Grid {
    let mut grid = Grid::new();
    grid.load_style(NOTHING);
    grid.set_header(headings.iter().map(|heading| (*heading).to_owned()).enumerate().map(aligned));
    grid
}

/// The first column is words.
fn aligned((column, text): (usize, String)) -> Cell {
    let alignment = if column == 0 { CellAlignment::Left } else { CellAlignment::Right };
    Cell::new(text).set_alignment(alignment)
}

fn grid(table: &Table) -> Grid {
    let columns = columns(&table.measurement);
    let mut grid = new_grid(&columns.iter().map(|column| column.heading).collect::<Vec<_>>());
    for row in &table.rows {
        grid.add_row(columns.iter().map(|column| column.text(row)).enumerate().map(aligned));
    }
    grid
}
