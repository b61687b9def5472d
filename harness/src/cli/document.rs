//! The forms in which commands print a page of sentences and tables.

use calculator::printable_json;
use serde::Serialize;

use super::Failure;
use crate::report::Document;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Tables for a terminal
    Text,
    /// Tables for a pull request
    Markdown,
    /// Everything, for programs
    Json,
    /// An HTML page
    Html,
}

impl Format {
    /// `document` in this form; as JSON the `data` that it was made from.
    ///
    /// # Errors
    /// When the page or the JSON cannot be rendered.
    pub(super) fn render(self, document: &Document, data: &impl Serialize) -> Result<String, Failure> {
        match self {
            Format::Text => Ok(document.terminal()),
            Format::Markdown => Ok(document.markdown()),
            Format::Json => {
                let json = serde_json::to_string_pretty(data).map_err(Failure::could_not_run)?;
                Ok(format!("{}\n", printable_json(&json)))
            }
            Format::Html => document.html().map_err(Failure::could_not_run),
        }
    }
}
