//! Simulates tables with the noise of real records, and prints how often a table contains a false statement and how
//! often it states a true difference.
//!
//! `cargo run --release --locked -p rpcbench --example verdicts -- results/reference`

use std::path::PathBuf;

use clap::Parser;
use rpcbench::record;
use rpcbench::report::Summary;
use rpcbench::stats::simulation::{Noise, Outcome, Source, Table};

/// Simulate tables with the noise of records: the rate of false statements, and the power against blocks and effect
#[derive(Parser)]
struct Arguments {
    /// Records, or folders that contain a record.json
    #[arg(required = true, value_name = "RECORD")]
    records: Vec<PathBuf>,
    /// The number of tables for each cell
    #[arg(long, default_value_t = 2_000)]
    tables: u32,
    /// The number of stacks in each table
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..=50))]
    stacks: u16,
    /// The numbers of blocks
    #[arg(long, value_delimiter = ',', default_values_t = [10, 15, 20, 25, 30, 50])]
    blocks: Vec<u32>,
    /// The seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// By how much one stack is faster than the others.
const EFFECTS: [f64; 5] = [0.02, 0.03, 0.05, 0.10, 0.20];

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    print!("| noise of | blocks | false tables, equal stacks | false tables, own noise |");
    for effect in EFFECTS {
        print!(" states {:.0} % |", 100.0 * effect);
    }
    println!("\n|:--|--:|--:|--:|{}", "--:|".repeat(EFFECTS.len()));
    for path in &arguments.records {
        let summary = Summary::new(&record::read(path)?)?;
        for measurement in &summary.measurements {
            if let Some(noise) = measurement.noise() {
                rows(&measurement.measurement.name, &noise, &arguments);
            }
        }
    }
    Ok(())
}

/// Prints a row for each number of blocks.
fn rows(name: &str, noise: &Noise, arguments: &Arguments) {
    for blocks in &arguments.blocks {
        let simulate = |effect, source| {
            let table = Table { stacks: arguments.stacks.into(), blocks: *blocks, effect, source };
            noise.simulate(table, arguments.tables, arguments.seed)
        };
        let false_tables = |source| {
            let none = simulate(0.0, source);
            let some = simulate(0.05, source);
            share(none.with_false_statement + some.with_false_statement, none.tables + some.tables)
        };
        print!(
            "| {name} | {blocks} | {} | {} |",
            false_tables(Source::AnyStack),
            false_tables(Source::OneStack)
        );
        for effect in EFFECTS {
            let Outcome { tables, with_effect_stated, .. } = simulate(effect, Source::AnyStack);
            print!(" {} |", share(with_effect_stated, tables));
        }
        println!();
    }
}

/// A part of a total as a percentage.
fn share(part: u32, whole: u32) -> String {
    format!("{:.1} %", 100.0 * f64::from(part) / f64::from(whole.max(1)))
}
