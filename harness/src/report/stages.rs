//! The stages of a timeline: the calls of each, and response times over time.

use hdrhistogram::Histogram;

use super::describe;
use super::model::{Cell, Column, Note, Row, Table, Unit};
use super::text;
use super::timelines::{StackTimeline, Timelines};
use crate::observe::Counts;
use crate::record::{HistogramError, StageResult, Status, TimelineInterval};
use crate::stats::{carries_quantile, growing_histogram, quantile_with_missing};

const COLUMNS: [Column; 10] = [
    Column::text("stack", "stack"),
    Column::text("stage", "stage"),
    Column::number("calls", "calls", Unit::Count).meaning("that were scheduled, in all blocks that count"),
    Column::number("answers", "answers/s", Unit::CallsPerSecond)
        .meaning("right answers per second of the stage's length"),
    Column::number("p50", "p50 µs", Unit::Microseconds)
        .meaning("half of the calls got a right answer within this time from their scheduled send time"),
    Column::number("p99", "p99 µs", Unit::Microseconds).meaning(
        "the same for 99 of 100 calls; `–` where that many got none, or there are fewer than 1,000 calls",
    ),
    Column::number("max", "longest µs", Unit::Microseconds)
        .meaning("longest response time of a right answer"),
    Column::number("not-correct", "not correct", Unit::Count).meaning("calls without a right answer"),
    Column::number("lag", "lag µs", Unit::Microseconds)
        .meaning(
            "schedule lag: how late the load generator itself sent calls; one call in 100 was later, of fewer than 1,000 ten calls; \
             in the worst block",
        ),
    Column::text("notes", "notes").wide(),
];

const COLUMNS_OVER_TIME: [Column; 8] = [
    Column::text("stack", "stack"),
    Column::number("time", "time s", Unit::Count)
        .meaning("from the first call that counts, by scheduled send times"),
    Column::number("offered", "calls/s", Unit::CallsPerSecond).meaning("that were scheduled"),
    Column::number("answers", "answers/s", Unit::CallsPerSecond).meaning("right answers to these calls"),
    Column::number("p50", "p50 µs", Unit::Microseconds),
    Column::number("p99", "p99 µs", Unit::Microseconds)
        .meaning("`–` where one of 100 calls got no right answer, or there are fewer than 1,000 calls"),
    Column::number("max", "longest µs", Unit::Microseconds)
        .meaning("longest response time of a right answer"),
    Column::number("not-correct", "not correct", Unit::Count).meaning("calls without a right answer"),
];

/// The calls of a stage in all blocks that count.
struct StageCalls {
    counts: Counts,
    responses: Histogram<u64>,
    seconds: f64,
    lag_ns: Option<u64>,
}

/// The table of a timeline: a row for each stage of each stack, or for each stack where there are no stages.
pub(super) fn table(timelines: &Timelines<'_>) -> Table {
    if !timelines.has_stages() {
        return timelines.table();
    }
    let rows = timelines.stacks.iter().flat_map(|stack| {
        if stack.blocks.is_empty() {
            let reason = stack.left_out.unwrap_or("no reason recorded");
            return vec![Row::not_measured(stack.stack, reason)];
        }
        let stages = timelines.timeline.ramps().len();
        (0..stages).map(|index| row(stack, index)).collect::<Vec<_>>()
    });
    Table {
        title: timelines.timeline.name.clone(),
        subtitle: Some(timelines.conditions()),
        columns: COLUMNS.to_vec(),
        rows: rows.collect(),
        is_grouped: true,
        ..Table::default()
    }
}

/// The response times of the first block that counts of each stack, over time; `None` where there are no stages, or no block counts.
pub(super) fn over_time(timelines: &Timelines<'_>) -> Option<Table> {
    let rows = timelines.stacks.iter().filter_map(|stack| Some((stack, stack.blocks.first()?)));
    let rows: Vec<_> =
        rows.flat_map(|(stack, result)| result.intervals.iter().map(move |it| interval(stack, it))).collect();
    (timelines.has_stages() && !rows.is_empty()).then(|| Table {
        title: format!("{} over time", timelines.timeline.name),
        subtitle: Some("the first block that counts".to_owned()),
        columns: COLUMNS_OVER_TIME.to_vec(),
        rows,
        is_grouped: true,
        ..Table::default()
    })
}

/// The response times in the last stage that counts of each stack, in a sentence; of a timeline without stages its own answer.
pub(super) fn answer(timelines: &Timelines<'_>) -> Option<String> {
    if !timelines.has_stages() {
        return timelines.answer();
    }
    let of_stack = |stack: &StackTimeline<'_>| {
        let stages = 0..timelines.timeline.ramps().len();
        let (stage, calls) = stages.rev().find_map(|index| {
            let valid = valid(stack, index);
            Some((*valid.first()?, merged(&valid).ok()?))
        })?;
        let shown = |q| calls.quantile(q).map(|nanos| format!("{} µs", text::micros(nanos)));
        let p50 = shown(0.5).unwrap_or_else(|| "unanswered".to_owned());
        let p99 = shown(0.99).map_or_else(String::new, |p99| format!(", p99 {p99}"));
        let rates = describe::rates(stage.from, stage.to);
        Some(format!("{} p50 {p50}{p99} at {rates}", stack.stack))
    };
    let stacks: Vec<_> = timelines.stacks.iter().filter_map(of_stack).collect();
    let name = &timelines.timeline.name;
    (!stacks.is_empty())
        .then(|| format!("{name} ({}), at the end: {}.", timelines.calls(), stacks.join("; ")))
}

