//! A history in sentences and tables.

use super::changes::Change;
use super::charts::charts;
use super::words::{
    change_in_words, count, day, describe, figure, judged, metric_in_words, probability, value,
};
use super::{Entry, Group, History, Series, Unplaced};
use crate::compare::figures::Metric;
use crate::compare::settings::COMMIT;
use crate::report::model::{Cell, Column, Row, Table, Unit};
use crate::report::{Document, thousands};
use crate::stats::MIN_CLUSTER;

const CHANGES: [Column; 8] = [
    Column::text("first-after", "from").meaning("the first record after the change"),
    Column::text("last-before", "last before").meaning("the last record before the change"),
    Column::text("stack", "stack"),
    Column::text("series", "series"),
    Column::text("levels", "level")
        .meaning("the median of the records from the change before to the one after"),
    Column::text("change", "change"),
    Column::text("p", "p").meaning("the p-value of the permutation test; bytes are exact"),
    Column::text("settings", "what else changed").meaning("the settings in which the two records differ"),
];

const SERIES: [Column; 6] = [
    Column::text("stack", "stack"),
    Column::text("metric", "metric"),
    Column::number("records", "records", Unit::Count),
    Column::text("history", "history").meaning("the newest records, from the smallest to the largest value"),
    Column::text("newest", "newest").meaning("the newest record: what is compared, and the figure"),
    Column::text("changes", "changes").wide(),
];

/// The history in sentences and tables.
pub(super) fn document(history: &History) -> Document {
    let has_changes = |group: &&Group| group.series.iter().any(|entry| !entry.changes.is_empty());
    let changes = history.groups.iter().filter(has_changes).map(|group| changes(history, group));
    let series = history.groups.iter().flat_map(|group| series(history, group));
    Document {
        title: "History".to_owned(),
        circumstances: circumstances(history),
        answer: answer(history),
        warnings: warnings(history),
        tables: changes.chain(series).collect(),
        charts: charts(history),
        filter: None,
    }
}

fn warnings(history: &History) -> Vec<String> {
    let left_out = history.left_out.iter().map(|left_out| format!("left out: {}", left_out.describe()));
    let unplaced = history.groups.iter().flat_map(|group| &group.unplaced);
    let unplaced = unplaced.map(|Unplaced { stack, measurement, records }| {
        let have = if *records == 1 { "has" } else { "have" };
        let records = count(*records, "record");
        format!("{records} {have} no timing of {stack} in `{measurement}`: its server ran on other or unknown cores")
    });
    left_out.chain(unplaced).collect()
}

fn circumstances(history: &History) -> Vec<String> {
    let group = |group: &Group| {
        let [first, last] = [group.records.first(), group.records.last()]
            .map(|origin| origin.map_or_else(String::new, |origin| day(&origin.started).to_owned()));
        let when = if first == last { first } else { format!("{first} to {last}") };
        let unlike = group.unlike.iter().map(|setting| format!("; {setting}")).collect::<String>();
        format!(
            "{}: {} on {}, {when}{unlike}",
            history.name_of(group),
            count(group.records.len(), "record"),
            group.machine
        )
    };
    history.groups.iter().map(group).chain(method(history)).collect()
}

/// How changes of timings were searched for; absent where there is no series that could have one.
fn method(history: &History) -> Option<String> {
    let method = &history.method;
    (method.series > 0).then(|| {
        format!(
            "changes of timings: E-divisive, α = 1, levels of at least {} records and {:.0} % apart; {} permutations with seed \
             {}, p ≤ {} in each of {}, so that at most one such history in {:.0} contains a change that is none",
            MIN_CLUSTER,
            100.0 * method.min_change,
            thousands(f64::from(method.permutations)),
            method.seed,
            probability(method.level),
            count(method.series, "series"),
            1.0 / method.error_rate
        )
    })
}

