//! The thread that makes the calls of a trial, turn by turn.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use calculator::Client;
use tokio::sync::mpsc::UnboundedReceiver;

use super::CLIENT_RUNTIME;
use super::agreed_start::wait_for_start;
use super::deliveries::Sent;
use super::error::TrialError;
use super::per_call::{ConnectionBudget, PerCallClient};
use super::server::{ServerLocation, TrialContext};
use super::servers::{connect, declare};
use crate::load::{self, ConnectionUse, InFlight, Load, WarmUp, Window};
use crate::observe::Observation;
use crate::scenario::TrialSpec;
use crate::sys;

/// A request for calls.
pub(super) struct Turn {
    /// The number of the turn, from 0.
    pub(super) number: u32,
    pub(super) length: TurnLength,
    /// Receives the window, as soon as it is known.
    pub(super) opened: Sender<Window>,
    /// Receives what was observed.
    pub(super) finished: Sender<Observation>,
}

/// How long calls are made, and which of them count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TurnLength {
    /// How long calls are made before those that count, at least; in the first turn, as long as the scenario says.
    pub(super) warm_again: Duration,
    /// The length of the window.
    pub(super) measure: Duration,
    /// Whether other trials have turns before or after it, so that only CPU times are read at the ends of the window.
    pub(super) in_turns: bool,
}

/// The number of calls, for each caller on average, before those of a slice that count. With one, all callers would start
/// their first counted call at the same time.
const CALLS_TO_WARM_AGAIN: u32 = 2;
/// Calls are published for a view of the run only in windows that are at least this long. A shorter trial is shown when it is over.
const MIN_LIVE_WINDOW: Duration = Duration::from_secs(1);

/// Connects on the client's cores, unless each call opens a connection, tells `connected`, and makes the calls of the turns
/// that are `requested`, until none can follow.
///
/// # Errors
/// [`TrialError`].
pub(super) fn run(
    (spec, block): (&TrialSpec, u32),
    context: &TrialContext<'_>,
    locations: &[ServerLocation],
    connected: &Sender<()>,
    mut requested: UnboundedReceiver<Turn>,
    in_flight: &Arc<InFlight>,
    sent: &Arc<Sent>,
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
        let timeout = context.scenario.timeout;
        let undeclare = declare(locations, spec, timeout).await?;
        let budget = Arc::new(ConnectionBudget::of_machine());
        let clients = match (spec.connection, locations.first()) {
            (ConnectionUse::PerCall, Some(location)) => {
                PerCallClient::clients(spec.stack, location, spec.connections.get(), timeout, &budget)
            }
            _ => connect(locations, spec, timeout).await?,
        };
        let clients = if spec.way.is_call() { clients } else { sent.counting(clients) };
        let own = context.scenario.own.calls(spec.operation, spec.stack, (context.seed, block));
        let _ = connected.send(());
        while let Some(Turn { number, length, opened, finished }) = requested.recv().await {
            let warmup = match spec.share {
                _ if number > 0 => {
                    let callers = spec.load.callers().unwrap_or(1);
                    WarmUp::Again(length.warm_again, callers.saturating_mul(CALLS_TO_WARM_AGAIN))
                }
                None => WarmUp::Settle(spec.times.warmup),
                Some(share) => wait_for_start(spec.stack, share.agreed, context.interrupted).await?,
            };
            let is_long = !length.in_turns && length.measure >= MIN_LIVE_WINDOW;
            let live = context.live.filter(|_| is_long).cloned();
            let plan = load::Plan {
                operation: spec.operation,
                own: own.in_turn(number),
                load: spec.load,
                multiplexes: spec.stack.multiplexes || !spec.connection.is_kept(),
                warmup,
                measure: length.measure,
                timeout: Some(context.scenario.timeout),
                numbers: context.scenario.numbers,
                seed: context.seed,
                block,
                interrupted: Arc::clone(context.interrupted),
                way: spec.way,
                keeps_calls: false,
                ramps: Arc::default(),
                live: live.clone(),
                in_flight: Arc::clone(in_flight),
            };
            let _under_way = live.as_ref().map(|live| live.begin(spec.live_trial()));
            let run = async {
                let generator_limit = if spec.finds_generator_limit {
                    Some(generator_limit(spec, &plan, &clients).await?)
                } else {
                    None
                };
                let report_window = Box::new(move |window| {
                    let _ = opened.send(window);
                });
                let observation = load::run(&plan, spec.stack.driver, &clients, report_window).await?;
                Ok(Observation { generator_limit, ..observation })
            };
            let observation = run.await.map_err(|source| TrialError::Load { stack, source })?;
            budget.check(stack)?;
            // The connections stay open, and this thread stays, so that its run-queue delay can still be read.
            let _ = finished.send(observation);
        }
        if let Some(undeclare) = undeclare {
            undeclare().await;
        }
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
    let closed = load::Plan { load: Load::Closed(spec.connections), live: None, ..plan.clone() };
    let observation = load::run(&closed, spec.stack.driver, clients, Box::new(|_| ())).await?;
    Ok(observation.counts.right as f64 / plan.measure.as_secs_f64())
}
