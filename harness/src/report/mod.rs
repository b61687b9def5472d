//! Reports: tables and plots, derived from a record and nothing else.

mod answer;
mod capacity;
mod columns;
mod fairness;
mod html;
mod ledger;
mod markdown;
mod plots;
mod summary;
mod terminal;
mod text;
mod verdict;
mod ways;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use crate::record::{Record, write_atomically};
use plots::Figures;

pub use summary::{Cpu, Row, Spread, Summary, Table};
pub use terminal::terminal;
pub use verdict::{ByBlock, Resolution, ratio};
pub use ways::Way;

/// Writes the report of `record` into `folder`: a page that needs nothing else, the same as Markdown, and each figure as
/// a file of its own. Returns the path of the page.
///
/// # Errors
/// The system's reason where a file cannot be written.
pub fn write(record: &Record, summary: &Summary, folder: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let figures = Figures::new(record, summary).map_err(io::Error::other)?;
    for figure in figures.all() {
        write_atomically(&folder.join(format!("{}.svg", figure.name)), figure.file().as_bytes())?;
    }
    write_atomically(&folder.join("report.md"), markdown::markdown(record, summary, &figures).as_bytes())?;
    let page = folder.join("index.html");
    let html = html::page(record, summary, &figures).map_err(io::Error::other)?;
    write_atomically(&page, html.as_bytes())?;
    Ok(page)
}
