//! Numbers and titles as every kind of report writes them.

use crate::record::Record;

use super::summary::{Row, Spread, Table};

/// The columns of a table.
pub(super) const HEADINGS: [&str; 10] = [
    "stack",
    "p50 µs",
    "p99 µs",
    "× tcp",
    "calls/s",
    "client µs",
    "server µs",
    "broker µs",
    "bytes ↑ ↓",
    "notes",
];

/// The cells of a row, one for each of [`HEADINGS`].
pub(super) fn cells(row: &Row) -> [String; 10] {
    [
        row.stack.clone(),
        row.p50.map_or_else(absent, |s| micros(s.median)),
        row.p99.map_or_else(absent, |s| micros(s.median)),
        row.times_tcp.map_or_else(absent, ratio),
        row.throughput.map_or_else(absent, |s| thousands(s.median)),
        row.cpu.client.map_or_else(absent, micros),
        row.cpu.server.map_or_else(absent, micros),
        row.cpu.broker.map_or_else(absent, micros),
        row.wire
            .as_ref()
            .map_or_else(absent, |wire| format!("{:.0} {:.0}", wire.per_call.up, wire.per_call.down)),
        notes(row),
    ]
}

fn absent() -> String {
    "–".to_owned()
}

/// A ratio with the range of its blocks.
pub(super) fn ratio(spread: Spread) -> String {
    format!("{:.2} ({:.2}–{:.2})", spread.median, spread.least, spread.most)
}

/// Nanoseconds as microseconds with three significant digits.
pub(super) fn micros(nanos: f64) -> String {
    let micros = nanos / 1_000.0;
    match micros {
        v if v < 1.0 => format!("{v:.3}"),
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => thousands(v),
    }
}

/// A whole number with a comma between thousands.
pub(super) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 && digit.is_ascii_digit() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What a reader must know of a row, in a few words.
pub(super) fn notes(row: &Row) -> String {
    let mut notes = row.labels.clone();
    if let Some(times) = row.times_bare {
        notes.push(format!("{:.2} × amqp-bare", times.median));
    }
    if row.counts.not_right() > 0 {
        notes.push(format!(
            "{} of {} calls not answered rightly",
            row.counts.not_right(),
            row.counts.started
        ));
    }
    if let Some((trials, reason)) = &row.not_valid {
        notes.push(format!("{trials} trials left out: {reason}"));
    }
    notes.join("; ")
}

/// What a table shows, in a line.
pub(super) fn title(table: &Table) -> String {
    let measurement = &table.measurement;
    let callers = match measurement.load.callers() {
        1 => "one caller".to_owned(),
        n => format!("{n} callers"),
    };
    let connections = match measurement.connections {
        Some(connections) => format!(", {connections} connections where a protocol can share them"),
        None => String::new(),
    };
    let warm = match (measurement.placement.name(), measurement.warm) {
        ("shared", _) => "client, server and broker on one core".to_owned(),
        ("split", true) => "client on one core, server and broker on another, both kept awake".to_owned(),
        ("split", false) => "client on one core, server and broker on another".to_owned(),
        (_, _) => "wherever the system put them".to_owned(),
    };
    format!("{}: {}, {callers}{connections}, {warm}", measurement.name, measurement.operation)
}

/// When, where and how a run was made, in a line.
pub(super) fn circumstances(record: &Record) -> String {
    let machine = &record.machine;
    let processor = machine.processor.as_deref().unwrap_or(&machine.architecture);
    format!(
        "{} · {} blocks of {} · {processor}, {} cores, {} · seed {} · rpcbench {}",
        record.started,
        record.scenario.blocks,
        humantime::format_duration(record.scenario.measure),
        machine.cores,
        machine.system,
        record.seed,
        record.tool.version,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_with_three_digits_and_commas() {
        assert_eq!(micros(148.0), "0.148");
        assert_eq!(micros(9_870.0), "9.87");
        assert_eq!(micros(12_740.0), "12.7");
        assert_eq!(micros(1_234_567.0), "1,235");
        assert_eq!(thousands(999.4), "999");
        assert_eq!(thousands(1_000_000.0), "1,000,000");
        assert_eq!(thousands(12_345.6), "12,346");
    }
}
