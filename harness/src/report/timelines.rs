//! What became of the calls of each timeline, while servers ended and started or the rate changed.

use std::time::Duration;

use super::describe;
use super::model::{Cell, Column, Quantity, Row, Table, Unit};
use super::spread::Spread;
use super::stack::StackKind;
use super::text;
use crate::record::{Record, Status, TimelineResult};
use crate::scenario::{Action, Timeline};

const COLUMNS: [Column; 9] = [
    Column::text("stack", "stack"),
    Column::number("calls", "calls", Unit::Count).meaning("that were scheduled"),
    Column::number("lost", "lost", Unit::Count)
        .meaning("calls that got no right answer: they failed, timed out or were not sent")
        .with_inline_range(),
    Column::number("failed", "failed", Unit::Count)
        .meaning("of the lost ones: the caller got an error")
        .with_inline_range(),
    Column::number("timed-out", "timed out", Unit::Count)
        .meaning("of the lost ones: the caller waited until the deadline")
        .with_inline_range(),
    Column::number("late", "late", Unit::Count)
        .meaning(
            "calls that were scheduled while no server or no broker ran, and answered correctly after it was started again",
        )
        .with_inline_range(),
    Column::number("level-again", "recovery ms", Unit::Count)
        .meaning(
            "recovery time: from the beginning of the last start to the first second in which every call got the correct \
             answer, and half of the calls of each 100 ms within twice the median before the first event; `–` if a block \
             has no such second",
        )
        .with_inline_range(),
    Column::number("median-before", "p50 before µs", Unit::Microseconds)
        .meaning("median response time before the first event"),
    Column::number("executed", "executed", Unit::Count).meaning(
        "calls that the servers executed, by their count (a little too small if a server was killed); `–` if a server \
         does not report it",
    ),
];

/// The further columns of a timeline in which servers are added.
const COLUMNS_OF_ADDED: [Column; 4] = [
    Column::number("answers-before", "answers/s before", Unit::CallsPerSecond)
        .meaning("right answers per second that arrived before the first event"),
    Column::number("answers-at-end", "at the end", Unit::CallsPerSecond)
        .meaning("right answers per second that arrived in the last second")
        .with_inline_range(),
    Column::number("slowest-at-end", "slowest at the end ms", Unit::Count)
        .meaning("longest response time of the calls of the last second; `–` if a block has one without a right answer")
        .with_inline_range(),
    Column::number("added-share", "by added servers %", Unit::Percent)
        .meaning("share of the executed calls that the added servers executed")
        .with_inline_range(),
];

/// A timeline of the scenario, and what became of the calls of each stack.
pub(super) struct Timelines<'a> {
    pub timeline: &'a Timeline,
    /// The stacks, the one that lost the fewest calls first.
    pub stacks: Vec<StackTimeline<'a>>,
    timeout: Duration,
}

/// The blocks of one stack in a timeline.
pub(super) struct StackTimeline<'a> {
    pub stack: &'a str,
    /// The kind of the stack; absent where the record does not describe it.
    pub kind: Option<StackKind>,
    /// The blocks that count.
    pub blocks: Vec<&'a TimelineResult>,
    /// Why the first block that does not count is left out.
    pub left_out: Option<&'a str>,
}

/// The timelines of `record` that were run.
pub(super) fn timelines(record: &Record) -> Vec<Timelines<'_>> {
    let timelines = record.scenario.timelines.iter().map(|timeline| Timelines::new(timeline, record));
    timelines.filter(|timeline| !timeline.stacks.is_empty()).collect()
}

