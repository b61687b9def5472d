//! `rpcbench history`.

use std::path::{Path, PathBuf};

use super::document::Format;
use super::{Exit, Failure, Outcome};
use crate::compare::history::{Filter, Folder, History, MetricKind};
use crate::load::Operation;

/// Show the records in a folder over time, with the changes marked
///
/// Finds each record.json in the folder and in those below it. Records of the same scenario, hardware and settings are
/// compared with each other; others form separate groups. Changes of timings are found by E-divisive, with a permutation
/// test; bytes are exact. Each change is shown with the two records that it lies between, and with the versions and settings
/// in which these differ.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  rpcbench history results
  rpcbench history results --scenario standard --stack rest,jsonrpc --metric latency
  rpcbench history results --format html --out history.html")]
pub(super) struct Arguments {
    /// The folder with the records
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Only records of these scenarios
    #[arg(long = "scenario", value_name = "NAME,NAME", value_delimiter = ',')]
    scenarios: Vec<String>,
    /// Only these stacks
    #[arg(long = "stack", value_name = "STACK,STACK", value_delimiter = ',')]
    stacks: Vec<String>,
    /// Only these operations
    #[arg(long = "operation", value_name = "add,echo:10KiB", value_delimiter = ',', value_parser = Operation::named)]
    operations: Vec<Operation>,
    /// Only these metrics
    #[arg(long = "metric", value_name = "METRIC,METRIC", value_delimiter = ',')]
    metrics: Vec<MetricKind>,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write into this file instead of to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn history(arguments: Arguments) -> Outcome {
    let folder = Folder::read(&arguments.folder).map_err(Failure::usage)?;
    let filter = Filter {
        scenarios: arguments.scenarios,
        stacks: arguments.stacks,
        operations: arguments.operations,
        metrics: arguments.metrics,
    };
    let history = History::new(&folder, &filter).map_err(Failure::usage)?;
    let records: Vec<&Path> = folder.files.iter().map(PathBuf::as_path).collect();
    arguments.format.emit(&history.document(), &history, arguments.out.as_deref(), &records)?;
    Ok(Exit::Done)
}
