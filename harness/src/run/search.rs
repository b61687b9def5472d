//! The searches for the highest rate that each stack holds, with calls answered in time.

use super::bisection::Bisection;
use super::brokers::Brokers;
use super::event::{Event, Progress};
use super::options::Options;
use super::record_file::RecordFile;
use crate::record::{Probe, Record, SearchResult, Trial};
use crate::scenario::{Plan, PlannedSearch, TrialSpec};
use crate::stacks::Stack;
use crate::trial::{self, TrialContext};

/// How many trials of a rate must fail before the rate counts as failed.
const FAILURES_TO_REJECT: usize = 2;

/// Runs every search of `plan`, and saves `record` to `file` after each stack.
pub(super) fn run_searches(
    plan: &Plan,
    context: &TrialContext<'_>,
    brokers: &mut Brokers,
    options: &Options,
    record: &mut Record,
    file: &mut RecordFile,
    progress: Progress<'_>,
) {
    let searches = plan.searches(options.seed);
    let mut left: usize = searches.iter().map(|planned| planned.stacks.len()).sum();
    for planned in searches {
        for stack in &planned.stacks {
            let searched = search(&planned, stack, |spec| {
                let broker = brokers.for_trial(spec, &options.targets.urls, progress);
                trial::run(spec, context, broker, (0, 0))
            });
            let stopped = searched.is_none();
            if let Some(searched) = searched {
                progress(Event::SearchDone(&searched));
                record.searches.push(searched);
            }
            left -= 1;
            record.interrupted = stopped || left > 0 || plan.has_more_than_searches();
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

/// Searches for the highest rate that `stack` holds. `None` if interrupted.
fn search(
    planned: &PlannedSearch,
    stack: &'static Stack,
    mut run_trial: impl FnMut(&TrialSpec) -> Option<Trial>,
) -> Option<SearchResult> {
    let mut bisection = Bisection::default();
    let mut probes: Vec<Probe> = Vec::new();
    while let Some(rate) = bisection.next() {
        let (mut held, mut failed) = (0, 0);
        // A disturbance only ever makes a trial slower: a rate that holds in the first trial needs no second one.
        while failed < FAILURES_TO_REJECT && held < 1 + failed.min(1) {
            let probe = Probe::of(
                &run_trial(&planned.trial(stack, rate))?,
                &planned.search,
                rate,
                stack.needs_broker(),
            );
            *(if probe.held { &mut held } else { &mut failed }) += 1;
            probes.push(probe);
        }
        bisection.narrow(rate, failed < FAILURES_TO_REJECT);
    }
    Some(SearchResult {
        search: planned.search.name.clone(),
        stack: stack.name.to_owned(),
        held: bisection.held,
        failed: bisection.failed,
        probes,
    })
}