fn answer(history: &History) -> Vec<String> {
    let of_metric = |is_bytes: bool| {
        history.entries().filter(move |(_, entry)| (entry.series.metric == Metric::Bytes) == is_bytes)
    };
    let mut sentences = Vec::new();
    for (is_bytes, what) in [(true, "the bytes of a call"), (false, "timings")] {
        let all = of_metric(is_bytes).count();
        let changed: Vec<_> = of_metric(is_bytes).filter(|(_, entry)| !entry.changes.is_empty()).collect();
        let changes = changed.iter().map(|(_, entry)| entry.changes.len()).sum::<usize>();
        let worse =
            changed.iter().flat_map(|(_, entry)| &entry.changes).filter(|change| change.is_worse).count();
        if all > 0 && changes == 0 {
            sentences.push(format!("No change was found in {} of {what}.", count(all, "series")));
        } else if all > 0 {
            sentences.push(format!(
                "{} of {} of {what} {} a change: {}, {worse} of them for the worse.",
                changed.len(),
                count(all, "series"),
                if changed.len() == 1 { "has" } else { "have" },
                count(changes, "change")
            ));
        }
    }
    sentences.extend(newest_changes(history));
    sentences.extend(needed(history));
    sentences
}

/// The changes that begin with the newest record at which any begins.
fn newest_changes<'a>(history: &'a History) -> Option<String> {
    const MAX_NAMED: usize = 6;
    let first = |group: &'a Group, change: &Change| {
        (group.started[change.first_after], &group.records[change.first_after])
    };
    let all = history.entries().flat_map(|(group, entry)| {
        entry.changes.iter().map(move |change| (first(group, change), &entry.series, change))
    });
    let all: Vec<_> = all.collect();
    let newest = all.iter().map(|(first, ..)| *first).max_by_key(|(started, _)| *started)?;
    let here: Vec<_> = all.iter().filter(|(first, ..)| *first == newest).collect();
    let named = here.iter().take(MAX_NAMED).map(|(_, series, change)| {
        let metric = series.metric;
        format!("{} {} {} ({})", series.stack, series.subject(), metric.name(), judged(metric, change))
    });
    let further = here.len().saturating_sub(MAX_NAMED);
    let further = if further > 0 { format!("; {further} more in the table") } else { String::new() };
    Some(format!(
        "The newest change begins with {}: {}{further}.",
        describe(newest.1),
        named.collect::<Vec<_>>().join("; ")
    ))
}

/// How many records a change of a timing takes.
fn needed(history: &History) -> Option<String> {
    let timings = history.entries().filter(|(_, entry)| entry.series.metric != Metric::Bytes);
    let longest = timings.map(|(_, entry)| since_last_change(entry)).max()?;
    let method = &history.method;
    match method.search().values_needed_after(longest) {
        None => Some(format!(
            "A change of a timing is not found before there are {} records of a series since its last change, and the longest \
             series has {longest}. Fewer series take fewer records: choose them with --stack, --operation and --metric.",
            method.records_needed
        )),
        Some(after) => Some(format!(
            "In a series of {longest} records since its last change, a change is found once at least {after} records follow it, \
             even if it is large."
        )),
    }
}

/// The number of records of a series since its last change.
fn since_last_change(Entry { series, changes }: &Entry) -> usize {
    let start = changes.last().map_or(0, |change| change.first_after);
    series.points.iter().filter(|point| point.record >= start).count()
}

/// The changes of a group, in order of time.
fn changes(history: &History, group: &Group) -> Table {
    let mut all: Vec<(&Series, &Change)> = group
        .series
        .iter()
        .flat_map(|entry| entry.changes.iter().map(move |change| (&entry.series, change)))
        .collect();
    all.sort_by_key(|(_, change)| (change.first_after, change.last_before));
    let row = |(series, change): &(&Series, &Change)| {
        Row::new(vec![
            describe(&group.records[change.first_after]).into(),
            describe(&group.records[change.last_before]).into(),
            series.stack.as_str().into(),
            format!("{}, {}", series.subject(), metric_in_words(series.metric, series.floor.as_deref()))
                .into(),
            format!("{} → {}", value(series, change.before), value(series, change.after)).into(),
            judged(series.metric, change).into(),
            change.p.map_or_else(|| "exact".to_owned(), probability).into(),
            settings(change).into(),
        ])
    };
    Table {
        title: format!("{}: changes", history.name_of(group)),
        columns: CHANGES.to_vec(),
        rows: all.iter().map(row).collect(),
        is_grouped: true,
        ..Table::default()
    }
}

