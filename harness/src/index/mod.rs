//! An index of many records: which machine ran which scenario, what each run found, and how the figures of the same machine and
//! scenario changed over time. It is a page that links to the report of every record, ready for a static web server.

mod entry;
mod page;
mod requirements;
mod site;

use serde::Serialize;

use crate::compare::history::LeftOut;
use crate::report::Document;
use crate::report::model::{Cell, Column, Row, Table, Unit};

pub use entry::Entry;
pub use requirements::unmet;
pub use site::{Site, SiteError, check, write};

/// Many records.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Index {
    /// The records, the newest first.
    pub entries: Vec<Entry>,
    /// The files that are not shown.
    pub left_out: Vec<LeftOut>,
    /// What the history of the records says, in sentences; empty where no two records can be compared.
    pub trend: Vec<String>,
}

/// The records of one machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MachineRow<'a> {
    /// The machine.
    pub machine: &'a str,
    /// The records of each scenario, in the order of [`Index::scenarios`].
    pub scenarios: Vec<Option<Runs<'a>>>,
}

/// The records of one scenario on one machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Runs<'a> {
    /// The newest one.
    pub newest: &'a Entry,
    /// How many there are.
    pub count: usize,
}

const COLUMNS: [Column; 6] = [
    Column::text("day", "day"),
    Column::text("scenario", "scenario"),
    Column::text("machine", "machine"),
    Column::number("blocks", "blocks", Unit::Count),
    Column::text("valid", "valid trials"),
    Column::text("report", "report").wide(),
];

impl Index {
    /// An index of `entries`, in any order.
    #[must_use]
    pub fn new(mut entries: Vec<Entry>, left_out: Vec<LeftOut>, trend: Vec<String>) -> Self {
        // Equal times are rare; then the path decides, so that the same records always give the same page.
        entries.sort_by(|a, b| (b.started, &a.report).cmp(&(a.started, &b.report)));
        Index { entries, left_out, trend }
    }

    /// The names of the scenarios in alphabetical order.
    #[must_use]
    pub fn scenarios(&self) -> Vec<&str> {
        distinct(self.entries.iter().map(|entry| entry.scenario.as_str()))
    }

    /// The machines in alphabetical order.
    #[must_use]
    pub fn machines(&self) -> Vec<&str> {
        distinct(self.entries.iter().map(|entry| entry.machine.as_str()))
    }

    /// The names of the protocols in alphabetical order.
    #[must_use]
    pub fn protocols(&self) -> Vec<&str> {
        distinct(self.entries.iter().flat_map(|entry| entry.protocols.iter().map(String::as_str)))
    }

    /// A row for each machine, with the records of each scenario.
    #[must_use]
    pub fn by_machine(&self) -> Vec<MachineRow<'_>> {
        let runs = |machine: &str, scenario: &str| {
            let is_of = |entry: &&Entry| entry.machine == machine && entry.scenario == scenario;
            let newest = self.entries.iter().find(is_of)?;
            Some(Runs { newest, count: self.entries.iter().filter(is_of).count() })
        };
        let scenarios = self.scenarios();
        let row = |machine| MachineRow {
            machine,
            scenarios: scenarios.iter().map(|scenario| runs(machine, scenario)).collect(),
        };
        self.machines().into_iter().map(row).collect()
    }

    /// The number of records, machines and scenarios, and the days of the oldest and of the newest record, in a line.
    #[must_use]
    pub fn extent(&self) -> String {
        let counted =
            |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
        let days = match (self.entries.last(), self.entries.first()) {
            (Some(oldest), Some(newest)) if oldest.day == newest.day => format!(", {}", newest.day),
            (Some(oldest), Some(newest)) => format!(", {} to {}", oldest.day, newest.day),
            _ => String::new(),
        };
        format!(
            "{} of {} on {}{days}",
            counted(self.entries.len(), "run"),
            counted(self.scenarios().len(), "scenario"),
            counted(self.machines().len(), "machine")
        )
    }

    /// The index in sentences and a table, for a terminal.
    #[must_use]
    pub fn document(&self) -> Document {
        let row = |entry: &Entry| {
            Row::new(vec![
                entry.day.as_str().into(),
                entry.scenario.as_str().into(),
                entry.machine.as_str().into(),
                Cell::number(f64::from(entry.blocks)),
                format!("{} of {}", entry.valid, entry.trials).into(),
                entry.report.as_str().into(),
            ])
        };
        Document {
            title: "Results".to_owned(),
            circumstances: vec![self.extent()],
            answer: self.trend.clone(),
            warnings: self
                .left_out
                .iter()
                .map(|left_out| format!("left out: {}", left_out.describe()))
                .collect(),
            tables: vec![Table {
                title: "Records".to_owned(),
                subtitle: Some("the newest first".to_owned()),
                columns: COLUMNS.to_vec(),
                rows: self.entries.iter().map(row).collect(),
                ..Table::default()
            }],
            charts: vec![],
            filter: None,
        }
    }
}

/// The different ones among `names`, in order.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(day: u32, scenario: &str, machine: &str) -> Entry {
        Entry {
            started: format!("2026-03-{day:02}T00:00:00Z").parse().unwrap(),
            day: format!("2026-03-{day:02}"),
            scenario: scenario.to_owned(),
            machine: machine.to_owned(),
            report: format!("{machine}/{day}/report/index.html"),
            ..Entry::default()
        }
    }

    #[test]
    fn each_machine_shows_the_newest_record_of_each_scenario() {
        let entries = vec![
            entry(1, "standard", "b"),
            entry(3, "standard", "b"),
            entry(2, "standard", "a"),
            entry(2, "claims", "b"),
        ];
        let index = Index::new(entries, vec![], vec![]);
        assert_eq!(index.scenarios(), ["claims", "standard"]);
        assert_eq!(index.entries[0].day, "2026-03-03");
        assert_eq!(index.extent(), "4 runs of 2 scenarios on 2 machines, 2026-03-01 to 2026-03-03");
        let rows = index.by_machine();
        assert_eq!(rows.iter().map(|row| row.machine).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(rows[0].scenarios[0], None);
        let runs = rows[1].scenarios[1].unwrap();
        assert_eq!((runs.newest.day.as_str(), runs.count), ("2026-03-03", 2));
    }

    #[test]
    fn a_terminal_shows_every_record_with_the_place_of_its_report() {
        let left_out = LeftOut { file: "x/record.json".into(), reason: "not a record".to_owned() };
        let trend = vec!["No change was found.".to_owned()];
        let text = Index::new(vec![entry(1, "standard", "a")], vec![left_out], trend)
            .document()
            .terminal(None)
            .to_string();
        for words in [
            "1 run of 1 scenario on 1 machine, 2026-03-01",
            "a/1/report",
            "x/record.json: not a record",
            "No change",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