/// The stages number `index` that count, of the blocks of `stack`.
fn valid<'a>(stack: &StackTimeline<'a>, index: usize) -> Vec<&'a StageResult> {
    let all = stack.blocks.iter().filter_map(|result| result.stages.get(index));
    all.filter(|stage| stage.status == Status::Valid).collect()
}

fn merged(stages: &[&StageResult]) -> Result<StageCalls, HistogramError> {
    let mut responses = growing_histogram();
    for latency in stages.iter().filter_map(|stage| stage.latency.as_ref()) {
        responses.add(latency.histogram()?).map_err(|error| HistogramError::new(&error))?;
    }
    #[allow(clippy::cast_precision_loss, reason = "lengths are far below 2⁵³ ns")]
    let seconds = stages.iter().map(|stage| stage.length_ns as f64 / 1e9).sum();
    Ok(StageCalls {
        counts: Counts::of(stages.iter().map(|stage| &stage.counts)),
        responses,
        seconds,
        lag_ns: stages.iter().filter_map(|stage| stage.schedule_lag_ns).max(),
    })
}

#[allow(clippy::cast_precision_loss, reason = "a timeline has at most a million calls")]
impl StageCalls {
    /// A quantile in nanoseconds, as far as the calls carry it.
    fn quantile(&self, q: f64) -> Option<f64> {
        let nanos = quantile_with_missing(&self.responses, self.counts.not_right(), q);
        nanos.filter(|_| carries_quantile(self.counts.slots as f64, q)).map(|nanos| nanos as f64)
    }

    fn cells(&self) -> Vec<Cell> {
        let micros = |nanos: Option<f64>| Cell::optional(nanos.map(|nanos| nanos / 1e3));
        let max = (!self.responses.is_empty()).then(|| self.responses.max() as f64);
        vec![
            Cell::number(self.counts.slots as f64),
            Cell::number(self.counts.right as f64 / self.seconds.max(f64::MIN_POSITIVE)),
            micros(self.quantile(0.5)),
            micros(self.quantile(0.99)),
            micros(max),
            Cell::number(self.counts.not_right() as f64),
            micros(self.lag_ns.map(|nanos| nanos as f64)),
        ]
    }
}

/// The row of stage number `index` of `stack`.
fn row(stack: &StackTimeline<'_>, index: usize) -> Row {
    let valid = valid(stack, index);
    let all: Vec<_> = stack.blocks.iter().filter_map(|result| result.stages.get(index)).collect();
    let name = all.first().map_or_else(String::new, |stage| {
        let length = std::time::Duration::from_nanos(stage.length_ns);
        format!("{}: {}", index + 1, describe::ramp((stage.from, stage.to), length))
    });
    let complaint = all.iter().find_map(|stage| stage.complaint.clone());
    let mut notes: Vec<_> = complaint
        .map(|reason| {
            let left_out = all.len() - valid.len();
            Note::Text(format!("{left_out} of {} blocks left out: {reason}", all.len()))
        })
        .into_iter()
        .collect();
    let figures = match merged(&valid) {
        Ok(calls) if !valid.is_empty() => calls.cells(),
        Ok(_) => vec![Cell::Missing; COLUMNS.len() - 3],
        Err(error) => {
            notes.push(Note::Text(error.to_string()));
            vec![Cell::Missing; COLUMNS.len() - 3]
        }
    };
    let mut cells: Vec<Cell> = vec![stack.stack.into(), name.into()];
    cells.extend(figures);
    cells.push(Cell::Notes(notes));
    Row { stack: stack.kind, ..Row::new(cells) }
}

#[allow(clippy::cast_precision_loss, reason = "a timeline has at most a million calls")]
fn interval(stack: &StackTimeline<'_>, interval: &TimelineInterval) -> Row {
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    let length = seconds(interval.to_ns.saturating_sub(interval.from_ns)).max(f64::MIN_POSITIVE);
    let micros = |nanos: Option<u64>| Cell::optional(nanos.map(|nanos| nanos as f64 / 1e3));
    let cells = vec![
        stack.stack.into(),
        Cell::Range { low: Some(seconds(interval.from_ns)), high: Some(seconds(interval.to_ns)) },
        Cell::number(interval.scheduled as f64 / length),
        Cell::number(interval.right as f64 / length),
        micros(interval.p50_ns),
        micros(interval.p99_ns),
        micros(interval.max_ns),
        Cell::number(interval.scheduled.saturating_sub(interval.right) as f64),
    ];
    Row { stack: stack.kind, ..Row::new(cells) }
}
