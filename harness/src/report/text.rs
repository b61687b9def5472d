//! Numbers and titles as every kind of report writes them.

use crate::load::{Arrivals, Load};
use crate::record::Record;
use crate::scenario::Measurement;

use super::summary::{Row, Table};

/// A ratio.
pub(super) fn times(ratio: f64) -> String {
    match ratio {
        v if v < 0.0995 => format!("{v:.3}"),
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => thousands(v),
    }
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
    let mut notes: Vec<String> = row.labels.iter().map(ToString::to_string).collect();
    if row.is_elsewhere {
        notes.push("the server's placement is its own".to_owned());
    }
    if let (Some(times), Some(bare)) = (row.times_bare, row.protocol.own_floor()) {
        notes.push(format!("{:.2} × {bare}", times.median));
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
    format!("{}: {}, {}", measurement.name, load(measurement), placement(measurement))
}

/// What is called, by how many callers, over how many connections.
pub(super) fn load(measurement: &Measurement) -> String {
    let callers = match measurement.load.callers() {
        Some(1) => "one caller".to_owned(),
        Some(callers) => format!("{callers} callers"),
        None => calls_a_second(measurement.load),
    };
    let connections = match measurement.connections {
        Some(number) => {
            let connections = if number.get() == 1 { "connection" } else { "connections" };
            match measurement.load.callers() {
                None => format!(" over {number} {connections}"),
                Some(_) => format!(", {number} {connections} where a protocol can share them"),
            }
        }
        None => String::new(),
    };
    format!("{}, {callers}{connections}", measurement.operation)
}

fn calls_a_second(load: Load) -> String {
    match load {
        Load::Open(rate, Arrivals::Constant) => format!("{} calls/s at even intervals", rate.get()),
        Load::Open(rate, Arrivals::Poisson) => format!("{} calls/s at random (Poisson)", rate.get()),
        Load::Closed(_) => load.to_string(),
    }
}

/// Where client, server and broker ran.
pub(super) fn placement(measurement: &Measurement) -> &'static str {
    match (measurement.placement.name(), measurement.warm) {
        ("shared", _) => "client, server and broker on one core",
        ("split", true) => "client on one core, server and broker on another, both kept awake",
        ("split", false) => "client on one core, server and broker on another",
        (_, _) => "wherever the system put them",
    }
}

/// How many blocks a run has.
pub(super) fn blocks(record: &Record) -> String {
    match record.scenario.blocks.get() {
        1 => "1 block".to_owned(),
        blocks => format!("{blocks} blocks"),
    }
}

/// When, where and how a run was made, in a line.
pub(super) fn circumstances(record: &Record) -> String {
    let machine = &record.machine;
    let processor = machine.processor.as_deref().unwrap_or(&machine.architecture);
    let agents = match record.agents.len() {
        0 | 1 => String::new(),
        agents => format!("{agents} agents, the first on "),
    };
    format!(
        "{} · {} of {} · {agents}{processor}, {} cores, {} · seed {} · rpcbench {}",
        record.started,
        blocks(record),
        humantime::format_duration(record.scenario.measure),
        machine.cores,
        machine.system,
        record.seed,
        record.tool.version,
    )
}

/// How small a difference a table could have shown, and what told a stack from itself.
pub(super) fn resolution(table: &Table) -> Option<String> {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let smallest = table.resolution.smallest_difference.map(|share| {
        format!(
            "half of the pairs of stacks would have shown a true difference of {} or less",
            percent(share)
        )
    });
    let noise = table.noise.iter().filter_map(|noise| {
        let ratio = noise.ratio?;
        Some(format!(
            "{} against itself: {:.3} ({:.3}–{:.3}), a noise floor of {}",
            noise.stack,
            ratio.median,
            ratio.low,
            ratio.high,
            percent(ratio.half_width())
        ))
    });
    let said: Vec<_> = smallest.into_iter().chain(noise).collect();
    (!said.is_empty()).then(|| said.join("; "))
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
        assert_eq!(times(0.0172), "0.017");
        assert_eq!(times(2.456), "2.46");
        assert_eq!(times(44.27), "44.3");
        assert_eq!(times(120.2), "120");
        assert_eq!(thousands(999.4), "999");
        assert_eq!(thousands(1_000_000.0), "1,000,000");
        assert_eq!(thousands(12_345.6), "12,346");
    }
}
