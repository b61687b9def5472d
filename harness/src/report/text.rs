//! Values as text: the digits, units and words that every kind of report uses for them.

use super::decision::{Bound, DecisionRatio};
use super::model::{Cell, Column, Note, Quantity, Unit};
use crate::stats::{Interval, Statement};

/// What is shown where there is no value.
const MISSING: &str = "–";

/// A cell as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CellText {
    /// The value.
    pub value: String,
    /// The range, where the cell has one.
    pub range: Option<String>,
}

/// A ratio with three significant digits.
pub(super) fn ratio(ratio: f64) -> String {
    match ratio {
        v if v < 0.0995 => format!("{v:.3}"),
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => thousands(v),
    }
}

/// A figure as a multiple of another one, with a sign where it is a bound.
pub(super) fn multiple(of: &DecisionRatio) -> String {
    let sign = match of.bound {
        Some(Bound::AtMost) => "≤ ",
        Some(Bound::AtLeast) => "≥ ",
        None => "",
    };
    format!("{sign}{}", ratio(of.factor))
}

/// Nanoseconds as microseconds with three significant digits.
pub(super) fn micros(nanos: f64) -> String {
    decimals(nanos / 1_000.0)
}

/// A number with three significant digits, and a comma between thousands.
pub(crate) fn decimals(value: f64) -> String {
    match value {
        v if v < 1.0 => format!("{v:.3}"),
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => thousands(v),
    }
}

