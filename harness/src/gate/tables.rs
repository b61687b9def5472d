//! The outcome of a gate in sentences and a table.

use std::time::Duration;

use super::decision::{Judgement, Verdict};
use super::outcome::{BytesOfStack, CountsOfStack, Outcome};
use super::run::time_of;
use super::side::ExchangedEnd;
use crate::compare::CallBytes;
use crate::compare::counts;
use crate::report::Document;
use crate::report::model::{Cell, Column, Row, Table, Unit};
use crate::stats::{ERROR_RATE, median};

const COLUMNS: [Column; 7] = [
    Column::text("stack", "stack"),
    Column::text("metric", "metric"),
    Column::number("base", "base", Unit::Microseconds)
        .meaning("a call on the base side, median of the rounds"),
    Column::text("difference", "new than base").right_aligned().meaning("median of the rounds; + is slower"),
    Column::text("bounds", "bounds")
        .right_aligned()
        .meaning("each is wrong in at most one gate of a hundred"),
    Column::text("threshold", "threshold").right_aligned().meaning("by how much the new side may be slower"),
    Column::text("verdict", "verdict"),
];

const BYTES: [Column; 4] = [
    Column::text("stack", "stack"),
    Column::text("base", "base ↑ + ↓").right_aligned().meaning("towards the server and back, over all hops"),
    Column::text("new", "new ↑ + ↓").right_aligned(),
    Column::text("difference", "difference"),
];

impl Outcome {
    /// The outcome in sentences and a table.
    #[must_use]
    pub fn document(&self) -> Document {
        let rounds = self.rounds.last().map_or(0, |round| round.round + 1);
        let end = match self.side {
            ExchangedEnd::Server => "servers differ, one client",
            ExchangedEnd::Client => "clients differ, one server",
            ExchangedEnd::Both => "servers and clients differ",
        };
        Document {
            title: "Gate".to_owned(),
            circumstances: vec![
                format!("base: {}", self.base),
                format!("new: {}", self.new),
                format!(
                    "{end}; {}, placement {}; {rounds} rounds, {:.0} s of calls, {:.0} s in all, seed {}",
                    self.settings.operation,
                    self.settings.placement,
                    self.measured_seconds,
                    self.seconds,
                    self.seed
                ),
            ],
            answer: vec![self.answer()],
            warnings: self.notes.clone(),
            tables: [Some(bytes(&self.bytes)), self.counts()]
                .into_iter()
                .flatten()
                .chain([Table {
                    title: "New compared with base".to_owned(),
                    columns: COLUMNS.to_vec(),
                    rows: self.judgements.iter().map(|row| self.row(row)).collect(),
                    note: Some(self.how_often_it_is_wrong()),
                    is_grouped: true,
                    ..Table::default()
                }])
                .collect(),
            ..Document::default()
        }
    }

    /// The instructions and allocations of a call; `None` where they were not counted.
    fn counts(&self) -> Option<Table> {
        let row = |counted: &CountsOfStack| {
            let [base, new] = &counted.counts;
            counts::row(&counted.name(), base, new)
        };
        let title = "Instructions and allocations of a call";
        (!self.counts.is_empty())
            .then(|| counts::table(title, ["base", "new"], self.counts.iter().map(row).collect()))
    }

    fn how_often_it_is_wrong(&self) -> String {
        let exception = if self.single_link {
            ", except where the single links themselves differ by more than the thresholds allow"
        } else {
            ""
        };
        format!(
            "A false alarm, or a change that is let through although it is slower by more than a threshold, occurs in at most \
             {:.0} % of gates{exception}",
            ERROR_RATE * 100.0
        )
    }

