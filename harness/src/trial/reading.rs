//! What the processes of a trial have used, each figure with the instant at which it was read.

use std::time::{Duration, Instant};

use crate::observe::Meter;
use crate::record::Used;
use crate::sys::{self, UsageReading};

/// The meters of the processes of a trial. A process that is not observable has none.
pub(super) struct Meters {
    pub(super) client: Option<Meter>,
    pub(super) server: Option<Meter>,
    pub(super) broker: Option<Meter>,
}

impl Meters {
    /// Resets the recorded peak memory of every process to its current memory.
    pub(super) fn reset_peak_memory(&self) {
        [&self.client, &self.server, &self.broker].into_iter().flatten().for_each(Meter::reset_peak_memory);
    }

    /// Reads every meter, one after the other. A reading through a control port takes a round trip, so that each process
    /// has its own instant.
    pub(super) fn read(&self) -> Reading {
        let read = |meter: &Option<Meter>| meter.as_ref().and_then(Meter::read);
        Reading {
            client: read(&self.client),
            server: read(&self.server),
            broker: read(&self.broker),
            stolen: sys::steal_time().map(|time| StealReading { time, at: Instant::now() }),
        }
    }
}

/// One reading of every meter.
#[derive(Clone, Copy, Default)]
pub(super) struct Reading {
    pub(super) client: Option<UsageReading>,
    pub(super) server: Option<UsageReading>,
    pub(super) broker: Option<UsageReading>,
    stolen: Option<StealReading>,
}

/// The time that the hypervisor has kept from this machine's cores.
#[derive(Clone, Copy)]
struct StealReading {
    time: Duration,
    at: Instant,
}

/// What a process used between two of its readings. Shares of a core are over the time between their instants.
pub(super) fn used(before: Option<UsageReading>, after: Option<UsageReading>) -> Option<Used> {
    let (before, after) = (before?, after?);
    let seconds = after.at.saturating_duration_since(before.at).as_secs_f64();
    Some(Used::between(before.usage, after.usage, seconds))
}

/// The share of the time of `cores` cores that the hypervisor kept between two readings.
#[allow(clippy::cast_precision_loss)]
pub(super) fn stolen_share(before: &Reading, after: &Reading, cores: usize) -> Option<f64> {
    let (before, after) = (before.stolen?, after.stolen?);
    let seconds = after.at.saturating_duration_since(before.at).as_secs_f64();
    let stolen = after.time.saturating_sub(before.time).as_secs_f64();
    (seconds > 0.0).then(|| stolen / seconds / cores as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Usage;

    #[test]
    fn a_cpu_share_is_over_the_time_between_the_readings_of_the_same_process() {
        let start = Instant::now();
        let reading = |after_ms, cpu_ms: u64| {
            let usage = Usage { cpu_ns: cpu_ms * 1_000_000, ..Usage::default() };
            Some(UsageReading { usage, at: start + Duration::from_millis(after_ms) })
        };
        // The server's second reading came late, through a control port: 240 ms of CPU time in 400 ms.
        let used = used(reading(10, 100), reading(410, 340)).unwrap();
        assert_eq!(used.cpu_ns, 240_000_000);
        assert!((used.utilisation - 0.6).abs() < 1e-9, "{used:?}");
        assert_eq!(super::used(None, reading(410, 340)), None);
        assert_eq!(super::used(reading(10, 5), reading(10, 5)).unwrap().utilisation, 0.0);
    }

    #[test]
    fn stolen_time_is_a_share_of_the_time_of_all_cores() {
        let start = Instant::now();
        let reading = |after_ms, stolen_ms| Reading {
            stolen: Some(StealReading {
                time: Duration::from_millis(stolen_ms),
                at: start + Duration::from_millis(after_ms),
            }),
            ..Reading::default()
        };
        let share = stolen_share(&reading(0, 70), &reading(500, 90), 2).unwrap();
        assert!((share - 0.02).abs() < 1e-9, "{share}");
        assert_eq!(stolen_share(&Reading::default(), &reading(500, 90), 2), None);
        assert_eq!(stolen_share(&reading(5, 70), &reading(5, 70), 2), None);
    }
}
