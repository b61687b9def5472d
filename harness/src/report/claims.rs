//! The claims of a scenario, with the verdict on each.

use super::model::{ClaimReport, Column, ConditionReport, Row, Table};
use super::text;
use crate::claims::{Estimate, JudgedClaim, JudgedCondition, Outcome};
use crate::scenario::{ClaimFigure, Condition, Subject, Threshold};
use crate::stats::ERROR_RATE;

/// All outcomes, in the order in which they are listed.
const OUTCOMES: [Outcome; 3] = [Outcome::True, Outcome::False, Outcome::Undecided];

const COLUMNS: [Column; 7] = [
    Column::text("condition", "condition").wide(),
    Column::text("figure", "figure").wide(),
    Column::text("value", "value")
        .meaning("median of the blocks; bytes and connections are counted")
        .right_aligned(),
    Column::text("interval", "interval").right_aligned(),
    Column::text("threshold", "threshold").right_aligned(),
    Column::text("outcome", "outcome"),
    Column::text("reason", "reason for the threshold").wide(),
];

/// The columns of the verdicts on several claims.
const VERDICT_COLUMNS: [Column; 5] = [
    Column::text("claim", "claim").wide(),
    Column::text("verdict", "verdict"),
    Column::text("true", "true").meaning("conditions of the claim that are true").right_aligned(),
    Column::text("false", "false").meaning("conditions of the claim that are false").right_aligned(),
    Column::text("undecided", "undecided")
        .meaning("conditions of the claim that the run could not decide, or had no figure for")
        .right_aligned(),
];

/// The verdicts on `claims`, a row for each; `None` where there are fewer than two.
pub(super) fn verdicts(claims: &[JudgedClaim]) -> Option<Table> {
    let row = |claim: &JudgedClaim| {
        let counts = OUTCOMES.map(|outcome| claim.with_outcome(outcome).count().to_string().into());
        let [is_true, is_false, undecided] = counts;
        let verdict = claim.verdict.name().into();
        Row::new(vec![claim.statement.as_str().into(), verdict, is_true, is_false, undecided])
    };
    (claims.len() > 1).then(|| Table {
        title: "Verdicts".to_owned(),
        subtitle: Some(
            "Each claim with its verdict, and how many of its conditions have each outcome".to_owned(),
        ),
        columns: VERDICT_COLUMNS.to_vec(),
        rows: claims.iter().map(row).collect(),
        ..Table::default()
    })
}

/// The report on `claim`.
pub(super) fn report(claim: &JudgedClaim) -> ClaimReport {
    let condition = |judged: &JudgedCondition| ConditionReport {
        condition: judged.condition.clone(),
        estimate: judged.estimate.as_ref().ok().copied(),
        obstacle: judged.estimate.as_ref().err().cloned(),
        outcome: judged.outcome,
    };
    ClaimReport {
        name: claim.name.clone(),
        statement: claim.statement.clone(),
        verdict: claim.verdict,
        sentence: sentence(claim),
        conditions: claim.conditions.iter().map(condition).collect(),
        table: table(claim),
    }
}

/// The verdict on `claim` in a few words, for the answer of the report.
pub(super) fn short(claim: &JudgedClaim) -> String {
    format!("{}: {}. {}", claim.name, heading_of(claim), claim.statement)
}

/// The name of `claim` with the verdict on it.
pub(super) fn title(claim: &JudgedClaim) -> String {
    format!("{} ({})", claim.name, claim.verdict.name())
}

/// The verdict, and how many conditions it follows from.
fn heading_of(claim: &JudgedClaim) -> String {
    let of_outcome = |wanted| claim.with_outcome(wanted).count();
    let others = [Outcome::False, Outcome::Undecided]
        .map(|outcome| match of_outcome(outcome) {
            0 => String::new(),
            count => format!(", {count} {}", outcome.name()),
        })
        .concat();
    let (is_true, all) = (of_outcome(Outcome::True), claim.conditions.len());
    let noun = if all == 1 { "condition is" } else { "conditions are" };
    format!("{}; {is_true} of {all} {noun} true{others}", claim.verdict.name())
}

/// The verdict with the number of every condition.
fn sentence(claim: &JudgedClaim) -> String {
    let mut sentence = format!("{}.", capitalised(&heading_of(claim)));
    for outcome in OUTCOMES {
        let list: Vec<_> = claim.with_outcome(outcome).map(in_words).collect();
        if !list.is_empty() {
            sentence += &format!(" {}: {}.", capitalised(outcome.name()), list.join("; "));
        }
    }
    sentence
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + characters.as_str()
}

