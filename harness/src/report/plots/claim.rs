//! The conditions of a claim: how far each figure is from its threshold, on one logarithmic axis for all of them.
//!
//! Figures and thresholds have different units and directions. As a factor, the distance from the threshold has neither.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError, draw};
use super::figure::Figure;
use super::rows::{self, RIM};
use super::style::{INK, Look, MUTED, PAPER, TEXT_SIZE, WIDTH, fitted, width};
use crate::claims::{JudgedClaim, JudgedCondition};
use crate::record::Record;
use crate::report::claims;
use crate::report::stack::StackKind;
use crate::scenario::{Subject, Threshold};

/// Height of a row: a line for the condition, and one for its figure.
const ROW_HEIGHT: f64 = 48.0;
const TOP: f64 = 92.0;
/// Right edges of the columns of numbers.
const OUTCOME: f64 = WIDTH - RIM;
const THRESHOLD: f64 = OUTCOME - 86.0;
const VALUE: f64 = THRESHOLD - 94.0;
/// Width of the column of values.
const VALUE_WIDTH: f64 = 96.0;
/// The axis shows at least this factor to both sides of the threshold.
const MIN_FACTOR: f64 = 1.25;
/// Beyond this factor, values are at the end of the axis.
const MAX_FACTOR: f64 = 1e6;

/// Draws the conditions of `claim`.
pub(super) fn figure(record: &Record, claim: &JudgedClaim, name: String) -> Result<Figure, PlotError> {
    let title = claims::title(claim);
    let left = rows::left_of(claim.conditions.iter().map(|judged| claims::name(&judged.condition)));
    let ends = claim.conditions.iter().flat_map(|judged| factors(judged).into_iter().flatten());
    let axis = Axis::logarithmic(ends.chain([1.0 / MIN_FACTOR, MIN_FACTOR]), left, VALUE - VALUE_WIDTH);
    let bottom = middle(claim.conditions.len()) - ROW_HEIGHT / 2.0;
    let svg = draw(bottom + rows::BELOW, &title, |canvas| {
        rows::heading(canvas, &title, &claim.statement);
        let unit = "the figure's distance from its threshold as a factor (logarithmic)";
        rows::grid(canvas, &axis, TOP, bottom, unit);
        for (heading, right) in [("figure", VALUE), ("threshold", THRESHOLD), ("outcome", OUTCOME)] {
            canvas.text(heading, (right, TOP - 12.0), Anchor::Right, MUTED);
        }
        canvas.text("◂ false", (axis.at(1.0) - 8.0, TOP - 12.0), Anchor::Right, MUTED);
        canvas.text("true ▸", (axis.at(1.0) + 8.0, TOP - 12.0), Anchor::Left, MUTED);
        canvas.dashed(&[(axis.at(1.0), TOP), (axis.at(1.0), bottom)], 4.0, 3.0, MUTED, 1.2);
        for (index, judged) in claim.conditions.iter().enumerate() {
            row(canvas, &axis, judged, look(record, judged), (left, middle(index)));
        }
    })?;
    Ok(Figure { name, title, caption: caption(claim), svg })
}

fn caption(claim: &JudgedClaim) -> String {
    let caption = "A dot is the median of the blocks as a multiple of the threshold, or its inverse where the threshold is \
                   an upper limit; the whisker is the interval that decides: wholly to the right of the line the condition \
                   is true, wholly to the left false. Bytes are counted and have no interval; the whisker of a \
                   timeline or a topology ends at its smallest and its largest block.";
    let of_codecs = claim.conditions.iter().filter(|judged| judged.condition.figure.is_of_codec()).count();
    let of_stacks = "Filled: the protocol's usual library; hollow: another one.";
    let of_formats = "Filled: from and to structs; hollow: from and to values of any type.";
    match (of_codecs, claim.conditions.len()) {
        (0, _) => format!("{caption} {of_stacks}"),
        (some, all) if some == all => format!("{caption} {of_formats}"),
        _ => format!("{caption} Stacks: {of_stacks} Formats: {of_formats}"),
    }
}

#[allow(clippy::cast_precision_loss)]
fn middle(row: usize) -> f64 {
    TOP + (row as f64 + 0.5) * ROW_HEIGHT
}

/// Draws the row of `judged`, whose axis begins at `left`, around the height `y`.
fn row(canvas: &mut Canvas<'_>, axis: &Axis, judged: &JudgedCondition, look: Option<Look>, at: (f64, f64)) {
    let (left, y) = at;
    let condition = &judged.condition;
    let text = fitted(&condition.name, TEXT_SIZE, OUTCOME - RIM);
    let upper = y - 11.0;
    // The grid does not cross the text.
    let end = RIM + width(&text, TEXT_SIZE);
    canvas.rectangle((RIM, upper - 9.0), (end, upper + 9.0), PAPER, 1.0);
    canvas.text(&text, (RIM, upper), Anchor::Left, INK);
    let y = y + 10.0;
    rows::name(canvas, claims::name(condition), left, y);
    let estimate = match &judged.estimate {
        Ok(estimate) => *estimate,
        Err(obstacle) => {
            rows::remark(canvas, obstacle, left, y);
            return;
        }
    };
    canvas.text(&claims::value(judged, estimate), (VALUE, y), Anchor::Right, INK);
    canvas.text(&claims::threshold(condition), (THRESHOLD, y), Anchor::Right, INK);
    canvas.text(judged.outcome.name(), (OUTCOME, y), Anchor::Right, INK);
    if let (Some([low, dot, high]), Some(look)) = (factors(judged), look) {
        if low < high {
            let is_beyond = |factor| !(1.0 / MAX_FACTOR < factor && factor < MAX_FACTOR);
            canvas.clipped_whisker([low, high].map(|end| (axis.at(end), is_beyond(end))), y, look.colour);
        }
        canvas.dot((axis.at(dot), y), look);
    }
}

/// The lower end, the dot and the upper end of a row: above 1 on the true side of the threshold.
fn factors(judged: &JudgedCondition) -> Option<[f64; 3]> {
    let (estimate, threshold) = (judged.estimate.as_ref().ok()?, judged.condition.threshold()?);
    let (low, high) = estimate.bounds().unwrap_or((estimate.value(), estimate.value()));
    let factors = match threshold {
        Threshold::AtLeast(limit) => [low, estimate.value(), high].map(|value| value / limit),
        Threshold::AtMost(limit) => [high, estimate.value(), low].map(|value| limit / value),
    };
    Some(factors.map(|factor| factor.clamp(1.0 / MAX_FACTOR, MAX_FACTOR)))
}

/// How the stack or the format of `judged` looks; `None` if it is a stack that was not measured.
fn look(record: &Record, judged: &JudgedCondition) -> Option<Look> {
    match judged.condition.subject()? {
        Subject::Stack(stack) => {
            let facts = record.stacks.iter().find(|facts| facts.name == stack)?;
            Some(Look::of(StackKind::of(facts)))
        }
        Subject::Format(format) => Some(Look::neutral(format.is_typed())),
    }
}
