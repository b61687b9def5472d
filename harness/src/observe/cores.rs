//! What cores did between two instants.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::sys::{self, CoreTime};

/// What all cores of this machine did until an instant.
#[derive(Clone, Debug)]
pub struct CoresReading {
    times: BTreeMap<usize, CoreTime>,
    at: Instant,
}

/// Shares of the time of some cores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoreShares {
    /// The share in which the hypervisor ran something else.
    pub stolen: f64,
    /// The share in which processes ran. Interrupts are left out, although most kernels count them towards a process's CPU
    /// time as well.
    pub busy: f64,
    /// The uncertainty of the other two shares.
    pub resolution: f64,
}

impl CoresReading {
    /// Reads the counters; `None` where the system does not report them.
    #[must_use]
    pub fn take() -> Option<Self> {
        sys::core_times().map(|times| CoresReading { times, at: Instant::now() })
    }

    /// What `cores` did since `before`; `None` where no time has passed, or the system does not list one of them.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn since(&self, before: &Self, cores: &[usize]) -> Option<CoreShares> {
        let elapsed = self.at.saturating_duration_since(before.at).as_secs_f64();
        let available = elapsed * cores.len() as f64;
        let share = |counter: fn(&CoreTime) -> Duration| -> Option<f64> {
            let of_core = |core| {
                let time = counter(self.times.get(core)?).saturating_sub(counter(before.times.get(core)?));
                Some(time.as_secs_f64())
            };
            cores.iter().map(of_core).sum::<Option<f64>>().map(|sum| sum / available)
        };
        let (stolen, idle) = (share(|core| core.stolen)?, share(|core| core.idle)?);
        let busy = (1.0 - stolen - idle - share(|core| core.interrupts)?).max(0.0);
        let resolution = CoreTime::RESOLUTION.as_secs_f64() / elapsed;
        (available > 0.0).then_some(CoreShares { stolen, busy, resolution })
    }
}

#[cfg(test)]
impl CoresReading {
    /// A reading of `times` at `at`.
    pub(crate) fn new(times: BTreeMap<usize, CoreTime>, at: Instant) -> Self {
        CoresReading { times, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_time_of_the_cores_in_question() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let reading = |after_ms, idle, interrupts, stolen| {
            let core = CoreTime { idle: ms(idle), interrupts: ms(interrupts), stolen: ms(stolen) };
            let other = CoreTime { stolen: ms(after_ms), ..core };
            CoresReading::new(BTreeMap::from([(0, core), (1, core), (2, other)]), start + ms(after_ms))
        };
        let (before, after) = (reading(100, 1_000, 20, 70), reading(600, 1_050, 40, 80));
        let shares = after.since(&before, &[0, 1]).unwrap();
        let near = |share: f64, expected: f64| (share - expected).abs() < 1e-9;
        assert!(near(shares.stolen, 0.02) && near(shares.busy, 0.84), "{shares:?}");
        assert!(near(shares.resolution, 0.02));
        assert!(near(after.since(&before, &[2]).unwrap().stolen, 1.0));
        assert_eq!(after.since(&before, &[0, 9]), None);
        assert_eq!(before.since(&before, &[0]), None);
        assert_eq!(after.since(&before, &[]), None);
    }
}
