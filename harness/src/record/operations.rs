//! The calls of each operation of a mix.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HistogramError, Latency};
use crate::load::OwnName;
use crate::observe::{Counts, PartObservation};

/// The calls of one operation in a trial of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationPart {
    /// The operation.
    pub operation: OwnName,
    /// The outcomes of its calls. Scheduled calls that were not sent are only in those of the trial.
    pub counts: Counts,
    /// How long its calls took; absent if none got a correct answer.
    pub latency: Option<Latency>,
}

impl OperationPart {
    /// The calls that were `observed` of each of the operations `names`, also of those without a call; none where all calls were of
    /// one operation.
    ///
    /// # Errors
    /// When a histogram cannot be encoded.
    pub fn all(names: &[OwnName], observed: &[PartObservation]) -> Result<Vec<Self>, HistogramError> {
        let without_calls = PartObservation::default();
        let part = |(index, operation): (usize, &OwnName)| {
            let PartObservation { counts, latency } = observed.get(index).unwrap_or(&without_calls);
            let operation = *operation;
            let latency = Latency::new(latency, counts.not_right())?;
            Ok(OperationPart { operation, counts: counts.clone(), latency })
        };
        let names = if names.len() > 1 { names } else { &[] };
        names.iter().enumerate().map(part).collect()
    }
}

/// The parts of two agents' shares of a trial, added up.
///
/// # Errors
/// When a histogram cannot be read or encoded.
pub fn merge_parts(
    one: &[OperationPart],
    other: &[OperationPart],
) -> Result<Vec<OperationPart>, HistogramError> {
    let mut merged = one.to_vec();
    for part in other {
        let Some(same) = merged.iter_mut().find(|known| known.operation == part.operation) else {
            merged.push(part.clone());
            continue;
        };
        same.counts.merge(&part.counts);
        let mut histogram = crate::stats::growing_histogram();
        for latency in [&same.latency, &part.latency].into_iter().flatten() {
            histogram.add(latency.histogram()?).map_err(|error| HistogramError::new(&error))?;
        }
        same.latency = Latency::new(&histogram, same.counts.not_right())?;
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::observe::{CallOutcome, Observation};

    #[test]
    fn operations_of_a_mix_without_calls_are_parts_too() {
        let names = ["a", "b", "c"].map(|name| OwnName::new(name).unwrap());
        let mut observed = Observation::default();
        observed.record_part(1, Duration::from_micros(5), CallOutcome::Right);
        let parts = OperationPart::all(&names, &observed.parts).unwrap();
        let started: Vec<_> =
            parts.iter().map(|part| (part.operation.as_str(), part.counts.started)).collect();
        assert_eq!(started, [("a", 0), ("b", 1), ("c", 0)]);
        assert_eq!((&parts[0].latency, &parts[2].latency), (&None, &None));
        assert_eq!(OperationPart::all(&names[..1], &[]).unwrap(), []);
    }

    #[test]
    fn parts_of_agents_add_up() {
        let name = |text: &str| OwnName::new(text).unwrap();
        let part = |operation: &str, micros: u64, wrong: bool| {
            let mut observed = Observation::default();
            observed.record_part(0, Duration::from_micros(micros), CallOutcome::Right);
            if wrong {
                observed.record_part(0, Duration::ZERO, CallOutcome::Wrong);
            }
            let PartObservation { counts, latency } = &observed.parts[0];
            let latency = Latency::new(latency, counts.not_right()).unwrap();
            OperationPart { operation: name(operation), counts: counts.clone(), latency }
        };
        let merged = merge_parts(&[part("a", 5, false)], &[part("b", 7, false), part("a", 9, true)]).unwrap();
        let [a, b] = merged.as_slice() else { panic!("two operations") };
        assert_eq!((a.counts.started, a.counts.wrong, b.counts.started), (3, 1, 1));
        let latency = a.latency.as_ref().unwrap();
        assert_eq!((latency.min / 1_000, latency.max / 1_000, latency.p99), (5, 9, None));
    }
}
