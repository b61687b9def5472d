//! A report as plain text, for a terminal.

use std::fmt::Write as _;

use calculator::printable;
use comfy_table::presets::NOTHING;
use comfy_table::{Cell as GridCell, CellAlignment, Table as Grid};

use super::contents::Report;
use super::model::{Alignment, Cell, CodecTables, Column, Row, Table};
use super::text;

/// `report` as plain text: the tables, the recommendations and the warnings.
pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    line(&mut out, &format!("{} · {}", report.name, report.question));
    line(&mut out, &report.circumstances);
    if let Some(table) = &report.slos {
        write_table(&mut out, table);
    }
    for claim in &report.claims {
        write_table(&mut out, &claim.table);
        line(&mut out, &format!(" {}", claim.sentence));
    }
    for tables in &report.measurements {
        write_table(&mut out, &tables.stacks);
        for table in tables.further() {
            write_table(&mut out, table);
        }
    }
    for table in report.codecs.iter().flat_map(CodecTables::all) {
        write_table(&mut out, table);
    }
    let timelines = report.timelines.iter().zip(&report.over_time);
    let timelines = timelines.flat_map(|(table, over_time)| std::iter::once(table).chain(over_time));
    let results = report.capacities.iter().chain(timelines).chain(&report.topologies);
    for table in report.crossings.iter().chain(results).chain(&report.ledgers) {
        write_table(&mut out, table);
    }
    if !report.fairness.rows.is_empty() {
        write_table(&mut out, &report.fairness);
    }
    if !report.overview.recommendations.is_empty() {
        write_table(&mut out, &report.overview.table());
    }
    if !report.warnings.is_empty() {
        out.push('\n');
    }
    for warning in &report.warnings {
        line(&mut out, &format!("! {warning}"));
    }
    out
}

/// Appends `text` as one line, whatever it holds: names in a record may come from anywhere.
pub(super) fn line(out: &mut String, text: &str) {
    let _ = writeln!(out, "{}", printable(text));
}

/// Appends `table` below a blank line.
pub(super) fn write_table(out: &mut String, table: &Table) {
    out.push('\n');
    match &table.subtitle {
        Some(subtitle) => line(out, &format!("{}: {subtitle}", table.title)),
        None => line(out, &table.title),
    }
    let _ = writeln!(out, "{}", grid(table).trim_fmt());
    if let Some(note) = &table.note {
        line(out, &format!(" {note}"));
    }
    for stack in table.rows.iter().filter_map(not_measured) {
        line(out, &format!(" {stack} was not measured (the reason is below)"));
    }
}

/// The stack of a row that has no figures.
fn not_measured(row: &Row) -> Option<String> {
    match row.cells.as_slice() {
        [stack, Cell::NotMeasured(_)] => Some(text::cell(stack, None).value),
        _ => None,
    }
}

/// The rows that have figures, without lines around them.
fn grid(table: &Table) -> Grid {
    let mut grid = Grid::new();
    grid.load_style(NOTHING);
    grid.set_header(table.columns.iter().map(|column| aligned(column, text::heading(column))));
    for (row, group) in table.grouped_rows().filter(|(row, _)| not_measured(row).is_none()) {
        let cells = row.cells.iter().zip(&table.columns).enumerate().map(|(index, (cell, column))| {
            let is_repeated = index == 0 && group.is_none();
            let text = if is_repeated { String::new() } else { text::inline(cell, column) };
            aligned(column, text)
        });
        grid.add_row(cells.collect::<Vec<_>>());
    }
    grid
}

fn aligned(column: &Column, text: String) -> GridCell {
    let alignment = match column.alignment {
        Alignment::Left => CellAlignment::Left,
        Alignment::Right => CellAlignment::Right,
    };
    GridCell::new(printable(&text)).set_alignment(alignment)
}