/// What else changed between the two records, whose commits are beside it. Of lists only the items that differ.
fn settings(change: &Change) -> String {
    let others = change.settings.iter().filter(|setting| setting.name != COMMIT);
    let words = others.map(|setting| {
        let [base, new] =
            [(&setting.base, &setting.new), (&setting.new, &setting.base)].map(|(one, other)| {
                let others: Vec<_> = other.split(", ").collect();
                let items: Vec<_> = one.split(", ").filter(|item| !others.contains(item)).collect();
                if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
            });
        format!("{}: {base} → {new}", setting.name.trim_start_matches("the "))
    });
    let words: Vec<_> = words.collect();
    if words.is_empty() { "nothing else in the records".to_owned() } else { words.join("; ") }
}

/// The series of a group: a table for each measurement, and one for the bytes.
fn series(history: &History, group: &Group) -> Vec<Table> {
    let mut tables: Vec<(Option<&str>, Table)> = Vec::new();
    for entry in &group.series {
        let measurement = entry.series.measurement.as_deref();
        let row = Row { is_muted: entry.changes.is_empty(), ..row(group, entry) };
        match tables.iter_mut().find(|(name, _)| *name == measurement) {
            Some((_, table)) => table.rows.push(row),
            None => {
                let subject = measurement.unwrap_or("bytes of a call");
                let title = format!("{}: {subject}", history.name_of(group));
                let columns = SERIES.to_vec();
                let table = Table { title, columns, rows: vec![row], is_grouped: true, ..Table::default() };
                tables.push((measurement, table));
            }
        }
    }
    tables.into_iter().map(|(_, table)| table).collect()
}

fn row(group: &Group, Entry { series, changes }: &Entry) -> Row {
    let changes = changes.iter().map(|change| {
        let from = &group.records[change.first_after];
        format!("{} from {}", change_in_words(series.metric, change), day(&from.started))
    });
    let metric = metric_in_words(series.metric, series.floor.as_deref());
    let metric = if series.measurement.is_none() { series.operation.to_string() } else { metric };
    Row::new(vec![
        series.stack.as_str().into(),
        metric.into(),
        #[allow(clippy::cast_precision_loss, reason = "far fewer than 2⁵³ records")]
        Cell::number(series.points.len() as f64),
        sparkline(series).into(),
        newest(series).into(),
        changes.collect::<Vec<_>>().join("; ").into(),
    ])
}

/// The value of the newest record, and its figure where the value is a multiple.
fn newest(series: &Series) -> String {
    let Some(point) = series.points.last() else { return String::new() };
    let figure = figure(series.metric, point.figure);
    if series.floor.is_some() { format!("{} ({figure})", value(series, point.value)) } else { figure }
}

/// The newest values of a series as bars.
fn sparkline(series: &Series) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const MAX_VALUES: usize = 32;
    /// Where values differ by less than this share, the bars do not span the whole height.
    const MIN_SPAN: f64 = 0.06;
    let newest = &series.points[series.points.len().saturating_sub(MAX_VALUES)..];
    let logs: Vec<f64> = newest.iter().map(|point| point.value.max(f64::MIN_POSITIVE).ln()).collect();
    let (low, high) = logs
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), log| (low.min(*log), high.max(*log)));
    let span = (high - low).max(MIN_SPAN);
    let start = f64::midpoint(low, high) - span / 2.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 7")]
    let bar = |log: &f64| BARS[((log - start) / span * 7.0 - 1e-6).round().clamp(0.0, 7.0) as usize];
    logs.iter().map(bar).collect()
}
