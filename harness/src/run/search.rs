//! The searches for the highest rate that each stack holds, with calls answered in time.

use super::bisection::Bisection;
use super::brokers::Brokers;
use super::draft;
use super::error::RunError;
use super::event::{Event, Progress};
use super::options::Options;
use crate::record::{Probe, Record, SearchResult, Trial};
use crate::scenario::{Plan, PlannedSearch, TrialSpec};
use crate::stacks::Stack;
use crate::trial::{self, TrialContext};

/// How many trials of a rate must fail before the rate counts as failed.
const FAILURES_TO_REJECT: usize = 2;

/// Runs every search of `plan` and saves `record` after each.
///
/// # Errors
/// [`RunError::Write`].
pub(super) fn run_searches(
    plan: &Plan,
    context: &TrialContext<'_>,
    brokers: &mut Brokers,
    options: &Options,
    record: &mut Record,
    progress: Progress<'_>,
) -> Result<(), RunError> {
    for planned in plan.searches(options.seed) {
        for stack in &planned.stacks {
            let searched = search(&planned, stack, |spec| {
                let broker = brokers.for_trial(spec, &options.targets.urls, progress);
                trial::run(spec, context, broker, (0, 0))
            });
            let Some(searched) = searched else {
                record.interrupted = true;
                break;
            };
            progress(Event::SearchDone(&searched));
            record.searches.push(searched);
        }
        record.seconds = context.started_at.elapsed().as_secs_f64();
        draft::save(record, options)?;
    }
    Ok(())
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
            let probe = Probe::of(&run_trial(&planned.trial(stack, rate))?, &planned.search, rate);
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
