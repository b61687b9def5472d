//! The load generator: which calls are made, when, by how many callers, and what becomes of them.

mod arrivals;
mod caller;
mod closed;
mod kind;
#[cfg(test)]
mod known_answers;
mod open;
mod operation;
#[cfg(test)]
mod tests;
mod threads;
mod time;
mod window;

pub use arrivals::Schedule;
pub use caller::InFlight;
pub use kind::{Arrivals, Load, LoadParseError, Rate, share};
pub use operation::{Operation, OperationParseError, Prepared};
pub use window::{Agreed, Opened, WarmUp, Window};

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use calculator::Client;

use self::caller::Shared;
use self::time::{MachineTime, Time};
use self::window::Stage;
use crate::observe::Observation;
use crate::stacks::Driver;

/// Past so many calls of an open loop that are due or in flight, slots are counted as not sent.
pub const MOST_IN_FLIGHT: usize = 10_000;

/// What the callers shall do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is called.
    pub operation: Operation,
    /// How calls follow each other.
    pub load: Load,
    /// Whether a client can have several calls in flight: an open loop then has no limit but [`MOST_IN_FLIGHT`], and
    /// otherwise one call for each client.
    pub multiplexes: bool,
    /// How long calls are made before they count.
    pub warmup: WarmUp,
    /// How long they count.
    pub measure: Duration,
    /// How long each call may take; as long as it likes where not given.
    pub timeout: Option<Duration>,
    /// Where the arguments and random arrivals come from.
    pub seed: u64,
    /// Set to end early.
    pub interrupted: Arc<AtomicBool>,
    /// Counts the calls in flight.
    pub in_flight: Arc<InFlight>,
}

/// Makes calls, spread evenly over `clients`, to the end of the window and until the last answer is in. `opened` is
/// told the window when the latencies have settled and the first call that counts is about to be made.
///
/// [`Driver::Tokio`] must be called inside a current-thread runtime; all callers then share the calling thread.
/// [`Driver::Threads`] gives each caller a thread of its own, which inherits the calling thread's cores.
///
/// # Errors
/// When the system has no timer to pace an open loop with.
pub async fn run(
    plan: &Plan,
    driver: Driver,
    clients: &[Arc<dyn Client>],
    opened: Opened,
) -> io::Result<Observation> {
    run_in(MachineTime, plan, driver, clients, opened).await
}

async fn run_in<T: Time>(
    time: T,
    plan: &Plan,
    driver: Driver,
    clients: &[Arc<dyn Client>],
    opened: Opened,
) -> io::Result<Observation> {
    // Made when the first call is about to be: preparing the calls of many callers takes a while.
    let mut made = None;
    let shared = || {
        let now = time.now();
        let stage = Stage::new(now, plan.warmup, plan.measure, opened);
        let shared = Arc::new(Shared { time, stage, in_flight: Arc::clone(&plan.in_flight) });
        made = Some((now, Arc::clone(&shared)));
        shared
    };
    let mut all = match (plan.load, driver) {
        (Load::Closed(callers), Driver::Tokio) => closed::as_tasks(plan, callers, clients, shared).await,
        (Load::Closed(callers), Driver::Threads) => closed::on_threads(plan, callers, clients, shared),
        (Load::Open(rate, arrivals), driver) => {
            let shared = shared();
            let schedule = Schedule::new(shared.stage.began(), rate, arrivals, plan.seed);
            match driver {
                Driver::Tokio => {
                    let callers = if plan.multiplexes { MOST_IN_FLIGHT } else { clients.len() };
                    open::as_tasks(plan, schedule, callers, clients, shared).await?
                }
                Driver::Threads => open::on_threads(plan, schedule, clients, &shared),
            }
        }
    };
    if let Some((began, shared)) = made {
        all.first_call_at = Some(began);
        all.settled = shared.stage.settled();
        all.counts.slots = slots(plan, shared.stage.began(), shared.stage.window());
    }
    Ok(all)
}

/// How many slots of an open loop count, by the schedule alone; 0 for a closed loop.
fn slots(plan: &Plan, began: std::time::Instant, window: Option<Window>) -> u64 {
    let (Load::Open(rate, arrivals), Some(window)) = (plan.load, window) else { return 0 };
    let schedule = Schedule::new(began, rate, arrivals, plan.seed);
    schedule.take_while(|slot| *slot < window.end).filter(|slot| window.holds(*slot)).count() as u64
}
