//! The overview of all stacks: a row with a dot for each, on a logarithmic axis of multiples of the baseline.
//!
//! A page shows the rows in a table, so that names and numbers are text and the figure fits any width: positions are shares
//! of the width, and nothing else scales.

use std::fmt::Write as _;

use plotters::style::RGBColor;

use super::axis::Axis;
use super::rows::tick_label;
use super::style::{GRID, Look, MUTED, PAPER, swatch};
use crate::report::decision::{DecisionRatio, DecisionRow, DecisionTable};

/// Height of a row, and of the axis, in pixels, where the styles of the page do not change it.
const HEIGHT: f64 = 20.0;
/// The edges of the axis, as shares of the width in percent: dots and labels at its ends need some space.
const EDGES: (f64, f64) = (3.0, 97.0);
/// The smallest distance of two labels of the axis, in percent of the width.
const MIN_LABEL_GAP: f64 = 11.0;

/// The figure.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) struct DotPlot {
    /// A row for each stack, in the order of the table.
    pub rows: Vec<DotRow>,
    /// The axis below the rows, as an `svg` element.
    pub axis: String,
    /// The position of the baseline in the table.
    pub baseline: usize,
}

/// A stack.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) struct DotRow {
    /// The position in the table.
    pub row: usize,
    /// The mark beside the name.
    pub swatch: String,
    /// The dot with its interval, as an `svg` element.
    pub track: String,
}

/// Draws the first column of `table`. `None` where no two stacks have figures that can be compared.
pub(in crate::report) fn dots(table: &DecisionTable) -> Option<DotPlot> {
    let baseline = table.columns.first()?.baseline?;
    // A function call is a hundred times faster than everything else and would take up half of the axis.
    let shown = || table.rows.iter().enumerate().filter(|(_, row)| !row.kind.is_function_call());
    let ratios: Vec<(usize, &DecisionRow, DecisionRatio)> =
        shown().filter_map(|(index, row)| Some((index, row, row.cells.first()?.as_ref()?.ratio?))).collect();
    if ratios.len() < 2 {
        return None;
    }
    let values = ratios.iter().flat_map(|(_, _, ratio)| {
        let (low, high) = ratio.range.unwrap_or((ratio.factor, ratio.factor));
        [low, ratio.factor, high]
    });
    let axis = Axis::logarithmic(values, EDGES.0, EDGES.1);
    let ticks = axis.ticks();
    let row = |(index, row, ratio): &(usize, &DecisionRow, DecisionRatio)| DotRow {
        row: *index,
        swatch: swatch(row.kind),
        track: track(&axis, &ticks, Look::of(row.kind), ratio),
    };
    Some(DotPlot { rows: ratios.iter().map(row).collect(), axis: labels(&axis, &ticks), baseline })
}

/// A row: grid lines, a thin line from the smallest to the largest block, a thick one for the interval, and the dot.
fn track(axis: &Axis, ticks: &[f64], look: Look, ratio: &DecisionRatio) -> String {
    let mut svg = opening();
    for tick in ticks {
        line(&mut svg, (axis.at(*tick), axis.at(*tick)), (0.0, 100.0), GRID, (1.0, 1.0));
    }
    let interval = ratio.interval.map(|interval| (interval.low, interval.high));
    for (bounds, width, opacity) in [(ratio.range, 1.5, 0.7), (interval, 6.0, 0.45)] {
        if let Some((low, high)) = bounds {
            line(&mut svg, (axis.at(low), axis.at(high)), (50.0, 50.0), look.colour, (width, opacity));
        }
    }
    let colour = hex(look.colour);
    let fill = hex(if look.is_filled { look.colour } else { PAPER });
    let _ = write!(
        svg,
        "<circle cx=\"{:.2}%\" cy=\"50%\" r=\"4.5\" stroke-width=\"2\" fill=\"{fill}\" stroke=\"{colour}\"/></svg>",
        axis.at(ratio.factor)
    );
    svg
}

/// The labels below the rows; those without space are left out.
fn labels(axis: &Axis, ticks: &[f64]) -> String {
    let mut svg = opening();
    let mut free_from = 0.0;
    for tick in ticks {
        let x = axis.at(*tick);
        if x >= free_from {
            let _ = write!(
                svg,
                "<text x=\"{x:.2}%\" y=\"13\" text-anchor=\"middle\" font-size=\"12\" fill=\"{}\">{}</text>",
                hex(MUTED),
                tick_label(*tick)
            );
            free_from = x + MIN_LABEL_GAP;
        }
    }
    svg.push_str("</svg>");
    svg
}

