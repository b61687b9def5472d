//! A timeline: calls at a fixed rate while servers, or the broker, end and start, or at rates that change in stages.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use super::error::TrialError;
use super::server::{BrokerLocation, ServerLocation, TrialContext};
use super::{CLIENT_RUNTIME, TrialBroker, cores_in_use, cores_to_keep_awake};
use crate::deploy::broker::{BrokerError, PrivateBroker};
use crate::deploy::keep_awake::KeepAwake;
use crate::deploy::{ServerGroup, ServerStart};
use crate::load::{self, AgreedTimes, WarmUp, Window};
use crate::observe::{CoresReading, Observation};
use crate::record::{EventTimes, TimelineObservation, TimelineResult};
use crate::scenario::{Action, PlannedTimeline, Timeline, TrialSpec};
use crate::stacks::{Destination, Stack};
use crate::sys;

/// How often a wait checks whether the run was interrupted, or the calls have ended early.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// How long before the window opens the times of the cores are read.
const READING_LEAD: Duration = Duration::from_millis(1);
/// The time between the last answer of the warm-up and the first call that counts. Meanwhile the calls are prepared, and the servers
/// are asked for the calls that they have executed.
const OPENING_LEAD: Duration = Duration::from_millis(50);

/// The broker of a timeline.
pub enum TimelineBroker {
    /// It runs all the time, where the stack needs one.
    Shared(TrialBroker),
    /// It was started for this timeline, which kills it and starts it again.
    Separate(Result<PrivateBroker, Arc<BrokerError>>),
}

impl TimelineBroker {
    /// Its location, and the broker if it is a separate one.
    fn open(self) -> Result<(Option<BrokerLocation>, Option<PrivateBroker>), Arc<BrokerError>> {
        match self {
            TimelineBroker::Shared(broker) => broker.map(|location| (location, None)),
            TimelineBroker::Separate(broker) => broker.map(|broker| {
                let (url, pid) = (broker.url().to_owned(), Some(broker.pid()));
                (Some(BrokerLocation { url, pid, tls: broker.tls() }), Some(broker))
            }),
        }
    }
}

/// Runs the timeline `planned` for `stack` in `block`. An error of any kind only marks it as failed, with the reason. `None`
/// if it was interrupted.
#[must_use]
pub fn run(
    planned: &PlannedTimeline,
    stack: &'static Stack,
    context: &TrialContext<'_>,
    broker: TimelineBroker,
    block: u32,
) -> Option<TimelineResult> {
    let spec = planned.trial(stack);
    let mut result = TimelineResult::new(&planned.timeline, &spec, block);
    result.at_seconds = context.started_at.elapsed().as_secs_f64();
    let kept_awake = spec.warm.then(|| KeepAwake::start(&cores_to_keep_awake(&spec)).ok()).flatten();
    match observe(&planned.timeline, &spec, context, broker, block) {
        Ok((seen, stolen)) => {
            result.stolen = stolen;
            result.fill(seen);
        }
        Err(reason) => result.fail(reason),
    }
    result.warm = kept_awake.is_some_and(|kept| kept.is_running());
    result.audit(context.scenario.contention);
    (!context.interrupted.load(Ordering::Relaxed)).then_some(result)
}

/// Starts the servers, unless one is already running, makes the calls, and lets the events happen. Returns what was seen, and the share
/// of the cores' time that the hypervisor kept from them.
fn observe(
    timeline: &Timeline,
    spec: &TrialSpec,
    context: &TrialContext<'_>,
    broker: TimelineBroker,
    block: u32,
) -> Result<(TimelineObservation, Option<f64>), String> {
    let stack = spec.stack;
    let (at, mut broker) = broker.open().map_err(|reason| format!("no broker: {reason}"))?;
    let (mut servers, location) = match context.targets.get(stack.name) {
        Some(_) if !timeline.events.is_empty() => {
            return Err(
                "its server was already running, and this run can neither end nor start it".to_owned()
            );
        }
        Some(url) => {
            let destination = Destination { url: url.clone(), options: context.clients.clone() };
            (None, ServerLocation::new(destination))
        }
        None => {
            let (servers, location) =
                start_servers(timeline, spec, context, at.as_ref()).map_err(|error| error.to_string())?;
            (Some(servers), location)
        }
    };
    let cores = cores_in_use(&spec.cores);
    std::thread::scope(|scope| {
        let (opened, window) = mpsc::channel();
        let calls = std::thread::Builder::new()
            .spawn_scoped(scope, || make_calls(timeline, spec, context, block, &location, opened))
            .map_err(|source| TrialError::Load { stack: stack.name, source }.to_string())?;
        let seen = window.recv().ok().map(|window: Window| {
            let is_over = || calls.is_finished() || context.interrupted.load(Ordering::Relaxed);
            // No call is made before the window opens.
            if let Some(servers) = &mut servers {
                servers.reset_calls();
            }
            wait_until(window.begin.checked_sub(READING_LEAD).unwrap_or(window.begin), is_over);
            let before = CoresReading::take();
            let events = match &mut servers {
                Some(servers) => let_happen(timeline, window, servers, broker.as_mut(), is_over),
                None => Ok(vec![]),
            };
            wait_until(window.end, is_over);
            let shares = CoresReading::take().zip(before);
            (window, events, shares.and_then(|(after, before)| after.since(&before, &cores)))
        });
        let observation =
            calls.join().map_err(|panic| TrialError::panicked(stack.name, &*panic).to_string())?;
        let observation = observation.map_err(|error| error.to_string())?;
        let (window, events, shares) = seen.ok_or("the calls ended before the first that counts")?;
        let seen = TimelineObservation {
            window,
            observation,
            events: events?,
            // The calls of a server that was already running are not known.
            server_calls: servers.map_or_else(|| vec![None], |servers| servers.calls()),
            operations: context.scenario.own.parts(spec.operation),
        };
        Ok((seen, shares.map(|shares| shares.stolen)))
    })
}

