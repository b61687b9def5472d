//! Trials: server processes, their callers, and the figures of both.

mod agreed_start;
mod callers;
mod codec;
mod deliveries;
mod error;
mod figures;
mod measured;
mod per_call;
mod reading;
mod server;
mod servers;
mod stage;
pub mod timeline;
pub mod topology;

pub(crate) use agreed_start::wait_until;
pub use codec::run_codecs;
pub use error::TrialError;
pub use server::{BrokerLocation, RunningServer, ServerCopy, ServerLocation, TrialContext};

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Scope;
use std::time::{Duration, Instant};

use self::callers::TurnLength;
use self::figures::{fail, fill};
use self::measured::Measured;
use self::reading::{KeptBack, Meters, What};
use self::stage::Stage;
use crate::deploy::Cores;
use crate::deploy::broker::BrokerError;
use crate::deploy::keep_awake::KeepAwake;
use crate::observe::{Meter, control};
use crate::record::{AgentPart, Label, Trial, audit};
use crate::scenario::{Group, TrialSpec};
use crate::stacks::Runtime;
use crate::sys;

/// The runtime of a trial's callers.
pub const CLIENT_RUNTIME: Runtime = Runtime::CurrentThread;
/// The warm-up before each slice but the first takes the length of the slice divided by this. It fills the caches that other
/// trials have used.
pub(crate) const WARM_AGAIN_SHARE: u32 = 10;

/// The broker of a trial; `None` where its stack needs none.
pub type TrialBroker = Result<Option<BrokerLocation>, Arc<BrokerError>>;

/// Runs one trial, at `position` of `block`. An error of any kind only marks the trial as failed, with the reason.
/// `None` if the trial was interrupted.
#[must_use]
pub fn run(
    spec: &TrialSpec,
    context: &TrialContext<'_>,
    broker: TrialBroker,
    place: (u32, u32),
) -> Option<Trial> {
    run_group(&Group::single(spec.clone()), context, vec![broker], place).pop()
}

/// Runs the trials of `group`, with the broker of each, from `position` of `block` on: all of them are alive at the same
/// time, and take turns. An error of any kind only marks a trial as failed, with the reason. Returns no trial if it was
/// interrupted.
#[must_use]
pub fn run_group(
    group: &Group,
    context: &TrialContext<'_>,
    brokers: Vec<TrialBroker>,
    (block, position): (u32, u32),
) -> Vec<Trial> {
    // All trials of a group have the same placement.
    let kept_awake = group.trials.first().filter(|spec| spec.warm);
    let kept_awake = kept_awake.and_then(|spec| KeepAwake::start(&cores_to_keep_awake(spec)).ok());
    let begun_at = context.started_at.elapsed().as_secs_f64();
    let measured =
        std::thread::scope(|scope| measure(scope, group, context, brokers, kept_awake.as_ref(), block));
    if context.interrupted.load(Ordering::Relaxed) {
        return vec![];
    }
    let stayed_awake = kept_awake.is_some_and(|kept| kept.is_running());
    let trials = (position..).zip(&group.trials).zip(measured);
    let trials = trials.map(|((position, spec), measured)| {
        let mut trial = Trial::new(spec, block, position);
        let first_window = measured.as_ref().ok().and_then(|measured| measured.first_window_at);
        let in_turns = first_window.filter(|_| group.rounds.len() > 1);
        let since_start = in_turns.map(|at| at.saturating_duration_since(context.started_at).as_secs_f64());
        trial.at_seconds = since_start.unwrap_or(begun_at);
        trial.warm = stayed_awake;
        if !trial.warm && spec.cores.client != spec.cores.server {
            trial.labels.push(Label::Cold);
        }
        complete(&mut trial, spec, context, measured);
        trial
    });
    trials.collect()
}

/// Enters what was `measured` into `trial`, and checks it.
fn complete(
    trial: &mut Trial,
    spec: &TrialSpec,
    context: &TrialContext<'_>,
    measured: Result<Measured, String>,
) {
    if context.targets.contains_key(spec.stack.name) {
        record_target_cores(trial, spec, context);
    }
    let mut start_delay_ns = None;
    match measured {
        Ok(measured) => {
            start_delay_ns = start_delay(spec, &measured);
            fill(trial, &context.scenario.own.parts(spec.operation), &measured);
        }
        Err(reason) => fail(trial, reason),
    }
    audit(trial, context.scenario.contention);
    trial.agents =
        spec.share.iter().map(|share| AgentPart::new(trial, share.agent, start_delay_ns)).collect();
}

