//! `rpcbench compare`.

use std::path::PathBuf;

use super::document::Format;
use super::{Exit, Failure, Outcome};
use crate::compare::{Comparison, SettingKind};
use crate::record;

/// Compare two records: bytes exactly, timings by statements with intervals
///
/// The records must come from the same machine, and the measurements that both have must have the same load and placement.
/// What differs otherwise, such as the versions of libraries, is listed. Two runs are never made under the same conditions,
/// so small differences between timings are undecided.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  rpcbench compare results/before results/after
  rpcbench compare results/before results/after --format markdown
  rpcbench compare results/reference results/mine --across machines --format html --out comparison.html")]
pub(super) struct Arguments {
    /// The baseline: a record or its folder
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// The record to compare with the baseline, or its folder
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Compare the records although their machines, placements or scenarios differ
    #[arg(long, value_name = "KIND,KIND", value_delimiter = ',')]
    across: Vec<SettingKind>,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write into this file instead of to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn compare(arguments: &Arguments) -> Outcome {
    let [base, new] =
        [&arguments.base, &arguments.new].map(|path| record::read(path).map_err(Failure::usage));
    let comparison = Comparison::new(&base?, &new?, &arguments.across).map_err(Failure::usage)?;
    arguments.format.emit(
        &comparison.document(),
        &comparison,
        arguments.out.as_deref(),
        &[&arguments.base, &arguments.new].map(PathBuf::as_path),
    )?;
    Ok(Exit::Done)
}
