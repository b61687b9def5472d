//! One trial: a server process, its callers, and what was seen of both.

mod site;

pub use site::{BROKER_VARIABLE, BrokerSite, Place, Setting, Site, SiteError, without_credentials};

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use calculator::CallError;

use crate::agents::wait_for;
use crate::deploy::warm::KeptAwake;
use crate::load::{self, InFlight, WarmUp, Window};
use crate::observe::control;
use crate::observe::{InFlightMean, InFlightSamples, Meter, Observation};
use crate::record::{
    AuditCheck, CheckName, HistogramError, Label, Latency, Part, Status, Trial, Used, audit,
    label_saturated_agents,
};
use crate::scenario::TrialSpec;
use crate::stacks::Runtime;
use crate::sys::{self, Usage};

/// The runtime of a trial's callers.
pub const CLIENT_RUNTIME: Runtime = Runtime::CurrentThread;

/// What the processes of a trial had used at one moment.
#[derive(Clone, Copy, Default)]
struct Reading {
    client: Option<Usage>,
    server: Option<Usage>,
    broker: Option<Usage>,
    stolen: Option<Duration>,
}

impl Reading {
    fn now(meters: [Option<Meter>; 3]) -> Self {
        let [client, server, broker] =
            meters.map(|meter| meter.and_then(Meter::read).map(|reading| reading.usage));
        Reading { client, server, broker, stolen: sys::steal_time() }
    }
}

/// Makes one trial. Whatever goes wrong in it ends it as failed, with the reason; it never ends the run.
/// `None` where it was interrupted.
#[must_use]
pub fn make(
    spec: &TrialSpec,
    setting: &Setting<'_>,
    broker: Result<Option<BrokerSite>, String>,
    (block, position): (u32, u32),
) -> Option<Trial> {
    let mut trial = Trial::new(spec, block, position);
    trial.at_seconds = setting.began.elapsed().as_secs_f64();
    let kept_awake = spec.warm.then(|| KeptAwake::start(&cores_to_keep_awake(spec)));
    trial.warm = matches!(kept_awake, Some(Ok(_)));
    if !trial.warm && spec.cores.client != spec.cores.server {
        trial.labels.push(Label::Cold);
    }
    let mut late_ns = None;
    if setting.targets.contains_key(spec.stack.name) {
        place_target(&mut trial, spec, setting);
    }
    let measured = broker
        .map_err(|reason| format!("there is no broker: {reason}"))
        .and_then(|broker| measure(spec, setting, broker.as_ref()).map_err(|error| error.to_string()));
    match measured {
        Ok(Some(measured)) => {
            late_ns = spec.part.zip(measured.observation.first_call_at).map(|(part, began)| {
                let late = began.saturating_duration_since(part.agreed.from);
                u64::try_from(late.as_nanos()).unwrap_or(u64::MAX)
            });
            fill(&mut trial, &measured);
        }
        Ok(None) => return None,
        Err(reason) => fail(&mut trial, reason),
    }
    drop(kept_awake);
    audit(&mut trial);
    trial.agents = spec.part.iter().map(|part| Part::of(&trial, part.agent, late_ns)).collect();
    label_saturated_agents(&mut trial);
    Some(trial)
}

/// Writes down where a server that was already running really is: its placement is not the run's to choose.
fn place_target(trial: &mut Trial, spec: &TrialSpec, setting: &Setting<'_>) {
    let told = setting.controls.get(spec.stack.name).and_then(|control| {
        let stats = control::request_stats(*control).ok()?;
        // The cores of another machine are not these.
        (stats.boot.is_some() && stats.boot == sys::boot_id()).then_some(stats.cores)
    });
    let allowed = sys::allowed_cores();
    trial.server_placed =
        told.as_ref().is_some_and(|told| spec.placement.is_met(&spec.cores, told, &allowed));
    trial.cores.server = told.filter(|told| *told != allowed).unwrap_or_default();
}

fn cores_to_keep_awake(spec: &TrialSpec) -> Vec<usize> {
    spec.cores.client.iter().chain(&spec.cores.server).copied().collect()
}

