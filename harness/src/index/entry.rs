//! A record in an index.

use jiff::Timestamp;
use serde::Serialize;

use crate::record::{Record, Status};
use crate::report::{self, Summary};

/// A record in an index: where it is, what was measured, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Entry {
    /// The page of its report: a URL relative to the index.
    pub report: String,
    /// The file with the record: a URL relative to the index.
    pub record: String,
    /// The id of the run.
    pub id: String,
    /// When the run began.
    #[serde(skip)]
    pub started: Timestamp,
    /// The day on which it began, UTC.
    pub day: String,
    /// The name of the scenario.
    pub scenario: String,
    /// The question of the scenario.
    pub question: String,
    /// The processor and the number of cores.
    pub machine: String,
    /// The operating system.
    pub system: String,
    /// The commit of the program; absent where it is not known.
    pub revision: Option<String>,
    /// The number of blocks.
    pub blocks: u32,
    /// The number of trials.
    pub trials: usize,
    /// How many of them are valid.
    pub valid: usize,
    /// The protocols that were measured, without floors, in alphabetical order.
    pub protocols: Vec<String>,
    /// The answer in short.
    pub lead: String,
    /// What a reader must know before reading any figure; of a record with many remarks only their number.
    pub remarks: Vec<String>,
}

impl Entry {
    /// The entry of `record`, of which `summary` is the summary. `report` and `file` are URLs relative to the index.
    ///
    /// # Errors
    /// A message if the start of the run is not a time.
    pub fn new(record: &Record, summary: &Summary, report: String, file: String) -> Result<Self, String> {
        let started: Timestamp =
            record.started.parse().map_err(|_| format!("its start, `{}`, is not a time", record.started))?;
        let compared = record.stacks.iter().filter(|facts| !facts.protocol.is_floor());
        let mut protocols: Vec<String> = compared.map(|facts| facts.protocol.name().to_owned()).collect();
        protocols.sort_unstable();
        protocols.dedup();
        let valid = record.trials.iter().filter(|trial| trial.status == Status::Valid).count();
        Ok(Entry {
            report,
            record: file,
            id: record.id.clone(),
            started,
            day: started.strftime("%Y-%m-%d").to_string(),
            scenario: record.scenario.name.clone(),
            question: record.scenario.question.clone(),
            machine: record.machine.name(),
            system: record.machine.system.clone(),
            revision: record.tool.build.revision(),
            blocks: record.scenario.blocks.get(),
            trials: record.trials.len(),
            valid,
            protocols,
            lead: report::lead(record, summary),
            remarks: remarks(record, summary),
        })
    }
}

/// What a reader must know before reading any figure.
fn remarks(record: &Record, summary: &Summary) -> Vec<String> {
    const MAX_REMARKS: usize = 2;
    let interrupted = record.interrupted.then(|| "The run was interrupted.".to_owned());
    let all: Vec<String> = interrupted.into_iter().chain(summary.warnings.iter().cloned()).collect();
    if all.len() <= MAX_REMARKS { all } else { vec![format!("{} remarks in the report.", all.len())] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::record;

    fn entry(record: &Record) -> Result<Entry, String> {
        let summary = Summary::new(record).unwrap();
        Entry::new(record, &summary, "a/report/index.html".to_owned(), "a/record.json".to_owned())
    }

    #[test]
    fn an_entry_has_the_facts_of_the_record() {
        let mut record = record(&["tcp", "rest", "rest-hyper", "amqp"], 14);
        let found = entry(&record).unwrap();
        assert_eq!(found.protocols, ["amqp", "rest"]);
        assert_eq!(found.valid, found.trials);
        assert!(found.trials > 0 && found.blocks == 14 && !found.lead.is_empty(), "{found:?}");
        assert!(record.started.starts_with(&found.day));
        record.interrupted = true;
        assert!(
            entry(&record)
                .unwrap()
                .remarks
                .iter()
                .any(|remark| remark.contains("interrupted") || remark.contains("remarks"))
        );
        record.started = "yesterday".to_owned();
        assert!(entry(&record).unwrap_err().contains("`yesterday`"));
    }
}
