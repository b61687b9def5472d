//! The Bencher Metric Format: <https://bencher.dev/docs/reference/bencher-metric-format/>.

use serde_json::{Map, Value};

use super::metrics::{benchmarks, metrics};
use super::{ExportError, Format, json};
use crate::record::Record;
use crate::report::Summary;

/// The largest length of a benchmark's name in characters that Bencher accepts.
const MAX_NAME_CHARS: usize = 1_024;

pub(super) struct Bmf;

impl Format for Bmf {
    fn export(&self, record: &Record) -> Result<String, ExportError> {
        let summary = Summary::new(record)?;
        let mut all = Map::new();
        for (name, stack) in benchmarks(&summary) {
            let measures: Map<String, Value> = metrics(stack)
                .into_iter()
                .map(|metric| {
                    let mut value = serde_json::json!({ "value": metric.value });
                    if let Some((low, high)) = metric.range {
                        value["lower_value"] = low.into();
                        value["upper_value"] = high.into();
                    }
                    (metric.slug.to_owned(), value)
                })
                .collect();
            if !measures.is_empty() {
                all.insert(name.chars().take(MAX_NAME_CHARS).collect(), Value::Object(measures));
            }
        }
        if all.is_empty() {
            return Err(ExportError::Nothing("valid trial"));
        }
        json(&all)
    }
}
