//! A trial whose server runs and whose callers are connected, ready to be measured in one turn or in several.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use calculator::Work;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::callers::{self, Turn, TurnLength};
use super::deliveries::Sent;
use super::error::TrialError;
use super::measured::{Measured, MeasuredTurn};
use super::reading::{Meters, What};
use super::server::{BrokerLocation, TrialContext};
use super::servers::TrialServers;
use crate::deploy::keep_awake::KeepAwake;
use crate::load::{InFlight, Window};
use crate::observe::{InFlightSamples, Meter, Observation};
use crate::scenario::TrialSpec;
use crate::stacks::ServerOptions;
use crate::sys;

/// How long the system may take to report that a server has ended which its callers could not reach any more.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// How many correct answers a slice must have for each caller, on average.
const MIN_CALLS_PER_SLICE: u64 = 5;
/// How often a wait for the callers' thread checks whether that has ended.
const END_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// A trial that is ready to be measured. Dropping it ends its callers and its servers.
pub(super) struct Stage<'scope> {
    spec: &'scope TrialSpec,
    servers: TrialServers,
    meters: Meters,
    /// Requests turns from the thread of the callers, which ends when this is dropped.
    turns: UnboundedSender<Turn>,
    /// Receives a message once the callers are connected.
    connected: Receiver<()>,
    callers: ScopedJoinHandle<'scope, Result<(), TrialError>>,
    in_flight: Arc<InFlight>,
    sent: Arc<Sent>,
    measured: Measured,
    /// Whether no turn may follow.
    is_over: bool,
}

impl<'scope> Stage<'scope> {
    /// Starts the servers of `spec`, unless they are already running, and a thread that connects to them and waits for turns.
    ///
    /// # Errors
    /// [`TrialError`]. If the callers cannot connect, [`Self::end`] returns the reason.
    pub(super) fn start(
        scope: &'scope Scope<'scope, '_>,
        spec: &'scope TrialSpec,
        context: &'scope TrialContext<'_>,
        broker: Option<&BrokerLocation>,
        kept_awake: Option<&KeepAwake>,
        block: u32,
    ) -> Result<Self, TrialError> {
        let never_idle = never_idle(spec, &context.server_of(spec, 0)?.options);
        let servers = TrialServers::start(spec, context, broker)?;
        let broker = broker.filter(|_| spec.stack.needs_broker()).and_then(|broker| broker.pid);
        let is_complete = (servers.are_own() || !spec.stack.has_server())
            && (broker.is_some() || !spec.stack.needs_broker());
        let meters = Meters {
            client: Some(Meter::ThisProcess { except: sys::own_threads() }),
            servers: servers.meters(),
            broker: broker.map(Meter::Process),
            others: kept_awake.into_iter().flat_map(KeepAwake::pids).collect(),
        };
        let in_flight = Arc::new(InFlight::default());
        let (turns, requested): (_, UnboundedReceiver<Turn>) = unbounded_channel();
        let (tell_connected, connected) = mpsc::channel();
        let (locations, counter) = (servers.locations(spec), Arc::clone(&in_flight));
        let sent = Arc::new(Sent::default());
        let messages = Arc::clone(&sent);
        let callers = std::thread::Builder::new()
            .spawn_scoped(scope, move || {
                let place = (spec, block);
                callers::run(place, context, &locations, &tell_connected, requested, &counter, &messages)
            })
            .map_err(|source| TrialError::Load { stack: spec.stack.name, source })?;
        let never_idle = is_complete && never_idle;
        let measured = Measured { is_complete, never_idle, ..Measured::default() };
        let is_over = false;
        Ok(Stage { spec, servers, meters, turns, connected, callers, in_flight, sent, measured, is_over })
    }