fn opening() -> String {
    format!("<svg class=\"plot track\" aria-hidden=\"true\" width=\"100%\" height=\"{HEIGHT}\">")
}

/// A line between positions in percent of the width and of the height; with its width in pixels and its opacity.
fn line(svg: &mut String, x: (f64, f64), y: (f64, f64), colour: RGBColor, (width, opacity): (f64, f64)) {
    let _ = write!(
        svg,
        "<line x1=\"{:.2}%\" x2=\"{:.2}%\" y1=\"{}%\" y2=\"{}%\" stroke=\"{}\" stroke-width=\"{width}\" opacity=\"{opacity}\"/>",
        x.0,
        x.1,
        y.0,
        y.1,
        hex(colour)
    );
}

fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Summary;
    use crate::report::decision::table;
    use crate::report::tests::record;

    /// The numbers that follow `attribute` in the elements `element` of `svg`.
    fn read(svg: &str, element: &str, attribute: &str) -> Vec<f64> {
        let opening = format!("<{element} ");
        let elements = svg.split(&opening).skip(1);
        let value = |text: &str| {
            let (_, rest) = text.split_once(&format!("{attribute}=\""))?;
            rest.split_once('"')?.0.trim_end_matches('%').parse().ok()
        };
        elements.filter_map(value).collect()
    }

    fn drawn(stacks: &[&str], blocks: u32) -> (DecisionTable, DotPlot) {
        let record = record(stacks, blocks);
        let table = table(&record, &Summary::new(&record).unwrap()).unwrap();
        let plot = dots(&table).unwrap();
        (table, plot)
    }

    #[test]
    fn equal_ratios_are_equal_distances_on_the_axis() {
        let (table, plot) = drawn(&["inproc", "tcp", "rest", "zerorpc", "amqp"], 12);
        let ratio = |row: &DotRow| table.rows[row.row].cells[0].as_ref().unwrap().ratio.unwrap();
        let marks: Vec<(f64, f64)> = plot
            .rows
            .iter()
            .map(|row| (ratio(row).factor.ln(), read(&row.track, "circle", "cx")[0]))
            .collect();
        assert_eq!(marks.len(), 4, "a function call has no place on the axis");
        let (first, last) = (marks[0], marks[3]);
        let slope = (last.1 - first.1) / (last.0 - first.0);
        for (log, x) in &marks {
            assert!((x - first.1 - slope * (log - first.0)).abs() < 0.05, "{log} {x}");
            assert!((EDGES.0..=EDGES.1).contains(x));
        }
    }

    #[test]
    fn lines_end_at_the_interval_and_at_the_blocks() {
        let (table, plot) = drawn(&["tcp", "rest"], 12);
        let row = &plot.rows[1];
        let ratio = table.rows[row.row].cells[0].as_ref().unwrap().ratio.unwrap();
        let (low, high) = ratio.range.unwrap();
        let interval = ratio.interval.unwrap();
        let (from, to) = (read(&row.track, "line", "x1"), read(&row.track, "line", "x2"));
        let [.., blocks, certain] = from.iter().zip(&to).collect::<Vec<_>>()[..] else { panic!("two lines") };
        let centre = read(&row.track, "circle", "cx")[0];
        assert!(low < high && interval.low >= low && interval.high <= high);
        assert!(
            blocks.0 <= certain.0 && *certain.0 <= centre && centre <= *certain.1 && certain.1 <= blocks.1
        );
        // A single block has neither.
        let (_, plot) = drawn(&["tcp", "rest"], 1);
        let widths = read(&plot.rows[1].track, "line", "stroke-width");
        assert!(widths.iter().all(|width| (width - 1.0).abs() < 1e-9), "only grid lines: {widths:?}");
    }

    #[test]
    fn the_same_record_gives_the_same_bytes() {
        let stacks = ["tcp", "rest", "jsonrpc"];
        assert_eq!(drawn(&stacks, 3).1, drawn(&stacks, 3).1);
    }

    #[test]
    fn one_stack_has_no_figure() {
        let record = record(&["inproc", "rest"], 2);
        let table = table(&record, &Summary::new(&record).unwrap()).unwrap();
        assert_eq!(dots(&table), None);
    }
}
