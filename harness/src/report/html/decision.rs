//! The decision table as HTML: what each cell shows for every baseline, so that the script of the page only chooses.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::report::decision::{DecisionCell, DecisionColumn, DecisionRatio, DecisionRow, DecisionTable};
use crate::report::model::{Cell, Quantity, Unit};
use crate::report::plots;
use crate::report::text::{self, CellText};
use crate::stats::{ERROR_RATE, Interval, MIN_DELTA, Statement};

/// The factors from which on a cell has the next stronger colour; below the first one it has the weakest.
const STEPS: [f64; 4] = [1.5, 3.0, 8.0, 25.0];

/// The table.
#[derive(Serialize)]
pub(super) struct DecisionView<'a> {
    columns: Vec<Heading<'a>>,
    rows: Vec<Line<'a>>,
    /// The stacks that a reader can choose as the baseline.
    baselines: Vec<&'a str>,
    filters: Vec<Filter<'a>>,
    /// The key of the column by which the rows are sorted at first.
    sorted_by: &'a str,
    /// The numbers of the colours, the strongest first.
    steps: Vec<usize>,
    /// The factors between the colours, the smallest first.
    factors: [f64; STEPS.len()],
    /// The same in words.
    limits: String,
    /// What is certain.
    note: String,
    /// The probability, at least, that all statements are right at once, in per cent.
    confidence: String,
}

#[derive(Serialize)]
struct Heading<'a> {
    key: &'a str,
    heading: &'a str,
    quantity: &'static str,
    conditions: &'a str,
    is_sorted: bool,
    /// δ, a share: a difference between two runs is stated only if it is larger.
    delta: f64,
    /// The stack that is the baseline of this column at first.
    baseline: Option<&'a str>,
}

#[derive(Serialize)]
struct Line<'a> {
    stack: &'a str,
    swatch: String,
    class: String,
    protocol: &'static str,
    library: String,
    route: &'a str,
    language: &'static str,
    /// The place in the first column.
    place: String,
    cells: Vec<Option<Field>>,
}

#[derive(Serialize)]
struct Field {
    /// For sorting.
    value: f64,
    /// The figure with its unit.
    figure: String,
    /// The figure with its quantity, blocks and range, as a sentence.
    about: String,
    place: String,
    group: Option<usize>,
    /// For the comparison with another run: the ends of its interval, with a space between them.
    interval: Option<String>,
    /// The figure beside the column's own baseline.
    now: Shown,
    /// The figure beside the column's own baseline and then beside every stack, as JSON.
    versus: String,
}

/// A figure beside a baseline.
#[derive(Clone, Serialize)]
struct Shown {
    text: String,
    shade: String,
    words: String,
}

/// A property by which stacks can be selected.
#[derive(Serialize)]
struct Filter<'a> {
    name: &'static str,
    label: &'static str,
    options: Vec<&'a str>,
}

impl<'a> DecisionView<'a> {
    pub(super) fn new(table: &'a DecisionTable) -> Self {
        let baseline = |column: &DecisionColumn| Some(table.rows.get(column.baseline?)?.stack.as_str());
        let columns = table.columns.iter().enumerate().map(|(index, column)| Heading {
            key: &column.key,
            heading: &column.heading,
            quantity: column.quantity,
            conditions: &column.conditions,
            is_sorted: index == 0,
            delta: column.delta.unwrap_or(if column.unit == Unit::Bytes { 0.0 } else { MIN_DELTA }),
            baseline: baseline(column),
        });
        DecisionView {
            columns: columns.collect(),
            rows: table.rows.iter().map(|row| line(row, table)).collect(),
            baselines: table.rows.iter().map(|row| row.stack.as_str()).collect(),
            filters: filters(table),
            sorted_by: table.columns.first().map_or("", |column| column.key.as_str()),
            steps: (1..=STEPS.len() + 1).rev().collect(),
            factors: STEPS,
            limits: limits(),
            note: note(),
            confidence: confidence(),
        }
    }
}

fn line<'a>(row: &'a DecisionRow, table: &'a DecisionTable) -> Line<'a> {
    let first = row.cells.first().and_then(Option::as_ref);
    let group = first.and_then(|cell| cell.group);
    let classes = [
        row.kind.is_floor().then_some("floor"),
        group.map(|_| "tied"),
        group.filter(|group| group % 2 == 1).map(|_| "odd"),
    ];
    let cells = row.cells.iter().zip(&table.columns);
    Line {
        stack: &row.stack,
        swatch: plots::swatch(row.kind),
        class: classes.into_iter().flatten().collect::<Vec<_>>().join(" "),
        protocol: row.protocol,
        library: row.libraries.join(" "),
        route: &row.route,
        language: row.language,
        place: first.map_or_else(String::new, place),
        cells: cells.map(|(cell, column)| Some(field(&row.stack, cell.as_ref()?, column, table))).collect(),
    }
}

