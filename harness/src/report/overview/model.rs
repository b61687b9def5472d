//! The overview as data.

use schemars::JsonSchema;
use serde::Serialize;

use crate::report::model::{Cell, Column, Row, Table};

/// The answer in short, a recommendation for each need, and what to know about the figures.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Overview {
    /// The answer in one or two sentences.
    pub lead: String,
    /// A recommendation for each need about which the record says something.
    pub recommendations: Vec<Recommendation>,
    /// How sure the figures are, what a call costs, and where the figures do not hold.
    pub facts: Vec<Fact>,
}

/// The stacks to choose for a need.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Recommendation {
    /// The need.
    pub need: &'static str,
    /// The stacks to which no other is certainly superior, the best first.
    pub stacks: Vec<String>,
    /// The figure of the first of them, with its unit.
    pub figure: String,
    /// The statement from which the recommendation follows; starts in lower case and has no full stop.
    pub reason: String,
    /// Where the figures are.
    pub source: Source,
}

/// Where a figure is in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// In the measurement at this position.
    Measurement(usize),
    /// In the bytes on the wire.
    Bytes,
}

/// A fact about the figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fact {
    /// The question that it answers.
    pub title: &'static str,
    /// The answer, in sentences.
    pub text: String,
}

const COLUMNS: [Column; 4] = [
    Column::text("need", "need"),
    Column::text("stacks", "recommended"),
    Column::text("figure", "measured"),
    Column::text("reason", "because").wide(),
];

impl Recommendation {
    /// The stacks in words; of many only the first ones.
    #[must_use]
    pub fn names(&self) -> String {
        const MAX_NAMES: usize = 3;
        match self.stacks.as_slice() {
            [rest @ .., last] if !rest.is_empty() && rest.len() < MAX_NAMES => {
                format!("{} or {last}", rest.join(", "))
            }
            all if all.len() > MAX_NAMES => {
                format!("{} or {} others", all[..MAX_NAMES - 1].join(", "), all.len() - (MAX_NAMES - 1))
            }
            all => all.join(", "),
        }
    }
}

impl Overview {
    /// The recommendations as a table.
    #[must_use]
    pub fn table(&self) -> Table {
        let row = |it: &Recommendation| {
            let stacks = Cell::Stacks { names: it.stacks.clone(), shorthand: None };
            Row::new(vec![it.need.into(), stacks, it.figure.as_str().into(), it.reason.as_str().into()])
        };
        Table {
            title: "Which to choose".to_owned(),
            subtitle: Some("the stacks to which no other is certainly superior".to_owned()),
            columns: COLUMNS.to_vec(),
            rows: self.recommendations.iter().map(row).collect(),
            ..Table::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_shortened() {
        let names = |stacks: &[&str]| {
            let stacks = stacks.iter().map(|&stack| stack.to_owned()).collect();
            let source = Source::Bytes;
            Recommendation { need: "", stacks, figure: String::new(), reason: String::new(), source }.names()
        };
        assert_eq!(names(&["a"]), "a");
        assert_eq!(names(&["a", "b"]), "a or b");
        assert_eq!(names(&["a", "b", "c"]), "a, b or c");
        assert_eq!(names(&["a", "b", "c", "d", "e"]), "a, b or 3 others");
    }
}
