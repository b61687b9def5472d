//! The blocks of a run: trials one after another, or in turns.

use std::sync::atomic::Ordering;

use super::brokers::Brokers;
use super::event::{Event, Progress};
use super::options::Options;
use super::record_file::RecordFile;
use crate::record::Record;
use crate::scenario::{CodecMeasurement, Plan, TrialSpec};
use crate::trial::{self, TrialContext};

/// Runs every block of `plan`, and saves `record` to `file` after each. Failed trials are recorded.
pub(super) fn run_blocks(
    plan: &Plan,
    context: &TrialContext<'_>,
    brokers: &mut Brokers,
    options: &Options,
    record: &mut Record,
    file: &mut RecordFile,
    progress: Progress<'_>,
) {
    let blocks = context.scenario.blocks.get();
    for block in 0..blocks {
        let mut position = 0;
        for group in plan.groups(block, options.seed) {
            if context.interrupted.load(Ordering::Relaxed) {
                break;
            }
            // A broker that has gone since the checks fails the trial, not the run.
            let broker = |spec: &TrialSpec| brokers.for_trial(spec, &options.targets.urls, progress);
            let of_group = group.trials.iter().map(broker).collect();
            for trial in trial::run_group(&group, context, of_group, (block, position)) {
                position += 1;
                progress(Event::TrialDone(&trial));
                record.trials.push(trial);
            }
        }
        run_codecs(context, block, record, progress);
        // Until everything that follows is done, the record on disk is that of an unfinished run.
        let stopped = context.interrupted.load(Ordering::Relaxed);
        record.interrupted = stopped || block + 1 < blocks || plan.has_more_than_blocks();
        record.seconds = context.started_at.elapsed().as_secs_f64();
        if !record.is_empty() {
            file.save(record, progress);
        }
        if stopped {
            break;
        }
    }
}

/// Runs the codecs that `block` contains.
fn run_codecs(context: &TrialContext<'_>, block: u32, record: &mut Record, progress: Progress<'_>) {
    let is_in_block = |it: &&CodecMeasurement| block < context.scenario.blocks_of_codecs(it).get();
    for measurement in context.scenario.codecs.iter().filter(is_in_block) {
        if context.interrupted.load(Ordering::Relaxed) {
            break;
        }
        for trial in trial::run_codecs(measurement, context, block) {
            progress(Event::CodecDone(&trial));
            record.codecs.push(trial);
        }
    }
}
