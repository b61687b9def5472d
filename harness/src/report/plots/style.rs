//! What all figures share: paper, ink, a look per stack, axes, and text that keeps its place.
//!
//! Colours are Okabe and Ito's, which people with any kind of colour vision tell apart, with the two light ones
//! darkened so that they stand out from white. Names stand at every mark, so no figure needs its colours to be read.

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{
    Circle, DashedPathElement, Drawable, PathElement, PointCollection, Polygon, Rectangle, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, RGBColor, ShapeStyle, TextStyle};

use super::PlotError;
use crate::stacks::{PROTOCOLS, ProtocolRef, Role};

/// Width of every figure in pixels.
pub(super) const WIDTH: f64 = 900.0;
/// The backend's coordinates are whole numbers: this many of them make a pixel, so that curves stay smooth.
const UNIT: f64 = 10.0;
/// The backend divides font sizes by this.
const FONT_SCALE: f64 = 1.24;
/// Mean width of a character of a sans-serif font, as a share of its size. Somewhat wide, to be safe.
const CHARACTER: f64 = 0.57;

/// Titles.
pub(super) const TITLE: f64 = 17.0;
/// Everything else.
pub(super) const SMALL: f64 = 13.0;

pub(super) const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
pub(super) const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
pub(super) const MUTED: RGBColor = RGBColor(0x5A, 0x64, 0x70);
pub(super) const GRID: RGBColor = RGBColor(0xE2, 0xE6, 0xEB);

/// What each colour becomes on a dark ground.
const ON_DARK: [(RGBColor, RGBColor); 4] = [
    (PAPER, RGBColor(0x15, 0x19, 0x1E)),
    (INK, RGBColor(0xE6, 0xE9, 0xED)),
    (MUTED, RGBColor(0xA2, 0xAC, 0xB7)),
    (GRID, RGBColor(0x2F, 0x36, 0x3E)),
];

/// Style rules that turn figures dark; for a media query.
pub(in crate::report) fn dark_rules() -> String {
    let rule = |(RGBColor(r, g, b), RGBColor(dr, dg, db)): (RGBColor, RGBColor)| {
        format!(
            ".plot [fill=\"#{r:02X}{g:02X}{b:02X}\"]{{fill:#{dr:02x}{dg:02x}{db:02x}}}\
             .plot [stroke=\"#{r:02X}{g:02X}{b:02X}\"]{{stroke:#{dr:02x}{dg:02x}{db:02x}}}\n"
        )
    };
    let mut colours = ON_DARK.to_vec();
    for colour in PROTOCOLS.iter().map(|protocol| protocol.colour()) {
        let pair = (rgb(colour.light), rgb(colour.dark));
        // The floors share a colour.
        if !colours.contains(&pair) {
            colours.push(pair);
        }
    }
    colours.into_iter().map(rule).collect()
}

fn rgb([red, green, blue]: [u8; 3]) -> RGBColor {
    RGBColor(red, green, blue)
}

/// How a stack looks, in every figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// Its protocol's.
    pub colour: RGBColor,
    /// Whether it stands for its protocol's usual library: filled and unbroken, and otherwise hollow and dashed.
    pub usual: bool,
}

impl Look {
    pub(super) fn of(protocol: ProtocolRef, role: Role) -> Self {
        let colour = rgb(protocol.colour().light);
        let usual = matches!(role, Role::Floor | Role::Default | Role::DefaultAndMinimal);
        Look { colour, usual }
    }

    /// How dark a bar is.
    pub(super) fn opacity(self) -> f64 {
        if self.usual { 1.0 } else { 0.6 }
    }
}

/// The mark of a stack beside its name in a table: the dot of its figures.
pub(in crate::report) fn swatch(protocol: ProtocolRef, role: Role) -> String {
    let Look { colour: RGBColor(r, g, b), usual } = Look::of(protocol, role);
    let colour = format!("#{r:02X}{g:02X}{b:02X}");
    let fill = if usual { &colour } else { "none" };
    format!(
        "<svg class=\"plot swatch\" aria-hidden=\"true\" width=\"11\" height=\"11\" viewBox=\"0 0 11 11\">\
         <circle cx=\"5.5\" cy=\"5.5\" r=\"4\" stroke-width=\"2\" fill=\"{fill}\" stroke=\"{colour}\"/></svg>"
    )
}

