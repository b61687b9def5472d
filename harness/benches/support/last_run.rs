//! A table of the medians of a run beside those of the run before it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, Table, presets};
use criterion::Criterion;
use serde::Deserialize;

/// Criterion's estimates of a benchmark, as far as they are read.
#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    /// In nanoseconds.
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

/// A benchmark's name, as Criterion keeps it.
#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
}

/// Runs the benchmarks `benches`, whose groups have names that begin with `group`, and prints their medians beside those of
/// the last run. `cargo test` runs each of them once, without a table.
pub(crate) fn compared_with(group: &str, benches: impl FnOnce()) {
    let folder = criterion_folder();
    let before = medians(&folder, group);
    benches();
    Criterion::default().configure_from_args().final_summary();
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let now = medians(&folder, group);
    println!("\n{}", table(&before, &now));
    println!(
        "Medians. `~`: the intervals of the two runs overlap. Runs at different times differ by more than that on a machine"
    );
    println!(
        "that is not quiet: `rpcbench gate` compares two builds, and `cargo bench --bench instructions` counts exactly."
    );
}

/// The folder in which Criterion keeps its estimates.
fn criterion_folder() -> PathBuf {
    if let Some(home) = std::env::var_os("CRITERION_HOME") {
        return PathBuf::from(home);
    }
    // The program is in PROFILE/deps of Cargo's target folder.
    let program = std::env::current_exe().unwrap_or_default();
    program.ancestors().nth(3).unwrap_or_else(|| Path::new("target")).join("criterion")
}

/// The medians of the latest run of each benchmark below `folder` whose name begins with `group`.
fn medians(folder: &Path, group: &str) -> BTreeMap<String, Estimate> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if !path.is_dir() {
                continue;
            }
            if path.ends_with("new") {
                found.extend(median(&path).filter(|(name, _)| name.starts_with(group)));
            } else {
                folders.push(path);
            }
        }
    }
    found
}

/// The name and the median of the benchmark whose results are in `folder`.
fn median(folder: &Path) -> Option<(String, Estimate)> {
    let benchmark: Benchmark = serde_json::from_slice(&fs::read(folder.join("benchmark.json")).ok()?).ok()?;
    let estimates: Estimates = serde_json::from_slice(&fs::read(folder.join("estimates.json")).ok()?).ok()?;
    Some((benchmark.full_id, estimates.median))
}

fn table(before: &BTreeMap<String, Estimate>, now: &BTreeMap<String, Estimate>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["benchmark", "last run", "this run", "change"]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for (name, median) in now {
        let last = before.get(name);
        let change = last.map_or_else(String::new, |last| change(last, median));
        let last = last.map_or_else(String::new, |last| time(last.point_estimate));
        table.add_row([name.clone(), last, time(median.point_estimate), change]);
    }
    table
}

fn change(before: &Estimate, now: &Estimate) -> String {
    let percent = 100.0 * (now.point_estimate / before.point_estimate - 1.0);
    let (old, new) = (&before.confidence_interval, &now.confidence_interval);
    let overlaps = old.lower_bound <= new.upper_bound && new.lower_bound <= old.upper_bound;
    format!("{percent:+.1} %{}", if overlaps { " ~" } else { "" })
}

/// A time in nanoseconds with a unit.
fn time(nanos: f64) -> String {
    match nanos {
        _ if nanos < 1e3 => format!("{nanos:.1} ns"),
        _ if nanos < 1e6 => format!("{:.2} µs", nanos / 1e3),
        _ => format!("{:.2} ms", nanos / 1e6),
    }
}
