//! The forms in which commands print a page of sentences and tables.

use std::path::Path;

use calculator::printable_json;
use serde::Serialize;

use super::Failure;
use super::output::{print_or_write, print_text, screen_width};
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
    /// Prints `document` in this form, as JSON the `data` that it was made from, or writes it into the file that `--out` names.
    ///
    /// # Errors
    /// When the page or the JSON cannot be rendered, or as [`print_or_write`].
    pub(super) fn emit(
        self,
        document: &Document,
        data: &impl Serialize,
        out: Option<&Path>,
        inputs: &[&Path],
    ) -> Result<(), Failure> {
        match (self, out) {
            (Format::Text, None) => print_text(&document.terminal(screen_width())),
            _ => print_or_write(&self.render(document, data)?, out, inputs),
        }
    }

    fn render(self, document: &Document, data: &impl Serialize) -> Result<String, Failure> {
        match self {
            Format::Text => Ok(document.terminal(None).to_string()),
            Format::Markdown => Ok(document.markdown()),
            Format::Json => {
                let json = serde_json::to_string_pretty(data).map_err(Failure::could_not_run)?;
                Ok(format!("{}\n", printable_json(&json)))
            }
            Format::Html => document.html().map_err(Failure::could_not_run),
        }
    }
}
