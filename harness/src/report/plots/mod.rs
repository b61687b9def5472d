//! Figures: a file for each, drawn from a summary as SVG.

mod axis;
mod bytes;
mod cpu;
mod curves;
mod latency;
mod percentiles;
mod rows;
mod style;
mod sweep;
mod throughput;

use std::collections::BTreeSet;

use super::summary::{Summary, Table};
use super::text;
use crate::deploy::Placement;
use crate::record::Record;

/// Why a figure could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("a figure could not be drawn: {0}")]
pub(super) struct PlotError(String);

/// A figure.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// Its file, without the ending.
    pub name: String,
    /// What it shows, for those who cannot see it.
    pub title: String,
    /// How to read it.
    pub caption: String,
    /// The drawing, as an element of a page.
    svg: String,
}

impl Figure {
    /// The drawing for a page that brings [`dark_rules`] with it.
    pub(super) fn inline(&self) -> &str {
        &self.svg
    }

    /// The drawing as a file of its own, which is light or dark as its reader prefers.
    pub(super) fn file(&self) -> String {
        let rules = format!(
            "<style>.plot text{{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif}}\n\
             @media screen and (prefers-color-scheme:dark){{\n{}}}</style>\n",
            style::dark_rules()
        );
        match self.svg.split_once('\n') {
            Some((head, shapes)) => format!("{head}\n{rules}{shapes}"),
            None => self.svg.clone(),
        }
    }
}

pub(super) use style::{dark_rules, swatch};

/// The figures of a record.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    /// Those of each table of the summary, in its order.
    pub tables: Vec<Vec<Figure>>,
    /// Those across the tables of a sweep.
    pub sweeps: Vec<Figure>,
    /// Bytes on the wire, a figure for each operation.
    pub bytes: Vec<Figure>,
}

impl Figures {
    /// Draws them all.
    pub(super) fn new(record: &Record, summary: &Summary) -> Result<Self, PlotError> {
        let mut names = Names::default();
        let mut tables = Vec::new();
        for table in &summary.tables {
            let name = names.unique(&table.measurement.name);
            tables.push(of_table(table, &name)?);
        }
        let mut operations: Vec<_> = Vec::new();
        for wire in &record.wire {
            if !operations.contains(&wire.operation) {
                operations.push(wire.operation);
            }
        }
        let mut bytes = Vec::new();
        for operation in operations {
            bytes.push(bytes::figure(record, operation, names.unique(&format!("bytes {operation}")))?);
        }
        let sweeps = sweep::figures(summary, |name| names.unique(name))?;
        Ok(Figures { tables, sweeps, bytes })
    }

    /// Every figure.
    pub(super) fn all(&self) -> impl Iterator<Item = &Figure> {
        self.sweeps.iter().chain(self.tables.iter().flatten()).chain(&self.bytes)
    }
}

fn of_table(table: &Table, name: &str) -> Result<Vec<Figure>, PlotError> {
    let one_caller = table.measurement.load.is_for_latency();
    let mut figures = Vec::new();
    if one_caller {
        figures.push(latency::figure(table, format!("{name}-p50"))?);
    } else {
        figures.push(throughput::figure(table, format!("{name}-calls"))?);
    }
    figures.extend(percentiles::figure(table, format!("{name}-percentiles"))?);
    // With one caller on two cores, most of a latency is not CPU time but waiting for the other core.
    if !one_caller || table.measurement.placement == Placement::Shared {
        figures.extend(cpu::figure(table, format!("{name}-cpu"))?);
    }
    Ok(figures)
}

/// Names of files, each given once.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn unique(&mut self, text: &str) -> String {
        const LONGEST: usize = 60;
        let plain: String = text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' })
            .collect();
        let mut name: String =
            plain.split_whitespace().collect::<Vec<_>>().join("-").chars().take(LONGEST).collect();
        if name.is_empty() {
            "measurement".clone_into(&mut name);
        }
        let mut unique = name.clone();
        let mut number = 1;
        while !self.0.insert(unique.clone()) {
            number += 1;
            unique = format!("{name}-{number}");
        }
        unique
    }
}

/// What a figure shows, and of what.
fn title(what: &str, table: &Table) -> String {
    format!("{what}: {}", text::load(&table.measurement))
}

/// What a figure is called by those who cannot see the line below its title.
fn spoken(title: &str, table: &Table) -> String {
    format!("{title}; {}", text::placement(&table.measurement))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_plain_and_each_is_given_once() {
        let mut names = Names::default();
        assert_eq!(names.unique("latency on two cores"), "latency-on-two-cores");
        assert_eq!(names.unique("Latency, on/two cores"), "latency-on-two-cores-2");
        assert_eq!(names.unique("../../etc"), "etc");
        assert_eq!(names.unique("…"), "measurement");
        assert_eq!(names.unique(&"x".repeat(999)).len(), 60);
    }
}
