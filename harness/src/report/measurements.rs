//! The table of a measurement: a row for each stack.

use super::deliveries;
use super::describe;
use super::headroom::Headroom;
use super::model::{Cell, Column, MeasurementTables, Note, Quantity, Row, Table, Unit};
use super::operations;
use super::servers;
use super::spread::Spread;
use super::stack_summary::StackSummary;
use super::statements::{self, statement};
use super::summary::MeasurementSummary;
use super::text;
use super::variants;
use crate::load::Load;
use crate::stacks::EVENT_FLOOR;

/// A column and the cell that a stack has in it.
#[derive(Clone, Copy)]
struct Definition {
    column: Column,
    cell: fn(&StackSummary, &MeasurementSummary) -> Cell,
}

const STACK: Definition =
    Definition { column: Column::text("stack", "stack"), cell: |stack, _| stack.stack.as_str().into() };
const P50: Definition = Definition {
    column: Column::number("p50", "p50 µs", Unit::Microseconds)
        .meaning("half of the calls were at least as fast: median of the blocks, smallest–largest block"),
    cell: |stack, _| micros(stack.p50),
};
const P99: Definition = Definition {
    column: Column::number("p99", "p99 µs", Unit::Microseconds)
        .meaning("99 of 100 calls were at least as fast: median of the blocks, smallest–largest block"),
    cell: |stack, _| micros(stack.p99),
};
const P999: Definition = Definition {
    column: Column::number("p99.9", "p99.9 µs", Unit::Microseconds)
        .meaning("999 of 1,000 calls were at least as fast: median of the blocks, smallest–largest block"),
    cell: |stack, _| micros(stack.p999),
};
const SERVICE: Definition = Definition {
    column: Column::number("service-p50", "service p50 µs", Unit::Microseconds)
        .meaning("median time from the actual send; the other latencies start at the scheduled send time"),
    cell: |stack, _| micros(stack.service_p50),
};
const SCHEDULE_LAG: Definition = Definition {
    column: Column::number("lag-p99", "lag p99 µs", Unit::Microseconds).meaning(
        "schedule lag: how late the load generator itself sent calls; 99 of 100 were at most this late",
    ),
    cell: |stack, _| micros(stack.schedule_lag_p99),
};
const RATIO_TO_TCP: Definition = Definition {
    column: Column::number("ratio-to-floor", "× tcp", Unit::Ratio)
        .meaning("p50 as a multiple of the raw TCP floor's in the same block")
        .with_inline_range(),
    cell: |stack, _| spread(stack.ratio_to_floor),
};
/// In place of [`RATIO_TO_TCP`] where the floor is the one with an event loop.
const RATIO_TO_EVENT_FLOOR: Definition = Definition {
    column: Column::number("ratio-to-floor", "× tcp-async", Unit::Ratio)
        .meaning(
            "p50 as a multiple of that of raw TCP with one event loop for all connections, in the same block",
        )
        .with_inline_range(),
    ..RATIO_TO_TCP
};
const STATEMENT: Definition = Definition {
    column: Column::text("statement", "than the next")
        .meaning("whether the stack is faster than the next one below that is ranked, with an interval"),
    cell: |stack, summary| {
        let ranking = &summary.ranking;
        ranking.with_next(&stack.stack).map_or(Cell::Missing, |comparison| statement(&comparison, ranking))
    },
};
const CAPACITY_STATEMENT: Definition = Definition {
    column: STATEMENT.column.meaning(
        "whether a core of the server can answer more calls than that of the next one below that is ranked, with an \
         interval",
    ),
    ..STATEMENT
};
/// In place of [`CAPACITY_STATEMENT`] where nothing is known about the servers.
const SEEN_RATE_STATEMENT: Definition = Definition {
    column: STATEMENT.column.meaning(
        "whether more calls per second were seen than with the next one below that is ranked, with an interval; ranked are \
         those whose client was not saturated",
    ),
    ..STATEMENT
};
const SERVER_CPU: Definition = Definition {
    column: Column::number("server-and-broker-cpu", "server CPU µs", Unit::Microseconds).meaning(
        "CPU time per correct answer of the server's process, and of the broker's where there is one: median of the \
         blocks, smallest–largest block",
    ),
    cell: |stack, _| micros(stack.capacity.and_then(|capacity| capacity.cpu)),
};
const CAPACITY: Definition = Definition {
    column: Column::number("capacity", "calls/s per core", Unit::CallsPerSecond).meaning(
        "capacity: the correct answers per second of CPU time of the server; ≥ where the server was not saturated, \
         since it then wakes up more often and needs more time for each call",
    ),
    cell: |stack, _| capacity(stack),
};
const SATURATED: Definition = Definition {
    column: Column::text("saturated", "saturated").meaning(
        "the ends whose cores were busy nearly all the time in most blocks, so that they limited the rate",
    ),
    cell: |stack, _| {
        let saturation = stack.capacity.and_then(|capacity| capacity.saturation);
        saturation.map_or(Cell::Missing, |saturation| saturation.name().into())
    },
};
const OBSERVED: Definition = Definition {
    column: Column::number("calls", "calls/s seen", Unit::CallsPerSecond)
        .meaning("correct answers per second, whichever end limited them"),
    cell: CALLS.cell,
};
const CALLS: Definition = Definition {
    column: Column::number("calls", "calls/s", Unit::CallsPerSecond).meaning("correct answers per second"),
    cell: |stack, _| spread(stack.throughput),
};
const CLIENT: Definition = Definition {
    column: Column::number("client-cpu", "client µs", Unit::Microseconds)
        .meaning("CPU time of the client's process per correct answer"),
    cell: |stack, _| Cell::optional(stack.cpu.client.map(to_micros)),
};
const SERVER: Definition = Definition {
    column: Column::number("server-cpu", "server µs", Unit::Microseconds)
        .meaning("CPU time of the server's process per correct answer"),
    cell: |stack, _| Cell::optional(stack.cpu.server.map(to_micros)),
};
const BROKER: Definition = Definition {
    column: Column::number("broker-cpu", "broker µs", Unit::Microseconds)
        .meaning("CPU time of the broker's process per correct answer"),
    cell: |stack, _| Cell::optional(stack.cpu.broker.map(to_micros)),
};
const OF_IT_BROKER: Definition = Definition {
    column: Column::number("broker-cpu", "of it broker µs", Unit::Microseconds)
        .meaning("the part of the server's CPU time that the broker's process took"),
    ..BROKER
};
const BYTES: Definition = Definition {
    column: Column::number("bytes", "bytes ↑ ↓", Unit::Bytes)
        .meaning("bytes of a call from client to server and back"),
    cell: |stack, _| {
        let per_call = stack.wire.as_ref().map(|wire| wire.per_call);
        per_call.map_or(Cell::Missing, |bytes| Cell::Pair([Some(bytes.up), Some(bytes.down)]))
    },
};
const NOTES: Definition = Definition {
    column: Column::text("notes", "notes").wide(),
    cell: |stack, summary| Cell::Notes(notes(stack, summary)),
};

