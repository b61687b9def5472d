//! How each stack did in the conformance checks that precede the measurement.

use super::model::{Cell, Column, Row, Table, Unit};
use crate::record::{Check, Record};

const COLUMNS: [Column; 4] = [
    Column::text("stack", "stack"),
    Column::number("core", "core", Unit::Count),
    Column::number("strict", "strict", Unit::Count),
    Column::text("failed", "checks that did not pass").wide(),
];

/// The table of the conformance checks.
pub(super) fn table(record: &Record) -> Table {
    Table {
        title: "Conformance".to_owned(),
        columns: COLUMNS.to_vec(),
        rows: record.checks.iter().map(row).collect(),
        empty: Some("no stack was checked"),
        ..Table::default()
    }
}

fn row(check: &Check) -> Row {
    Row::new(vec![
        check.stack.as_str().into(),
        Cell::Share { part: check.core_passed, whole: check.core },
        Cell::Share { part: check.strict_passed, whole: check.strict },
        Cell::FailedChecks(check.failures.clone()),
    ])
}
