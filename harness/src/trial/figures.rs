//! The figures of a trial, computed from its measurements.

use super::measure::Measured;
use super::reading::{KeptBack, used};
use crate::deploy::{Cores, format_log};
use crate::record::{AuditCheck, CheckName, HistogramError, Label, Latency, Status, Trial};
use crate::sys;

/// Marks `trial` as failed for the reason `detail`.
pub(super) fn fail(trial: &mut Trial, detail: String) {
    trial.status = Status::Failed;
    trial.audit.push(AuditCheck::new(CheckName::Completed, false, || detail));
}

/// Enters the figures that follow from `measured` into `trial`.
#[allow(clippy::cast_precision_loss)]
pub(super) fn fill(trial: &mut Trial, measured: &Measured) {
    let Measured { observation, before, after, .. } = measured;
    trial.measured_seconds = measured.seconds;
    trial.in_flight = measured.in_flight;
    trial.generator_limit = observation.generator_limit;
    trial.throughput = observation.counts.right as f64 / measured.seconds_until_last_end();
    trial.counts = observation.counts.clone();
    if let Err(error) = fill_histograms(trial, measured) {
        fail(trial, error.to_string());
    }
    if !observation.settled {
        trial.labels.push(Label::Unsettled);
    }
    trial.client = used(before.client, after.client);
    trial.server = used(before.server, after.server);
    trial.broker = used(before.broker, after.broker);
    let kept_back = KeptBack::between(before, after, &cores_in_use(trial));
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
        trial.sent_per_second = Some(observation.counts.started as f64 / measured.seconds_until_last_start());
    }
    Ok(())
}

/// The cores on which the processes of `trial` ran.
fn cores_in_use(trial: &Trial) -> Vec<usize> {
    let Cores { client, server } = &trial.cores;
    if client.is_empty() {
        return sys::allowed_cores();
    }
    client.iter().chain(server.iter().filter(|core| !client.contains(core))).copied().collect()
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
        Some(
            "no call began in the window: those of the warm-up outlasted it; use longer --seconds".to_owned(),
        )
    } else {
        None
    }
}