/// A whole number with a comma between thousands.
pub(crate) fn thousands(value: f64) -> String {
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

/// A share as a percentage with one decimal place.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A share as a percentage with its sign and one decimal place.
pub(super) fn signed_percent(share: f64) -> String {
    let sign = if share < 0.0 { "−" } else { "+" };
    format!("{sign}{}", percent(share.abs()))
}

/// By how much a stack is faster than another: the share as a percentage, or the factor from 2 on, with its interval.
/// `speeds` is the speed as a multiple of that of the other stack.
pub(super) fn lead(speeds: &Interval) -> String {
    if speeds.median >= 2.0 {
        let bounds = range(Some(speeds.low), Some(speeds.high), Some(Unit::Ratio));
        return format!("a factor of {} ({bounds})", ratio(speeds.median));
    }
    let decimals = if speeds.median < 1.1 { 1 } else { 0 };
    let share = |speed: f64| format!("{:.decimals$}", 100.0 * (speed - 1.0));
    format!("{} % ({}–{} %)", share(speeds.median), share(speeds.low), share(speeds.high))
}

/// A statement about a stack and another one, without their names.
pub(super) fn statement(statement: Statement, ratio: Option<&Interval>, delta: f64) -> String {
    match (statement, ratio) {
        (Statement::Faster, Some(ratio)) => format!("faster by {}", lead(ratio)),
        (Statement::Slower, Some(ratio)) => {
            format!("slower: the other is faster by {}", lead(&ratio.inverse()))
        }
        (Statement::NoDifference, _) => format!("no difference above {}", percent(delta)),
        _ => "undecided".to_owned(),
    }
}

/// A number in `unit`, without the unit.
fn number(value: f64, unit: Option<Unit>) -> String {
    match unit {
        Some(Unit::Microseconds) => decimals(value),
        Some(Unit::Milliseconds) => format!("{value:.2}"),
        Some(Unit::Ratio) => ratio(value),
        Some(Unit::Percent) => format!("{value:.0}"),
        Some(Unit::Packets) if (value - value.round()).abs() >= 0.005 => format!("{value:.2}"),
        Some(Unit::Packets | Unit::CallsPerSecond | Unit::Bytes | Unit::Kibibytes | Unit::Count) | None => {
            thousands(value)
        }
    }
}

/// A range of numbers in `unit`, without the unit; a bound that is absent is open.
pub(super) fn range(low: Option<f64>, high: Option<f64>, unit: Option<Unit>) -> String {
    match (low, high) {
        (Some(low), Some(high)) => format!("{}–{}", number(low, unit), number(high, unit)),
        (Some(low), None) => format!("{} or more", number(low, unit)),
        (None, Some(high)) => format!("less than {}", number(high, unit)),
        (None, None) => MISSING.to_owned(),
    }
}

/// `cell` of a column whose numbers are in `unit`.
pub(super) fn cell(cell: &Cell, unit: Option<Unit>) -> CellText {
    if let Cell::Quantity(Quantity { value, range: bounds, is_approximate, is_lower_bound }) = cell {
        let about = match (is_approximate, is_lower_bound) {
            (_, true) => "≥ ",
            (true, false) => "≈ ",
            (false, false) => "",
        };
        let range = bounds.map(|(low, high)| range(Some(low), Some(high), unit));
        return CellText { value: format!("{about}{}", number(*value, unit)), range };
    }
    CellText { value: without_range(cell, unit), range: None }
}

/// `cell` of `column` as text, with its range in parentheses where the column has room for it.
pub(super) fn inline(value: &Cell, column: &Column) -> String {
    match cell(value, column.unit) {
        CellText { value, range: Some(range) } if column.has_inline_range => format!("{value} ({range})"),
        CellText { value, .. } => value,
    }
}

/// The heading of `column`, with an arrow where it is about one direction.
pub(super) fn heading(column: &Column) -> String {
    match column.direction {
        Some(direction) => format!("{} {}", column.heading, direction.arrow()),
        None => column.heading.to_owned(),
    }
}

fn without_range(cell: &Cell, unit: Option<Unit>) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Missing => MISSING.to_owned(),
        // The reason may end with a server's log of several lines.
        Cell::NotMeasured(reason) => {
            format!("not measured: {}", reason.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        Cell::Text(text) => text.clone(),
        Cell::Statement { statement, ratio, delta } => self::statement(*statement, ratio.as_ref(), *delta),
        Cell::Quantity(quantity) => number(quantity.value, unit),
        Cell::Pair(pair) => {
            let [first, second] = pair.map(|value| value.map_or(MISSING.to_owned(), |v| number(v, unit)));
            format!("{first} {second}")
        }
        Cell::Range { low, high } => range(*low, *high, unit),
        Cell::Share { part, whole } => format!("{part} of {whole}"),
        Cell::Notes(notes) => notes.iter().map(note).collect::<Vec<_>>().join("; "),
        Cell::Stacks { shorthand: Some(words), .. } => words.clone(),
        Cell::Stacks { names, shorthand: None } => names.join(", "),
        Cell::FailedChecks(failed) if failed.is_empty() => "none".to_owned(),
        Cell::FailedChecks(failed) => {
            failed.iter().map(|check| check.call.as_str()).collect::<Vec<_>>().join("; ")
        }
    }
}

fn note(note: &Note) -> String {
    match note {
        Note::Label(label) => label.name().to_owned(),
        Note::Text(text) => text.clone(),
        Note::Unplaced => "server not placed by this run".to_owned(),
        Note::RatioToFloor { ratio, floor } => format!("{ratio:.2} × {floor}"),
        Note::NotCorrect { calls, started } => {
            format!("{calls} of {started} calls without a correct answer")
        }
        Note::LeftOut { trials: 1, reason } => format!("1 trial left out: {reason}"),
        Note::LeftOut { trials, reason } => format!("{trials} trials left out: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits_and_commas_between_thousands() {
        assert_eq!(micros(148.0), "0.148");
        assert_eq!(micros(9_870.0), "9.87");
        assert_eq!(micros(12_740.0), "12.7");
        assert_eq!(micros(1_234_567.0), "1,235");
        assert_eq!(ratio(0.0172), "0.017");
        assert_eq!(ratio(2.456), "2.46");
        assert_eq!(ratio(44.27), "44.3");
        assert_eq!(ratio(120.2), "120");
        assert_eq!(thousands(999.4), "999");
        assert_eq!(thousands(1_000_000.0), "1,000,000");
        assert_eq!(thousands(12_345.6), "12,346");
    }

    #[test]
    fn statements_have_three_forms() {
        let show = |low: f64, median, high, delta| {
            let ratio = Some(Interval { low, median, high });
            let statement = Statement::of(ratio, delta);
            cell(&Cell::Statement { statement, ratio, delta }, None).value
        };
        assert_eq!(show(1.02, 1.034, 1.05, 0.01), "faster by 3.4 % (2.0–5.0 %)");
        assert_eq!(show(1.12, 1.17, 1.21, 0.01), "faster by 17 % (12–21 %)");
        assert_eq!(show(12.5, 26.04, 27.0, 0.01), "faster by a factor of 26.0 (12.5–27.0)");
        assert_eq!(show(0.8, 0.8, 0.8, 0.01), "slower: the other is faster by 25 % (25–25 %)");
        assert_eq!(show(0.995, 1.0, 1.005, 0.012), "no difference above 1.2 %");
        assert_eq!(show(0.9, 1.0, 1.005, 0.012), "undecided");
    }

    #[test]
    fn cells_are_shown_in_the_unit_of_their_column() {
        let show = |value: Cell, unit| cell(&value, Some(unit)).value;
        assert_eq!(show(Cell::number(2.0), Unit::Packets), "2");
        assert_eq!(show(Cell::number(1.25), Unit::Packets), "1.25");
        assert_eq!(show(Cell::Missing, Unit::Bytes), "–");
        assert_eq!(show(Cell::Pair([Some(10_987.0), None]), Unit::Bytes), "10,987 –");
        assert_eq!(show(Cell::Range { low: Some(9e4), high: None }, Unit::CallsPerSecond), "90,000 or more");
        let approximate =
            Quantity { range: Some((1.0, 2_000.0)), is_approximate: true, ..Quantity::new(123.0) };
        let shown = cell(&Cell::Quantity(approximate), Some(Unit::Bytes));
        assert_eq!((shown.value.as_str(), shown.range.as_deref()), ("≈ 123", Some("1–2,000")));
        let bound = Quantity { is_lower_bound: true, ..Quantity::new(125_000.0) };
        assert_eq!(show(Cell::Quantity(bound), Unit::CallsPerSecond), "≥ 125,000");
    }
}
