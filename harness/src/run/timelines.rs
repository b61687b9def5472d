//! The timelines of a run, which follow its blocks and searches.

use super::brokers::Brokers;
use super::event::{Event, Progress};
use super::options::Options;
use super::record_file::RecordFile;
use crate::record::Record;
use crate::scenario::{Plan, PlannedTimeline};
use crate::trial::TrialContext;
use crate::trial::timeline::{self, TimelineBroker};

/// Runs every timeline of `plan`, block by block, and saves `record` to `file` after each. Failed timelines are recorded.
pub(super) fn run_timelines(
    plan: &Plan,
    context: &TrialContext<'_>,
    brokers: &mut Brokers,
    options: &Options,
    record: &mut Record,
    file: &mut RecordFile,
    progress: Progress<'_>,
) {
    let blocks = plan.timelines().iter().map(|planned| planned.blocks.get()).max().unwrap_or(0);
    let mut left: usize = plan.timelines().iter().map(PlannedTimeline::runs).sum();
    for block in 0..blocks {
        for (planned, stack) in plan.timelines_of_block(block, options.seed) {
            let spec = planned.trial(stack);
            let broker = if planned.timeline.ends_broker() {
                TimelineBroker::Separate(brokers.for_outage(&spec, progress))
            } else {
                TimelineBroker::Shared(brokers.for_trial(&spec, &options.targets.urls, progress))
            };
            let result = timeline::run(planned, stack, context, broker, block);
            let stopped = result.is_none();
            if let Some(result) = result {
                progress(Event::TimelineDone(&result));
                record.timelines.push(result);
            }
            left -= 1;
            record.interrupted = stopped || left > 0 || !plan.topologies().is_empty();
            record.seconds = context.started_at.elapsed().as_secs_f64();
            if !record.is_empty() {
                file.save(record, progress);
            }
            if stopped {
                return;
            }
        }
    }
}
