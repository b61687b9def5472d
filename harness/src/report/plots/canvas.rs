//! A drawing surface over the SVG backend of `plotters`.

use calculator::is_unprintable;
use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{
    Circle, DashedPathElement, Drawable, PathElement, PointCollection, Polygon, Rectangle, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, RGBColor, ShapeStyle, TextStyle};

use super::style::{INK, Look, PAPER, TEXT_SIZE, WIDTH};

/// Coordinates of the backend per pixel. They are whole numbers, so that curves would not be smooth at one per pixel.
const UNIT: f64 = 10.0;
/// The backend divides font sizes by this.
const FONT_SCALE: f64 = 1.24;

/// The beginning of every drawing.
const OPENING: &str = "<svg class=\"plot\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"";

/// The reason why a figure could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("a figure could not be drawn: {0}")]
pub(in crate::report) struct PlotError(String);

/// The point of a text that is at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

/// A drawing, with positions and lengths in pixels.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    failed: Option<PlotError>,
}

/// Draws a figure of the usual width and of `height` pixels. `title` is its text alternative, for readers who cannot see it.
pub(super) fn draw(
    height: f64,
    title: &str,
    marks: impl FnOnce(&mut Canvas<'_>),
) -> Result<String, PlotError> {
    draw_sized((WIDTH, height), title, marks)
}

/// Draws a figure of this width and height in pixels.
pub(super) fn draw_sized(
    size: (f64, f64),
    title: &str,
    marks: impl FnOnce(&mut Canvas<'_>),
) -> Result<String, PlotError> {
    draw_described(size, title, "", marks)
}

/// Draws a figure of this size in pixels. `description` has what the marks show, for readers who cannot see it; it may be
/// empty.
pub(super) fn draw_described(
    size: (f64, f64),
    title: &str,
    description: &str,
    marks: impl FnOnce(&mut Canvas<'_>),
) -> Result<String, PlotError> {
    let mut svg = String::new();
    let (width, tall) = at(size.0, size.1);
    let mut canvas = Canvas {
        area: SVGBackend::with_string(&mut svg, (width.unsigned_abs(), tall.unsigned_abs()))
            .into_drawing_area(),
        failed: None,
    };
    canvas.rectangle((0.0, 0.0), size, PAPER, 1.0);
    marks(&mut canvas);
    if let Some(failed) = canvas.failed.take() {
        return Err(failed);
    }
    canvas.area.present().map_err(|error| PlotError(error.to_string()))?;
    drop(canvas);
    let (_, shapes) = svg.split_once('\n').ok_or_else(|| PlotError("an empty drawing".to_owned()))?;
    let description =
        if description.is_empty() { String::new() } else { format!("<desc>{}</desc>", escaped(description)) };
    Ok(format!(
        "{OPENING} width=\"{:.0}\" height=\"{:.0}\" viewBox=\"0 0 {width} {tall}\"><title>{}</title>{description}\n{shapes}",
        size.0,
        size.1,
        escaped(title)
    ))
}

/// Puts `drawings` into one of this size, each at its position in pixels.
pub(super) fn composed(
    (width, height): (f64, f64),
    title: &str,
    drawings: &[(&str, (f64, f64))],
) -> Result<String, PlotError> {
    let mut svg = format!(
        "{OPENING} width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\"><title>{}</title>\n\
         <rect width=\"{width:.0}\" height=\"{height:.0}\" fill=\"#FFFFFF\"/>\n",
        escaped(title)
    );
    for (drawing, (x, y)) in drawings {
        let rest = drawing.strip_prefix(OPENING).ok_or_else(|| PlotError("not a drawing".to_owned()))?;
        svg += &format!("<svg x=\"{x:.0}\" y=\"{y:.0}\"{rest}\n");
    }
    Ok(svg + "</svg>\n")
}

/// `text` without characters that XML does not allow, or that change the direction of text.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if is_unprintable(c) || ('\u{fffe}'..='\u{ffff}').contains(&c) { '\u{fffd}' } else { c })
        .collect()
}

fn escaped(text: &str) -> String {
    printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A position in the coordinates of the backend. Coordinates far outside the drawing, or not a number, are moved to an
/// edge.
#[allow(clippy::cast_possible_truncation)]
fn at(x: f64, y: f64) -> (i32, i32) {
    ((x * UNIT).round() as i32, (y * UNIT).round() as i32)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn length(pixels: f64) -> u32 {
    (pixels * UNIT).round() as u32
}

fn stroke(colour: RGBColor, opacity: f64, pixels: f64) -> ShapeStyle {
    ShapeStyle { color: colour.mix(opacity), filled: false, stroke_width: length(pixels) }
}

impl Canvas<'_> {
    /// Draws `element`, and keeps the first error for the end of the drawing.
    fn put<E>(&mut self, element: &E)
    where
        for<'b> &'b E: PointCollection<'b, (i32, i32)>,
        for<'b> E: Drawable<SVGBackend<'b>>,
    {
        if let Err(error) = self.area.draw(element) {
            self.failed.get_or_insert(PlotError(error.to_string()));
        }
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: RGBColor, pixels: f64) {
        self.curve(&[from, to], colour, 1.0, pixels);
    }

    pub(super) fn curve(&mut self, points: &[(f64, f64)], colour: RGBColor, opacity: f64, pixels: f64) {
        let points: Vec<_> = points.iter().map(|(x, y)| at(*x, *y)).collect();
        self.put(&PathElement::new(points, stroke(colour, opacity, pixels)));
    }

    pub(super) fn dashed(
        &mut self,
        points: &[(f64, f64)],
        dash: f64,
        gap: f64,
        colour: RGBColor,
        pixels: f64,
    ) {
        let points: Vec<_> = points.iter().map(|(x, y)| at(*x, *y)).collect();
        let style = stroke(colour, 1.0, pixels);
        self.put(&DashedPathElement::new(points, length(dash), length(gap), style));
    }

    /// Draws a filled rectangle. It hides everything below it even where it is not opaque.
    pub(super) fn rectangle(&mut self, from: (f64, f64), to: (f64, f64), colour: RGBColor, opacity: f64) {
        let corners = [at(from.0, from.1), at(to.0, to.1)];
        if opacity < 1.0 {
            self.put(&Rectangle::new(corners, PAPER.filled()));
        }
        self.put(&Rectangle::new(corners, colour.mix(opacity).filled()));
    }

    pub(super) fn polygon(&mut self, points: &[(f64, f64)], colour: RGBColor) {
        let points: Vec<_> = points.iter().map(|(x, y)| at(*x, *y)).collect();
        self.put(&Polygon::new(points, colour.filled()));
    }

    /// Draws an outlined rectangle with diagonal hatching.
    pub(super) fn hatched(&mut self, from: (f64, f64), to: (f64, f64), colour: RGBColor) {
        const STEP: f64 = 7.0;
        self.rectangle(from, to, colour, 0.18);
        let (wide, tall) = (to.0 - from.0, to.1 - from.1);
        let mut start = STEP - tall;
        while start < wide {
            // A line from the lower edge up to the right, clipped to the rectangle.
            let (low, high) = (start.max(0.0), (start + tall).min(wide));
            if low < high {
                let point = |along: f64| (from.0 + along, to.1 - (along - start));
                self.line(point(low), point(high), colour, 1.2);
            }
            start += STEP;
        }
        self.curve(&[from, (to.0, from.1), to, (from.0, to.1), from], colour, 1.0, 1.2);
    }

    /// Draws a small filled dot.
    pub(super) fn point(&mut self, (x, y): (f64, f64), colour: RGBColor) {
        const RADIUS: f64 = 2.6;
        self.put(&Circle::new(at(x, y), length(RADIUS), colour.filled()));
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), look: Look) {
        const RADIUS: f64 = 5.5;
        let fill = if look.is_filled { look.colour } else { PAPER };
        self.put(&Circle::new(at(x, y), length(RADIUS), fill.filled()));
        self.put(&Circle::new(at(x, y), length(RADIUS), stroke(look.colour, 1.0, 2.2)));
    }

    /// Draws a horizontal line from `from` to `to` with a short upright line at each end.
    pub(super) fn whisker(&mut self, from: f64, to: f64, y: f64, colour: RGBColor) {
        self.clipped_whisker([(from, false), (to, false)], y, colour);
    }

    /// Draws a whisker like [`whisker`](Self::whisker). An end that lies beyond the axis, and is drawn at its edge, has a triangle
    /// that points there. `ends` are from left to right.
    pub(super) fn clipped_whisker(&mut self, ends: [(f64, bool); 2], y: f64, colour: RGBColor) {
        const HALF_HEIGHT: f64 = 4.0;
        let [(from, _), (to, _)] = ends;
        self.line((from, y), (to, y), colour, 1.6);
        for ((x, is_beyond), inwards) in ends.into_iter().zip([1.0, -1.0]) {
            if is_beyond {
                let back = x + inwards * 1.5 * HALF_HEIGHT;
                self.polygon(&[(x, y), (back, y - HALF_HEIGHT), (back, y + HALF_HEIGHT)], colour);
            } else {
                self.line((x, y - HALF_HEIGHT), (x, y + HALF_HEIGHT), colour, 1.6);
            }
        }
    }

    /// Draws a line of text, vertically centred at `y`.
    pub(super) fn text(&mut self, text: &str, (x, y): (f64, f64), anchor: Anchor, colour: RGBColor) {
        self.write(text, (x, y), anchor, colour, TEXT_SIZE, FontStyle::Normal);
    }

    pub(super) fn bold(&mut self, text: &str, (x, y): (f64, f64), size: f64) {
        self.write(text, (x, y), Anchor::Left, INK, size, FontStyle::Bold);
    }

    fn write(
        &mut self,
        text: &str,
        (x, y): (f64, f64),
        anchor: Anchor,
        colour: RGBColor,
        size: f64,
        weight: FontStyle,
    ) {
        let horizontal = match anchor {
            Anchor::Left => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        let font = FontDesc::new(FontFamily::SansSerif, size * UNIT * FONT_SCALE, weight);
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(horizontal, VPos::Center));
        self.put(&Text::new(printable(text), at(x, y), style));
    }
}