impl<'a> Timelines<'a> {
    fn new(timeline: &'a Timeline, record: &'a Record) -> Self {
        let of_stack = |name: &'a str, kind| {
            let results = record.timelines.iter();
            let (blocks, others): (Vec<_>, Vec<_>) = results
                .filter(|result| result.timeline == timeline.name && result.stack == name)
                .partition(|result| result.status == Status::Valid);
            let left_out = others.first().and_then(|result| result.complaint.as_deref());
            StackTimeline { stack: name, kind, blocks, left_out }
        };
        let kinds = record.stacks.iter().map(|facts| (facts.name.as_str(), Some(StackKind::of(facts))));
        let mut stacks: Vec<_> = kinds
            .map(|(name, kind)| of_stack(name, kind))
            .filter(|stack| !stack.blocks.is_empty() || stack.left_out.is_some())
            .collect();
        stacks.sort_by(|a, b| a.median_lost().total_cmp(&b.median_lost()));
        let timeout = timeline.timeout.unwrap_or(record.scenario.timeout);
        Timelines { timeline, stacks, timeout }
    }

    /// The calls, the events where there are some, and the placement.
    pub(super) fn conditions(&self) -> String {
        let placement = describe::placement(&self.timeline.measurement());
        let events =
            if self.has_stages() { String::new() } else { format!("; {}", self.events().join(", ")) };
        format!("{}{events}; {placement}", self.calls())
    }

    /// The load, the deadline of a call, and the servers.
    pub(super) fn calls(&self) -> String {
        let servers = match self.timeline.servers.get() {
            1 => String::new(),
            servers => format!("; {servers} servers"),
        };
        let timeout = humantime::format_duration(self.timeout);
        let load = if self.has_stages() {
            describe::stages(self.timeline)
        } else {
            describe::load(&self.timeline.measurement())
        };
        format!("{load}, each within {timeout}{servers}")
    }

    /// The events as they were planned.
    fn events(&self) -> Vec<String> {
        self.timeline.sorted_events().iter().map(ToString::to_string).collect()
    }

    /// Whether the rate of the calls changes in stages.
    pub(super) fn has_stages(&self) -> bool {
        !self.timeline.stages.is_empty()
    }

    /// The events, or the stages, with the times at which they begin.
    pub(super) fn marks(&self) -> Vec<(Duration, String)> {
        let events = self.timeline.sorted_events().into_iter();
        let mut begin = Duration::ZERO;
        let ramps = self.timeline.ramps();
        let stages = ramps.iter().map(|ramp| {
            let mark = (begin, describe::rates(ramp.from, ramp.to));
            begin += ramp.length;
            mark
        });
        events.map(|event| (event.at, event.action.name().to_owned())).chain(stages).collect()
    }

    /// Whether servers are added.
    fn adds_servers(&self) -> bool {
        self.timeline.events.iter().any(|event| event.action == Action::AddServer)
    }

    /// The table of the timeline.
    pub(super) fn table(&self) -> Table {
        let blocks = self.stacks.iter().map(|stack| stack.blocks.len()).max().unwrap_or(0);
        let adds_servers = self.adds_servers();
        let further = COLUMNS_OF_ADDED.iter().filter(|_| adds_servers);
        Table {
            title: self.timeline.name.clone(),
            subtitle: Some(self.conditions()),
            columns: COLUMNS.iter().chain(further).copied().collect(),
            rows: self.stacks.iter().map(|stack| stack.row(adds_servers)).collect(),
            note: (blocks > 1).then(|| {
                format!("medians of {blocks} blocks, with the smallest and the largest where they differ")
            }),
            ..Table::default()
        }
    }

    /// How many calls each stack lost, in a sentence; `None` where no block counts.
    pub(super) fn answer(&self) -> Option<String> {
        let of_stack = |stack: &StackTimeline<'_>| {
            let calls = stack.spread(|result| Some(result.counts().slots))?.median;
            let lost = text::thousands(stack.median_lost());
            let late = stack.spread(|result| Some(result.late()))?.median;
            let late = if late > 0.0 { format!(", {} late", text::thousands(late)) } else { String::new() };
            Some(format!("{} {lost} of {}{late}", stack.stack, text::thousands(calls)))
        };
        let stacks: Vec<_> = self.stacks.iter().filter_map(of_stack).collect();
        let (name, events) = (&self.timeline.name, self.events().join(", "));
        let answers = self.answers().unwrap_or_default();
        (!stacks.is_empty())
            .then(|| format!("{name} ({events}): calls lost: {}.{answers}", stacks.join("; ")))
    }

    /// The answers per second before the first event and at the end, in a sentence; `None` where no server is added, or no
    /// block has them.
    fn answers(&self) -> Option<String> {
        let of_stack = |stack: &StackTimeline<'_>| {
            let [before, end] = [TimelineResult::answers_before, TimelineResult::answers_at_end]
                .map(|of| stack.figure(of).map(|spread| text::thousands(spread.median)));
            Some(format!("{} {} and {}", stack.stack, before?, end?))
        };
        let stacks: Vec<_> = self.stacks.iter().filter_map(of_stack).collect();
        let has_any = self.adds_servers() && !stacks.is_empty();
        has_any.then(|| format!(" Answers per second before and at the end: {}.", stacks.join("; ")))
    }
}

impl StackTimeline<'_> {
    /// The spread of a number over the blocks; `None` where a block lacks it.
    #[allow(clippy::cast_precision_loss)]
    fn spread(&self, number: impl Fn(&TimelineResult) -> Option<u64>) -> Option<Spread> {
        self.figure(|result| number(result).map(|number| number as f64))
    }

    /// The spread of a figure over the blocks; `None` where a block lacks it, or it is infinite.
    fn figure(&self, figure: impl Fn(&TimelineResult) -> Option<f64>) -> Option<Spread> {
        let finite = |figure: f64| figure.is_finite().then_some(figure);
        let figures = self.blocks.iter().map(|result| Some((result.block, finite(figure(result)?)?)));
        Spread::of(&figures.collect::<Option<Vec<_>>>()?)
    }

    fn median_lost(&self) -> f64 {
        self.spread(|result| Some(result.lost())).map_or(f64::INFINITY, |lost| lost.median)
    }

    /// The row of the stack, with the figures about added servers where there are some.
    fn row(&self, adds_servers: bool) -> Row {
        if self.blocks.is_empty() {
            return Row::not_measured(self.stack, self.left_out.unwrap_or("no reason recorded"));
        }
        let count = |number: fn(&TimelineResult) -> Option<u64>| cell(self.spread(number), 1.0);
        let figure = |figure: fn(&TimelineResult) -> Option<f64>, unit| cell(self.figure(figure), unit);
        let of_added = [
            figure(TimelineResult::answers_before, 1.0),
            figure(TimelineResult::answers_at_end, 1.0),
            figure(TimelineResult::slowest_at_end_ms, 1.0),
            figure(TimelineResult::added_share, 0.01),
        ];
        let mut cells = vec![
            self.stack.into(),
            count(|result| Some(result.counts().slots)),
            count(|result| Some(result.lost())),
            count(|result| Some(result.counts().errors())),
            count(|result| Some(result.counts().timed_out)),
            count(|result| Some(result.late())),
            cell(self.spread(TimelineResult::level_again_ns), 1e6),
            cell(self.spread(|result| result.median_before_ns), 1e3),
            count(TimelineResult::executed),
        ];
        cells.extend(of_added.into_iter().filter(|_| adds_servers));
        Row { stack: self.kind, ..Row::new(cells) }
    }
}

/// A cell with the median of `spread`, and its range where the blocks differ, in units of `unit`.
fn cell(spread: Option<Spread>, unit: f64) -> Cell {
    spread.map_or(Cell::Missing, |spread| {
        let Spread { median, min, max, .. } = spread.map(|value| value / unit);
        Cell::Quantity(Quantity { range: (min < max).then_some((min, max)), ..Quantity::new(median) })
    })
}
