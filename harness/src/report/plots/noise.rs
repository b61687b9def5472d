//! Differences between stacks next to those of a stack from itself, on one axis.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError};
use super::panels::{Multiples, Panel, RIM, TOP, WIDTH, panel};
use super::rows::tick_label;
use super::style::{BLUE, GRID, INK, Look, MUTED, PAPER, TEXT_SIZE, USUAL, fitted, width};
use crate::report::model::{PairStatement, PairStatements};
use crate::report::statements;
use crate::report::summary::MeasurementSummary;
use crate::report::text;
use crate::stats::{Interval, Statement};

/// Height of a pair: its names, and its interval below.
const ROW_HEIGHT: f64 = 34.0;
const HEADING_HEIGHT: f64 = 24.0;
const BELOW: f64 = 42.0;
const LEFT: f64 = RIM + 6.0;
const RIGHT: f64 = WIDTH - RIM - 6.0;
/// The largest ratio of the axis: a larger difference would make those of the noise invisible, and is marked at the edge.
const MAX_RATIO: f64 = 1.4;

/// What a panel shows.
struct Rows {
    title: String,
    /// What is compared, in few words.
    quantity: &'static str,
    statements: PairStatements,
    /// The A/A pairs, then the neighbours in the ranking.
    groups: [(&'static str, Vec<PairStatement>); 2],
}

impl Rows {
    /// `None` where there is no interval of two different stacks.
    fn of(summary: &MeasurementSummary) -> Option<Self> {
        let statements = statements::pairs(summary);
        let has_ratio = |pair: &&PairStatement| pair.ratio.is_some();
        let is_next = |pair: &&PairStatement| {
            let ranked = &summary.ranking.stacks;
            ranked.windows(2).any(|two| two == pair.stacks)
        };
        let same: Vec<_> = statements.same.iter().filter(has_ratio).cloned().collect();
        let next: Vec<_> = statements.pairs.iter().filter(has_ratio).filter(is_next).cloned().collect();
        (!next.is_empty()).then(|| Rows {
            title: summary.measurement.name.clone(),
            quantity: if summary.measurement.load.is_for_latency() {
                "median latency"
            } else {
                "calls/s per core of the server"
            },
            groups: [("a stack and itself (A/A)", same), ("a stack and the next", next)],
            statements,
        })
    }

    fn shown(&self) -> impl Iterator<Item = &(&'static str, Vec<PairStatement>)> {
        self.groups.iter().filter(|(_, pairs)| !pairs.is_empty())
    }

    fn pairs(&self) -> impl Iterator<Item = &PairStatement> {
        self.groups.iter().flat_map(|(_, pairs)| pairs)
    }
}

/// Draws a panel for each measurement with statements; `None` without any.
pub(super) fn figure(summaries: &[MeasurementSummary], name: String) -> Result<Option<Multiples>, PlotError> {
    let panels =
        summaries.iter().filter_map(Rows::of).map(|rows| draw(&rows)).collect::<Result<Vec<_>, _>>()?;
    if panels.is_empty() {
        return Ok(None);
    }
    let caption = "Speed of the first stack as a multiple of that of the second, with intervals. Grey: a stack compared with itself, \
                   so that all of it is noise. Blue: the difference is stated; hollow: it is not. The band is ± δ; a difference is \
                   stated if its interval lies wholly outside. Triangles mark differences beyond the axis.";
    let title = "Differences next to the noise";
    Multiples::new(name, title.to_owned(), caption.to_owned(), panels).map(Some)
}

#[allow(clippy::cast_precision_loss)]
fn draw(rows: &Rows) -> Result<Panel, PlotError> {
    let height: f64 = rows.shown().map(|(_, pairs)| HEADING_HEIGHT + ROW_HEIGHT * pairs.len() as f64).sum();
    let bottom = TOP + height;
    let delta = rows.statements.delta;
    let bounds = [1.0 / (1.0 + delta), 1.0 + delta];
    let ratios: Vec<_> = rows.pairs().filter_map(|pair| pair.ratio).collect();
    let values = ratios.iter().flat_map(|ratio| [ratio.low, ratio.median, ratio.high]).chain(bounds);
    let axis = Axis::around(values.map(|ratio| ratio.clamp(1.0 / MAX_RATIO, MAX_RATIO)), LEFT, RIGHT);
    let subtitle = format!("{}; δ is {}", rows.quantity, text::percent(delta));
    let description: Vec<_> = rows.pairs().map(described).collect();
    panel(bottom + BELOW, [&rows.title, &subtitle], &description.join("; "), |canvas| {
        canvas.rectangle((axis.at(bounds[0]), TOP), (axis.at(bounds[1]), bottom), USUAL, 1.0);
        for tick in axis.ticks() {
            canvas.line((axis.at(tick), TOP), (axis.at(tick), bottom + 4.0), GRID, 1.0);
            canvas.text(&tick_label(tick), (axis.at(tick), bottom + 16.0), Anchor::Middle, MUTED);
        }
        canvas.line((axis.at(1.0), TOP), (axis.at(1.0), bottom + 4.0), MUTED, 1.2);
        let mut top = TOP;
        for (index, (heading, pairs)) in rows.groups.iter().enumerate() {
            if pairs.is_empty() {
                continue;
            }
            canvas.rectangle((RIM, top + 4.0), (RIM + width(heading, TEXT_SIZE), top + 20.0), PAPER, 1.0);
            canvas.text(heading, (RIM, top + 12.0), Anchor::Left, MUTED);
            top += HEADING_HEIGHT;
            for pair in pairs {
                draw_pair(canvas, &axis, pair, top, index == 0);
                top += ROW_HEIGHT;
            }
        }
        canvas.text(
            "speed of the first ÷ that of the second",
            (WIDTH / 2.0, bottom + 33.0),
            Anchor::Middle,
            MUTED,
        );
    })
}

fn draw_pair(canvas: &mut Canvas<'_>, axis: &Axis, pair: &PairStatement, top: f64, is_noise: bool) {
    let Some(ratio) = pair.ratio else { return };
    let words = words(pair, &ratio, is_noise);
    let room = WIDTH - 2.0 * RIM - width(&words, TEXT_SIZE) - 10.0;
    let names = fitted(&names(pair), TEXT_SIZE, room);
    // On a blank background, which hides the lines of the axis.
    canvas.rectangle((RIM, top - 1.0), (RIM + width(&names, TEXT_SIZE), top + 15.0), PAPER, 1.0);
    canvas.text(&names, (RIM, top + 7.0), Anchor::Left, INK);
    canvas.text(&words, (WIDTH - RIM, top + 7.0), Anchor::Right, INK);
    let is_stated = matches!(pair.statement, Statement::Faster | Statement::Slower);
    let look = match (is_noise, is_stated) {
        (true, _) => Look { colour: MUTED, is_filled: true },
        (false, true) => Look { colour: BLUE, is_filled: true },
        (false, false) => Look { colour: BLUE, is_filled: false },
    };
    let y = top + 23.0;
    if ratio.median > MAX_RATIO {
        let edge = axis.at(MAX_RATIO);
        canvas.polygon(&[(edge, y), (edge - 9.0, y - 5.0), (edge - 9.0, y + 5.0)], look.colour);
        return;
    }
    canvas.whisker(axis.at(ratio.low), axis.at(ratio.high), y, look.colour);
    canvas.dot((axis.at(ratio.median), y), look);
}

fn names(pair: &PairStatement) -> String {
    let [first, second] = &pair.stacks;
    if first == second { first.clone() } else { format!("{first} : {second}") }
}

/// What is said of a pair, in short.
fn words(pair: &PairStatement, ratio: &Interval, is_noise: bool) -> String {
    match pair.statement {
        _ if is_noise => text::signed_percent(ratio.median - 1.0),
        Statement::Faster if ratio.median >= 2.0 => format!("× {}", text::ratio(ratio.median)),
        Statement::Faster | Statement::Slower => text::signed_percent(ratio.median - 1.0),
        Statement::NoDifference => "no difference".to_owned(),
        Statement::Undecided => "undecided".to_owned(),
    }
}

/// A pair in words, with its interval.
fn described(pair: &PairStatement) -> String {
    let interval =
        pair.ratio.map(|ratio| format!("{:.3} ({:.3}–{:.3})", ratio.median, ratio.low, ratio.high));
    format!("{}: {}", names(pair), interval.unwrap_or_default())
}
