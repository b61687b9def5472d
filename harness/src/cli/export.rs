//! `rpcbench export`.

use std::path::PathBuf;

use super::output::print_or_write;
use super::{Exit, Failure, Outcome};
use crate::export::Kind;
use crate::record;

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
    print_or_write(&text, arguments.out.as_deref(), &[arguments.record.as_path()])?;
    Ok(Exit::Done)
}
