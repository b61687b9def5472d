//! Small drawings that belong together. A page arranges them to its width, and a file has them side by side.

use super::canvas::{Anchor, Canvas, PlotError, composed, draw_described, draw_sized};
use super::figure::Figure;
use super::style::{INK, MUTED, TEXT_SIZE, TITLE_SIZE as FIGURE_TITLE_SIZE, fitted, width};

/// Width of a panel in pixels.
pub(super) const WIDTH: f64 = 340.0;
/// Blank space around a panel.
pub(super) const RIM: f64 = 12.0;
/// The upper edge of the marks, below the title and the subtitle.
pub(super) const TOP: f64 = 58.0;
const TITLE_SIZE: f64 = 14.0;

/// The number of panels beside each other in a file.
const COLUMNS: usize = 3;
/// Space between panels in a file.
const GAP: f64 = 12.0;
/// Height of the title above the panels in a file.
const HEADING: f64 = 40.0;

/// The left edge of marks to the right of `names`.
pub(super) fn left_of<'a>(names: impl Iterator<Item = &'a str>) -> f64 {
    const MIN: f64 = 50.0;
    const MAX: f64 = 112.0;
    RIM + names.map(|name| width(name, TEXT_SIZE)).fold(MIN, f64::max).min(MAX) + 8.0
}

/// Draws the name of a row to the left of `left`.
pub(super) fn name(canvas: &mut Canvas<'_>, name: &str, left: f64, y: f64) {
    canvas.text(&fitted(name, TEXT_SIZE, left - RIM - 6.0), (left - 8.0, y), Anchor::Right, INK);
}

/// A small drawing.
pub(super) struct Panel {
    svg: String,
    height: f64,
}

impl Panel {
    /// The panel as an `svg` element.
    pub(super) fn into_svg(self) -> String {
        self.svg
    }
}

/// Draws a panel with a title and a subtitle. `description` has what the marks show, for readers who cannot see it.
pub(super) fn panel(
    height: f64,
    [title, subtitle]: [&str; 2],
    description: &str,
    marks: impl FnOnce(&mut Canvas<'_>),
) -> Result<Panel, PlotError> {
    let room = WIDTH - 2.0 * RIM;
    let svg = draw_described((WIDTH, height), &format!("{title}; {subtitle}"), description, |canvas| {
        canvas.bold(&fitted(title, TITLE_SIZE, room), (RIM, 19.0), TITLE_SIZE);
        canvas.text(&fitted(subtitle, TEXT_SIZE, room), (RIM, 39.0), Anchor::Left, MUTED);
        marks(canvas);
    })?;
    Ok(Panel { svg, height })
}

/// A figure of several panels.
#[derive(Clone, Debug)]
pub(in crate::report) struct Multiples {
    /// All panels in one drawing.
    pub figure: Figure,
    /// The panels, an `svg` element each.
    pub panels: Vec<String>,
}

impl Multiples {
    /// A figure of `panels`.
    pub(super) fn new(
        name: String,
        title: String,
        caption: String,
        panels: Vec<Panel>,
    ) -> Result<Self, PlotError> {
        let svg = side_by_side(&title, &panels)?;
        let figure = Figure { name, title, caption, svg };
        Ok(Multiples { figure, panels: panels.into_iter().map(|panel| panel.svg).collect() })
    }
}

/// `panels` in rows, below their title.
#[allow(clippy::cast_precision_loss)]
fn side_by_side(title: &str, panels: &[Panel]) -> Result<String, PlotError> {
    let columns = panels.len().clamp(1, COLUMNS);
    let width = GAP + columns as f64 * (WIDTH + GAP);
    let heading = draw_sized((width, HEADING), title, |canvas| {
        let room = width - 2.0 * (GAP + RIM);
        canvas.bold(&fitted(title, FIGURE_TITLE_SIZE, room), (GAP + RIM, 24.0), FIGURE_TITLE_SIZE);
    })?;
    let mut drawings = vec![(heading.as_str(), (0.0, 0.0))];
    let mut top = HEADING + GAP;
    for row in panels.chunks(columns) {
        for (column, panel) in row.iter().enumerate() {
            drawings.push((&panel.svg, (GAP + column as f64 * (WIDTH + GAP), top)));
        }
        top += row.iter().map(|panel| panel.height).fold(0.0, f64::max) + GAP;
    }
    composed((width, top), title, &drawings)
}
