//! The topologies of a run, which follow its blocks, searches and timelines.

use std::collections::BTreeMap;

use super::brokers::Brokers;
use super::event::{Event, Progress};
use super::options::Options;
use super::record_file::RecordFile;
use crate::record::Record;
use crate::scenario::Plan;
use crate::sys;
use crate::trial::TrialContext;
use crate::trial::topology::{self, TopologyBroker};

/// Builds every topology of `plan`, block by block, and saves `record` to `file` after each. Failed ones are recorded.
pub(super) fn run_topologies(
    plan: &Plan,
    context: &TrialContext<'_>,
    brokers: &Brokers,
    options: &Options,
    record: &mut Record,
    file: &mut RecordFile,
    progress: Progress<'_>,
) {
    let topologies = plan.topologies();
    let mut left = topologies.runs();
    for block in 0..topologies.blocks() {
        // A broker that has served others keeps memory that they have needed.
        let mut brokers = brokers.fresh();
        // The memory of each broker, by its process id, before it is used.
        let mut idle = BTreeMap::new();
        for (planned, stack) in topologies.of_block(block, options.seed) {
            let at = brokers.for_servers(stack, &planned.cores, &options.targets.urls, progress);
            let pid = at.as_ref().ok().and_then(|broker| broker.as_ref()?.pid);
            let idle_bytes =
                pid.and_then(|pid| *idle.entry(pid).or_insert_with(|| sys::resident_memory(pid)));
            let broker = TopologyBroker { at, idle_bytes };
            let result = topology::run(planned, stack, context, broker, block);
            let stopped = result.is_none();
            if let Some(result) = result {
                progress(Event::TopologyDone(&result));
                record.topologies.push(result);
            }
            left -= 1;
            record.interrupted = stopped || left > 0;
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
