//! The figures of a comparison: the ratio of each stack's two records, with its interval.

use super::{Comparison, MeasurementComparison, Metric};
use crate::report::{Charts, RatioGroup, RatioRow, Ratios};

/// The figures: for each measurement one of each metric, in the order of the tables.
pub(super) fn charts(comparison: &Comparison) -> Vec<Charts> {
    let ratios: Vec<_> = comparison.measurements.iter().flat_map(of_measurement).collect();
    if ratios.is_empty() {
        return vec![];
    }
    let caption = "Speed in the second record as a multiple of that in the first, with intervals. A filled mark: the difference is \
                   stated; a hollow one: it is not. The band is ± δ; a difference is stated if its interval lies wholly outside. \
                   Triangles mark differences beyond the axis.";
    vec![Charts { title: "Ratios".to_owned(), caption: caption.to_owned(), charts: vec![], ratios }]
}

fn of_measurement(measurement: &MeasurementComparison) -> Vec<Ratios> {
    let mut metrics: Vec<Metric> = Vec::new();
    for timing in &measurement.timings {
        if !metrics.contains(&timing.metric) {
            metrics.push(timing.metric);
        }
    }
    metrics.into_iter().filter_map(|metric| of_metric(measurement, metric)).collect()
}

/// The figure of a metric; `None` without an interval.
fn of_metric(measurement: &MeasurementComparison, metric: Metric) -> Option<Ratios> {
    let timings = || measurement.timings.iter().filter(|timing| timing.metric == metric);
    let row = |timing: &super::TimingComparison| {
        Some(RatioRow { name: timing.stack.clone(), ratio: timing.ratio?, statement: timing.statement })
    };
    let rows: Vec<_> = timings().filter_map(row).collect();
    let delta = timings().map(|timing| timing.delta).next()?;
    let floor = measurement.floor.as_ref().map_or_else(String::new, |floor| format!(", × {floor}"));
    (!rows.is_empty()).then(|| Ratios {
        title: measurement.name.clone(),
        quantity: format!("{}{floor}", metric.name()),
        delta,
        axis: "speed of the second ÷ that of the first",
        groups: vec![RatioGroup { heading: "the second record and the first", is_noise: false, rows }],
    })
}