fn field(stack: &str, cell: &DecisionCell, column: &DecisionColumn, table: &DecisionTable) -> Field {
    let shown = |ratio: Option<&DecisionRatio>, baseline: Option<usize>| {
        let name =
            baseline.and_then(|baseline| table.rows.get(baseline)).map_or("", |row| row.stack.as_str());
        if name == stack { own_baseline() } else { compared(ratio, name, column) }
    };
    let now = shown(cell.ratio.as_ref(), column.baseline);
    let others = cell.ratios.iter().enumerate().map(|(row, ratio)| shown(ratio.as_ref(), Some(row)));
    let all: Vec<_> =
        std::iter::once(now.clone()).chain(others).map(|it| (it.text, it.shade, it.words)).collect();
    let CellText { value, range } = figure(cell, column.unit);
    let unit = unit(column.unit);
    let blocks = match (cell.blocks, range) {
        (0, _) => "counted".to_owned(),
        (blocks, Some(range)) => format!("{blocks} blocks: {range}"),
        (_, None) => "one block".to_owned(),
    };
    Field {
        value: cell.value,
        about: format!("{}, {}: {value} {unit} ({blocks}).", column.heading, column.quantity),
        figure: format!("{value} {unit}"),
        place: place(cell),
        group: cell.group,
        interval: cell.interval.map(|Interval { low, high, .. }| format!("{low} {high}")),
        now,
        // Texts and numbers can always be written as JSON.
        versus: serde_json::to_string(&all).unwrap_or_default(),
    }
}

/// What a cell shows that is the baseline.
fn own_baseline() -> Shown {
    Shown { text: "1".to_owned(), shade: "base".to_owned(), words: "It is the baseline".to_owned() }
}

/// What a cell shows whose figure is `ratio` times that of `baseline`.
fn compared(ratio: Option<&DecisionRatio>, baseline: &str, column: &DecisionColumn) -> Shown {
    let Some(ratio) = ratio else {
        let words = format!("It cannot be compared with {baseline}");
        return Shown { text: "–".to_owned(), shade: String::new(), words };
    };
    let text = text::multiple(ratio);
    let range = |(low, high): (f64, f64)| text::range(Some(low), Some(high), Some(Unit::Ratio));
    let interval = match (column.unit, ratio.interval, ratio.range) {
        (Unit::Bytes, ..) => String::new(),
        (_, Some(interval), _) => format!(", interval {}", range((interval.low, interval.high))),
        (_, None, Some(blocks)) => format!(", blocks {}, too few for an interval", range(blocks)),
        (_, None, None) => ", one block".to_owned(),
    };
    let certainty = match ratio.statement {
        _ if ratio.bound.is_some() => ": a bound, since a server was not saturated".to_owned(),
        _ if ratio.interval.is_none() => String::new(),
        Some(Statement::NoDifference) => {
            format!(": no difference above {}", text::percent(column.delta.unwrap_or_default()))
        }
        Some(Statement::Undecided) => ": undecided".to_owned(),
        _ if ratio.order().is_eq() && column.unit != Unit::Bytes => ": not certain".to_owned(),
        _ => String::new(),
    };
    Shown { shade: shade(ratio), words: format!("{text} × {baseline}{interval}{certainty}"), text }
}

/// The class of a cell: blue for less and orange for more, in steps; none where the difference is not visible in the data.
fn shade(ratio: &DecisionRatio) -> String {
    if !ratio.is_visible() {
        return String::new();
    }
    let (side, size) = if ratio.factor < 1.0 { ("less", 1.0 / ratio.factor) } else { ("more", ratio.factor) };
    let step = 1 + STEPS.iter().filter(|limit| size >= **limit).count();
    format!("{side}{step}")
}

/// The figure of `cell` without its unit.
pub(super) fn figure(cell: &DecisionCell, unit: Unit) -> CellText {
    let quantity = Quantity { range: cell.range, ..Quantity::new(cell.value) };
    let mut shown = text::cell(&Cell::Quantity(quantity), Some(unit));
    if cell.is_upper_bound {
        shown.value = format!("≤ {}", shown.value);
    }
    shown
}

