//! The columns of a measurement's table: what stands in them, and what it means.

use super::summary::{Row, Spread};
use super::text::{micros, notes, thousands, times};
use crate::scenario::Measurement;

/// A column.
#[derive(Clone, Copy)]
pub(super) struct Column {
    /// What stands above it.
    pub heading: &'static str,
    /// What that means, in half a sentence; empty where it needs no words.
    pub meaning: &'static str,
    /// Whether it holds words rather than figures.
    pub is_text: bool,
    /// Whether a terminal has room for the range of its blocks.
    pub shows_range: bool,
    cell: fn(&Row) -> Cell,
}

/// A figure in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// The figure itself: the median of the blocks, where it is one.
    pub value: String,
    /// The least and the greatest block.
    pub range: Option<String>,
}

/// What stands where there is no figure.
const ABSENT: &str = "–";

impl Cell {
    fn plain(value: String) -> Self {
        Cell { value, range: None }
    }

    fn spread(spread: Option<Spread>, write: fn(f64) -> String) -> Self {
        match spread {
            None => Cell::plain(ABSENT.to_owned()),
            Some(Spread { median, least, most }) => {
                Cell { value: write(median), range: Some(format!("{}–{}", write(least), write(most))) }
            }
        }
    }

    fn nanos(nanos: Option<f64>) -> Self {
        Cell::plain(nanos.map_or_else(|| ABSENT.to_owned(), micros))
    }
}

impl Column {
    /// What stands in this column of `row`.
    pub(super) fn cell(&self, row: &Row) -> Cell {
        (self.cell)(row)
    }

    /// The same as text, with the range of the blocks where there is room for it.
    pub(super) fn text(&self, row: &Row) -> String {
        match self.cell(row) {
            Cell { value, range: Some(range) } if self.shows_range => format!("{value} ({range})"),
            Cell { value, .. } => value,
        }
    }

    const fn figure(heading: &'static str, meaning: &'static str, cell: fn(&Row) -> Cell) -> Self {
        Column { heading, meaning, is_text: false, shows_range: false, cell }
    }

    const fn words(heading: &'static str, cell: fn(&Row) -> Cell) -> Self {
        Column { heading, meaning: "", is_text: true, shows_range: false, cell }
    }
}

const STACK: Column = Column::words("stack", |row| Cell::plain(row.stack.clone()));
const P50: Column = Column::figure(
    "p50 µs",
    "half of the calls were at least as fast: median of the blocks, least–greatest block",
    |row| Cell::spread(row.p50, micros),
);
const P99: Column = Column::figure(
    "p99 µs",
    "99 of 100 calls were at least as fast: median of the blocks, least–greatest block",
    |row| Cell::spread(row.p99, micros),
);
const P999: Column = Column::figure(
    "p99.9 µs",
    "999 of 1,000 calls were at least as fast: median of the blocks, least–greatest block",
    |row| Cell::spread(row.p999, micros),
);
const SERVICE: Column = Column::figure(
    "service p50 µs",
    "half of the calls took no longer from their send; the other latencies run from the slot of the schedule",
    |row| Cell::spread(row.service_p50, micros),
);
const LATE: Column = Column::figure(
    "late p99 µs",
    "how late the generator itself made the calls: 99 of 100 were at least as punctual",
    |row| Cell::spread(row.late_p99, micros),
);
const TIMES_TCP: Column = Column {
    shows_range: true,
    ..Column::figure("× tcp", "p50 as a multiple of the raw TCP floor's in the same block", |row| {
        Cell::spread(row.times_tcp, times)
    })
};
const TIES: Column = Column::figure(
    "ties",
    "stacks with a letter in common could not be told apart; without letters there is no verdict",
    |row| Cell::plain(row.ties.clone().unwrap_or_else(|| ABSENT.to_owned())),
);
const CALLS: Column =
    Column::figure("calls/s", "right answers per second", |row| Cell::spread(row.throughput, thousands));
const CLIENT: Column =
    Column::figure("client µs", "CPU time of the client's process per right answer", |row| {
        Cell::nanos(row.cpu.client)
    });
const SERVER: Column =
    Column::figure("server µs", "CPU time of the server's process per right answer", |row| {
        Cell::nanos(row.cpu.server)
    });
const BROKER: Column =
    Column::figure("broker µs", "CPU time of the broker's process per right answer", |row| {
        Cell::nanos(row.cpu.broker)
    });
const BYTES: Column =
    Column::figure("bytes ↑ ↓", "bytes of a call from client to server and back", |row| {
        let carried = row.wire.as_ref().map(|wire| wire.per_call);
        Cell::plain(carried.map_or_else(|| ABSENT.to_owned(), |c| format!("{:.0} {:.0}", c.up, c.down)))
    });
const NOTES: Column = Column::words("notes", |row| Cell::plain(notes(row)));

/// The columns of `measurement`'s table. The first is the stack, the last the notes.
pub(super) fn columns(measurement: &Measurement) -> &'static [Column] {
    if measurement.load.rate().is_some() {
        &[STACK, P50, P99, P999, TIMES_TCP, TIES, SERVICE, LATE, CALLS, CLIENT, SERVER, BROKER, NOTES]
    } else {
        &[STACK, P50, P99, TIMES_TCP, TIES, CALLS, CLIENT, SERVER, BROKER, BYTES, NOTES]
    }
}
