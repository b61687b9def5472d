//! A run: checks every stack, runs the trials block by block, searches for the highest rates, and records all of it.

mod bisection;
mod blocks;
mod brokers;
mod draft;
mod error;
mod event;
pub mod fairness;
mod gate;
pub mod ledger;
mod options;
pub mod preflight;
mod search;
pub mod targets;

pub(crate) use brokers::Brokers;
pub(crate) use draft::{new_record, stack_facts};
pub use error::RunError;
pub use event::{Event, Progress};
pub(crate) use gate::check_stacks;
pub use options::Options;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::record::{Record, Status};
use crate::scenario::{Plan, Scenario};
use crate::sys;
use crate::trial::TrialContext;

/// Runs `scenario` and reports events to `progress`. Writes the whole record to the folder of `options` after every block
/// and every search.
///
/// # Errors
/// [`RunError`]. Failed trials do not end the run; they are recorded.
pub fn run(
    scenario: &Scenario,
    options: &Options,
    interrupted: &Arc<AtomicBool>,
    progress: Progress<'_>,
) -> Result<Record, RunError> {
    let mut plan = Plan::new(scenario, &sys::allowed_cores())?;
    let controls = options.targets.ready(interrupted)?;
    let context = TrialContext {
        scenario,
        seed: options.seed,
        server: &options.server,
        twin: &options.twin,
        targets: &options.targets.urls,
        controls: &controls,
        started_at: Instant::now(),
        interrupted,
    };
    let mut record = new_record(scenario, options);
    let mut brokers = Brokers::new(options.broker.clone());

    check_stacks(&mut plan, &context, &mut brokers, options, &mut record, progress)?;
    record.stacks = plan.stacks().into_iter().map(|stack| stack_facts(stack, options)).collect();
    progress(Event::Measuring(plan.trials().count() as u64 * u64::from(scenario.blocks.get())));
    blocks::run_blocks(&plan, &context, &mut brokers, options, &mut record, progress)?;
    search::run_searches(&plan, &context, &mut brokers, options, &mut record, progress)?;
    Ok(record)
}

/// Whether every trial of `record` is valid and no block is missing.
#[must_use]
pub fn is_sound(record: &Record) -> bool {
    !record.interrupted && record.trials.iter().all(|trial| trial.status == Status::Valid)
}
