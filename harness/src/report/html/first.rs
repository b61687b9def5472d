//! The first screen of a page: the answer in short, the recommendations, and the figure with all stacks.

use serde::Serialize;

use super::decision;
use crate::report::contents::Report;
use crate::report::decision::DecisionTable;
use crate::report::overview::{Recommendation, Source};
use crate::report::plots;
use crate::report::text;

/// The first screen.
#[derive(Serialize)]
pub(super) struct FirstScreen<'a> {
    lead: String,
    needs: Vec<Need>,
    facts: Vec<(&'static str, String)>,
    dots: Option<Dots<'a>>,
    /// The summary of what is folded away: the first warning, and how many remarks there are.
    caveats: String,
}

/// A recommendation.
#[derive(Serialize)]
struct Need {
    need: &'static str,
    /// The stacks; of many only the first ones.
    stacks: String,
    all_stacks: String,
    figure: String,
    reason: String,
    href: String,
}

/// The figure.
#[derive(Serialize)]
struct Dots<'a> {
    title: String,
    caption: String,
    axis_title: &'static str,
    unit: &'static str,
    baseline: &'a str,
    rows: Vec<Dot<'a>>,
    axis: String,
}

/// A row of the figure.
#[derive(Serialize)]
struct Dot<'a> {
    stack: &'a str,
    swatch: String,
    track: String,
    figure: String,
    multiple: String,
    is_floor: bool,
}

impl<'a> FirstScreen<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        let need = |it: &'a Recommendation| Need {
            need: it.need,
            stacks: it.names(),
            all_stacks: it.stacks.join(", "),
            figure: unbroken(&it.figure),
            reason: unbroken(&it.reason),
            href: href(it.source),
        };
        FirstScreen {
            lead: unbroken(&report.overview.lead),
            needs: report.overview.recommendations.iter().map(need).collect(),
            facts: report.overview.facts.iter().map(|fact| (fact.title, unbroken(&fact.text))).collect(),
            dots: report.decision.as_ref().and_then(dots),
            caveats: caveats(&report.warnings, report.asymmetries.len()),
        }
    }
}

/// `text` with spaces before units and signs at which no line ends.
fn unbroken(text: &str) -> String {
    ["%", "µs", "×"]
        .iter()
        .fold(text.to_owned(), |text, sign| text.replace(&format!(" {sign}"), &format!("\u{a0}{sign}")))
}

fn href(source: Source) -> String {
    match source {
        Source::Measurement(position) => format!("#{}", super::measurement_id(position)),
        Source::Bytes => "#bytes".to_owned(),
    }
}

/// The figure of the first column of `table`.
fn dots(table: &DecisionTable) -> Option<Dots<'_>> {
    let plot = plots::dots(table)?;
    let column = table.columns.first()?;
    let rows = plot.rows.into_iter().filter_map(|dot| {
        let row = table.rows.get(dot.row)?;
        let cell = row.cells.first()?.as_ref()?;
        Some(Dot {
            stack: &row.stack,
            swatch: dot.swatch,
            track: dot.track,
            figure: decision::figure(cell, column.unit).value,
            multiple: cell.ratio.as_ref().map_or_else(String::new, text::multiple),
            is_floor: row.kind.is_floor(),
        })
    });
    let baseline = &table.rows.get(plot.baseline)?.stack;
    let left_out: Vec<_> = table.rows.iter().filter(|row| row.kind.is_function_call()).collect();
    let left_out = left_out.iter().map(|row| format!(" {}, a function call, is left out.", row.stack));
    Some(Dots {
        title: format!("{}: {}, × {baseline}", column.heading, column.quantity),
        caption: format!(
            "{}. A dot is the median of the blocks, on a logarithmic axis. Thick line: interval; thin line: smallest to \
             largest block. Filled: the protocol’s usual library; hollow: another one.{}",
            column.conditions,
            left_out.collect::<String>()
        ),
        axis_title: "multiple, logarithmic",
        unit: decision::unit(column.unit),
        baseline,
        rows: rows.collect(),
        axis: plot.axis,
    })
}

/// What to read first, in a line.
fn caveats(warnings: &[String], asymmetries: usize) -> String {
    let Some((first, others)) = warnings.split_first() else {
        return match asymmetries {
            1 => "1 condition was not equal for all stacks".to_owned(),
            count => format!("{count} conditions were not equal for all stacks"),
        };
    };
    match others.len() + asymmetries {
        0 => format!("Read this first: {first}"),
        1 => format!("Read this first: {first}; and 1 more remark"),
        more => format!("Read this first: {first}; and {more} more remarks"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_warning_is_shown_and_the_others_are_counted() {
        let warnings = ["unoptimised", "without TLS"].map(str::to_owned);
        assert_eq!(caveats(&warnings, 0), "Read this first: unoptimised; and 1 more remark");
        assert_eq!(caveats(&warnings, 3), "Read this first: unoptimised; and 4 more remarks");
        assert_eq!(caveats(&warnings[..1], 0), "Read this first: unoptimised");
        assert_eq!(caveats(&[], 2), "2 conditions were not equal for all stacks");
    }
}
