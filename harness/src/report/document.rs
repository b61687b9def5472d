//! The forms of a page of sentences and tables.

use std::fmt::Write as _;
use std::io;

use super::model::Document;
use super::terminal::{self, Text, Tone};
use super::{html, markdown};

impl Document {
    /// The document as plain text, for a terminal with `width` columns, or for lines of any width: the answer comes last.
    #[must_use]
    pub fn terminal(&self, width: Option<usize>) -> Text {
        let mut out = Text::new(width);
        out.line(Tone::Title, &self.title);
        for line in &self.circumstances {
            out.line(Tone::Muted, line);
        }
        for table in &self.tables {
            terminal::write_table(&mut out, table);
        }
        out.blank();
        for warning in &self.warnings {
            out.line(Tone::Caution, &format!("! {warning}"));
        }
        for sentence in &self.answer {
            out.line(Tone::Plain, sentence);
        }
        out
    }

    /// The document as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "# {}\n", markdown::escaped(&self.title));
        markdown::items(&mut out, &self.answer);
        markdown::items(&mut out, &self.circumstances);
        markdown::list(&mut out, "Read this first", &self.warnings);
        for table in &self.tables {
            markdown::section(&mut out, table);
        }
        out
    }

    /// The document as an HTML page that needs nothing else.
    ///
    /// # Errors
    /// When a figure cannot be drawn or the template cannot be rendered.
    pub fn html(&self) -> io::Result<String> {
        html::render_document(self)
    }
}
