//! `rpcbench merge`.

use std::path::PathBuf;

use super::detail::Detail;
use super::run::{Format, finish, prepare};
use super::{Failure, Outcome};
use crate::agents::merge::merge as merge_records;
use crate::record::{RECORD_FILE, RecordError, read_from_log, write_atomically};

/// Merge the partial records of agents, and write a record and a report
///
/// Histograms and counts are added; rates are computed again. A trial that is invalid for one agent is invalid in
/// the merged record, too.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  rpcbench merge one.json two.json --out results/together
  rpcbench merge logs/agent-*.log --out results/together")]
pub(super) struct Arguments {
    /// The files that the agents wrote, or logs of agents that wrote to standard output
    #[arg(required = true, value_name = "PARTIAL")]
    partials: Vec<PathBuf>,
    /// The folder for the record and the report
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Merge without the agents whose record is missing; every trial is then invalid
    #[arg(long)]
    allow_missing: bool,
    /// What to print at the end
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    detail: Detail,
}

pub(super) fn merge(arguments: &Arguments) -> Outcome {
    let read = |path: &PathBuf| Ok((path.display().to_string(), read_from_log(path)?));
    let partials: Vec<_> =
        arguments.partials.iter().map(read).collect::<Result<_, RecordError>>().map_err(Failure::usage)?;
    let record = merge_records(partials, arguments.allow_missing).map_err(Failure::usage)?;
    prepare(&arguments.out)?;
    let path = arguments.out.join(RECORD_FILE);
    serde_json::to_vec_pretty(&record)
        .map_err(std::io::Error::from)
        .and_then(|text| write_atomically(&path, &text))
        .map_err(|error| Failure::could_not_run(format!("cannot write {}: {error}", path.display())))?;
    finish(&record, &path, arguments.format, arguments.detail)
}
