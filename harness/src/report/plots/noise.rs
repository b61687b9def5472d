//! Differences between stacks next to those of a stack from itself, on one axis.

use super::canvas::PlotError;
use super::panels::Multiples;
use super::ratios;
use crate::report::chart::{RatioGroup, RatioRow, Ratios};
use crate::report::model::PairStatement;
use crate::report::statements;
use crate::report::summary::MeasurementSummary;

/// Draws a panel for each measurement with statements; `None` without any.
pub(super) fn figure(summaries: &[MeasurementSummary], name: String) -> Result<Option<Multiples>, PlotError> {
    let panels = summaries
        .iter()
        .filter_map(differences)
        .map(|shown| ratios::draw(&shown))
        .collect::<Result<Vec<_>, _>>()?;
    if panels.is_empty() {
        return Ok(None);
    }
    let caption = "Speed of the first stack as a multiple of that of the second, with intervals. Grey: a stack compared with itself, \
                   so that all of it is noise. Blue: the difference is stated; hollow: it is not. The band is ± δ; a difference is \
                   stated if its interval lies wholly outside. Triangles mark differences beyond the axis.";
    let title = "Differences next to the noise";
    Multiples::new(name, title.to_owned(), caption.to_owned(), panels).map(Some)
}

/// The A/A pairs, and the neighbours in the ranking. `None` where there is no interval of two different stacks.
fn differences(summary: &MeasurementSummary) -> Option<Ratios> {
    let statements = statements::pairs(summary);
    let is_next = |pair: &&PairStatement| {
        let ranked = &summary.ranking.stacks;
        ranked.windows(2).any(|two| two == pair.stacks)
    };
    let same: Vec<_> = statements.same.iter().filter_map(row).collect();
    let next: Vec<_> = statements.pairs.iter().filter(is_next).filter_map(row).collect();
    if next.is_empty() {
        return None;
    }
    let group = |heading, is_noise, rows| RatioGroup { heading, is_noise, rows };
    let mut groups =
        vec![group("a stack and itself (A/A)", true, same), group("a stack and the next", false, next)];
    groups.retain(|group| !group.rows.is_empty());
    let quantity = if summary.measurement.load.is_for_latency() {
        "median latency"
    } else {
        "calls/s per core of the server"
    };
    Some(Ratios {
        title: summary.measurement.name.clone(),
        quantity: quantity.to_owned(),
        delta: statements.delta,
        axis: "speed of the first ÷ that of the second",
        groups,
    })
}

/// The row of `pair`; `None` without an interval.
fn row(pair: &PairStatement) -> Option<RatioRow> {
    let [first, second] = &pair.stacks;
    let name = if first == second { first.clone() } else { format!("{first} : {second}") };
    Some(RatioRow { name, ratio: pair.ratio?, statement: pair.statement })
}
