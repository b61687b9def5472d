//! Runs the server and the callers of a trial, and watches both.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use calculator::Client;

use super::CLIENT_RUNTIME;
use super::agreed_start::wait_for_start;
use super::error::TrialError;
use super::reading::{Meters, Reading};
use super::server::{BrokerLocation, RunningServer, ServerLocation, TrialContext};
use crate::deploy::ServerProcess;
use crate::deploy::keep_awake::KeepAwake;
use crate::load::{self, InFlight, Load, WarmUp, Window};
use crate::observe::{InFlightMean, InFlightSamples, Meter, Observation};
use crate::scenario::TrialSpec;
use crate::sys;

/// How long the system may take to report that a server has ended which its callers could not reach any more.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The measurements of a trial that came to its end.
pub(super) struct Measured {
    pub(super) observation: Observation,
    window: Option<Window>,
    /// The length of the window.
    pub(super) seconds: f64,
    pub(super) before: Reading,
    pub(super) after: Reading,
    pub(super) in_flight: Option<InFlightMean>,
    /// Whether this run started every process of the trial, and read its CPU time.
    pub(super) is_complete: bool,
    /// Whether the processes of the trial never leave their one core idle, unless they are kept from running.
    pub(super) never_idle: bool,
    /// How the server ended, if it ended during the trial.
    pub(super) server_ended: Option<String>,
    /// The end of the server's log, if callers gave up.
    pub(super) server_log: String,
}

impl Measured {
    /// A trial that ended before its window opened.
    fn without_window(observation: Observation) -> Self {
        Measured {
            observation,
            window: None,
            seconds: 0.0,
            before: Reading::default(),
            after: Reading::default(),
            in_flight: None,
            is_complete: false,
            never_idle: false,
            server_ended: None,
            server_log: String::new(),
        }
    }

    /// The seconds from the beginning of the window until the last call started: at least the length of the window, more in
    /// an open loop that was behind its schedule.
    pub(super) fn seconds_until_last_start(&self) -> f64 {
        self.seconds_until(self.observation.last_call.map(|(started, _)| started))
    }

    /// The seconds from the beginning of the window until the last call ended: at least the length of the window, more in
    /// an open loop whose calls lasted beyond it.
    pub(super) fn seconds_until_last_end(&self) -> f64 {
        self.seconds_until(self.observation.last_call.map(|(_, ended)| ended))
    }

    fn seconds_until(&self, last: Option<Instant>) -> f64 {
        let is_open = self.observation.counts.slots > 0;
        let span = self
            .window
            .zip(last.filter(|_| is_open))
            .map(|(window, last)| last.saturating_duration_since(window.begin));
        // A trial that failed at once took no time, and JSON has no form for a quotient by zero.
        span.unwrap_or_default().as_secs_f64().max(self.seconds).max(1e-9)
    }
}

/// Runs the server and the callers of a trial, and measures. `None` if the trial was interrupted.
///
/// # Errors
/// [`TrialError`].
pub(super) fn measure(
    spec: &TrialSpec,
    context: &TrialContext<'_>,
    broker: Option<&BrokerLocation>,
    kept_awake: Option<&KeepAwake>,
    block: u32,
) -> Result<Option<Measured>, TrialError> {
    let mut running = RunningServer::start(spec.stack, context, broker, &spec.cores.server, spec.twin)?;
    let broker = broker.filter(|_| spec.stack.needs_broker()).and_then(|broker| broker.pid);
    let is_complete = (running.process.is_some() || !spec.stack.has_server())
        && (broker.is_some() || !spec.stack.needs_broker());
    let meters = Meters {
        client: Some(Meter::ThisProcess { except: sys::own_threads() }),
        server: running.meter(),
        broker: broker.map(Meter::Process),
        spinners: kept_awake.into_iter().flat_map(KeepAwake::pids).collect(),
    };
    let (opened, window) = mpsc::channel();
    let (finished, result) = mpsc::channel();
    let (reading, read) = mpsc::channel::<Infallible>();
    let in_flight = Arc::new(InFlight::default());
    let mut measured = std::thread::scope(|scope| {
        let (location, counter) = (&running.location, Arc::clone(&in_flight));
        let callers = std::thread::Builder::new()
            .spawn_scoped(scope, move || {
                let finish = |observation| {
                    let _ = finished.send(Ok(observation));
                    // The run-queue delays of this thread, and of those of its clients, go with them.
                    let _ = read.recv();
                };
                if let Err(error) = drive((spec, block), context, location, opened, counter, finish) {
                    let _ = finished.send(Err(error));
                }
            })
            .map_err(|source| TrialError::Load { stack: spec.stack.name, source })?;
        let watched = watch(&window, &result, &meters, &in_flight);
        drop(reading);
        // A library may panic where it cannot start a thread, for example.
        callers.join().map_err(|panic| TrialError::panicked(spec.stack.name, &*panic))?;
        watched
    })?;
    if context.interrupted.load(Ordering::Relaxed) {
        return Ok(None);
    }
    measured.is_complete = is_complete;
    measured.never_idle = is_complete && never_idle(spec, context);
    // Callers may notice the end of their server before the system reports it.
    let timeout = if measured.observation.callers_gave_up > 0 { EXIT_TIMEOUT } else { Duration::ZERO };
    measured.server_ended = running.process.as_mut().and_then(|process| process.exit_status_within(timeout));
    if measured.observation.callers_gave_up > 0 {
        measured.server_log = running.process.map(ServerProcess::stop).unwrap_or_default();
    }
    Ok(Some(measured))
}

