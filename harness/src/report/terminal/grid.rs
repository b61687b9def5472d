//! Tables that fit a terminal.
//!
//! Columns of text wrap. Where that is not enough, a table continues below itself with the columns that remain, and what names the
//! rows is repeated: its first column, or the first two where rows have the same name.

use std::collections::BTreeSet;

use calculator::printable;
use comfy_table::presets::NOTHING;
use comfy_table::{Cell as GridCell, CellAlignment, ColumnConstraint, Table as Grid, Width};

use super::super::model::{Alignment, Cell, Column, Row, Table};
use super::super::text;
use super::lines::{glued, unglued};

/// The columns between two columns of a table: a space on each side of a cell.
const SPACING: usize = 2;
/// A column of text is not made narrower than this, or than its longest word.
const MIN_TEXT_WIDTH: usize = 20;

/// The rows of `table` that have figures, without lines around them: a text of several lines for each part of the table. The
/// first line of each is the headings.
pub(super) fn parts(table: &Table, width: Option<usize>) -> Vec<String> {
    let cells = Cells::of(table);
    let sizes: Vec<_> = (0..table.columns.len()).map(|index| cells.size(index, width)).collect();
    // Spaces at the end of a line do not count.
    let available = width.map_or(usize::MAX, |width| width + 1);
    let drawn = |part: Vec<usize>| {
        let rows = cells.rows_of(&part);
        let part: Vec<_> = part.iter().copied().zip(widths(&part, &sizes, available)).collect();
        (!rows.is_empty()).then(|| unglued(&cells.draw(&part, &rows).trim_fmt()))
    };
    split(&sizes, cells.names, available).into_iter().filter_map(drawn).collect()
}

/// The stack of a row that has no figures.
pub(super) fn not_measured(row: &Row) -> Option<String> {
    match row.cells.as_slice() {
        [stack, Cell::NotMeasured(_)] => Some(text::cell(stack, None).value),
        _ => None,
    }
}

/// How wide a column is, and how narrow it may get.
#[derive(Clone, Copy, Debug)]
struct Size {
    natural: usize,
    least: usize,
}

/// The text of all cells of a table.
struct Cells<'a> {
    columns: &'a [Column],
    headings: Vec<String>,
    rows: Vec<CellsOfRow>,
    /// The number of columns at the left that name a row.
    names: usize,
}

/// The text of the cells of a row.
struct CellsOfRow {
    cells: Vec<String>,
    /// The number of the group to which the row belongs: of adjacent rows of a group, only the first one shows its name.
    group: usize,
}

impl<'a> Cells<'a> {
    fn of(table: &'a Table) -> Self {
        let shown = table.grouped_rows().filter(|(row, _)| not_measured(row).is_none());
        let rows = shown.scan(0, |group, (row, begins)| {
            *group += usize::from(begins.is_some());
            let cells = row.cells.iter().zip(&table.columns);
            let cells = cells.map(|(cell, column)| glued(&printable(&text::inline(cell, column)))).collect();
            Some(CellsOfRow { cells, group: *group })
        });
        let rows: Vec<_> = rows.collect();
        let different: BTreeSet<_> = rows.iter().map(|row| row.cells.first()).collect();
        let names = if different.len() < rows.len() { 2 } else { 1 };
        Cells {
            columns: &table.columns,
            headings: table.columns.iter().map(text::heading).collect(),
            rows,
            names,
        }
    }

    fn size(&self, index: usize, width: Option<usize>) -> Size {
        let column = || self.rows.iter().filter_map(|row| row.cells.get(index)).map(String::as_str);
        let heading = columns_of(&self.headings[index]);
        let natural = column().map(columns_of).max().unwrap_or(0).max(heading);
        let Some(width) = width.filter(|_| self.columns[index].alignment == Alignment::Left) else {
            return Size { natural, least: natural };
        };
        let words = column().flat_map(|cell| cell.split(' ')).map(columns_of);
        // A path may be wider than the terminal.
        let word = words.max().unwrap_or(0).min(width / 2);
        Size { natural, least: word.max(MIN_TEXT_WIDTH).max(heading).min(natural) }
    }

    /// The rows that have anything in the columns `part` beside their names. In the first part, all rows are shown.
    fn rows_of(&self, part: &[usize]) -> Vec<&CellsOfRow> {
        let further = &part[self.names.min(part.len())..];
        let is_first = further.first().is_none_or(|&index| index == self.names);
        let has_cells = |row: &&CellsOfRow| {
            let mut cells = further.iter().filter_map(|&index| row.cells.get(index));
            is_first || cells.any(|cell| !cell.is_empty())
        };
        self.rows.iter().filter(has_cells).collect()
    }

    /// `rows` with the columns of `part`, each with its width.
    fn draw(&self, part: &[(usize, usize)], rows: &[&CellsOfRow]) -> Grid {
        let mut grid = Grid::new();
        grid.load_style(NOTHING);
        let aligned = |index: usize, text: &str| {
            let alignment = match self.columns[index].alignment {
                Alignment::Left => CellAlignment::Left,
                Alignment::Right => CellAlignment::Right,
            };
            GridCell::new(text).set_alignment(alignment)
        };
        grid.set_header(part.iter().map(|&(index, _)| aligned(index, &self.headings[index])));
        let mut before = None;
        for row in rows {
            let is_repeated = before.replace(row.group) == Some(row.group);
            let cell = |&(index, _): &(usize, usize)| match row.cells.get(index) {
                Some(cell) if index > 0 || !is_repeated => aligned(index, cell),
                _ => aligned(index, ""),
            };
            grid.add_row(part.iter().map(cell));
        }
        for (column, &(_, width)) in grid.column_iter_mut().zip(part) {
            let width = u16::try_from(width + SPACING).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        }
        grid
    }
}

