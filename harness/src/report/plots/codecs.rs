//! Codecs: the time that each format takes against the length of its messages.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError, draw};
use super::curves::{LEFT, TOP, grid};
use super::figure::Figure;
use super::rows::{self, RIM};
use super::style::{INK, Look, MUTED, TEXT_SIZE, WIDTH, width};
use crate::report::codecs::Codecs;

/// The edges of the area for dots.
const RIGHT: f64 = WIDTH - RIM - 110.0;
const BOTTOM: f64 = TOP + 400.0;
/// Half the height of a line of text.
const HALF_LINE: f64 = 8.0;
/// Half the size of a dot.
const HALF_DOT: f64 = 7.0;
/// Where a name may be: its distance from the dot, and the end of it that is there.
const PLACES: [(f64, f64, Anchor); 8] = [
    (11.0, 0.0, Anchor::Left),
    (-11.0, 0.0, Anchor::Right),
    (0.0, -16.0, Anchor::Middle),
    (0.0, 16.0, Anchor::Middle),
    (9.0, -13.0, Anchor::Left),
    (9.0, 13.0, Anchor::Left),
    (-9.0, -13.0, Anchor::Right),
    (-9.0, 13.0, Anchor::Right),
];

/// Draws the formats of `codecs`.
pub(super) fn figure(codecs: &Codecs<'_>, name: String) -> Result<Figure, PlotError> {
    let title = format!("Time against size: {}", codecs.measurement.name);
    let subtitle = codecs.subject();
    let points: Vec<_> =
        codecs.formats.iter().filter_map(|row| Some((row.format, row.bytes(), row.micros()?))).collect();
    let across = Axis::logarithmic(points.iter().map(|(_, bytes, _)| *bytes), LEFT, RIGHT);
    let up = Axis::logarithmic(points.iter().map(|(_, _, micros)| *micros), BOTTOM, TOP);
    let alternative = format!("{title}; {subtitle}");
    let svg = draw(BOTTOM + rows::BELOW, &alternative, |canvas| {
        rows::heading(canvas, &title, &subtitle);
        canvas.text("µs", (LEFT - 10.0, TOP - 14.0), Anchor::Right, MUTED);
        grid(canvas, &up, LEFT, RIGHT);
        rows::grid(canvas, &across, TOP, BOTTOM, "bytes of the call and its result");
        let at: Vec<_> =
            points.iter().map(|(_, bytes, micros)| (across.at(*bytes), up.at(*micros))).collect();
        let names: Vec<_> = points.iter().map(|(format, ..)| format.name()).collect();
        for ((format, ..), point) in points.iter().zip(&at) {
            canvas.dot(*point, Look::neutral(format.is_typed()));
        }
        draw_names(canvas, &names, &at);
    })?;
    let caption = "A dot is the median of the blocks, of encoding and decoding together. Filled: from and to structs; hollow: from \
                   and to values of any type. Both axes are logarithmic; a format to the left and below is shorter and faster.";
    Ok(Figure { name, title: alternative, caption: caption.to_owned(), svg })
}

/// A rectangle: left, upper, right and lower edge.
#[derive(Clone, Copy)]
struct Area([f64; 4]);

impl Area {
    fn overlaps(self, other: Area) -> bool {
        let (Area([left, upper, right, lower]), Area(other)) = (self, other);
        left < other[2] && other[0] < right && upper < other[3] && other[1] < lower
    }

    /// The place of `name` beside a dot at `point`.
    fn of_name(name: &str, point: (f64, f64), (dx, dy, anchor): (f64, f64, Anchor)) -> Self {
        let (x, y, wide) = (point.0 + dx, point.1 + dy, width(name, TEXT_SIZE));
        let left = match anchor {
            Anchor::Left => x,
            Anchor::Middle => x - wide / 2.0,
            Anchor::Right => x - wide,
        };
        Area([left, y - HALF_LINE, left + wide, y + HALF_LINE])
    }

    fn of_dot((x, y): (f64, f64)) -> Self {
        Area([x - HALF_DOT, y - HALF_DOT, x + HALF_DOT, y + HALF_DOT])
    }
}

/// Draws each name beside its dot, where it hides neither a dot nor another name, if there is such a place.
fn draw_names(canvas: &mut Canvas<'_>, names: &[&str], points: &[(f64, f64)]) {
    for (name, place) in names.iter().zip(points.iter().zip(places(names, points))) {
        let (point, (dx, dy, anchor)) = place;
        canvas.text(name, (point.0 + dx, point.1 + dy), anchor, INK);
    }
}

/// The place of each name among [`PLACES`].
fn places(names: &[&str], points: &[(f64, f64)]) -> Vec<(f64, f64, Anchor)> {
    let mut taken: Vec<Area> = points.iter().map(|point| Area::of_dot(*point)).collect();
    let mut places = Vec::new();
    for (name, point) in names.iter().zip(points) {
        let is_free = |place: &&(f64, f64, Anchor)| {
            let area = Area::of_name(name, *point, **place);
            area.0[0] >= LEFT && area.0[2] <= WIDTH - 2.0 && !taken.iter().any(|other| area.overlaps(*other))
        };
        let place = PLACES.iter().find(is_free).copied().unwrap_or(PLACES[0]);
        taken.push(Area::of_name(name, *point, place));
        places.push(place);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_close_dots_do_not_cover_each_other_or_a_dot() {
        let names = ["thrift-compact", "protobuf", "msgpack", "json", "raw"];
        let points = [(300.0, 200.0), (304.0, 215.0), (330.0, 203.0), (290.0, 190.0), (RIGHT, 210.0)];
        let areas: Vec<_> = names
            .iter()
            .zip(points.iter().zip(places(&names, &points)))
            .map(|(name, (point, place))| Area::of_name(name, *point, place))
            .collect();
        for (index, area) in areas.iter().enumerate() {
            assert!(areas[..index].iter().all(|other| !area.overlaps(*other)), "{}", names[index]);
            assert!(points.iter().all(|point| !area.overlaps(Area::of_dot(*point))), "{}", names[index]);
        }
    }
}
