//! `rpcbench report`.

use std::path::{Path, PathBuf};

use calculator::{printable, printable_json};

use super::{Exit, Failure, Outcome, print};
use crate::record::{self, Record};
use crate::report::{self, Summary};

/// Make all tables and plots again from records
#[derive(clap::Args)]
#[command(after_help = "Example:
  rpcbench report results/2026-11-22-quick-1a2b3c4d
  rpcbench report results/reference --format json | jq '.measurements[].comparisons.pairs[]'")]
pub(super) struct Arguments {
    /// Records, or folders that contain a record.json
    #[arg(required = true, value_name = "RECORD")]
    records: Vec<PathBuf>,
    /// The folder for the report [default: `report` beside each record]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The tables
    Text,
    /// All tables and statements as JSON, a document for each record
    Json,
    /// Only the path of each report
    Quiet,
}

pub(super) fn report(arguments: &Arguments) -> Outcome {
    if arguments.out.is_some() && arguments.records.len() > 1 {
        return Err(Failure::usage("--out takes one record; the reports would overwrite each other"));
    }
    for path in &arguments.records {
        let record = record::read(path).map_err(Failure::usage)?;
        let beside = if path.is_dir() { Some(path.as_path()) } else { path.parent() };
        let folder = arguments.out.clone().unwrap_or_else(|| beside.unwrap_or(path).join("report"));
        let summary = Summary::new(&record).map_err(Failure::usage)?;
        let page = report::write(&record, &summary, &folder).map_err(|error| {
            Failure::could_not_run(format!("cannot write the report into {}: {error}", folder.display()))
        })?;
        show(&record, &summary, &page, arguments.format)?;
    }
    Ok(Exit::Done)
}

fn show(record: &Record, summary: &Summary, page: &Path, format: Format) -> Result<(), Failure> {
    let page = page.display().to_string();
    match format {
        Format::Text => {
            print(&report::terminal(record, summary))?;
            print(&format!("\nreport: {}\n", printable(&page)))
        }
        Format::Json => {
            let report = report::report(record, summary);
            let text = serde_json::to_string_pretty(&report).map_err(Failure::could_not_run)?;
            print(&format!("{}\n", printable_json(&text)))
        }
        Format::Quiet => print(&format!("{}\n", printable(&page))),
    }
}