const ONE_CALLER: [Definition; 11] =
    [STACK, P50, P99, RATIO_TO_TCP, STATEMENT, CALLS, CLIENT, SERVER, BROKER, BYTES, NOTES];
const SEVERAL_CALLERS: [Definition; 13] = [
    STACK,
    SERVER_CPU,
    CAPACITY,
    CAPACITY_STATEMENT,
    SATURATED,
    OBSERVED,
    P50,
    P99,
    RATIO_TO_TCP,
    CLIENT,
    OF_IT_BROKER,
    BYTES,
    NOTES,
];
const OPEN_LOOP: [Definition; 13] = [
    STACK,
    P50,
    P99,
    P999,
    RATIO_TO_TCP,
    STATEMENT,
    SERVICE,
    SCHEDULE_LAG,
    CALLS,
    CLIENT,
    SERVER,
    BROKER,
    NOTES,
];

/// The tables of `summary`.
pub(super) fn tables(summary: &MeasurementSummary) -> MeasurementTables {
    let measurement = &summary.measurement;
    let definitions: &[Definition] = match measurement.load {
        Load::Open(..) => &OPEN_LOOP,
        Load::ONE_CALLER => &ONE_CALLER,
        Load::Closed(_) => &SEVERAL_CALLERS,
    };
    let has_event_floor = summary.floor == EVENT_FLOOR;
    let of_floor = |definition: &Definition| {
        let is = |other: &Definition| definition.column.key == other.column.key;
        if has_event_floor && is(&RATIO_TO_TCP) {
            RATIO_TO_EVENT_FLOOR
        } else if summary.compares_seen_rates() && is(&CAPACITY_STATEMENT) {
            SEEN_RATE_STATEMENT
        } else {
            *definition
        }
    };
    let definitions: Vec<_> = definitions.iter().map(of_floor).collect();
    let of_stack = |stack: &StackSummary| Row {
        cells: definitions.iter().map(|definition| (definition.cell)(stack, summary)).collect(),
        stack: Some(stack.kind),
        is_muted: stack.kind.is_floor(),
    };
    let not_measured =
        summary.not_measured.iter().map(|stack| Row::not_measured(&stack.stack, &stack.reason));
    let stacks = Table {
        title: measurement.name.clone(),
        subtitle: Some(describe::conditions(measurement)),
        columns: definitions.iter().map(|definition| definition.column).collect(),
        rows: summary.stacks.iter().map(of_stack).chain(not_measured).collect(),
        note: note(summary),
        ..Table::default()
    };
    MeasurementTables {
        name: measurement.name.clone(),
        stacks,
        comparisons: statements::pairs(summary),
        statements: statements::table(summary),
        variants: variants::table(measurement, &summary.variants),
        servers: servers::table(summary),
        deliveries: deliveries::table(summary),
        operations: operations::table(summary),
    }
}

