//! Ratios with their intervals on one axis.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError};
use super::panels::{Panel, RIM, TOP, WIDTH, panel};
use super::rows::tick_label;
use super::style::{BLUE, GRID, INK, Look, MUTED, PAPER, TEXT_SIZE, USUAL, fitted, width};
use crate::report::chart::{RatioRow, Ratios};
use crate::report::text;
use crate::stats::Statement;

/// Height of a row: its name, and its interval below.
const ROW_HEIGHT: f64 = 34.0;
const HEADING_HEIGHT: f64 = 24.0;
const BELOW: f64 = 42.0;
const LEFT: f64 = RIM + 6.0;
const RIGHT: f64 = WIDTH - RIM - 6.0;
/// The largest ratio of the axis, and the inverse of the smallest: a larger difference would make those of the noise invisible, and
/// is marked at the edge.
const MAX_RATIO: f64 = 1.4;

/// `ratios` as an `svg` element.
pub(in crate::report) fn ratios(ratios: &Ratios) -> Result<String, PlotError> {
    Ok(draw(ratios)?.into_svg())
}

/// Draws `ratios`.
#[allow(clippy::cast_precision_loss)]
pub(super) fn draw(ratios: &Ratios) -> Result<Panel, PlotError> {
    let height_of = |rows: usize| HEADING_HEIGHT + ROW_HEIGHT * rows as f64;
    let bottom = TOP + ratios.groups.iter().map(|group| height_of(group.rows.len())).sum::<f64>();
    let bounds = [1.0 / (1.0 + ratios.delta), 1.0 + ratios.delta];
    let all = || ratios.groups.iter().flat_map(|group| &group.rows);
    let values = all().flat_map(|row| [row.ratio.low, row.ratio.median, row.ratio.high]).chain(bounds);
    let axis = Axis::around(values.map(shown), LEFT, RIGHT);
    let subtitle = format!("{}; δ is {}", ratios.quantity, text::percent(ratios.delta));
    let description: Vec<_> = all().map(described).collect();
    panel(bottom + BELOW, [&ratios.title, &subtitle], &description.join("; "), |canvas| {
        canvas.rectangle((axis.at(bounds[0]), TOP), (axis.at(bounds[1]), bottom), USUAL, 1.0);
        for tick in axis.ticks() {
            canvas.line((axis.at(tick), TOP), (axis.at(tick), bottom + 4.0), GRID, 1.0);
            canvas.text(&tick_label(tick), (axis.at(tick), bottom + 16.0), Anchor::Middle, MUTED);
        }
        canvas.line((axis.at(1.0), TOP), (axis.at(1.0), bottom + 4.0), MUTED, 1.2);
        let mut top = TOP;
        for group in &ratios.groups {
            let heading = (RIM + width(group.heading, TEXT_SIZE), top + 20.0);
            canvas.rectangle((RIM, top + 4.0), heading, PAPER, 1.0);
            canvas.text(group.heading, (RIM, top + 12.0), Anchor::Left, MUTED);
            top += HEADING_HEIGHT;
            for row in &group.rows {
                draw_row(canvas, &axis, row, top, group.is_noise);
                top += ROW_HEIGHT;
            }
        }
        canvas.text(ratios.axis, (WIDTH / 2.0, bottom + 33.0), Anchor::Middle, MUTED);
    })
}

/// `ratio`, or the end of the axis that is nearest to it.
fn shown(ratio: f64) -> f64 {
    ratio.clamp(1.0 / MAX_RATIO, MAX_RATIO)
}

/// Whether `ratio` lies beyond the axis.
fn is_beyond(ratio: f64) -> bool {
    !(1.0 / MAX_RATIO..=MAX_RATIO).contains(&ratio)
}

fn draw_row(canvas: &mut Canvas<'_>, axis: &Axis, row: &RatioRow, top: f64, is_noise: bool) {
    let words = words(row, is_noise);
    let room = WIDTH - 2.0 * RIM - width(&words, TEXT_SIZE) - 10.0;
    let name = fitted(&row.name, TEXT_SIZE, room);
    // On a blank background, which hides the lines of the axis.
    canvas.rectangle((RIM, top - 1.0), (RIM + width(&name, TEXT_SIZE), top + 15.0), PAPER, 1.0);
    canvas.text(&name, (RIM, top + 7.0), Anchor::Left, INK);
    canvas.text(&words, (WIDTH - RIM, top + 7.0), Anchor::Right, INK);
    let is_stated = matches!(row.statement, Statement::Faster | Statement::Slower);
    let look = match (is_noise, is_stated) {
        (true, _) => Look { colour: MUTED, is_filled: true },
        (false, true) => Look { colour: BLUE, is_filled: true },
        (false, false) => Look { colour: BLUE, is_filled: false },
    };
    let y = top + 23.0;
    let ratio = row.ratio;
    if is_beyond(ratio.median) {
        let (edge, back) = (axis.at(shown(ratio.median)), if ratio.median > 1.0 { -9.0 } else { 9.0 });
        canvas.polygon(&[(edge, y), (edge + back, y - 5.0), (edge + back, y + 5.0)], look.colour);
        return;
    }
    let ends = [ratio.low, ratio.high].map(|end| (axis.at(shown(end)), is_beyond(end)));
    canvas.clipped_whisker(ends, y, look.colour);
    canvas.dot((axis.at(ratio.median), y), look);
}

/// What is said of a ratio, in short.
fn words(row: &RatioRow, is_noise: bool) -> String {
    let ratio = row.ratio.median;
    match row.statement {
        _ if is_noise => text::signed_percent(ratio - 1.0),
        Statement::Faster if ratio >= 2.0 => format!("× {}", text::ratio(ratio)),
        Statement::Faster | Statement::Slower => text::signed_percent(ratio - 1.0),
        Statement::NoDifference => "no difference".to_owned(),
        Statement::Undecided => "undecided".to_owned(),
    }
}

/// A ratio in words, with its interval.
fn described(RatioRow { name, ratio, .. }: &RatioRow) -> String {
    format!("{name}: {:.3} ({:.3}–{:.3})", ratio.median, ratio.low, ratio.high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chart::RatioGroup;
    use crate::stats::Interval;

    #[test]
    fn an_interval_that_goes_on_beyond_the_axis_has_a_triangle_there() {
        let triangles = |low: f64, median: f64, high: f64| {
            let ratio = Interval { low, median, high };
            let row = RatioRow { name: "a".to_owned(), ratio, statement: Statement::Undecided };
            let groups = vec![RatioGroup { heading: "b", is_noise: false, rows: vec![row] }];
            let (title, quantity) = ("c".to_owned(), "d".to_owned());
            let svg = ratios(&Ratios { title, quantity, delta: 0.01, axis: "e", groups }).unwrap();
            svg.matches("<polygon").count()
        };
        assert_eq!(triangles(0.9, 1.0, 1.1), 0);
        assert_eq!(triangles(0.9, 1.0, 1.5), 1);
        assert_eq!(triangles(0.5, 1.0, 1.5), 2);
        // A median beyond the axis has one itself.
        assert_eq!(triangles(0.9, 1.5, 1.9), 1);
        assert_eq!(triangles(0.3, 0.5, f64::INFINITY), 1);
    }
}