/// Whether the processes of a trial always have something to do on their one core: in a closed loop one of them handles each
/// call at any time. A server with options, such as a delay, may wait for something else.
fn never_idle(spec: &TrialSpec, context: &TrialContext<'_>) -> bool {
    let server = if spec.twin { context.twin } else { context.server };
    spec.load.callers().is_some() && spec.cores.is_one() && server.given.is_empty()
}

/// Waits until the window opens and until it closes, and reads the meters at both moments.
fn watch(
    window: &Receiver<Window>,
    result: &Receiver<Result<Observation, TrialError>>,
    meters: &Meters,
    in_flight: &InFlight,
) -> Result<Measured, TrialError> {
    // Without a window there can only be an error, or the callers' thread has panicked.
    let Ok(window) = window.recv() else {
        return result.recv().unwrap_or_else(|_| Ok(Observation::default())).map(Measured::without_window);
    };
    meters.reset_peak_memory();
    let result_until =
        |until: Instant| result.recv_timeout(until.saturating_duration_since(Instant::now())).ok();
    let mut early = result_until(window.begin);
    let before = meters.read_at_beginning();
    let mut samples = InFlightSamples::default();
    let mut next_sample = window.begin;
    while early.is_none() && Instant::now() < window.end {
        next_sample += samples.next_gap();
        early = result_until(next_sample.min(window.end));
        samples.push(in_flight.now());
    }
    let closed = Instant::now().min(window.end);
    let after = meters.read_at_end();
    // The last answers may still be under way.
    let observation = early.or_else(|| result.recv().ok()).unwrap_or_else(|| Ok(Observation::default()))?;
    Ok(Measured {
        window: Some(window),
        seconds: closed.saturating_duration_since(window.begin).as_secs_f64(),
        before,
        after,
        in_flight: samples.mean(),
        ..Measured::without_window(observation)
    })
}

/// Connects and makes the calls, on the client's cores. Calls `finish` with what was observed, while the connections are still
/// open.
fn drive(
    (spec, block): (&TrialSpec, u32),
    context: &TrialContext<'_>,
    location: &ServerLocation,
    opened: Sender<Window>,
    in_flight: Arc<InFlight>,
    finish: impl FnOnce(Observation),
) -> Result<(), TrialError> {
    let stack = spec.stack.name;
    if !spec.cores.client.is_empty() {
        sys::pin_current_thread(&spec.cores.client).map_err(|source| TrialError::Pin { stack, source })?;
    }
    let runtime = CLIENT_RUNTIME
        .builder()
        .enable_all()
        .build()
        .map_err(|source| TrialError::Runtime { stack, source })?;
    runtime.block_on(async {
        let clients = location.connect(spec.stack, spec.connections.get(), context.scenario.timeout).await?;
        let warmup = match spec.share {
            None => WarmUp::Settle(context.scenario.warmup),
            Some(share) => wait_for_start(spec.stack, share.agreed, context.interrupted).await?,
        };
        let plan = load::Plan {
            operation: spec.operation,
            load: spec.load,
            multiplexes: spec.stack.multiplexes,
            warmup,
            measure: context.scenario.measure,
            timeout: Some(context.scenario.timeout),
            numbers: context.scenario.numbers,
            seed: context.seed,
            block,
            interrupted: Arc::clone(context.interrupted),
            in_flight,
        };
        let report_window = Box::new(move |window| {
            let _ = opened.send(window);
        });
        let run = async {
            let generator_limit = if spec.finds_generator_limit {
                Some(generator_limit(spec, &plan, &clients).await?)
            } else {
                None
            };
            let observation = load::run(&plan, spec.stack.driver, &clients, report_window).await?;
            Ok(Observation { generator_limit, ..observation })
        };
        finish(run.await.map_err(|source| TrialError::Load { stack, source })?);
        Ok(())
    })
}

/// The correct answers per second of a closed loop over the connections of `plan`, an open loop.
///
/// # Errors
/// When the system refuses the thread of a caller.
#[allow(clippy::cast_precision_loss)]
async fn generator_limit(
    spec: &TrialSpec,
    plan: &load::Plan,
    clients: &[Arc<dyn Client>],
) -> io::Result<f64> {
    let closed = load::Plan { load: Load::Closed(spec.connections), ..plan.clone() };
    let observation = load::run(&closed, spec.stack.driver, clients, Box::new(|_| ())).await?;
    Ok(observation.counts.right as f64 / plan.measure.as_secs_f64())
}