fn to_micros(nanos: f64) -> f64 {
    nanos / 1_000.0
}

fn micros(nanos: Option<Spread>) -> Cell {
    spread(nanos.map(|nanos| nanos.map(to_micros)))
}

fn spread(spread: Option<Spread>) -> Cell {
    spread.map_or(Cell::Missing, |spread| Cell::Quantity(quantity(spread)))
}

fn quantity(spread: Spread) -> Quantity {
    Quantity { range: spread.range(), ..Quantity::new(spread.median) }
}

/// What a core of the server can answer: a lower bound unless the server was saturated.
fn capacity(stack: &StackSummary) -> Cell {
    let known = stack.capacity.and_then(|capacity| Some((capacity.per_core?, !capacity.is_exact())));
    known.map_or(Cell::Missing, |(per_core, is_lower_bound)| {
        Cell::Quantity(Quantity { is_lower_bound, ..quantity(per_core) })
    })
}

fn notes(stack: &StackSummary, summary: &MeasurementSummary) -> Vec<Note> {
    let mut notes: Vec<_> = stack.labels.iter().copied().map(Note::Label).collect();
    if stack.operation != summary.measurement.operation {
        notes.push(Note::Text(format!("calls {}", stack.operation)));
    }
    notes.extend(per_item(stack).map(Note::Text));
    if let Some(reason) = stack.obstacle().filter(|_| !stack.kind.is_floor() && stack.valid > 0) {
        notes.push(Note::Text(format!("not ranked: {reason}")));
    }
    if stack.is_unplaced {
        notes.push(Note::Unplaced);
    }
    if let (Some(ratio), Some(floor)) = (stack.ratio_to_own_floor, stack.kind.own_floor()) {
        notes.push(Note::RatioToFloor { ratio: ratio.median, floor });
    }
    let not_correct = stack.counts.not_right();
    if not_correct > 0 {
        notes.push(Note::NotCorrect { calls: not_correct, started: stack.counts.started });
    }
    if let Some((trials, reason)) = &stack.not_valid {
        // Details in parentheses would make the table too wide; the warnings have them.
        let reason = reason.split_once(" (").map_or(reason.as_str(), |(reason, _)| reason);
        notes.push(Note::LeftOut { trials: *trials, reason: reason.to_owned() });
    }
    notes
}

/// What an item costs of calls whose results are streams: the request and the end of the stream are divided among the items.
fn per_item(stack: &StackSummary) -> Option<String> {
    let items = f64::from(stack.operation.stream()?.get());
    let each = |of_call: f64| text::decimals(of_call / items);
    let time = stack.p50.map(|p50| format!("{} µs", each(to_micros(p50.median))));
    let bytes = stack.wire.as_ref().map(|wire| format!("{} B", each(wire.per_call.up + wire.per_call.down)));
    let rate = stack.throughput.map(|calls| format!("{} items/s", text::thousands(calls.median * items)));
    let parts: Vec<_> = [time, bytes, rate].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("an item: {}", parts.join(", ")))
}

/// The remarks below the table: the noise, the headroom of the generator, and why there are no multiples of the floor.
fn note(summary: &MeasurementSummary) -> Option<String> {
    let headroom = summary.headroom.map(Headroom::note);
    let notes: Vec<_> =
        noise(summary).chain(headroom).chain(no_floor(summary)).chain(new_connections(summary)).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// By how much the A/A pairs of a measurement differed.
fn noise(summary: &MeasurementSummary) -> impl Iterator<Item = String> {
    summary.pairs.iter().filter_map(|pair| {
        let ratio = pair.ratio?;
        Some(format!(
            "{} against itself: {:.3} ({:.3}–{:.3})",
            pair.stack, ratio.median, ratio.low, ratio.high
        ))
    })
}

/// What the figures of a measurement include whose calls each open a connection.
fn new_connections(summary: &MeasurementSummary) -> Option<String> {
    (!summary.measurement.connection.is_kept()).then(|| {
        "times of calls include opening the connection; bytes include what that takes, without the segments of TCP that carry \
         none"
            .to_owned()
    })
}

/// Why there are no multiples of the floor, where it was called with another operation.
fn no_floor(summary: &MeasurementSummary) -> Option<String> {
    let floor = summary.stacks.iter().find(|stack| stack.stack == summary.floor)?;
    let operation = summary.measurement.operation;
    (floor.operation != operation).then(|| {
        format!(
            "no stack is shown as a multiple of {}, which calls {} and not {operation}",
            floor.stack, floor.operation
        )
    })
}
