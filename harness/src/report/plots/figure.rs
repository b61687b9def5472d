//! A figure: a drawing with a title and a caption.

use super::style;
use crate::report::describe;
use crate::report::summary::MeasurementSummary;

/// A figure.
#[derive(Clone, Debug)]
pub(in crate::report) struct Figure {
    /// The file name, without the extension.
    pub name: String,
    /// A description of the drawing, for readers who cannot see it.
    pub title: String,
    /// How to read the figure.
    pub caption: String,
    /// The drawing: an `svg` element whose opening tag is a line.
    pub(super) svg: String,
}

impl Figure {
    /// The drawing for a page that has the [`style::dark_rules`].
    pub(in crate::report) fn inline(&self) -> &str {
        &self.svg
    }

    /// The drawing as a standalone SVG file, with a light and a dark colour scheme.
    pub(in crate::report) fn standalone_svg(&self) -> String {
        let rules = format!(
            "<style>.plot text{{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif}}\n\
             @media screen and (prefers-color-scheme:dark){{\n{}}}</style>\n",
            style::dark_rules(&self.svg)
        );
        match self.svg.split_once('\n') {
            Some((head, shapes)) => format!("{head}\n{rules}{shapes}"),
            None => self.svg.clone(),
        }
    }
}

/// The title of a figure that shows `what` of a measurement.
pub(super) fn title(what: &str, summary: &MeasurementSummary) -> String {
    format!("{what}: {}", describe::load(&summary.measurement))
}

/// The text alternative of a figure: its title, and the subtitle that stands below the title in the drawing.
pub(super) fn alternative(title: &str, summary: &MeasurementSummary) -> String {
    format!("{title}; {}", describe::placement(&summary.measurement))
}