    fn answer(&self) -> String {
        let more = self.bytes.iter().filter(|row| row.difference().is_some_and(|more| more > 0));
        let more: Vec<_> = more.map(|row| row.stack.as_str()).collect();
        if !more.is_empty() {
            return format!("A call takes more bytes: {}.", more.join(", "));
        }
        let more: Vec<_> = self.counts.iter().filter(|row| row.has_more()).map(CountsOfStack::name).collect();
        if !more.is_empty() {
            return format!("A call takes more instructions or allocations: {}.", more.join("; "));
        }
        let of = |verdict| -> Vec<String> {
            let rows = self.judgements.iter().filter(|row| row.verdict == verdict);
            rows.map(|row| format!("{} ({})", row.stack, row.metric.name())).collect()
        };
        match self.verdict {
            Verdict::Slower => {
                format!("Slower than the threshold allows: {}.", of(Verdict::Slower).join(", "))
            }
            Verdict::NotSlower => "Not slower than the thresholds allow.".to_owned(),
            Verdict::Undecided => {
                let undecided = self.judgements.iter().filter(|row| row.verdict == Verdict::Undecided);
                let needed = undecided.map(|row| row.rounds_needed).collect::<Option<Vec<_>>>();
                let needed = match needed.and_then(|rounds| rounds.into_iter().max()) {
                    Some(rounds) => format!(
                        "it would take about {} of calls for each stack",
                        humantime::format_duration(Duration::from_secs(
                            time_of(rounds, &self.settings).as_secs().max(1)
                        ))
                    ),
                    None => "no end is in sight: the difference is close to the threshold, or the machine too noisy"
                        .to_owned(),
                };
                format!("Undecided: {}; {needed}.", of(Verdict::Undecided).join(", "))
            }
        }
    }
}

/// The bytes of a call of each stack.
fn bytes(all: &[BytesOfStack]) -> Table {
    let cell = |bytes: &Option<CallBytes>| match bytes {
        Some(CallBytes { up, down, .. }) => format!("{up} + {down}").into(),
        None => Cell::Missing,
    };
    let difference = |row: &BytesOfStack| match row.difference() {
        Some(0) => "equal".into(),
        Some(more) => format!("{more:+}").into(),
        None => "not counted exactly".into(),
    };
    let row = |row: &BytesOfStack| {
        Row::new(vec![row.stack.as_str().into(), cell(&row.bytes[0]), cell(&row.bytes[1]), difference(row)])
    };
    Table {
        title: "Bytes of a call".to_owned(),
        columns: BYTES.to_vec(),
        rows: all.iter().map(row).collect(),
        ..Table::default()
    }
}

impl Outcome {
    fn row(&self, judgement: &Judgement) -> Row {
        let rounds = self.rounds.iter().filter(|round| round.stack == judgement.stack);
        let metrics =
            rounds.flat_map(|round| &round.metrics).filter(|of_round| of_round.metric == judgement.metric);
        let base: Vec<f64> = metrics.map(|of_round| of_round.base_ns).collect();
        let verdict = match judgement.verdict {
            Verdict::Slower => "slower",
            Verdict::NotSlower => "not slower",
            Verdict::Undecided => "undecided",
        };
        let text = |value: Option<String>| value.map_or(Cell::Missing, Cell::Text);
        Row::new(vec![
            judgement.stack.as_str().into(),
            judgement.metric.name().into(),
            Cell::optional(median(&base).map(|ns| ns / 1_000.0)),
            text(judgement.difference.map(percent)),
            text(bounds(judgement.lower_bound, judgement.upper_bound)),
            format!("{:.2} %", judgement.threshold * 100.0).into(),
            verdict.into(),
        ])
    }
}

fn percent(share: f64) -> String {
    format!("{:+.2} %", share * 100.0)
}

/// The bounds of a difference, shares that may be absent; `None` if both are.
fn bounds(low: Option<f64>, high: Option<f64>) -> Option<String> {
    match (low.map(percent), high.map(percent)) {
        (Some(low), Some(high)) => Some(format!("{low} to {high}")),
        (Some(low), None) => Some(format!("≥ {low}")),
        (None, Some(high)) => Some(format!("≤ {high}")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_bound_is_shown_as_such() {
        for (low, high, expected) in [
            (Some(-0.001), Some(0.012), Some("-0.10 % to +1.20 %")),
            (Some(0.012), None, Some("≥ +1.20 %")),
            (None, Some(0.0), Some("≤ +0.00 %")),
            (None, None, None),
        ] {
            assert_eq!(bounds(low, high).as_deref(), expected);
        }
    }
}