/// Starts the servers that run at the beginning. Returns them, and where clients find the first of them, or the broker.
fn start_servers<'a>(
    timeline: &Timeline,
    spec: &'a TrialSpec,
    context: &TrialContext<'_>,
    broker: Option<&'a BrokerLocation>,
) -> Result<(ServerGroup<'a>, ServerLocation), TrialError> {
    let (options, mut destination) = context.server_of(spec, 0)?.of(spec.stack, broker);
    let broker = broker.map(|broker| broker.url_of(spec.stack));
    let cores = &spec.cores.server;
    let mut servers = ServerGroup::new(ServerStart { cores, options, broker, ..ServerStart::of(spec.stack) });
    for _ in 0..timeline.servers.get() {
        servers.add()?;
    }
    if !spec.stack.needs_broker() {
        servers.url().clone_into(&mut destination.url);
    }
    Ok((servers, ServerLocation::new(destination)))
}

/// Makes the calls on the client's cores, and sends the window as soon as it is known.
///
/// # Errors
/// [`TrialError`].
fn make_calls(
    timeline: &Timeline,
    spec: &TrialSpec,
    context: &TrialContext<'_>,
    block: u32,
    location: &ServerLocation,
    opened: Sender<Window>,
) -> Result<Observation, TrialError> {
    let stack = spec.stack.name;
    if !spec.cores.client.is_empty() {
        sys::pin_current_thread(&spec.cores.client).map_err(|source| TrialError::Pin { stack, source })?;
    }
    let runtime = CLIENT_RUNTIME
        .builder()
        .enable_all()
        .build()
        .map_err(|source| TrialError::Runtime { stack, source })?;
    let timeout = timeline.timeout.unwrap_or(context.scenario.timeout);
    runtime.block_on(async {
        let clients = location.connect(spec.stack, spec.connections.get(), timeout).await?;
        let warm_up = load::Plan {
            operation: spec.operation,
            own: context.scenario.own.calls(spec.operation, spec.stack, (context.seed, block)),
            load: timeline.load_of_warm_up(),
            multiplexes: spec.stack.multiplexes,
            warmup: WarmUp::Settle(spec.times.warmup),
            measure: Duration::ZERO,
            timeout: Some(timeout),
            numbers: context.scenario.numbers,
            seed: context.seed,
            block,
            interrupted: Arc::clone(context.interrupted),
            way: spec.way,
            keeps_calls: false,
            ramps: Arc::default(),
            live: None,
            in_flight: Arc::default(),
        };
        let failed = |source| TrialError::Load { stack, source };
        // It ends with its last answer: what waits in a server that cannot keep up must not be there when the calls begin that
        // count.
        load::run(&warm_up, spec.stack.driver, &clients, Box::new(|_| ())).await.map_err(failed)?;
        let live = context.live.cloned();
        let _under_way = live.as_ref().map(|live| live.begin(spec.live_trial()));
        let begin = Instant::now() + OPENING_LEAD;
        let plan = load::Plan {
            own: warm_up.own.in_turn(1),
            load: spec.load,
            // The rate of a stage must be known when the window opens.
            warmup: WarmUp::Agreed(AgreedTimes { warmup_start: begin, window_start: begin }),
            measure: spec.times.measure,
            keeps_calls: true,
            ramps: timeline.ramps().into(),
            live: live.clone(),
            ..warm_up
        };
        let on_window = Box::new(move |window| {
            let _ = opened.send(window);
        });
        load::run(&plan, spec.stack.driver, &clients, on_window).await.map_err(failed)
    })
}

/// Lets the events of `timeline` happen to `servers` and to a separate `broker`, at their times in `window`, until `is_over`.
///
/// # Errors
/// What did not happen, and why.
fn let_happen(
    timeline: &Timeline,
    window: Window,
    servers: &mut ServerGroup<'_>,
    mut broker: Option<&mut PrivateBroker>,
    is_over: impl Fn() -> bool,
) -> Result<Vec<EventTimes>, String> {
    let mut times = Vec::new();
    for event in timeline.sorted_events() {
        if !wait_until(window.begin + event.at, &is_over) {
            break;
        }
        let began = Instant::now();
        let happened = match event.action {
            Action::KillServer => in_words(servers.kill()),
            Action::StopServer => in_words(servers.stop()),
            Action::StartServer => in_words(servers.restart()),
            Action::AddServer => in_words(servers.add()),
            Action::KillBroker => with(broker.as_deref_mut(), |broker| in_words(broker.kill())),
            Action::StartBroker => with(broker.as_deref_mut(), |broker| in_words(broker.start_again())),
        };
        happened.map_err(|reason| format!("{}: {reason}", event.action))?;
        times.push(EventTimes::new(event, window.begin, began, Instant::now()));
    }
    Ok(times)
}

/// Carries out `action` on `broker`, which a timeline with such an action has.
fn with(
    broker: Option<&mut PrivateBroker>,
    action: impl FnOnce(&mut PrivateBroker) -> Result<(), String>,
) -> Result<(), String> {
    broker.map_or_else(|| Err("there is no separate broker".to_owned()), action)
}

fn in_words(result: Result<(), impl Display>) -> Result<(), String> {
    result.map_err(|error| error.to_string())
}

/// Waits until `deadline`. Returns false if `is_over` before.
fn wait_until(deadline: Instant, is_over: impl Fn() -> bool) -> bool {
    loop {
        if is_over() {
            return false;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(CHECK_INTERVAL));
    }
}
