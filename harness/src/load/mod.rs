//! The load generator: makes calls on schedule and records their outcomes.

mod arrivals;
mod caller;
mod calls;
mod closed;
mod connection_use;
mod dependent;
mod kind;
#[cfg(test)]
mod known_answers;
mod open;
mod operation;
mod own;
mod own_name;
mod plan;
mod prepared;
mod ramp;
mod stream;
#[cfg(test)]
mod tests;
mod threads;
mod time;
mod window;

pub use arrivals::Schedule;
pub use caller::InFlight;
pub use connection_use::ConnectionUse;
pub use dependent::Steps;
pub use kind::{Arrivals, Load, LoadParseError, Rate, share};
pub use operation::{Operation, OperationParseError, STREAM};
pub use own::{
    AnyValue, CallTextError, Expect, Generator, OwnCalls, OwnError, OwnOperation, OwnOperations, Variables,
    Verb, parse_call,
};
pub use own_name::{OwnName, OwnNameError};
pub use plan::{MAX_IN_FLIGHT, Plan};
pub use prepared::PreparedCall;
pub use ramp::Ramp;
pub use stream::StreamLength;
pub use window::{AgreedTimes, WarmUp, Window, WindowCallback};

use std::io;
use std::sync::Arc;
use std::time::Instant;

use calculator::Client;

use self::caller::Shared;
use self::time::{MonotonicTime, Time};
use self::window::Phases;
use crate::observe::Observation;
use crate::stacks::Driver;

/// Makes the calls of `plan`, spread evenly over `clients`, until the window has closed and the last reply has arrived.
/// Calls `on_window` as soon as it is known when the window opens, at the latest just before the first measured call.
///
/// With [`Driver::Tokio`] it must run inside a current-thread runtime; all callers then share the calling thread. With
/// [`Driver::Threads`] each caller has a thread, which inherits the cores of the calling thread.
///
/// # Errors
/// When the system has no timer left to pace an open loop, or refuses the thread of a caller.
pub async fn run(
    plan: &Plan,
    driver: Driver,
    clients: &[Arc<dyn Client>],
    on_window: WindowCallback,
) -> io::Result<Observation> {
    let clients: Vec<_> = clients.iter().map(|client| plan.operation.client(Arc::clone(client))).collect();
    run_in(MonotonicTime, plan, driver, &clients, on_window).await
}

/// Like [`run`], with the clock `time`.
async fn run_in<T: Time>(
    time: T,
    plan: &Plan,
    driver: Driver,
    clients: &[Arc<dyn Client>],
    on_window: WindowCallback,
) -> io::Result<Observation> {
    // Called just before the first call, since preparing the calls of many callers takes a while.
    let mut started = None;
    let start = || {
        let now = time.now();
        let phases = Phases::new(now, plan.warmup, plan.measure, on_window);
        let shared = Arc::new(Shared {
            time,
            phases,
            numbers: plan.numbers,
            keeps_calls: plan.keeps_calls,
            in_flight: Arc::clone(&plan.in_flight),
            live: plan.live.clone(),
        });
        started = Some((now, Arc::clone(&shared)));
        shared
    };
    let mut observation = match (plan.load, driver) {
        (Load::Closed(callers), Driver::Tokio) => closed::as_tasks(plan, callers, clients, start).await,
        (Load::Closed(callers), Driver::Threads) => closed::on_threads(plan, callers, clients, start)?,
        (Load::Open(rate, arrivals), driver) => {
            let shared = start();
            let schedule = plan.schedule(shared.phases.started_at(), rate, arrivals);
            match driver {
                Driver::Tokio => {
                    let callers = if plan.multiplexes { MAX_IN_FLIGHT } else { clients.len() };
                    open::as_tasks(plan, schedule, callers, clients, shared).await?
                }
                Driver::Threads => open::on_threads(plan, schedule, clients, &shared)?,
            }
        }
    };
    if let Some((first_call_at, shared)) = started {
        let phases = &shared.phases;
        observation.first_call_at = Some(first_call_at);
        observation.settled = phases.settled();
        let slots = measured_slots(plan, phases.started_at(), phases.window());
        if plan.keeps_calls {
            observation.slots = slots.collect();
            observation.counts.slots = observation.slots.len() as u64;
        } else {
            observation.counts.slots = slots.count() as u64;
        }
    }
    Ok(observation)
}

/// The slots of an open loop's schedule inside the window; none for a closed loop.
fn measured_slots(
    plan: &Plan,
    schedule_start: Instant,
    window: Option<Window>,
) -> impl Iterator<Item = Instant> {
    let known = window.and_then(|window| match plan.load {
        Load::Open(rate, arrivals) => Some((plan.schedule(schedule_start, rate, arrivals), window)),
        Load::Closed(_) => None,
    });
    known.into_iter().flat_map(|(schedule, window)| {
        schedule.take_while(move |slot| *slot < window.end).filter(move |slot| window.contains(*slot))
    })
}
