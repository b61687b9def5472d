//! Values, changes and names of a history in words.

use super::changes::Change;
use super::series::Series;
use super::{Group, History};
use crate::compare::Origin;
use crate::compare::figures::Metric;
use crate::report::{decimals, thousands};

/// A value of a series: a multiple of the floor, or else a figure, with the unit.
pub(super) fn value(series: &Series, value: f64) -> String {
    if series.floor.is_some() { format!("{} ×", decimals(value)) } else { figure(series.metric, value) }
}

/// A figure with its unit.
pub(super) fn figure(metric: Metric, figure: f64) -> String {
    let shown = figure * metric.scale();
    if metric.is_time() {
        format!("{} µs", decimals(shown))
    } else {
        format!("{}{}", thousands(shown), if metric == Metric::Throughput { "/s" } else { "" })
    }
}

/// A metric as the name of a series, with its unit.
pub(super) fn metric_in_words(metric: Metric, floor: Option<&str>) -> String {
    floor.map_or_else(|| metric.heading(), |floor| format!("{}, × {floor}", metric.name()))
}

/// The size of a change: the bytes of a call as a difference, otherwise a percentage, or a factor from 2 on.
pub(super) fn change_in_words(metric: Metric, change: &Change) -> String {
    let difference = change.after - change.before;
    let words = match change.ratio {
        _ if metric == Metric::Bytes && difference == 0.0 => "the same total, other parts".to_owned(),
        _ if metric == Metric::Bytes => {
            format!("{difference:+.0} {}", if difference.abs() <= 1.0 { "byte" } else { "bytes" })
        }
        ratio if ratio >= 2.0 => format!("× {}", decimals(ratio)),
        ratio if ratio <= 0.5 => format!("÷ {}", decimals(1.0 / ratio)),
        ratio => format!("{:+.1} %", 100.0 * (ratio - 1.0)),
    };
    words.replace('-', "−")
}

/// The size of a change, and whether it is for the better.
pub(super) fn judged(metric: Metric, change: &Change) -> String {
    let words = change_in_words(metric, change);
    match (change.after == change.before, change.is_worse) {
        (true, _) => words,
        (false, true) => format!("{words}, worse"),
        (false, false) => format!("{words}, better"),
    }
}

/// A small probability.
pub(super) fn probability(p: f64) -> String {
    if p < 0.001 { format!("{p:.0e}") } else { format!("{p:.3}") }
}

/// A record in a few words.
pub(super) fn describe(origin: &Origin) -> String {
    let revision = origin.revision.as_ref().map_or_else(|| origin.id.clone(), Clone::clone);
    format!("{} {revision}", day(&origin.started))
}

/// A number of things.
pub(super) fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 || what.ends_with('s') { "" } else { "s" };
    format!("{number} {what}{plural}")
}

impl Series {
    /// The measurement, or the operation whose bytes were counted.
    pub(super) fn subject(&self) -> String {
        self.measurement.clone().unwrap_or_else(|| self.operation.to_string())
    }
}

impl History {
    /// The name of a group: that of its scenario, with a number where several groups have the same.
    pub(super) fn name_of(&self, group: &Group) -> String {
        let same: Vec<_> = self.groups.iter().filter(|other| other.scenario == group.scenario).collect();
        match same.iter().position(|other| std::ptr::eq(*other, group)) {
            Some(index) if same.len() > 1 => format!("{} ({})", group.scenario, index + 1),
            _ => group.scenario.clone(),
        }
    }
}

/// The day of a time in RFC 3339.
pub(super) fn day(time: &str) -> &str {
    time.split(['T', 't', ' ']).next().unwrap_or(time)
}
