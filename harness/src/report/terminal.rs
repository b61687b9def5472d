//! The tables for a terminal.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table as Grid};

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
    if !summary.warnings.is_empty() {
        out.push('\n');
    }
    for warning in &summary.warnings {
        let _ = writeln!(out, "! {warning}");
    }
    out
}

fn grid(table: &Table) -> Grid {
    let mut grid = Grid::new();
    grid.load_style(NOTHING);
    grid.set_header(text::HEADINGS.iter().map(|heading| {
        let alignment =
            if *heading == text::HEADINGS[0] { CellAlignment::Left } else { CellAlignment::Right };
        Cell::new(heading).set_alignment(alignment)
    }));
    for row in &table.rows {
        let cells = text::cells(row).into_iter().enumerate().map(|(column, cell)| {
            let alignment = if column == 0 { CellAlignment::Left } else { CellAlignment::Right };
            let text = if column == text::TIMES_TCP { cell.with_range() } else { cell.value };
            Cell::new(text).set_alignment(alignment)
        });
        grid.add_row(cells);
    }
    grid
}
