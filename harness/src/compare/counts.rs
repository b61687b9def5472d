//! The instructions and allocations of a call in two records: equal or not.

use serde::Serialize;

use crate::load::Operation;
use crate::record::{CallCounts, Record};
use crate::report::model::{Cell, Column, Row, Table, Unit};

/// The instructions and allocations of a call at the server of one stack in two records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CountsComparison {
    /// Those of the first record.
    pub base: CallCounts,
    /// Those of the second record.
    pub new: CallCounts,
    /// Whether they are equal, but for what counts of the same program differ by.
    pub is_equal: bool,
}

impl CountsComparison {
    /// The stack, with its operation unless that is `add`.
    fn name(&self) -> String {
        match self.base.operation {
            Operation::ADD => self.base.stack.clone(),
            operation => format!("{} {operation}", self.base.stack),
        }
    }
}

/// Compares the counts of each stack and operation that both records have, those that differ first.
pub(super) fn compare(base: &Record, new: &Record) -> Vec<CountsComparison> {
    let compare = |base: &CallCounts| {
        let same = |new: &&CallCounts| new.stack == base.stack && new.operation == base.operation;
        let new = new.counts.iter().find(same)?;
        let is_equal = !new.is_more_than(base) && !base.is_more_than(new);
        Some(CountsComparison { base: base.clone(), new: new.clone(), is_equal })
    };
    let mut all: Vec<_> = base.counts.iter().filter_map(compare).collect();
    all.sort_by_key(|comparison| comparison.is_equal);
    all
}

/// What differs, in a sentence; `None` where nothing was counted.
pub(super) fn in_words(all: &[CountsComparison]) -> Option<String> {
    let differing: Vec<_> = all.iter().filter(|row| !row.is_equal).map(CountsComparison::name).collect();
    match (all.is_empty(), differing.is_empty()) {
        (true, _) => None,
        (false, true) => Some("The instructions and allocations of every call are unchanged.".to_owned()),
        (false, false) => {
            Some(format!("The instructions or allocations of a call changed for {}.", differing.join(", ")))
        }
    }
}

/// The table of a comparison of records; `None` where nothing was counted.
pub(super) fn of_records(all: &[CountsComparison]) -> Option<Table> {
    let row = |comparison: &CountsComparison| Row {
        is_muted: comparison.is_equal,
        ..row(&comparison.name(), &comparison.base, &comparison.new)
    };
    let title = "Instructions and allocations of a call at the server";
    (!all.is_empty()).then(|| table(title, ["first", "second"], all.iter().map(row).collect()))
}

/// A row of [`table`].
pub(crate) fn row(name: &str, base: &CallCounts, new: &CallCounts) -> Row {
    let pair = |of: fn(&CallCounts) -> f64| Cell::Pair([Some(of(base)), Some(of(new))]);
    let more = new.more_instructions_than(base);
    let instructions = if more.abs() > CallCounts::MAX_NOISE {
        format!("{:+.1} %", 100.0 * more)
    } else {
        "equal".to_owned()
    };
    let allocations = match new.more_allocations_than(base) {
        more if more.abs() < 0.5 => "equal".to_owned(),
        more => format!("{more:+}"),
    };
    Row::new(vec![
        name.into(),
        pair(|counts| counts.instructions),
        instructions.into(),
        pair(|counts| counts.allocations),
        allocations.into(),
    ])
}

/// The table of instructions and allocations. `sides` names the two sides.
pub(crate) fn table(title: &str, sides: [&str; 2], rows: Vec<Row>) -> Table {
    let [base, new] = sides;
    Table {
        title: title.to_owned(),
        subtitle: Some(format!(
            "counted by Callgrind, {base} and {new}; instructions that differ by at most {} % are equal",
            100.0 * CallCounts::MAX_NOISE
        )),
        columns: vec![
            Column::text("stack", "stack"),
            Column::number("instructions", "instructions", Unit::Count),
            Column::text("more-instructions", "difference").right_aligned(),
            Column::number("allocations", "allocations", Unit::Count),
            Column::text("more-allocations", "difference").right_aligned(),
        ],
        rows,
        ..Table::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::sample;

    fn record(instructions: f64, allocations: f64) -> Record {
        let counts =
            CallCounts { stack: "rest".to_owned(), operation: Operation::ADD, instructions, allocations };
        Record { counts: vec![counts], ..sample() }
    }

    #[test]
    fn what_differs_is_named_and_noise_does_not() {
        let base = record(20_000.0, 12.0);
        for (new, expected) in [
            (record(20_050.0, 12.01), "The instructions and allocations of every call are unchanged."),
            (record(20_300.0, 12.0), "The instructions or allocations of a call changed for rest."),
            (record(19_000.0, 12.0), "The instructions or allocations of a call changed for rest."),
            (record(20_000.0, 13.0), "The instructions or allocations of a call changed for rest."),
        ] {
            assert_eq!(in_words(&compare(&base, &new)).as_deref(), Some(expected));
        }
        let uncounted = Record { counts: vec![], ..base.clone() };
        assert_eq!(compare(&base, &uncounted), []);
        assert_eq!(in_words(&[]), None);
        assert!(of_records(&[]).is_none());
    }

    #[test]
    fn the_table_shows_both_sides_and_the_difference() {
        let table = of_records(&compare(&record(20_000.0, 12.0), &record(20_400.0, 11.0))).unwrap();
        let shown: Vec<_> = [2, 4].map(|column| table.rows[0].cells[column].clone()).to_vec();
        assert_eq!(shown, [Cell::from("+2.0 %".to_owned()), Cell::from("-1".to_owned())]);
    }
}
