//! The blocks of a run, one trial after another.

use std::sync::atomic::Ordering;

use super::brokers::Brokers;
use super::draft;
use super::error::RunError;
use super::event::{Event, Progress};
use super::options::Options;
use crate::record::Record;
use crate::scenario::Plan;
use crate::trial::{self, TrialContext};

/// Runs every block of `plan` and saves `record` after each.
///
/// # Errors
/// [`RunError::Write`]. Failed trials are recorded.
pub(super) fn run_blocks(
    plan: &Plan,
    context: &TrialContext<'_>,
    brokers: &mut Brokers,
    options: &Options,
    record: &mut Record,
    progress: Progress<'_>,
) -> Result<(), RunError> {
    let blocks = context.scenario.blocks.get();
    for block in 0..blocks {
        for (position, spec) in (0_u32..).zip(plan.block(block, options.seed)) {
            if context.interrupted.load(Ordering::Relaxed) {
                break;
            }
            // A broker that has gone since the checks fails the trial, not the run.
            let broker = brokers.for_trial(&spec, &options.targets.urls, progress);
            if let Some(trial) = trial::run(&spec, context, broker, (block, position)) {
                progress(Event::TrialDone(&trial));
                record.trials.push(trial);
            }
        }
        // Until the last block has run, the record on disk is that of an unfinished run.
        let stopped = context.interrupted.load(Ordering::Relaxed);
        record.interrupted = stopped || block + 1 < blocks;
        record.seconds = context.started_at.elapsed().as_secs_f64();
        draft::save(record, options)?;
        if stopped {
            break;
        }
    }
    Ok(())
}