/// A condition with its figure and threshold, or with the reason why there is no figure.
fn in_words(judged: &JudgedCondition) -> String {
    let number = match &judged.estimate {
        Ok(estimate) => {
            let limit = judged.condition.threshold().map_or_else(String::new, |threshold| {
                let side = match threshold {
                    Threshold::AtLeast(_) => "at least",
                    Threshold::AtMost(_) => "at most",
                };
                format!(", {side} {}", number(&judged.condition, threshold.value()))
            });
            format!("{}{limit}", value(judged, *estimate))
        }
        Err(obstacle) => obstacle.clone(),
    };
    format!("{} ({number})", judged.condition.name)
}

fn table(claim: &JudgedClaim) -> Table {
    let measured = claim.conditions.iter().filter(|judged| !judged.condition.figure.is_counted()).count();
    let note = match measured {
        0 => None,
        measured => Some(format!(
            "at most one claim in {:.0} has a wrong outcome in its table; with {measured} measured {} an outcome needs at \
             least {} blocks",
            1.0 / ERROR_RATE,
            if measured == 1 { "condition" } else { "conditions" },
            claim.blocks_needed
        )),
    };
    Table {
        title: title(claim),
        subtitle: Some(claim.statement.clone()),
        columns: COLUMNS.to_vec(),
        rows: claim.conditions.iter().map(|judged| row(claim, judged)).collect(),
        note,
        ..Table::default()
    }
}

fn row(claim: &JudgedClaim, judged: &JudgedCondition) -> Row {
    let condition = &judged.condition;
    let (value, interval) = match &judged.estimate {
        Ok(estimate) => (value(judged, *estimate), interval(claim, condition, *estimate)),
        Err(obstacle) => ("–".to_owned(), obstacle.clone()),
    };
    Row::new(vec![
        condition.name.as_str().into(),
        figure(condition).into(),
        value.into(),
        interval.into(),
        threshold(condition).into(),
        judged.outcome.name().into(),
        condition.reason.as_str().into(),
    ])
}

fn interval(claim: &JudgedClaim, condition: &Condition, estimate: Estimate) -> String {
    match estimate {
        Estimate::Counted(_) => "exact".to_owned(),
        Estimate::Measured(interval) => {
            format!("{}–{}", digits(condition, interval.low), digits(condition, interval.high))
        }
        Estimate::TooFewBlocks(_) => format!("takes {} blocks", claim.blocks_needed),
    }
}

/// The threshold of `condition` with its direction.
pub(super) fn threshold(condition: &Condition) -> String {
    match condition.threshold() {
        Some(Threshold::AtLeast(limit)) => format!("≥ {}", number(condition, limit)),
        Some(Threshold::AtMost(limit)) => format!("≤ {}", number(condition, limit)),
        None => "–".to_owned(),
    }
}

/// The value of `estimate`, the figure of `judged`, with its unit.
pub(super) fn value(judged: &JudgedCondition, estimate: Estimate) -> String {
    number(&judged.condition, estimate.value())
}

/// A value of the figure of `condition` with its unit; a ratio has none.
fn number(condition: &Condition, value: f64) -> String {
    let digits = digits(condition, value);
    match condition.figure.unit() {
        "" => digits,
        unit if condition.over.is_none() => format!("{digits} {unit}"),
        _ => digits,
    }
}

fn digits(condition: &Condition, value: f64) -> String {
    match (condition.over.is_some(), condition.figure) {
        _ if value.is_infinite() => "∞".to_owned(),
        (true, _) => text::ratio(value),
        (false, figure) if figure.is_relative() => text::decimals(value),
        (false, figure) if figure.is_of_timeline() => text::thousands(value),
        (
            false,
            ClaimFigure::Bytes
            | ClaimFigure::EncodedBytes
            | ClaimFigure::CallsPerSecond
            | ClaimFigure::Sockets,
        ) => text::thousands(value),
        (false, _) => text::decimals(value),
    }
}

/// What the figure of `condition` is, in words.
fn figure(condition: &Condition) -> String {
    let measurement = &condition.measurement;
    let (title, own) = (condition.figure.title(), name(condition));
    match condition.compared_with().map(|(measurement, other)| (measurement, other.name())) {
        None => format!("{title} of {own} in {measurement}"),
        Some((other, of)) if other == measurement => format!("{title} of {own} ÷ {of}, in {measurement}"),
        Some((other, of)) if of == own => format!("{title} of {own}, in {measurement} ÷ in {other}"),
        Some((other, of)) => format!("{title} of {own} in {measurement} ÷ {of} in {other}"),
    }
}

/// The name of the stack or of the format that `condition` is about.
pub(super) fn name(condition: &Condition) -> &str {
    condition.subject().map_or("–", Subject::name)
}
