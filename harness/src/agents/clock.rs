//! The clock that all agents of a run go by, and how well each knows it.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::observe::control::{self, Clock};
use crate::record::{ClockOffset, ReferenceClock};

/// How often a reference clock is asked. The quickest exchange of some dozens is nearly always one that nothing held up.
const EXCHANGES: u32 = 32;

/// This machine's clock as it was when the program looked at it, and monotonic from then on: one that is set in the
/// middle of a run must not move the trials.
#[derive(Clone, Copy, Debug)]
pub struct OwnClock {
    looked: Instant,
    unix_ns: i128,
}

impl OwnClock {
    /// Looks at the clock.
    #[must_use]
    pub fn new() -> Self {
        OwnClock { looked: Instant::now(), unix_ns: Clock::now().unix_ns.into() }
    }

    /// What it shows at `moment`: nanoseconds since 1970.
    #[must_use]
    pub fn at(&self, moment: Instant) -> i128 {
        match moment.checked_duration_since(self.looked) {
            Some(after) => self.unix_ns + nanos(after),
            None => self.unix_ns - nanos(self.looked.saturating_duration_since(moment)),
        }
    }

    /// When it shows `unix_ns`; `None` where that lies out of reach.
    #[must_use]
    pub fn when(&self, unix_ns: i128) -> Option<Instant> {
        let from_now = unix_ns - self.unix_ns;
        let length = Duration::from_nanos(u64::try_from(from_now.unsigned_abs()).ok()?);
        if from_now >= 0 { self.looked.checked_add(length) } else { self.looked.checked_sub(length) }
    }
}

impl Default for OwnClock {
    fn default() -> Self {
        Self::new()
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

/// Asks the control port at `address` what its clock shows, and returns by how much `own` is behind it.
///
/// # Errors
/// When there is no answer.
pub fn offset(address: SocketAddr, own: OwnClock) -> io::Result<ClockOffset> {
    let mut best: Option<ClockOffset> = None;
    control::sample_clock(address, EXCHANGES, Instant::now, |asked, clock| {
        let found = cristian(own.at(asked), own.at(Instant::now()), clock.unix_ns.into());
        if best.is_none_or(|best| found.bound_ns < best.bound_ns) {
            best = Some(found);
        }
    })?;
    best.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// The offset of a clock that showed `shown` at some moment between `asked` and `answered`: it is taken to have been the
/// middle, and is wrong by half of the time between at most (F. Cristian, "Probabilistic clock synchronization",
/// Distributed Computing 3, 1989).
fn cristian(asked: i128, answered: i128, shown: i128) -> ClockOffset {
    let half = (answered - asked) / 2;
    ClockOffset {
        offset_ns: i64::try_from(shown - (asked + half)).unwrap_or(if shown > asked {
            i64::MAX
        } else {
            i64::MIN
        }),
        bound_ns: u64::try_from((answered - asked + 1) / 2).unwrap_or(u64::MAX),
    }
}

/// The clock that a run goes by, as one agent knows it.
#[derive(Debug)]
pub struct RunClock {
    own: OwnClock,
    reference: Option<(SocketAddr, ReferenceClock)>,
}

impl RunClock {
    /// The clock of the server with the control port at `reference`, called `name`; without one, this machine's own.
    ///
    /// # Errors
    /// When the server does not tell what its clock shows.
    pub fn new(reference: Option<(SocketAddr, String)>) -> io::Result<Self> {
        let own = OwnClock::new();
        let ask = |(address, name)| {
            let start = offset(address, own)?;
            io::Result::Ok((address, ReferenceClock { name, exchanges: EXCHANGES, start, end: None }))
        };
        Ok(RunClock { own, reference: reference.map(ask).transpose()? })
    }

    fn offset_ns(&self) -> i128 {
        self.reference.as_ref().map_or(0, |(_, clock)| clock.start.offset_ns.into())
    }

    /// What it shows now: nanoseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i128 {
        self.own.at(Instant::now()) + self.offset_ns()
    }

    /// When it shows `unix_ns`; `None` where that lies out of reach.
    #[must_use]
    pub fn when(&self, unix_ns: i128) -> Option<Instant> {
        self.own.when(unix_ns - self.offset_ns())
    }

    /// What is known of the reference, asked once more where it still answers: what the clocks have drifted apart since
    /// the start shows as a difference. `None` where the agent went by its own clock.
    #[must_use]
    pub fn ends(&self) -> Option<ReferenceClock> {
        let (address, clock) = self.reference.as_ref()?;
        Some(ReferenceClock { end: offset(*address, self.own).ok(), ..clock.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calculator::{Calculator, Dispatcher, Executor, Faults};
    use proptest::prelude::*;

    proptest! {
        /// Whatever the way there and back took, the true offset lies within the bound.
        #[test]
        fn the_true_offset_lies_within_the_bound(
            asked in 0..1_000_000_000_i64, there in 0..10_000_000_i64, back in 0..10_000_000_i64,
            offset in -1_000_000_000_000..1_000_000_000_000_i64,
        ) {
            let [asked, there, back, offset] = [asked, there, back, offset].map(i128::from);
            let found = cristian(asked, asked + there + back, asked + there + offset);
            let wrong = (i128::from(found.offset_ns) - offset).unsigned_abs();
            prop_assert!(wrong <= u128::from(found.bound_ns), "{found:?}");
            prop_assert!(i128::from(found.bound_ns) <= (there + back + 1) / 2);
        }
    }

    #[test]
    fn a_moment_is_found_again_by_what_the_clock_shows_at_it() {
        let own = OwnClock::new();
        for moment in [own.looked, own.looked + Duration::from_nanos(1_234_567_891)] {
            assert_eq!(own.when(own.at(moment)), Some(moment));
        }
        assert_eq!(own.when(i128::MAX), None);
    }

    #[test]
    fn a_server_on_this_machine_has_this_machines_clock() {
        let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults::default());
        let address = control::serve("127.0.0.1:0".parse().unwrap(), dispatcher).unwrap();
        let clock = RunClock::new(Some((address, "here".to_owned()))).unwrap();
        let ended = clock.ends().unwrap();
        assert_eq!((ended.name.as_str(), ended.exchanges), ("here", EXCHANGES));
        for offset in [ended.start, ended.end.unwrap()] {
            // The clock may be set while this runs, but not by seconds.
            assert!(offset.offset_ns.unsigned_abs() < 1_000_000_000 + offset.bound_ns, "{offset:?}");
            assert!(offset.bound_ns > 0);
        }
        assert_eq!(RunClock::new(None).unwrap().ends(), None);
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(RunClock::new(Some((nobody, String::new()))).is_err());
    }
}
