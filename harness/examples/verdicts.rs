//! Simulates tables with the noise of a record: how often a table contains a false statement, how often it states a true
//! difference, and which differences a run will be able to state. Prints JSON, which the program is built with;
//! `scripts/method verdicts` runs this.
//!
//! `cargo run --release --locked -p rpcbench --example verdicts -- results/reference`

use std::path::PathBuf;

use clap::Parser;
use rpcbench::record;
use rpcbench::report::Summary;
use rpcbench::run::power::{EFFECTS, MeasurementPower, POWER, Power};

/// Simulate tables with the noise of a record: the rate of false statements, and the power against blocks and effect
#[derive(Parser)]
struct Arguments {
    /// A record, or a folder that contains a record.json
    #[arg(value_name = "RECORD")]
    record: PathBuf,
    /// The number of tables for each figure
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    tables: u32,
    /// The number of stacks in each table
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(2..=50))]
    stacks: u16,
    /// The numbers of blocks
    #[arg(long, value_delimiter = ',', default_values_t = [10, 15, 20, 25, 30, 50], value_parser = clap::value_parser!(u32).range(1..))]
    blocks: Vec<u32>,
    /// The seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> anyhow::Result<()> {
    let Arguments { record, tables, stacks, blocks, seed } = Arguments::parse();
    let record = record::read(&record)?;
    let summary = Summary::new(&record)?;
    let with_noise =
        summary.measurements.iter().filter_map(|summary| Some((&summary.measurement, summary.noise()?)));
    let power = Power {
        record: record.id.clone(),
        started: record.started.clone(),
        blocks: record.scenario.blocks.get(),
        tables,
        seed,
        power: POWER,
        effects: EFFECTS,
        measurements: with_noise
            .map(|(measurement, noise)| {
                MeasurementPower::simulate(measurement, &noise, stacks.into(), &blocks, tables, seed)
            })
            .collect(),
    };
    println!("{}", serde_json::to_string_pretty(&power)?);
    Ok(())
}
