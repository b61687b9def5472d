//! `rpcbench export`.

use std::path::PathBuf;

use calculator::printable;

use super::{Exit, Failure, Outcome, print};
use crate::export::Kind;
use crate::record::{self, write_atomically};

/// Write a record in the format of another tool
#[derive(clap::Args)]
#[command(after_help = "Examples:
  rpcbench export results/mine --format csv > trials.csv
  rpcbench export results/mine --format bmf --out bencher.json
  rpcbench export results/mine --format hlog --out latencies.hlog")]
pub(super) struct Arguments {
    /// The record, or its folder
    #[arg(value_name = "RECORD")]
    record: PathBuf,
    /// The format
    #[arg(long, value_enum)]
    format: Kind,
    /// Write into this file instead of to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn export(arguments: &Arguments) -> Outcome {
    let record = record::read(&arguments.record).map_err(Failure::usage)?;
    let text = arguments.format.export(&record).map_err(Failure::usage)?;
    match &arguments.out {
        None => print(&text)?,
        Some(path) => write_atomically(path, text.as_bytes()).map_err(|error| {
            Failure::could_not_run(format!(
                "cannot write {}: {error}",
                printable(&path.display().to_string())
            ))
        })?,
    }
    Ok(Exit::Done)
}