fn fail(trial: &mut Trial, detail: String) {
    trial.status = Status::Failed;
    trial.audit.push(AuditCheck { name: CheckName::Completed, passed: false, detail });
}

/// What was seen of a trial that came to its end.
struct Measured {
    observation: Observation,
    window: Option<Window>,
    seconds: f64,
    before: Reading,
    after: Reading,
    in_flight: Option<InFlightMean>,
    /// How the server ended, if it did before it was told to.
    server_ended: Option<String>,
}

impl Measured {
    fn nothing(observation: Observation) -> Self {
        let reading = Reading::default();
        Measured {
            observation,
            window: None,
            seconds: 0.0,
            before: reading,
            after: reading,
            in_flight: None,
            server_ended: None,
        }
    }
}

impl Measured {
    /// How long the window was; in an open loop whose calls were late or lasted beyond it, until the last of them
    /// began or ended.
    fn until_last(&self, which: fn((Instant, Instant)) -> Instant) -> f64 {
        let is_open = self.observation.counts.slots > 0;
        let last = self.observation.last_call.map(which).filter(|_| is_open);
        let span = self.window.zip(last).map(|(window, last)| last.saturating_duration_since(window.begin));
        // A trial that failed at once lasted no time; a quotient by that has no form in JSON.
        span.unwrap_or_default().as_secs_f64().max(self.seconds).max(1e-9)
    }
}

#[allow(clippy::cast_precision_loss)]
fn fill(trial: &mut Trial, measured: &Measured) {
    let Measured { observation, seconds, before, after, server_ended, .. } = measured;
    trial.measured_seconds = *seconds;
    trial.in_flight = measured.in_flight;
    trial.throughput = observation.counts.right as f64 / measured.until_last(|(_, ended)| ended);
    if let Err(error) = fill_in_histograms(trial, measured) {
        fail(trial, error.to_string());
    }
    if !observation.settled {
        trial.labels.push(Label::Unsettled);
    }
    trial.counts = observation.counts.clone();
    let used = |before: Option<Usage>, after: Option<Usage>| Some(Used::between(before?, after?, *seconds));
    trial.client = used(before.client, after.client);
    trial.server = used(before.server, after.server);
    trial.broker = used(before.broker, after.broker);
    if let Some(how) = server_ended {
        fail(trial, format!("the server ended during the trial ({how})"));
    } else if observation.callers_gave_up > 0 {
        let callers = trial.load.callers().unwrap_or(trial.connections);
        let gave_up = observation.callers_gave_up;
        fail(trial, format!("{gave_up} of {callers} callers gave up: call after call went unanswered"));
    } else if observation.counts.started == 0 {
        fail(
            trial,
            "no call began in the window: those of the warm-up outlasted it; use longer --seconds".to_owned(),
        );
    }
    let cores = trial.cores.client.len().max(1)
        + trial.cores.server.iter().filter(|c| !trial.cores.client.contains(c)).count();
    trial.stolen = match (before.stolen, after.stolen) {
        (Some(before), Some(after)) if *seconds > 0.0 => {
            Some(after.saturating_sub(before).as_secs_f64() / seconds / cores as f64)
        }
        _ => None,
    };
}

/// Response times, and for an open loop service times, the generator's lateness and the rate that it reached.
#[allow(clippy::cast_precision_loss)]
fn fill_in_histograms(trial: &mut Trial, measured: &Measured) -> Result<(), HistogramError> {
    let Measured { observation, .. } = measured;
    let not_right = observation.counts.not_right();
    trial.latency = Latency::new(&observation.latency, not_right)?;
    if trial.load.rate().is_some() {
        trial.service = Latency::new(&observation.service, not_right)?;
        trial.lateness = Latency::new(&observation.schedule_lag, 0)?;
        let seconds = measured.until_last(|(began, _)| began);
        trial.sent_per_second = Some(observation.counts.started as f64 / seconds);
    }
    Ok(())
}

