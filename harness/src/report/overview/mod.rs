//! The overview: the answer in short, a recommendation for each need, and what to know about the figures.

mod facts;
mod model;
mod needs;

pub use model::{Fact, Overview, Recommendation, Source};

use super::answer;
use super::summary::Summary;
use crate::record::Record;

/// The overview of `record`.
pub(super) fn overview(record: &Record, summary: &Summary) -> Overview {
    Overview {
        lead: answer::lead(record, summary),
        recommendations: needs::recommendations(record, summary),
        facts: facts::facts(record, summary),
    }
}
