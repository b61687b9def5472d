//! The parts that figures with a curve per stack share: the curves, and their names on the right.

use super::axis::{Axis, spread_out};
use super::canvas::{Anchor, Canvas};
use super::rows::{self, RIM};
use super::style::{GRID, INK, Look, MUTED, TEXT_SIZE, WIDTH, fitted};

/// The edges of the area for curves.
pub(super) const LEFT: f64 = RIM + 62.0;
pub(super) const RIGHT: f64 = WIDTH - 150.0;
pub(super) const TOP: f64 = rows::TOP + 8.0;
const HEIGHT: f64 = 470.0;
/// The least distance between two names.
const GAP: f64 = 17.0;
/// The left edge of the names.
const NAMES_LEFT: f64 = RIGHT + 26.0;

/// The curve of a stack, in pixels.
pub(super) struct Curve<'a> {
    pub(super) name: &'a str,
    pub(super) look: Look,
    pub(super) points: Vec<(f64, f64)>,
}

/// The lower edge of the area for `curves` curves; it is moved down where their names need more space.
#[allow(clippy::cast_precision_loss)]
pub(super) fn bottom(curves: usize) -> f64 {
    TOP + HEIGHT.max(GAP * curves as f64)
}

/// Draws the vertical axis, with a grid line at each tick.
pub(super) fn vertical_axis(canvas: &mut Canvas<'_>, axis: &Axis, unit: &str) {
    canvas.text(unit, (LEFT - 10.0, TOP - 14.0), Anchor::Right, MUTED);
    grid(canvas, axis, LEFT, RIGHT);
}

/// Draws a line from `left` to `right` at each tick of a vertical axis, with the tick's value beside it.
pub(super) fn grid(canvas: &mut Canvas<'_>, axis: &Axis, left: f64, right: f64) {
    for tick in axis.ticks() {
        canvas.line((left, axis.at(tick)), (right, axis.at(tick)), GRID, 1.0);
        canvas.text(&rows::tick_label(tick), (left - 10.0, axis.at(tick)), Anchor::Right, MUTED);
    }
}

/// Draws the curves and, to the right of them all, their names: each at the height where its curve ends, or as close
/// to it as the other names allow.
pub(super) fn draw(canvas: &mut Canvas<'_>, curves: &[Curve<'_>], bottom: f64) {
    for Curve { look, points, .. } in curves {
        if look.is_filled {
            canvas.curve(points, look.colour, 1.0, 2.2);
        } else {
            canvas.dashed(points, 7.0, 4.0, look.colour, 2.2);
        }
    }
    let end_of = |curve: &Curve<'_>| curve.points.last().copied().unwrap_or((RIGHT, bottom));
    let ends: Vec<f64> = curves.iter().map(|curve| end_of(curve).1).collect();
    for (curve, y) in curves.iter().zip(spread_out(&ends, GAP, TOP, bottom)) {
        let ((x, end), colour) = (end_of(curve), curve.look.colour);
        if x < RIGHT {
            canvas.dashed(&[(x, end), (RIGHT, end)], 1.5, 3.0, colour, 1.0);
        }
        canvas.curve(&[(RIGHT, end), (RIGHT + 16.0, y), (NAMES_LEFT - 4.0, y)], colour, 0.7, 1.0);
        canvas.text(
            &fitted(curve.name, TEXT_SIZE, WIDTH - NAMES_LEFT - 4.0),
            (NAMES_LEFT, y),
            Anchor::Left,
            INK,
        );
    }
}
