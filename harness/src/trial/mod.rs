//! One trial: a server process, its callers, and the figures of both.

mod agreed_start;
mod error;
mod figures;
mod measure;
mod reading;
mod server;

pub(crate) use agreed_start::wait_until;
pub use error::TrialError;
pub use server::{BrokerLocation, RunningServer, ServerLocation, TrialContext};

use std::sync::Arc;

use self::figures::{fail, fill};
use self::measure::{Measured, measure};
use crate::deploy::keep_awake::KeepAwake;
use crate::deploy::rabbitmq::BrokerError;
use crate::observe::control;
use crate::record::{AgentPart, Label, Trial, audit};
use crate::scenario::TrialSpec;
use crate::stacks::Runtime;
use crate::sys;

/// The runtime of a trial's callers.
pub const CLIENT_RUNTIME: Runtime = Runtime::CurrentThread;

/// Runs one trial, at `position` of `block`. An error of any kind only marks the trial as failed, with the reason.
/// `None` if the trial was interrupted.
#[must_use]
pub fn run(
    spec: &TrialSpec,
    context: &TrialContext<'_>,
    broker: Result<Option<BrokerLocation>, Arc<BrokerError>>,
    (block, position): (u32, u32),
) -> Option<Trial> {
    let mut trial = Trial::new(spec, block, position);
    trial.at_seconds = context.started_at.elapsed().as_secs_f64();
    let kept_awake = spec.warm.then(|| KeepAwake::start(&cores_to_keep_awake(spec)));
    let kept_awake = kept_awake.and_then(Result::ok);
    trial.warm = kept_awake.is_some();
    if !trial.warm && spec.cores.client != spec.cores.server {
        trial.labels.push(Label::Cold);
    }
    if context.targets.contains_key(spec.stack.name) {
        record_target_cores(&mut trial, spec, context);
    }
    let measured = broker.map_err(|reason| format!("no broker: {reason}")).and_then(|broker| {
        measure(spec, context, broker.as_ref(), kept_awake.as_ref(), block).map_err(|error| error.to_string())
    });
    let mut start_delay_ns = None;
    match measured {
        Ok(Some(measured)) => {
            start_delay_ns = start_delay(spec, &measured);
            fill(&mut trial, &measured);
        }
        Ok(None) => return None,
        Err(reason) => fail(&mut trial, reason),
    }
    if kept_awake.is_some_and(|kept| !kept.is_running()) {
        trial.warm = false;
        trial.labels.push(Label::Cold);
    }
    audit(&mut trial, context.scenario.contention);
    trial.agents =
        spec.share.iter().map(|share| AgentPart::new(&trial, share.agent, start_delay_ns)).collect();
    Some(trial)
}

/// How much later than agreed an agent made its first call, in nanoseconds.
fn start_delay(spec: &TrialSpec, measured: &Measured) -> Option<u64> {
    let (share, first_call) = spec.share.zip(measured.observation.first_call_at)?;
    let delay = first_call.saturating_duration_since(share.agreed.warmup_start);
    Some(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX))
}

/// Records the cores of a server that was already running, and whether they are those of the trial's placement.
fn record_target_cores(trial: &mut Trial, spec: &TrialSpec, context: &TrialContext<'_>) {
    let reported = context.controls.get(spec.stack.name).and_then(|control| {
        let stats = control::request_stats(control).ok()?;
        // Core numbers of another machine mean nothing here.
        (stats.usage.boot.is_some() && stats.usage.boot == sys::boot_id()).then_some(stats.cores)
    });
    let allowed = sys::allowed_cores();
    trial.server_placed =
        reported.as_ref().is_some_and(|cores| spec.placement.is_met(&spec.cores, cores, &allowed));
    trial.cores.server = reported.filter(|cores| *cores != allowed).unwrap_or_default();
}

fn cores_to_keep_awake(spec: &TrialSpec) -> Vec<usize> {
    spec.cores.client.iter().chain(&spec.cores.server).copied().collect()
}