/// Which end of a text its place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

/// How wide `text` will be about, in pixels.
#[allow(clippy::cast_precision_loss)]
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * CHARACTER
}

/// `text` cut to about `room` pixels.
pub(super) fn fitted(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut cut = String::new();
    for character in text.chars() {
        if width(&cut, size) + 2.0 * size * CHARACTER > room {
            break;
        }
        cut.push(character);
    }
    cut.trim_end().to_owned() + "…"
}

/// A sheet that takes marks at places in pixels.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    failed: Option<PlotError>,
}

/// Draws a figure of that height; `title` is what it is called where it cannot be seen.
pub(super) fn draw(
    height: f64,
    title: &str,
    marks: impl FnOnce(&mut Canvas<'_>),
) -> Result<String, PlotError> {
    let mut svg = String::new();
    let (width, tall) = at(WIDTH, height);
    let mut canvas = Canvas {
        area: SVGBackend::with_string(&mut svg, (width.unsigned_abs(), tall.unsigned_abs()))
            .into_drawing_area(),
        failed: None,
    };
    canvas.rectangle((0.0, 0.0), (WIDTH, height), PAPER, 1.0);
    marks(&mut canvas);
    if let Some(failed) = canvas.failed.take() {
        return Err(failed);
    }
    canvas.area.present().map_err(|error| PlotError(error.to_string()))?;
    drop(canvas);
    let (_, shapes) = svg.split_once('\n').ok_or_else(|| PlotError("an empty drawing".to_owned()))?;
    Ok(format!(
        "<svg class=\"plot\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{WIDTH}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width} {tall}\"><title>{}</title>\n{shapes}",
        escaped(title)
    ))
}

/// `text` without what no XML document may hold.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || ('\u{fffe}'..='\u{ffff}').contains(&c) { '\u{fffd}' } else { c })
        .collect()
}

fn escaped(text: &str) -> String {
    printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A place in the backend's coordinates. What lies far outside, or is no number, comes to lie at an edge.
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

    /// A rectangle that hides what is below it, however pale it is.
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

    /// The outline of a rectangle, filled with slanting lines.
    pub(super) fn hatched(&mut self, from: (f64, f64), to: (f64, f64), colour: RGBColor) {
        const STEP: f64 = 7.0;
        self.rectangle(from, to, colour, 0.18);
        let (wide, tall) = (to.0 - from.0, to.1 - from.1);
        let mut start = STEP - tall;
        while start < wide {
            // From the lower edge up to the right, cut where the rectangle ends.
            let (low, high) = (start.max(0.0), (start + tall).min(wide));
            if low < high {
                let point = |along: f64| (from.0 + along, to.1 - (along - start));
                self.line(point(low), point(high), colour, 1.2);
            }
            start += STEP;
        }
        self.curve(&[from, (to.0, from.1), to, (from.0, to.1), from], colour, 1.0, 1.2);
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), look: Look) {
        const RADIUS: f64 = 5.5;
        let fill = if look.usual { look.colour } else { PAPER };
        self.put(&Circle::new(at(x, y), length(RADIUS), fill.filled()));
        self.put(&Circle::new(at(x, y), length(RADIUS), stroke(look.colour, 1.0, 2.2)));
    }

    /// A line from `least` to `most` with a stop at each end.
    pub(super) fn whisker(&mut self, least: f64, most: f64, y: f64, colour: RGBColor) {
        const STOP: f64 = 4.0;
        self.line((least, y), (most, y), colour, 1.6);
        for x in [least, most] {
            self.line((x, y - STOP), (x, y + STOP), colour, 1.6);
        }
    }

    /// Text whose middle line is at `y`.
    pub(super) fn text(&mut self, text: &str, (x, y): (f64, f64), anchor: Anchor, colour: RGBColor) {
        self.write(text, (x, y), anchor, colour, SMALL, FontStyle::Normal);
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
