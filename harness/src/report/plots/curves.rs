//! What figures with a line per stack share: the lines, and their names on the right.

use super::axis::{Axis, apart};
use super::rows::{self, RIM};
use super::style::{Anchor, Canvas, GRID, INK, Look, MUTED, SMALL, WIDTH, fitted};

/// Where the room for lines begins and ends.
pub(super) const LEFT: f64 = RIM + 62.0;
pub(super) const RIGHT: f64 = WIDTH - 150.0;
pub(super) const TOP: f64 = rows::TOP + 8.0;
const HEIGHT: f64 = 470.0;
/// Least distance between the names of two lines.
const GAP: f64 = 17.0;
/// Where names begin.
const AT: f64 = RIGHT + 26.0;

/// A stack's line, in pixels.
pub(super) struct Curve<'a> {
    pub(super) name: &'a str,
    pub(super) look: Look,
    pub(super) points: Vec<(f64, f64)>,
}

/// Where the room for so many lines ends below: more than names find room for make it grow.
#[allow(clippy::cast_precision_loss)]
pub(super) fn bottom(curves: usize) -> f64 {
    TOP + HEIGHT.max(GAP * curves as f64)
}

/// The values of an upright axis, with lines across.
pub(super) fn upright(canvas: &mut Canvas<'_>, axis: &Axis, unit: &str) {
    canvas.text(unit, (LEFT - 10.0, TOP - 14.0), Anchor::Right, MUTED);
    for tick in axis.ticks() {
        canvas.line((LEFT, axis.at(tick)), (RIGHT, axis.at(tick)), GRID, 1.0);
        canvas.text(&rows::value(tick), (LEFT - 10.0, axis.at(tick)), Anchor::Right, MUTED);
    }
}

/// The lines, and the name of each to the right of all of them, at the height of its end where the others leave room.
pub(super) fn draw(canvas: &mut Canvas<'_>, curves: &[Curve<'_>], bottom: f64) {
    for Curve { look, points, .. } in curves {
        if look.usual {
            canvas.curve(points, look.colour, 1.0, 2.2);
        } else {
            canvas.dashed(points, 7.0, 4.0, look.colour, 2.2);
        }
    }
    let end_of = |curve: &Curve<'_>| curve.points.last().copied().unwrap_or((RIGHT, bottom));
    let ends: Vec<f64> = curves.iter().map(|curve| end_of(curve).1).collect();
    for (curve, y) in curves.iter().zip(apart(&ends, GAP, TOP, bottom)) {
        let ((x, end), colour) = (end_of(curve), curve.look.colour);
        if x < RIGHT {
            canvas.dashed(&[(x, end), (RIGHT, end)], 1.5, 3.0, colour, 1.0);
        }
        canvas.curve(&[(RIGHT, end), (RIGHT + 16.0, y), (AT - 4.0, y)], colour, 0.7, 1.0);
        canvas.text(&fitted(curve.name, SMALL, WIDTH - AT - 4.0), (AT, y), Anchor::Left, INK);
    }
}
