//! The figures of a history: one for each series.

use super::changes::levels;
use super::words::{change_in_words, day, metric_in_words};
use super::{Entry, Group, History, Series};
use crate::report::{Chart, ChartLevel, ChartPoint, Charts};

/// The figures, first those of series with a change.
pub(super) fn charts(history: &History) -> Vec<Charts> {
    let (changed, unchanged): (Vec<_>, Vec<_>) =
        history.entries().partition(|(_, entry)| !entry.changes.is_empty());
    let caption = "A point is the median of the blocks of a record, at an even distance whatever the time between records; its \
                   bar is the 95 % interval of that median, and is missing where the blocks are too few. A horizontal line \
                   is the median of the records of a level. The axis does not start at zero.";
    let sections = [("Series with a change", changed), ("Series without a change", unchanged)];
    let drawn = |(title, entries): (&str, Vec<(&Group, &Entry)>)| Charts {
        title: title.to_owned(),
        caption: String::new(),
        charts: entries.into_iter().map(|(group, entry)| chart(history, group, entry)).collect(),
        ratios: vec![],
    };
    let mut all: Vec<_> =
        sections.into_iter().filter(|(_, entries)| !entries.is_empty()).map(drawn).collect();
    if let Some(first) = all.first_mut() {
        caption.clone_into(&mut first.caption);
    }
    all
}

fn chart(history: &History, group: &Group, entry: &Entry) -> Chart {
    let Series { stack, points, kind, metric, .. } = &entry.series;
    let subject = entry.series.subject();
    let place =
        if history.groups.len() > 1 { format!("; {}", history.name_of(group)) } else { String::new() };
    let scale = scale(&entry.series);
    let changes = std::iter::once(None).chain(entry.changes.iter().map(Some));
    let levels = levels(&entry.series, &entry.changes).into_iter().zip(changes);
    Chart {
        title: format!("{stack} · {subject}"),
        subtitle: format!("{}{place}", metric_in_words(*metric, entry.series.floor.as_deref())),
        dates: group.records.iter().map(|origin| day(&origin.started).to_owned()).collect(),
        points: points
            .iter()
            .map(|point| ChartPoint {
                at: point.record,
                value: point.value * scale,
                interval: point.interval.map(|bounds| bounds.map(|bound| bound * scale)),
            })
            .collect(),
        levels: levels
            .map(|((from, to, value), change)| ChartLevel {
                from,
                to,
                value: value * scale,
                change: change.map(|change| change_in_words(*metric, change)),
            })
            .collect(),
        stack: *kind,
    }
}

/// The factor from the values of a series to those of its chart.
fn scale(series: &Series) -> f64 {
    if series.floor.is_some() { 1.0 } else { series.metric.scale() }
}