/// The abbreviation of `unit`, one of those that the table has.
pub(super) fn unit(unit: Unit) -> &'static str {
    if unit == Unit::Bytes { "bytes" } else { "µs" }
}

fn place(cell: &DecisionCell) -> String {
    match cell.rank {
        Some((best, worst)) if best == worst => best.to_string(),
        Some((best, worst)) => format!("{best}–{worst}"),
        None => String::new(),
    }
}

/// The properties that not all stacks share.
fn filters(table: &DecisionTable) -> Vec<Filter<'_>> {
    let filter = |name, label, of: fn(&DecisionRow) -> Vec<&str>| {
        let stacks = table.rows.iter().filter(|row| !row.kind.is_floor());
        let options: BTreeSet<&str> = stacks.flat_map(of).collect();
        Filter { name, label, options: options.into_iter().collect() }
    };
    let all = [
        filter("protocol", "Protocol", |row| vec![row.protocol]),
        filter("library", "Library", |row| row.libraries.clone()),
        filter("transport", "Transport", |row| vec![&row.route]),
        filter("language", "Server in", |row| vec![row.language]),
    ];
    all.into_iter().filter(|filter| filter.options.len() > 1).collect()
}

fn limits() -> String {
    let [rest @ .., last] = STEPS.map(|limit| limit.to_string());
    format!("{} and {last}", rest.join(", "))
}

/// What a colour means, and how sure the statements are.
fn note() -> String {
    format!(
        "A colour marks a difference that is certain; without enough blocks for an interval, one that all blocks show. The \
         statements about all pairs of ranked stacks in a column are right at once with a probability of at least {}.",
        confidence()
    )
}

fn confidence() -> String {
    format!("{:.0}\u{a0}%", 100.0 * (1.0 - ERROR_RATE))
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;
    use crate::report::Summary;
    use crate::report::decision::table;
    use crate::report::tests::record;

    fn certain(factor: f64) -> DecisionRatio {
        let interval = Some(Interval { low: factor, median: factor, high: factor });
        DecisionRatio { factor, interval, range: None, statement: None, bound: None }
    }

    #[test]
    fn colours_get_stronger_with_the_factor_in_both_directions() {
        for (factor, class) in [
            (1.2, "more1"),
            (1.5, "more2"),
            (7.9, "more3"),
            (24.0, "more4"),
            (300.0, "more5"),
            (0.9, "less1"),
            (0.5, "less2"),
            (0.01, "less5"),
        ] {
            assert_eq!(shade(&certain(factor)), class, "{factor}");
        }
        let undecided = DecisionRatio { statement: Some(Statement::Undecided), ..certain(1.2) };
        assert_eq!((undecided.order(), shade(&undecided)), (Ordering::Equal, String::new()));
    }

    #[test]
    fn a_cell_has_an_entry_for_its_own_baseline_and_one_for_every_stack() {
        let record = record(&["inproc", "tcp", "rest", "rest-hyper", "amqp"], 14);
        let table = table(&record, &Summary::new(&record).unwrap()).unwrap();
        let view = DecisionView::new(&table);
        assert_eq!(view.baselines, ["inproc", "tcp", "rest", "rest-hyper", "amqp"]);
        for (position, line) in view.rows.iter().enumerate() {
            let Some(cell) = &line.cells[0] else { panic!("{} has no latency", line.stack) };
            let interval: Vec<f64> =
                cell.interval.as_ref().unwrap().split(' ').map(|end| end.parse().unwrap()).collect();
            assert!(
                interval[0] <= cell.value && cell.value <= interval[1],
                "{interval:?} and {}",
                cell.value
            );
            let entries: Vec<(String, String, String)> = serde_json::from_str(&cell.versus).unwrap();
            assert_eq!(entries.len(), 6);
            let (text, shade, _) = &entries[1 + position];
            assert_eq!((text.as_str(), shade.as_str()), ("1", "base"), "{}", line.stack);
            // The floor of this measurement is tcp.
            assert_eq!(entries[0], entries[2]);
            let words = &entries[0].2;
            assert!(line.stack == "tcp" || words.contains("× tcp, interval "), "{words}");
        }
        let filters: Vec<_> =
            view.filters.iter().map(|filter| (filter.name, filter.options.clone())).collect();
        assert_eq!(
            filters,
            [("protocol", vec!["amqp", "rest"]), ("library", vec!["minimal", "usual"])],
            "what all stacks share is not a filter"
        );
    }
}
