//! The service level objectives of a scenario, and whether they were kept.

use super::model::{Cell, Column, Row, Table};
use super::text;
use crate::claims::{JudgedSlo, SloOutcome};
use crate::scenario::SloFigure;

const COLUMNS: [Column; 5] = [
    Column::text("slo", "objective"),
    Column::text("stack", "stack"),
    Column::text("measurement", "measurement").wide(),
    Column::text("value", "value").right_aligned(),
    Column::text("outcome", "outcome")
        .meaning("`undecided` where there are too few calls for the figure, no valid trial, or errors within the limit and trials that failed"),
];

/// A row for each objective, stack and measurement; `None` where there are none.
pub(super) fn table(judged: &[JudgedSlo]) -> Option<Table> {
    (!judged.is_empty()).then(|| {
        let count = |outcome| judged.iter().filter(|judged| judged.outcome == outcome).count();
        let [kept, broken, undecided] =
            [SloOutcome::Kept, SloOutcome::Broken, SloOutcome::Undecided].map(count);
        let undecided = if undecided > 0 { format!(", {undecided} undecided") } else { String::new() };
        Table {
            title: "Service level objectives".to_owned(),
            subtitle: Some(format!(
                "{kept} kept, {broken} broken{undecided}; response times and rates of valid trials, errors of all trials"
            )),
            columns: COLUMNS.to_vec(),
            rows: judged.iter().map(row).collect(),
            is_grouped: true,
            ..Table::default()
        }
    })
}

fn row(judged: &JudgedSlo) -> Row {
    let value = match (judged.value, judged.slo.figure) {
        (None, _) if judged.outcome == SloOutcome::Broken => "no answer".into(),
        (None, _) => Cell::Missing,
        (Some(nanos), SloFigure::ResponseTime(_)) => format!("{} µs", text::micros(nanos)).into(),
        (Some(share), SloFigure::ErrorRate) => format!("{:.3} %", 100.0 * share).into(),
        (Some(rate), SloFigure::Rate) => format!("{} calls/s", text::decimals(rate)).into(),
    };
    Row::new(vec![
        judged.slo.to_string().into(),
        judged.stack.as_str().into(),
        judged.measurement.as_str().into(),
        value,
        judged.outcome.name().into(),
    ])
}
