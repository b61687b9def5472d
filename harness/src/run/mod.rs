//! A run: checks every stack, runs the trials block by block, searches for the highest rates, runs the timelines, builds the
//! topologies, and records all of it.

mod bisection;
mod blocks;
mod brokers;
pub mod capture;
pub mod counts;
mod draft;
mod error;
mod event;
pub mod fairness;
mod gate;
pub mod ledger;
mod leftovers;
mod options;
mod outlook;
mod own_probe;
pub mod power;
pub mod preflight;
mod quiet;
mod record_file;
mod relay;
mod search;
pub mod targets;
mod timelines;
mod topologies;

pub(crate) use brokers::Brokers;
pub(crate) use draft::{new_record, stack_facts};
pub use error::{RunError, SaveProblem};
pub use event::{Event, Progress};
pub(crate) use gate::check_stacks;
pub use leftovers::remove_leftovers;
pub use options::Options;
pub use outlook::Outlook;
pub(crate) use record_file::RecordFile;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::record::{Record, Status, TimelineResult};
use crate::scenario::{CodecMeasurement, Plan, Scenario};
use crate::sys;
use crate::trial::TrialContext;

/// A run that came to its end.
pub struct Finished {
    /// What was measured.
    pub record: Record,
    /// The file with the record, `None` if it was not to be written to one, or why it could not be written.
    pub saved: Result<Option<PathBuf>, RunError>,
}

/// Runs `scenario` and reports events to `progress`. Writes the whole record to the file of `options` after every block,
/// every search, every timeline and every topology.
///
/// # Errors
/// [`RunError`], but not if the record cannot be written, which [`Finished::saved`] reports. Failed trials do not end the
/// run; they are recorded.
pub fn run(
    scenario: &Scenario,
    options: &Options,
    interrupted: &Arc<AtomicBool>,
    progress: Progress<'_>,
) -> Result<Finished, RunError> {
    // A server that was already running may accept only one connection at a time, and all stacks are measured alike.
    let whole = (!options.targets.urls.is_empty()).then(|| scenario.in_one_piece());
    let scenario = whole.as_ref().unwrap_or(scenario);
    let mut plan = Plan::new(scenario, &sys::allowed_cores())?;
    let controls = options.targets.ready(interrupted)?;
    let context = TrialContext {
        scenario,
        seed: options.seed,
        server: &options.server,
        twin: &options.twin,
        targets: &options.targets.urls,
        clients: &options.targets.clients,
        controls: &controls,
        started_at: Instant::now(),
        interrupted,
        live: options.live.as_ref(),
    };
    let mut record = new_record(scenario, options);
    let mut brokers = Brokers::new(options.brokers.clone()).for_stacks(&plan.stacks());

    check_stacks(&mut plan, &context, &mut brokers, options, &mut record, progress)?;
    record.stacks = plan.stacks().into_iter().map(|stack| stack_facts(stack, options)).collect();
    progress(Event::Planned(&Outlook::new(scenario, &plan)));
    let trials = |codecs: &CodecMeasurement| {
        codecs.formats.len() as u64 * u64::from(scenario.blocks_of_codecs(codecs).get())
    };
    let of_codecs: u64 = scenario.codecs.iter().map(trials).sum();
    progress(Event::Measuring(plan.trials_in_all_blocks() + of_codecs));
    let mut file = RecordFile::new(options.file.clone(), options.fallback.clone());
    blocks::run_blocks(&plan, &context, &mut brokers, options, &mut record, &mut file, progress);
    if !interrupted.load(Ordering::Relaxed) {
        search::run_searches(&plan, &context, &mut brokers, options, &mut record, &mut file, progress);
    }
    if !interrupted.load(Ordering::Relaxed) {
        timelines::run_timelines(&plan, &context, &mut brokers, options, &mut record, &mut file, progress);
    }
    if !interrupted.load(Ordering::Relaxed) {
        topologies::run_topologies(&plan, &context, &brokers, options, &mut record, &mut file, progress);
    }
    if record.is_empty() && interrupted.load(Ordering::Relaxed) {
        return Err(RunError::NothingMeasured);
    }
    // A private broker may hold the space that the record needs.
    drop(brokers);
    let saved = file.finish(&record).map(Some);
    Ok(Finished { record, saved })
}

/// Whether every trial, every timeline with its stages, and every topology of `record` is valid and no block is missing.
#[must_use]
pub fn is_sound(record: &Record) -> bool {
    let trials = record.trials.iter().map(|trial| trial.status);
    let codecs = record.codecs.iter().map(|trial| trial.status);
    let topologies = record.topologies.iter().map(|topology| topology.status);
    let mut all = trials.chain(codecs).chain(topologies);
    let has_sound_timelines = record.timelines.iter().all(TimelineResult::is_sound);
    !record.interrupted && has_sound_timelines && all.all(|status| status == Status::Valid)
}
