//! The power of a comparison: which differences a run states, from simulations with the noise of the reference record.

use serde::{Deserialize, Serialize};

use crate::deploy::Placement;
use crate::load::{Load, Operation};
use crate::scenario::Measurement;
use crate::stats::simulation::{Noise, Source, Table};

/// The share of runs that state a difference which is called detectable.
pub const POWER: f64 = 0.8;
/// The differences for which the share of tables that state them is simulated.
pub const EFFECTS: [f64; 5] = [0.02, 0.03, 0.05, 0.10, 0.20];
/// The numbers of blocks for which the smallest detectable difference is simulated.
const BLOCKS: [u32; 14] = [8, 9, 10, 12, 14, 15, 20, 25, 30, 40, 50, 60, 80, 100];
/// The numbers of stacks for which the smallest detectable difference is simulated.
const STACKS: [usize; 9] = [2, 3, 4, 6, 8, 10, 12, 15, 20];

/// What tables with the noise of a record state. `scripts/method verdicts` writes that of the reference record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Power {
    /// The id of the record.
    pub record: String,
    /// When the record was started.
    pub started: String,
    /// The number of its blocks.
    pub blocks: u32,
    /// The number of simulated tables for each figure.
    pub tables: u32,
    /// The seed of the simulation.
    pub seed: u64,
    /// The share of runs that state a detectable difference: [`POWER`].
    pub power: f64,
    /// The differences of [`Rates::stated`]: [`EFFECTS`].
    pub effects: [f64; EFFECTS.len()],
    /// The measurements of the record.
    pub measurements: Vec<MeasurementPower>,
}

/// What tables with the noise of a measurement state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MeasurementPower {
    /// The name of the measurement.
    pub name: String,
    /// What was called.
    pub operation: Operation,
    /// How calls followed each other.
    pub load: Load,
    /// Where client and server ran.
    pub placement: Placement,
    /// The rates of false and of true statements.
    pub rates: Vec<Rates>,
    /// The smallest detectable differences. A number of blocks that allows no statement is left out.
    pub detectable: Vec<Detectable>,
}

/// The rates of false and of true statements of tables of one size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rates {
    /// The number of stacks.
    pub stacks: usize,
    /// The number of blocks.
    pub blocks: u32,
    /// The share of tables with a false statement, where all stacks have the same noise.
    pub false_equal_noise: f64,
    /// The share of tables with a false statement, where each stack has that of a real one.
    pub false_own_noise: f64,
    /// The share of tables that state each of [`EFFECTS`], where each stack has the noise of a real one.
    pub stated: [f64; EFFECTS.len()],
}

/// The smallest detectable difference of tables of one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detectable {
    /// The number of stacks.
    pub stacks: usize,
    /// The number of blocks.
    pub blocks: u32,
    /// The difference, as a share.
    pub difference: f64,
}

impl Power {
    /// Loads the power that was simulated with the noise of the reference record.
    ///
    /// # Errors
    /// Never, unless the program was built with a damaged file.
    pub fn of_reference() -> serde_json::Result<Self> {
        serde_json::from_str(include_str!("power.json"))
    }

    /// The measurement whose noise is the best guess for that of `measurement`: latency or throughput, on the same
    /// placement, with a document or without. The noise of several servers, and of handlers that work or run in a chosen way, is
    /// not known.
    #[must_use]
    pub fn like(&self, measurement: &Measurement) -> Option<&MeasurementPower> {
        self.measurements.iter().find(|known| {
            let has_document = |operation: Operation| operation != Operation::ADD;
            known.load.is_for_latency() == measurement.load.is_for_latency()
                && known.load.rate().is_some() == measurement.load.rate().is_some()
                && known.placement == measurement.placement
                && has_document(known.operation) == has_document(measurement.operation)
                && measurement.handlers().is_empty()
        })
    }
}

impl MeasurementPower {
    /// Simulates `tables` tables for each figure with the noise of `measurement`.
    #[must_use]
    pub fn simulate(
        measurement: &Measurement,
        noise: &Noise,
        stacks: usize,
        blocks: &[u32],
        tables: u32,
        seed: u64,
    ) -> Self {
        let sizes = STACKS.iter().flat_map(|stacks| BLOCKS.map(|blocks| (*stacks, blocks)));
        let of_size = |(stacks, blocks)| {
            Some(Detectable { stacks, blocks, difference: detectable(noise, stacks, blocks, tables, seed)? })
        };
        MeasurementPower {
            name: measurement.name.clone(),
            operation: measurement.operation,
            load: measurement.load,
            placement: measurement.placement,
            rates: blocks
                .iter()
                .map(|blocks| Rates::simulate(noise, stacks, *blocks, tables, seed))
                .collect(),
            detectable: sizes.filter_map(of_size).collect(),
        }
    }