/// Runs server and callers. `None` where the trial was interrupted.
fn measure(
    spec: &TrialSpec,
    setting: &Setting<'_>,
    broker: Option<&BrokerSite>,
) -> Result<Option<Measured>, SiteError> {
    let mut site = Site::start(spec.stack, setting, broker, &spec.cores.server, spec.twin)?;
    let broker = broker.filter(|_| spec.stack.needs_broker()).and_then(|broker| broker.pid);
    let meters = [Some(Meter::Process(std::process::id())), site.meter(), broker.map(Meter::Process)];
    let (opened, window) = mpsc::channel();
    let (finished, result) = mpsc::channel();
    let in_flight = Arc::new(InFlight::default());
    let mut measured = std::thread::scope(|scope| {
        let (place, counted) = (&site.place, Arc::clone(&in_flight));
        scope.spawn(move || {
            let _ = finished.send(drive(spec, setting, place, opened, counted));
        });
        watch(&window, &result, meters, &in_flight)
    })?;
    if setting.interrupted.load(Ordering::Relaxed) {
        return Ok(None);
    }
    // Callers may notice a moment before the system does that their server is no more.
    let patience =
        if measured.observation.callers_gave_up > 0 { Duration::from_secs(1) } else { Duration::ZERO };
    measured.server_ended = site.process.as_mut().and_then(|process| process.ends_within(patience));
    Ok(Some(measured))
}

/// Waits for the window to open and to close, and reads what the processes have used at both moments.
fn watch(
    window: &Receiver<Window>,
    result: &Receiver<Result<Observation, SiteError>>,
    meters: [Option<Meter>; 3],
    in_flight: &InFlight,
) -> Result<Measured, SiteError> {
    // Without a window there is only an error to be had; a panic of the driver is passed on by its scope.
    let Ok(window) = window.recv() else {
        return result.recv().unwrap_or_else(|_| Ok(Observation::default())).map(Measured::nothing);
    };
    meters.into_iter().flatten().for_each(Meter::reset_peak_memory);
    let within = |until: Instant| result.recv_timeout(until.saturating_duration_since(Instant::now())).ok();
    let mut early = within(window.begin);
    let before = Reading::now(meters);
    let mut samples = InFlightSamples::default();
    let mut look = window.begin;
    while early.is_none() && Instant::now() < window.end {
        look += samples.next_gap();
        early = within(look.min(window.end));
        samples.push(in_flight.now());
    }
    let closed = Instant::now().min(window.end);
    let after = Reading::now(meters);
    // The last answers may still be to come.
    let observation = early.or_else(|| result.recv().ok()).unwrap_or_else(|| Ok(Observation::default()))?;
    let seconds = closed.saturating_duration_since(window.begin).as_secs_f64();
    let in_flight = samples.mean();
    Ok(Measured { window: Some(window), seconds, before, after, in_flight, ..Measured::nothing(observation) })
}

/// Connects and calls, on the client's cores.
fn drive(
    spec: &TrialSpec,
    setting: &Setting<'_>,
    place: &Place,
    opened: Sender<Window>,
    in_flight: Arc<InFlight>,
) -> Result<Observation, SiteError> {
    let failed = |error: std::io::Error| SiteError::Connect {
        stack: spec.stack.name,
        address: place.shown.clone(),
        source: CallError::new(calculator::ErrorKind::Internal, error.to_string()),
    };
    if !spec.cores.client.is_empty() {
        sys::pin_current_thread(&spec.cores.client).map_err(failed)?;
    }
    let runtime = CLIENT_RUNTIME.builder().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let clients = place.connect(spec.stack, spec.connections.get(), setting.scenario.timeout).await?;
        let warmup = match spec.part {
            None => WarmUp::Settle(setting.scenario.warmup),
            Some(part) => wait_for(spec.stack, part.agreed, setting.interrupted).await?,
        };
        let plan = load::Plan {
            operation: spec.operation,
            load: spec.load,
            multiplexes: spec.stack.multiplexes,
            warmup,
            measure: setting.scenario.measure,
            timeout: Some(setting.scenario.timeout),
            seed: setting.seed,
            interrupted: Arc::clone(setting.interrupted),
            in_flight,
        };
        let report = Box::new(move |window| {
            let _ = opened.send(window);
        });
        load::run(&plan, spec.stack.driver, &clients, report).await.map_err(failed)
    })
}
