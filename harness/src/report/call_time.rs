//! Where the time of a call goes: what the floor, the codecs and the CPU readings of a record say.
//!
//! On one core nothing runs at the same time, so that the CPU time of all processes is the time of the call. It is divided
//! by CPU readings. What the kernel and the codec take is inferred from other measurements, and so is what waking another
//! core adds.

use super::codecs;
use super::model::{Cell, Column, Row, Table, Unit};
use super::stack::StackKind;
use super::stack_summary::StackSummary;
use super::summary::{MeasurementSummary, Summary};
use crate::deploy::Placement;
use crate::load::{Load, Operation};
use crate::record::Record;
use crate::stacks::NETWORK_FLOOR;

/// The parts of the time of a call, in microseconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CallTime {
    pub stack: String,
    pub kind: StackKind,
    /// Inferred: the CPU time of the floor's client and server, and not more than that of this stack's.
    pub kernel: f64,
    /// Inferred: the time of the codec for the call and its result, without sockets; absent without such a measurement.
    pub codec: Option<f64>,
    /// The rest of the CPU time of client and server.
    pub library: f64,
    /// The CPU time of the broker; absent without one.
    pub broker: Option<f64>,
    /// Inferred: by how much the median latency on two cores exceeds that on one; absent without such a measurement, or if it does
    /// not.
    pub wake_up: Option<f64>,
}

impl CallTime {
    /// The time on one core.
    pub(super) fn one_core(&self) -> f64 {
        self.kernel + self.codec.unwrap_or(0.0) + self.library + self.broker.unwrap_or(0.0)
    }

    /// With what waking another core adds.
    pub(super) fn total(&self) -> f64 {
        self.one_core() + self.wake_up.unwrap_or(0.0)
    }
}

/// The times of all stacks of a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CallTimes {
    /// In the order of the measurement on one core.
    pub stacks: Vec<CallTime>,
    /// The name of the measurement on one core.
    pub one_core: String,
    /// The name of the measurement on two cores; absent where there is none.
    pub two_cores: Option<String>,
}

const COLUMNS: [Column; 7] = [
    Column::text("stack", "stack"),
    Column::number("kernel", "kernel µs (inferred)", Unit::Microseconds)
        .meaning("the CPU time of the raw TCP floor: system calls and the network stack for two messages"),
    Column::number("codec", "codec µs (inferred)", Unit::Microseconds)
        .meaning("encoding and decoding a call and its result in the closest format, without sockets"),
    Column::number("library", "library µs", Unit::Microseconds)
        .meaning("the rest of the CPU time of client and server, with further system calls"),
    Column::number("broker", "broker µs", Unit::Microseconds).meaning("the CPU time of the broker"),
    Column::number("one-core", "on one core µs", Unit::Microseconds)
        .meaning("the CPU time of all processes per call, where nothing runs at the same time"),
    Column::number("wake-up", "wake-up µs (inferred)", Unit::Microseconds)
        .meaning("by how much the median latency on two cores exceeds that on one core"),
];

impl CallTimes {
    /// The times of a call of `add`; `None` where it was not measured with one caller on one core, or without the floor.
    pub(super) fn of(record: &Record, summary: &Summary) -> Option<Self> {
        let measured = |placement: Placement| {
            summary
                .measurements
                .iter()
                .find(|summary| is_plain(summary) && summary.measurement.placement == placement)
        };
        let one = measured(Placement::Shared)?;
        let two = measured(Placement::Split);
        let floor = one.stacks.iter().find(|stack| stack.stack == NETWORK_FLOOR).and_then(both_ends)?;
        let stacks: Vec<_> =
            one.stacks.iter().filter_map(|stack| of_stack(stack, floor, two, record)).collect();
        Some(CallTimes {
            stacks,
            one_core: one.measurement.name.clone(),
            two_cores: two.map(|two| two.measurement.name.clone()),
        })
    }

    /// The times as a table.
    pub(super) fn table(&self) -> Table {
        let has_codec = self.stacks.iter().any(|stack| stack.codec.is_some());
        let has_wake_up = self.two_cores.is_some();
        let is_shown = |column: &Column| match column.key {
            "codec" => has_codec,
            "wake-up" => has_wake_up,
            _ => true,
        };
        let row = |time: &CallTime| {
            let broker = time.broker.map_or(Cell::Empty, Cell::number);
            let cells = [
                time.stack.as_str().into(),
                Cell::number(time.kernel),
                Cell::optional(time.codec),
                Cell::number(time.library),
                broker,
                Cell::number(time.one_core()),
                Cell::optional(time.wake_up),
            ];
            let shown = cells.into_iter().zip(&COLUMNS).filter(|(_, column)| is_shown(column));
            Row {
                stack: Some(time.kind),
                is_muted: time.kind.is_floor(),
                ..Row::new(shown.map(|(cell, _)| cell).collect())
            }
        };
        Table {
            title: "Where the time of a call goes".to_owned(),
            subtitle: Some(self.subtitle()),
            columns: COLUMNS.into_iter().filter(is_shown).collect(),
            rows: self.stacks.iter().map(row).collect(),
            ..Table::default()
        }
    }

    fn subtitle(&self) -> String {
        let two = self.two_cores.as_ref().map(|two| format!("; wake-up from the measurement \"{two}\""));
        format!(
            "add, one caller; CPU times from the measurement \"{}\"{}",
            self.one_core,
            two.unwrap_or_default()
        )
    }
}

/// Whether one caller called `add`, with handlers that only compute the result.
fn is_plain(summary: &MeasurementSummary) -> bool {
    let measurement = &summary.measurement;
    measurement.load == Load::ONE_CALLER
        && measurement.operation == Operation::ADD
        && measurement.work.is_none()
        && measurement.executor.is_none()
}

/// The CPU time per call of client and server in microseconds.
fn both_ends(stack: &StackSummary) -> Option<f64> {
    Some((stack.cpu.client? + stack.cpu.server?) / 1e3)
}

fn of_stack(
    stack: &StackSummary,
    floor: f64,
    two: Option<&MeasurementSummary>,
    record: &Record,
) -> Option<CallTime> {
    if stack.kind.is_function_call() || stack.is_unplaced || stack.operation != Operation::ADD {
        return None;
    }
    let ends = both_ends(stack)?;
    let broker = if stack.kind.is_brokered() { Some(stack.cpu.broker? / 1e3) } else { None };
    let kernel = floor.min(ends);
    let codec = codec(stack.kind, record).map(|codec| codec.min(ends - kernel));
    let on_two = two.and_then(|two| two.stacks.iter().find(|other| other.stack == stack.stack)?.p50);
    let added = on_two.zip(stack.p50).map(|(two, one)| (two.median - one.median) / 1e3);
    Some(CallTime {
        stack: stack.stack.clone(),
        kind: stack.kind,
        kernel,
        codec,
        library: ends - kernel - codec.unwrap_or(0.0),
        broker,
        wake_up: added.filter(|added| *added > 0.0),
    })
}

/// The time of the codec that is closest to that of the protocol, for a call of `add` and its result, in microseconds.
fn codec(kind: StackKind, record: &Record) -> Option<f64> {
    let format = kind.codec_format()?;
    let all = codecs::all(record);
    let of_add = all.iter().find(|codecs| codecs.measurement.operation == Operation::ADD)?;
    of_add.formats.iter().find(|row| row.format == format)?.micros()
}