/// The number of columns that `text`, a line, takes on a terminal.
fn columns_of(text: &str) -> usize {
    textwrap::core::display_width(text)
}

/// Which columns of the given sizes stand beside each other. The first `names` begin every part.
fn split(sizes: &[Size], names: usize, available: usize) -> Vec<Vec<usize>> {
    let least = |index: usize| sizes[index].least + SPACING;
    let names: Vec<_> = (0..names.min(sizes.len())).collect();
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut used = 0;
    for index in names.len()..sizes.len() {
        match parts.last_mut() {
            Some(part) if used + least(index) <= available => {
                part.push(index);
                used += least(index);
            }
            _ => {
                parts.push(names.iter().copied().chain([index]).collect());
                used = names.iter().copied().chain([index]).map(least).sum();
            }
        }
    }
    if parts.is_empty() { vec![names] } else { parts }
}

/// The widths of the columns `part`: what the least widths leave goes to the column that lacks most, column by column.
fn widths(part: &[usize], sizes: &[Size], available: usize) -> Vec<usize> {
    let mut widths: Vec<_> = part.iter().map(|&index| sizes[index].least).collect();
    let used: usize = widths.iter().map(|width| width + SPACING).sum();
    let natural: usize = part.iter().map(|&index| sizes[index].natural + SPACING).sum();
    for _ in used..natural.min(available) {
        let lacks = |&position: &usize| sizes[part[position]].natural - widths[position];
        if let Some(position) = (0..part.len()).max_by_key(lacks) {
            widths[position] += 1;
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sizes() -> impl Strategy<Value = Vec<Size>> {
        let size = (1usize..30, 0usize..60).prop_map(|(least, more)| Size { natural: least + more, least });
        proptest::collection::vec(size, 1..12)
    }

    proptest! {
        #[test]
        fn every_column_is_in_one_part_and_every_part_fits(
            sizes in sizes(), names in 1usize..3, available in 96usize..300,
        ) {
            let parts = split(&sizes, names, available);
            let names: Vec<_> = (0..names.min(sizes.len())).collect();
            let shown: Vec<_> = parts.iter().flat_map(|part| &part[names.len()..]).copied().collect();
            prop_assert_eq!(shown, (names.len()..sizes.len()).collect::<Vec<_>>());
            for part in &parts {
                prop_assert!(part.starts_with(&names));
                let widths = widths(part, &sizes, available);
                prop_assert!(widths.iter().sum::<usize>() + SPACING * part.len() <= available);
                for (&index, width) in part.iter().zip(widths) {
                    prop_assert!((sizes[index].least..=sizes[index].natural).contains(&width));
                }
            }
        }
    }

    #[test]
    fn rows_of_a_group_are_named_by_two_columns() {
        let columns = ["broker", "to", "messages", "note"].map(|name| Column::text(name, name)).to_vec();
        let row =
            |to: &str, note: &str| Row::new(vec!["amqp".into(), to.into(), "persistent".into(), note.into()]);
        let long = "a note of more than twenty columns";
        let rows = vec![row("server", ""), row("client-that-is-away", long), row("client", long)];
        let table = Table { columns, rows, is_grouped: true, ..Table::default() };
        let parts = parts(&table, Some(40));
        let names = |part: &str| part.lines().filter(|line| line.contains("amqp")).count();
        let found: Vec<_> = parts.iter().map(|part| names(part)).collect();
        // In the second part only the rows with a note.
        assert_eq!(found, [1, 1], "{parts:#?}");
        assert!(parts[1].contains("client-that-is-away") && !parts[1].contains("server"), "{parts:#?}");
    }

    #[test]
    fn a_table_wraps_its_text_and_then_continues_below() {
        let columns = vec![
            Column::text("stack", "stack"),
            Column::number("p50", "p50 µs", crate::report::model::Unit::Microseconds),
            Column::text("notes", "notes"),
        ];
        let notes = "some remark that is wider than the line";
        let row = |stack: &str| Row::new(vec![stack.into(), Cell::number(12.5), notes.into()]);
        let table = Table { columns, rows: vec![row("rest"), row("zerorpc-zeromq")], ..Table::default() };
        let drawn = |width| parts(&table, width).iter().map(|part| part.lines().count()).collect::<Vec<_>>();
        assert_eq!(drawn(None), [3]);
        assert_eq!(drawn(Some(80)), [3]);
        // Two lines for each remark.
        assert_eq!(drawn(Some(50)), [5]);
        assert_eq!(drawn(Some(40)), [3, 5]);
        // A row without a remark is not repeated.
        let mut table = table.clone();
        table.rows[0].cells[2] = Cell::Empty;
        let drawn = |width| parts(&table, width).iter().map(|part| part.lines().count()).collect::<Vec<_>>();
        assert_eq!(drawn(Some(40)), [3, 3]);
        let widest = parts(&table, Some(40)).iter().flat_map(|part| part.lines().map(columns_of)).max();
        assert!(widest <= Some(40), "{widest:?}");
    }
}