/// The measurements of the trials of `group`, or why there are none.
fn measure<'scope>(
    scope: &'scope Scope<'scope, '_>,
    group: &'scope Group,
    context: &'scope TrialContext<'_>,
    brokers: Vec<TrialBroker>,
    kept_awake: Option<&KeepAwake>,
    block: u32,
) -> Vec<Result<Measured, String>> {
    let start = |(spec, broker): (&'scope TrialSpec, TrialBroker)| {
        if context.interrupted.load(Ordering::Relaxed) {
            return Err("interrupted".to_owned());
        }
        let broker = broker.map_err(|reason| format!("no broker: {reason}"))?;
        Stage::start(scope, spec, context, broker.as_ref(), kept_awake, block)
            .map_err(|error| error.to_string())
    };
    let mut stages: Vec<_> = group.trials.iter().zip(brokers).map(start).collect();
    let rounds = u32::try_from(group.rounds.len().max(1)).unwrap_or(u32::MAX);
    // All trials of a group are of the same measurement.
    let window = group.trials.first().map_or(Duration::ZERO, |spec| spec.times.measure);
    let slice = window / rounds;
    let length = TurnLength { warm_again: slice / WARM_AGAIN_SHARE, measure: slice, in_turns: rounds > 1 };
    // So that none connects during the turn of another.
    stages.iter().flatten().for_each(Stage::wait_until_connected);
    let meters = (rounds > 1).then(|| meters_of_all(&stages, kept_awake));
    let before = meters.as_ref().map(|meters| meters.read_at_beginning(What::Everything));
    for index in group.rounds.iter().flatten() {
        if context.interrupted.load(Ordering::Relaxed) {
            break;
        }
        if let Some(Ok(stage)) = stages.get_mut(*index)
            && stage.can_go_on()
        {
            stage.turn(length, context.scenario.timeout);
            if length.in_turns && stage.can_go_on() && stage.needs_longer_slices() {
                let whole = TurnLength { measure: window, ..length };
                stage.turn_whole(whole, context.scenario.timeout);
            }
        }
    }
    let after = meters.as_ref().map(|meters| meters.read_at_end(What::Everything));
    let ends = before.zip(after);
    // The time of other processes is known only if the CPU time of every process of the group is.
    let is_complete = stages.iter().flatten().all(Stage::is_complete);
    let end = |stage: Result<Stage<'scope>, String>| {
        let stage = stage?;
        let cores = cores_in_use(&stage.spec().cores);
        let measured = stage.end(context.interrupted).map_err(|error| error.to_string())?;
        let kept_back = ends.as_ref().and_then(|(before, after)| KeptBack::between(before, after, &cores));
        let of_others = |kept: KeptBack| KeptBack { others: kept.others.filter(|_| is_complete), ..kept };
        Ok(Measured { kept_back: kept_back.map(of_others), ..measured })
    };
    stages.into_iter().map(end).collect()
}

/// Meters of every process of the trials that take turns.
fn meters_of_all(stages: &[Result<Stage<'_>, String>], kept_awake: Option<&KeepAwake>) -> Meters {
    let mut others: Vec<u32> = kept_awake.into_iter().flat_map(KeepAwake::pids).collect();
    for meter in stages.iter().flatten().flat_map(Stage::server_meters) {
        // Stacks share a broker.
        if let Meter::Process(pid) = meter
            && !others.contains(pid)
        {
            others.push(*pid);
        }
    }
    Meters { client: Some(Meter::ThisProcess { except: vec![] }), servers: vec![], broker: None, others }
}

/// How much later than agreed an agent made its first call, in nanoseconds.
fn start_delay(spec: &TrialSpec, measured: &Measured) -> Option<u64> {
    let (share, first_call): (_, Instant) = spec.share.zip(measured.observation.first_call_at)?;
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

/// The cores on which the processes of a trial with `cores` ran.
fn cores_in_use(cores: &Cores) -> Vec<usize> {
    let Cores { client, server } = cores;
    if client.is_empty() {
        return sys::allowed_cores();
    }
    client.iter().chain(server.iter().filter(|core| !client.contains(core))).copied().collect()
}

fn cores_to_keep_awake(spec: &TrialSpec) -> Vec<usize> {
    spec.cores.client.iter().chain(&spec.cores.server).copied().collect()
}
