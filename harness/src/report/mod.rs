//! Reports: tables and plots, derived from a record and nothing else.

mod plots;
mod summary;
mod terminal;
mod text;

use std::io;
use std::path::{Path, PathBuf};

use crate::record::{Record, write_atomically};
use plots::Figures;

pub use summary::{Cpu, Row, Spread, Summary, Table};
pub use terminal::terminal;

/// Writes the report of `record` into `folder`, and returns the path of its page.
///
/// # Errors
/// The system's reason where a file cannot be written.
pub fn write(record: &Record, summary: &Summary, folder: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let figures = Figures::new(record, summary).map_err(io::Error::other)?;
    for figure in figures.all() {
        write_atomically(&folder.join(format!("{}.svg", figure.name)), figure.file().as_bytes())?;
    }
    Ok(folder.join("index.html"))
}
