//! The figures of a trial, computed from its measurements.

use super::cores_in_use;
use super::measured::Measured;
use super::reading::{KeptBack, Reading, used};
use crate::deploy::format_log;
use crate::load::OwnName;
use crate::record::{
    AuditCheck, CheckName, HistogramError, Label, Latency, OperationPart, ServerCalls, Status, Trial, Used,
};
use crate::sys::UsageReading;

/// Marks `trial` as failed for the reason `detail`.
pub(super) fn fail(trial: &mut Trial, detail: String) {
    trial.status = Status::Failed;
    trial.audit.push(AuditCheck::new(CheckName::Completed, false, || detail));
}

/// Enters the figures that follow from `measured` into `trial`, which calls the `operations` of one's own.
#[allow(clippy::cast_precision_loss)]
pub(super) fn fill(trial: &mut Trial, operations: &[OwnName], measured: &Measured) {
    let Measured { observation, .. } = measured;
    trial.measured_seconds = measured.seconds;
    trial.in_flight = measured.samples.mean();
    trial.slices = (measured.slices.right.len() > 1).then(|| measured.slices.clone());
    trial.generator_limit = observation.generator_limit;
    trial.throughput = observation.counts.right as f64 / not_zero(measured.seconds_until_last_end);
    trial.counts = observation.counts.clone();
    trial.deliveries.clone_from(&measured.deliveries);
    trial.servers = measured.server_calls.iter().map(|calls| ServerCalls { calls: *calls }).collect();
    if let Err(error) = fill_histograms(trial, measured) {
        fail(trial, error.to_string());
    }
    match OperationPart::all(operations, &observation.parts) {
        Ok(parts) => trial.operations = parts,
        Err(error) => fail(trial, error.to_string()),
    }
    if !observation.settled {
        trial.labels.push(Label::Unsettled);
    }
    if measured.is_whole {
        trial.labels.push(Label::Whole);
    }
    trial.client = used_in_windows(measured, |reading| reading.client);
    trial.server = used_in_windows(measured, |reading| reading.server);
    trial.broker = used_in_windows(measured, |reading| reading.broker);
    let of_window =
        |(before, after): &(Reading, Reading)| KeptBack::between(before, after, &cores_in_use(&trial.cores));
    let kept_back = measured.kept_back.or_else(|| measured.readings.first().and_then(of_window));
    trial.stolen = kept_back.map(|kept_back| kept_back.stolen);
    // The CPU time of a server that was already running may be on these cores, too.
    trial.others = kept_back.filter(|_| measured.is_complete).and_then(|kept_back| kept_back.others);
    trial.never_idle = measured.never_idle;
    if let Some(reason) = failure(trial, measured) {
        fail(trial, reason);
    }
}

/// Fills in the response times, and for an open loop the service times, the schedule lag and the rate reached.
#[allow(clippy::cast_precision_loss)]
fn fill_histograms(trial: &mut Trial, measured: &Measured) -> Result<(), HistogramError> {
    let Measured { observation, .. } = measured;
    let not_right = observation.counts.not_right();
    trial.latency = Latency::new(&observation.latency, not_right)?;
    if trial.load.rate().is_some() {
        trial.service = Latency::new(&observation.service, not_right)?;
        trial.schedule_lag = Latency::new(&observation.schedule_lag, 0)?;
        trial.sent_per_second =
            Some(observation.counts.started as f64 / not_zero(measured.seconds_until_last_start));
    }
    Ok(())
}

/// What a process used in all windows.
fn used_in_windows(measured: &Measured, process: impl Fn(&Reading) -> Option<UsageReading>) -> Option<Used> {
    used(measured.readings.iter().map(|(before, after)| (process(before), process(after))))
}

/// `seconds`, but not zero: a trial that failed at once took no time, and JSON has no form for a quotient by zero.
fn not_zero(seconds: f64) -> f64 {
    seconds.max(1e-9)
}

/// Why the trial failed, if it did.
fn failure(trial: &Trial, measured: &Measured) -> Option<String> {
    let Measured { observation, server_ended, server_log, .. } = measured;
    let gave_up = observation.callers_gave_up;
    if let Some(how) = server_ended {
        Some(format!("the server ended during the trial ({how})"))
    } else if gave_up > 0 {
        let callers = trial.load.callers().unwrap_or(trial.connections);
        let log = format_log(server_log);
        Some(format!("{gave_up} of {callers} callers gave up: call after call went unanswered{log}"))
    } else if observation.counts.started == 0 {
        let longer = if measured.was_cut_short { "a longer slice, or none" } else { "longer --seconds" };
        Some(format!("no call began in the window: those of the warm-up outlasted it; use {longer}"))
    } else {
        None
    }
}
