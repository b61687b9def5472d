//! The page of an index.

use std::io;

use serde::Serialize;

use super::{Entry, Index, MachineRow};
use crate::report::{Charts, render_index};

/// What the template shows.
#[derive(Serialize)]
struct IndexView<'a> {
    extent: String,
    machines: Vec<&'a str>,
    scenarios: Vec<&'a str>,
    protocols: Vec<&'a str>,
    by_machine: Vec<MachineRow<'a>>,
    entries: &'a [Entry],
    left_out: Vec<String>,
    trend: &'a [String],
    /// Whether there is a page with the history.
    has_history: bool,
    preview: Option<&'a str>,
}

impl Index {
    /// The index as an HTML page that needs nothing else, with `charts` of the figures over time. Other sites show the image at the
    /// URL `preview` beside links to the page (Open Graph, `og:image`).
    ///
    /// # Errors
    /// When a chart cannot be drawn or the template cannot be rendered.
    pub fn html(&self, charts: &[Charts], preview: Option<&str>) -> io::Result<String> {
        let view = IndexView {
            extent: self.extent(),
            machines: self.machines(),
            scenarios: self.scenarios(),
            protocols: self.protocols(),
            by_machine: self.by_machine(),
            entries: &self.entries,
            left_out: self.left_out.iter().map(|left_out| left_out.describe()).collect(),
            trend: &self.trend,
            has_history: !self.trend.is_empty(),
            preview,
        };
        render_index(&view, charts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::history::LeftOut;

    #[test]
    fn the_page_escapes_what_records_say_and_links_to_every_report() {
        let entry = Entry {
            report: "a%20b/report/index.html".to_owned(),
            record: "a%20b/record.json".to_owned(),
            scenario: "<script>alert(1)</script>".to_owned(),
            machine: "\"onmouseover=\"x".to_owned(),
            lead: "A & B".to_owned(),
            protocols: vec!["rest".to_owned()],
            ..Entry::default()
        };
        let left_out = LeftOut { file: "<b>".into(), reason: "broken".to_owned() };
        let page = Index::new(vec![entry], vec![left_out], vec!["No change.".to_owned()]);
        let page = page.html(&[], Some("https://h/\"><script>alert(1)")).unwrap();
        // A slash is written as a character reference.
        let page = page.replace("&#x2f;", "/");
        assert!(
            page.contains("href=\"a%20b/report/index.html\"") && page.contains("href=\"a%20b/record.json\"")
        );
        assert!(page.contains("A &amp; B") && page.contains("&lt;b&gt;: broken"));
        assert!(page.contains("href=\"history.html\""));
        assert!(!page.contains("<script>alert") && !page.contains("\"\"onmouseover"));
        assert!(page.contains("og:image"));
        let without = Index::default().html(&[], None).unwrap();
        assert!(!without.contains("history.html") && !without.contains("og:image"));
    }
}
