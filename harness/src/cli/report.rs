//! `rpcbench report`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use calculator::{printable, printable_json};
use serde::Serialize;

use super::detail::Detail;
use super::output::{print_text, screen_width};
use super::{Exit, Failure, Outcome, print, print_error};
use crate::compare::Comparison;
use crate::index::{self, SiteError};
use crate::record::{self, RECORD_FILE, Record};
use crate::report::{self, Summary};

/// Make all tables and plots again from records
///
/// For two records, it also writes a page that compares them, comparison.html beside the second report; `rpcbench compare` has options
/// for that. For a folder with many records, it also writes an index.html that links to the report of each, and a history.html with the
/// figures over time. A static web server can publish the folder as it is.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  rpcbench report results/2026-11-22-quick-1a2b3c4d
  rpcbench report results/reference --format json | jq '.measurements[].comparisons.pairs[]'
  rpcbench report results/before results/after
  rpcbench report results --out site")]
pub(super) struct Arguments {
    /// Records, folders that contain a record.json, or folders that contain such folders
    #[arg(required = true, value_name = "RECORD")]
    records: Vec<PathBuf>,
    /// The folder for the report of one record [default: `report` beside the record], or for all pages of a folder with many records
    /// and copies of these [default: that folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The URL of an image that other sites show beside links to the index of many records (Open Graph). `scripts/preview` makes
    /// one from a figure
    #[arg(long, value_name = "URL", conflicts_with = "check", value_parser = preview_url)]
    preview: Option<String>,
    /// Write nothing: print what keeps each record from being published, and fail if anything does
    #[arg(long, conflicts_with_all = ["out", "format"])]
    check: bool,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    detail: Detail,
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

/// An absolute URL, as Open Graph requires.
fn preview_url(given: &str) -> Result<String, String> {
    match net::url::Url::parse(given) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url.into()),
        _ => Err("expected an absolute URL, for example https://example.org/rpcbench/preview.png".to_owned()),
    }
}

pub(super) fn report(arguments: &Arguments) -> Outcome {
    if arguments.out.is_some() && arguments.records.len() > 1 {
        return Err(Failure::usage("--out takes one record; the reports would overwrite each other"));
    }
    if arguments.check {
        return check(&arguments.records);
    }
    let mut shown = Vec::new();
    for path in &arguments.records {
        if path.is_dir() && !path.join(RECORD_FILE).exists() {
            all_in(path, arguments)?;
            continue;
        }
        if arguments.preview.is_some() {
            let one = path.display();
            return Err(Failure::usage(format!(
                "--preview is for the index of a folder with many records; {one} is one record"
            )));
        }
        let record = record::read(path).map_err(Failure::usage)?;
        let beside = if path.is_dir() { Some(path.as_path()) } else { path.parent() };
        let folder = arguments.out.clone().unwrap_or_else(|| beside.unwrap_or(path).join("report"));
        let summary = Summary::new(&record).map_err(Failure::usage)?;
        let page = report::write(&record, &summary, &folder).map_err(|error| {
            Failure::could_not_run(format!("cannot write the report into {}: {error}", folder.display()))
        })?;
        show(&record, &summary, &page, arguments)?;
        shown.push((record, page));
    }
    if let [(base, _), (new, page)] = shown.as_slice() {
        compare(base, new, &page.with_file_name("comparison.html"), arguments.format)?;
    }
    Ok(Exit::Done)
}

/// Writes the page of the comparison of two records into the file `page`, if they can be compared without further options.
fn compare(base: &Record, new: &Record, page: &Path, format: Format) -> Result<(), Failure> {
    let shown = printable(&page.display().to_string()).into_owned();
    let line = match Comparison::new(base, new, &[]) {
        Ok(comparison) => {
            let html = comparison.document().html().map_err(Failure::could_not_run)?;
            record::write_atomically(page, html.as_bytes())
                .map_err(|error| Failure::could_not_run(format!("cannot write {shown}: {error}")))?;
            match format {
                Format::Text => format!("comparison: {shown}\n"),
                Format::Quiet => format!("{shown}\n"),
                Format::Json => return Ok(()),
            }
        }
        Err(reason) => {
            // A page of another comparison would be taken for that of these two.
            match std::fs::remove_file(page) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Failure::could_not_run(format!("cannot remove the old {shown}: {error}")));
                }
                _ => {}
            }
            print_error(&format_args!("no comparison of the two, see `rpcbench compare`: {reason}"));
            return Ok(());
        }
    };
    print(&line)
}

/// Writes the reports of the records in the folder `path`, and an index.
fn all_in(path: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let written = index::write(path, arguments.out.as_deref(), arguments.preview.as_deref());
    let site = written.map_err(|error| match error {
        SiteError::Unwritable { .. } => Failure::could_not_run(error),
        SiteError::Folder(_)
        | SiteError::NothingLeft { .. }
        | SiteError::InsideOut(_)
        | SiteError::OtherRun(_) => Failure::usage(error),
    })?;
    let page = printable(&site.page.display().to_string()).into_owned();
    match arguments.format {
        Format::Text => {
            print_text(&site.index.document().terminal(screen_width()))?;
            print(&format!("\nindex: {page}\n"))
        }
        Format::Json => print_json(&site.index),
        Format::Quiet => print(&format!("{page}\n")),
    }
}

/// Prints which of the records in `paths` can be published, and why the others cannot.
fn check(paths: &[PathBuf]) -> Outcome {
    let mut exit = Exit::Done;
    for path in paths {
        for (file, unmet) in index::check(path).map_err(Failure::usage)? {
            let file = printable(&file.display().to_string()).into_owned();
            if unmet.is_empty() {
                print(&format!("{file}: can be published\n"))?;
            } else {
                exit = Exit::No;
                print(&format!("{file}: cannot be published: {}\n", unmet.join("; ")))?;
            }
        }
    }
    Ok(exit)
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::could_not_run)?;
    print(&format!("{}\n", printable_json(&text)))
}

fn show(record: &Record, summary: &Summary, page: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let page = page.display().to_string();
    match arguments.format {
        Format::Text => {
            print_text(&report::terminal(record, summary, arguments.detail.screen()))?;
            print(&format!("\nreport: {}\n", printable(&page)))
        }
        Format::Json => print_json(&report::report(record, summary)),
        Format::Quiet => print(&format!("{}\n", printable(&page))),
    }
}