    /// The smallest difference that a table of `stacks` stacks and `blocks` blocks states in four of five runs: that of
    /// the nearest simulated size with as many stacks or more, and as many blocks or fewer.
    #[must_use]
    pub fn detectable(&self, stacks: usize, blocks: u32) -> Option<f64> {
        let simulated =
            STACKS.into_iter().find(|simulated| *simulated >= stacks).or(STACKS.last().copied())?;
        let sizes = self.detectable.iter().filter(|size| size.stacks == simulated && size.blocks <= blocks);
        sizes.max_by_key(|size| size.blocks).map(|size| size.difference)
    }
}

impl Rates {
    #[allow(clippy::cast_precision_loss)]
    fn simulate(noise: &Noise, stacks: usize, blocks: u32, tables: u32, seed: u64) -> Self {
        let simulate =
            |effect, source| noise.simulate(Table { stacks, blocks, effect, source }, tables, seed);
        let share = |part: u32, whole: u32| f64::from(part) / f64::from(whole.max(1));
        let false_tables = |source| {
            let (none, some) = (simulate(0.0, source), simulate(0.05, source));
            share(none.with_false_statement + some.with_false_statement, none.tables + some.tables)
        };
        let stated = |effect| {
            let outcome = simulate(effect, Source::OneStack);
            share(outcome.with_effect_stated, outcome.tables)
        };
        Rates {
            stacks,
            blocks,
            false_equal_noise: false_tables(Source::AnyStack),
            false_own_noise: false_tables(Source::OneStack),
            stated: EFFECTS.map(stated),
        }
    }
}

/// The smallest difference that the share [`POWER`] of tables states, rounded up to a tenth of a percent.
fn detectable(noise: &Noise, stacks: usize, blocks: u32, tables: u32, seed: u64) -> Option<f64> {
    let table = Table { stacks, blocks, effect: 0.0, source: Source::OneStack };
    noise.detectable(table, POWER, tables, seed).map(|effect| (1000.0 * effect).ceil() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record;
    use crate::report::Summary;
    use crate::scenario::Scenario;

    #[test]
    fn the_power_is_that_of_the_reference_record() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../results/reference/record.json");
        let record = record::read(path.as_ref()).unwrap();
        let power = Power::of_reference().unwrap();
        let advice = "run scripts/method verdicts";
        assert_eq!((&power.record, &power.started), (&record.id, &record.started), "{advice}");
        let summary = Summary::new(&record).unwrap();
        assert_eq!(power.measurements.len(), summary.measurements.len(), "{advice}");
        let (written, measured) = (&power.measurements[0], &summary.measurements[0]);
        assert_eq!(written.name, measured.measurement.name, "{advice}");
        let simulated = detectable(&measured.noise().unwrap(), 10, 30, power.tables, power.seed);
        assert!(simulated.is_some());
        assert_eq!(written.detectable(10, 30), simulated, "{advice}");
    }

    #[test]
    fn a_size_between_two_simulated_ones_has_the_larger_difference() {
        let sizes = [(10, 14, 0.05), (10, 30, 0.03), (12, 14, 0.07), (12, 30, 0.04)];
        let sizes = sizes.map(|(stacks, blocks, difference)| Detectable { stacks, blocks, difference });
        let power = Power::of_reference().unwrap();
        let known = MeasurementPower { detectable: sizes.to_vec(), ..power.measurements[0].clone() };
        for (stacks, blocks, difference) in [
            (10, 13, None),
            (10, 14, Some(0.05)),
            (10, 29, Some(0.05)),
            (9, 31, Some(0.03)),
            (11, 30, Some(0.04)),
        ] {
            assert_eq!(known.detectable(stacks, blocks), difference, "{stacks} {blocks}");
        }
    }

    #[test]
    fn a_measurement_is_like_one_with_the_same_placement_and_kind_of_load() {
        let power = Power::of_reference().unwrap();
        let mut measurement = Scenario::load("quick").unwrap().measurements[0].clone();
        let like = |measurement: &Measurement| power.like(measurement).map(|known| known.name.clone());
        assert_eq!(like(&measurement).as_deref(), Some("latency"));
        measurement.placement = Placement::Split;
        assert_eq!(like(&measurement).as_deref(), Some("latency on two cores"));
        measurement.load = "closed:8".parse().unwrap();
        assert_eq!(like(&measurement).as_deref(), Some("throughput"));
        measurement.work = Some("sleep:5ms".parse().unwrap());
        assert_eq!(like(&measurement), None);
        measurement.work = None;
        measurement.load = "open:100:poisson".parse().unwrap();
        assert_eq!(like(&measurement), None);
    }
}