    /// The trial that this is.
    pub(super) fn spec(&self) -> &'scope TrialSpec {
        self.spec
    }

    /// Waits until the callers are connected, or cannot connect.
    pub(super) fn wait_until_connected(&self) {
        let _ = self.connected.recv();
    }

    /// Whether another turn makes sense: callers that gave up do not begin again, and those of a silent server wait for each
    /// call until its deadline.
    pub(super) fn can_go_on(&self) -> bool {
        self.measured.observation.callers_gave_up == 0 && !self.is_over && !self.callers.is_finished()
    }

    /// Whether the slices so far were too short for the calls: a call that an end of a slice cuts off has too much weight.
    /// Without right answers, a longer window shows why.
    pub(super) fn needs_longer_slices(&self) -> bool {
        let callers = u64::from(self.spec.load.callers().unwrap_or(1));
        self.measured.observation.counts.right
            < MIN_CALLS_PER_SLICE * u64::from(self.measured.turns) * callers
    }

    /// Measures the trial in one piece of this length instead, and ends its turns.
    pub(super) fn turn_whole(&mut self, length: TurnLength, timeout: Duration) {
        let slices = std::mem::take(&mut self.measured);
        let Measured { is_complete, never_idle, turns, .. } = slices;
        self.measured = Measured { is_complete, never_idle, turns, is_whole: true, ..Measured::default() };
        self.turn(length, timeout);
        self.measured.observation.settled &= slices.observation.settled;
        self.measured.was_cut_short = false;
        self.is_over = true;
    }

    /// The processes of this trial apart from the client, where they can be observed.
    pub(super) fn server_meters(&self) -> impl Iterator<Item = &Meter> {
        self.meters.servers.iter().chain(&self.meters.broker)
    }

    /// Whether this run started every process of the trial.
    pub(super) fn is_complete(&self) -> bool {
        self.measured.is_complete
    }

    /// Makes calls for a turn, and measures them. `timeout` is the deadline of a call. If this fails, [`Self::end`] returns the
    /// reason.
    pub(super) fn turn(&mut self, length: TurnLength, timeout: Duration) {
        let (opened, window) = mpsc::channel();
        let (finished, result) = mpsc::channel();
        let number = self.measured.turns;
        let begun_at = Instant::now();
        let read_all = || self.meters.read_at_beginning(What::Processes);
        let around = (length.in_turns && number > 0).then(read_all);
        // Where the callers' thread has ended, nothing will be received.
        let _ = self.turns.send(Turn { number, length, opened, finished });
        if number == 0 {
            self.meters.reset_peak_memory();
        }
        self.measured.turns += 1;
        let Some(window) = self.receive(&window) else {
            // The callers have given up before, or their thread has ended.
            if let Some(observation) = self.receive(&result) {
                self.measured.add(MeasuredTurn::without_window(observation));
            }
            return;
        };
        // Before the first slice not earlier: the context switches of the long warm-up must not count.
        let around = around.or_else(|| length.in_turns.then(read_all));
        let at_ends = if length.in_turns { What::CpuTimes } else { What::Everything };
        let Some(mut turn) = self.watch(window, &result, at_ends) else { return };
        if let Some(before) = around
            && let Some((at_begin, at_end)) = turn.readings.take()
        {
            let after = self.meters.read_at_end(What::Processes);
            turn.readings = Some((before.with_cpu_times_of(&at_begin), after.with_cpu_times_of(&at_end)));
        }
        self.is_over = turn.observation.counts.right == 0 && begun_at.elapsed() >= timeout;
        self.measured.was_cut_short = self.is_over && length.in_turns;
        self.measured.add(turn);
    }

    /// Waits until `window` opens and until it closes, and reads `what` at both moments. `None` if the callers' thread has
    /// ended.
    fn watch(&self, window: Window, result: &Receiver<Observation>, what: What) -> Option<MeasuredTurn> {
        let result_until =
            |until: Instant| result.recv_timeout(until.saturating_duration_since(Instant::now())).ok();
        let mut early = result_until(window.begin);
        let before = self.meters.read_at_beginning(what);
        let calls_before = self.calls_of_servers();
        let mut samples = InFlightSamples::default();
        let mut next_sample = window.begin;
        while early.is_none() && Instant::now() < window.end {
            next_sample += samples.next_gap();
            early = result_until(next_sample.min(window.end));
            // At the end, callers have begun to stop.
            if early.is_none() && next_sample < window.end {
                samples.push(self.in_flight.now());
            }
        }
        let closed = Instant::now().min(window.end);
        let after = self.meters.read_at_end(what);
        let calls_after = self.calls_of_servers();
        let calls = |(before, after): (Option<u64>, Option<u64>)| Some(after?.saturating_sub(before?));
        let server_calls = calls_before.into_iter().zip(calls_after).map(calls).collect();
        // The last answers may still be under way.
        let observation = early.or_else(|| self.receive(result))?;
        Some(MeasuredTurn {
            observation,
            server_calls,
            window: Some(window),
            seconds: closed.saturating_duration_since(window.begin).as_secs_f64(),
            readings: Some((before, after)),
            samples,
        })
    }

    /// The calls that each server has executed so far; empty for a single server, to which every call goes.
    fn calls_of_servers(&self) -> Vec<Option<u64>> {
        if self.spec.servers > NonZeroU32::MIN { self.servers.calls() } else { vec![] }
    }

    /// The next message of the callers' thread; `None` if there will be none.
    fn receive<T>(&self, messages: &Receiver<T>) -> Option<T> {
        loop {
            match messages.recv_timeout(END_CHECK_INTERVAL) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Disconnected) => return None,
                // A request that it never took keeps the sender alive.
                Err(RecvTimeoutError::Timeout) if self.callers.is_finished() => {
                    return messages.try_recv().ok();
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Ends callers and servers, and returns the measurements of all turns. What was sent without asking for an answer is
    /// waited for, unless `interrupted` is set.
    ///
    /// # Errors
    /// [`TrialError`], of the callers.
    pub(super) fn end(self, interrupted: &AtomicBool) -> Result<Measured, TrialError> {
        let Stage { spec, mut servers, turns, callers, sent, mut measured, .. } = self;
        drop(turns);
        // A library may panic where it cannot start a thread, for example.
        callers.join().map_err(|panic| TrialError::panicked(spec.stack.name, &*panic))??;
        measured.deliveries =
            (!spec.way.is_call()).then(|| sent.wait_for_deliveries(&servers, spec.way, interrupted));
        // Callers may notice the end of their server before the system reports it.
        let gave_up = measured.observation.callers_gave_up > 0;
        let timeout = if gave_up { EXIT_TIMEOUT } else { Duration::ZERO };
        measured.server_ended = servers.exit_status_within(timeout);
        if gave_up {
            measured.server_log = servers.stop();
        }
        Ok(measured)
    }
}

/// Whether the processes of a trial always have something to do on their one core: in a closed loop one of them handles each
/// call at any time, unless handlers sleep. A server with other options, such as a delay, may wait for something else.
fn never_idle(spec: &TrialSpec, server: &ServerOptions) -> bool {
    let sleeps = matches!(server.common.work, Some(Work::Sleep(_)));
    // Opening a connection may wait for timers of the kernel or of a library.
    let may_wait = sleeps || !spec.connection.is_kept();
    spec.load.callers().is_some() && spec.cores.is_one() && server.given.is_empty() && !may_wait
}
