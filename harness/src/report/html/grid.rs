//! A table as HTML elements.

use serde::Serialize;

use crate::record::CheckFailure;
use crate::report::model::{Alignment, Cell, Column, Direction, Row, Table};
use crate::report::{plots, text};

/// The table.
#[derive(Serialize)]
pub(super) struct Grid<'a> {
    title: &'a str,
    subtitle: Option<&'a str>,
    note: Option<&'a str>,
    empty: Option<&'a str>,
    /// The headings that span the columns of a direction, where there are any.
    spans: Vec<Span>,
    headings: Vec<Heading<'a>>,
    rows: Vec<Line<'a>>,
}

/// A heading over several columns; without text it is a blank.
#[derive(Serialize)]
struct Span {
    text: String,
    columns: usize,
}

#[derive(Serialize)]
struct Heading<'a> {
    text: &'a str,
    meaning: &'a str,
    is_text: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    swatch: String,
    is_muted: bool,
    /// The header of the row; absent where a row above has one that covers this row too.
    header: Option<Header>,
    cells: Vec<Field<'a>>,
}

/// The first cell of a row or of a group of rows.
#[derive(Serialize)]
struct Header {
    text: String,
    /// The section of the page that it links to, if any.
    section: Option<String>,
    is_group: bool,
    is_wide: bool,
    rows: usize,
}

#[derive(Serialize)]
struct Field<'a> {
    value: String,
    range: Option<String>,
    is_text: bool,
    is_wide: bool,
    /// How many columns it spans, where that is more than one.
    span: Option<usize>,
    failed: &'a [CheckFailure],
}

impl<'a> Grid<'a> {
    pub(super) fn new(table: &'a Table) -> Self {
        let heading = |column: &'a Column| Heading {
            text: column.heading,
            meaning: column.meaning,
            is_text: column.alignment == Alignment::Left,
        };
        Grid {
            title: &table.title,
            subtitle: table.subtitle.as_deref(),
            note: table.note.as_deref(),
            empty: table.empty,
            spans: spans(&table.columns),
            headings: table.columns.iter().map(heading).collect(),
            rows: table.grouped_rows().map(|(row, group)| Line::new(row, group, table)).collect(),
        }
    }

    /// The same table, in which the header of each row links to the section that `id` names by the row's position.
    pub(super) fn linked(mut self, id: impl Fn(usize) -> String) -> Self {
        for (position, row) in self.rows.iter_mut().enumerate() {
            if let Some(header) = &mut row.header {
                header.section = Some(id(position));
            }
        }
        self
    }
}

/// Headings for runs of columns with the same direction; none where no column has one.
fn spans(columns: &[Column]) -> Vec<Span> {
    if columns.iter().all(|column| column.direction.is_none()) {
        return vec![];
    }
    let text = |direction: Direction| format!("{} {}", direction.name(), direction.arrow());
    let runs = columns.chunk_by(|a, b| a.direction == b.direction);
    runs.map(|run| Span { text: run[0].direction.map_or_else(String::new, text), columns: run.len() })
        .collect()
}

impl<'a> Line<'a> {
    fn new(row: &'a Row, group: Option<usize>, table: &'a Table) -> Self {
        let header = group.zip(row.cells.first()).map(|(rows, cell)| Header {
            text: text::cell(cell, None).value,
            section: None,
            is_group: table.is_grouped,
            is_wide: table.columns.first().is_some_and(|column| column.is_wide),
            rows,
        });
        let cells = row.cells.iter().zip(&table.columns).enumerate().skip(1);
        let fields = cells.map(|(index, (cell, column))| {
            let is_last = index + 1 == row.cells.len();
            let span = if is_last { table.columns.len() - index } else { 1 };
            Field::new(cell, column, span)
        });
        Line {
            swatch: row.stack.map_or_else(String::new, plots::swatch),
            is_muted: row.is_muted,
            header,
            cells: fields.collect(),
        }
    }
}

impl<'a> Field<'a> {
    fn new(cell: &'a Cell, column: &Column, span: usize) -> Self {
        let shown = text::cell(cell, column.unit);
        Field {
            value: shown.value,
            range: shown.range,
            is_text: column.alignment == Alignment::Left,
            is_wide: column.is_wide,
            span: (span > 1).then_some(span),
            failed: if let Cell::FailedChecks(failed) = cell { failed } else { &[] },
        }
    }
}
