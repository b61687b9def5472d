//! The clock that all agents of a run use, and how precisely each knows it.

use std::io;
use std::time::{Duration, Instant};

use crate::observe::control::{self, Clock, ControlPort};
use crate::record::{ClockOffset, ReferenceClock};

/// The number of exchanges with a reference clock. The quickest of some dozens was nearly always undisturbed.
const EXCHANGES: u32 = 32;

/// This machine's clock, read once and monotonic from then on: setting the clock during a run must not move the trials.
#[derive(Clone, Copy, Debug)]
pub struct OwnClock {
    read_at: Instant,
    unix_ns: i128,
}

impl OwnClock {
    /// Reads the clock of this machine.
    #[must_use]
    pub fn new() -> Self {
        OwnClock { read_at: Instant::now(), unix_ns: Clock::now().unix_ns.into() }
    }

    /// The time that this clock shows at `instant`, in nanoseconds since 1970.
    #[must_use]
    pub fn time_at(&self, instant: Instant) -> i128 {
        match instant.checked_duration_since(self.read_at) {
            Some(after) => self.unix_ns + nanos(after),
            None => self.unix_ns - nanos(self.read_at.saturating_duration_since(instant)),
        }
    }

    /// The instant at which this clock shows `unix_ns`; `None` if that cannot be represented.
    #[must_use]
    pub fn instant_at(&self, unix_ns: i128) -> Option<Instant> {
        let from_now = unix_ns - self.unix_ns;
        let length = Duration::from_nanos(u64::try_from(from_now.unsigned_abs()).ok()?);
        if from_now >= 0 { self.read_at.checked_add(length) } else { self.read_at.checked_sub(length) }
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

/// Measures the offset from `own` of the clock behind the control port `port`, in several exchanges.
///
/// # Errors
/// When the server does not answer.
pub fn offset(port: &ControlPort, own: OwnClock) -> io::Result<ClockOffset> {
    let mut best: Option<ClockOffset> = None;
    control::sample_clock(port, EXCHANGES, Instant::now, |asked, clock| {
        let found = estimate_offset(own.time_at(asked), own.time_at(Instant::now()), clock.unix_ns.into());
        if best.is_none_or(|best| found.bound_ns < best.bound_ns) {
            best = Some(found);
        }
    })?;
    best.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Estimates the offset of a remote clock from one exchange: the request was sent at `sent`, the reply was received at
/// `received`, and the remote clock read `remote` at some time between the two. That time is assumed to be the midpoint,
/// so the error is at most half of the round trip (F. Cristian, "Probabilistic clock synchronization", Distributed
/// Computing 3, 1989).
fn estimate_offset(sent: i128, received: i128, remote: i128) -> ClockOffset {
    let half = (received - sent) / 2;
    ClockOffset {
        offset_ns: i64::try_from(remote - (sent + half)).unwrap_or(if remote > sent {
            i64::MAX
        } else {
            i64::MIN
        }),
        bound_ns: u64::try_from((received - sent + 1) / 2).unwrap_or(u64::MAX),
    }
}

/// The clock of a run, as one agent knows it.
#[derive(Debug)]
pub struct RunClock {
    own: OwnClock,
    reference: Option<(ControlPort, ReferenceClock)>,
}

impl RunClock {
    /// The clock of the server that has the control port `reference`, given with a name for records; without one, the
    /// clock of this machine.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn new(reference: Option<(ControlPort, String)>) -> io::Result<Self> {
        let own = OwnClock::new();
        let ask = |(port, name)| {
            let start = offset(&port, own)?;
            io::Result::Ok((port, ReferenceClock { name, exchanges: EXCHANGES, start, end: None }))
        };
        Ok(RunClock { own, reference: reference.map(ask).transpose()? })
    }

    fn offset_ns(&self) -> i128 {
        self.reference.as_ref().map_or(0, |(_, clock)| clock.start.offset_ns.into())
    }

    /// The time now, in nanoseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i128 {
        self.own.time_at(Instant::now()) + self.offset_ns()
    }

    /// The instant at which this clock shows `unix_ns`; `None` if that cannot be represented.
    #[must_use]
    pub fn instant_at(&self, unix_ns: i128) -> Option<Instant> {
        self.own.instant_at(unix_ns - self.offset_ns())
    }

    /// The reference clock with its offset read once more, if it still answers: the difference is how far the clocks have
    /// drifted apart since the start. `None` if the agent uses its own clock.
    #[must_use]
    pub fn reference_at_end(&self) -> Option<ReferenceClock> {
        let (port, clock) = self.reference.as_ref()?;
        Some(ReferenceClock { end: offset(port, self.own).ok(), ..clock.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::control::Token;
    use calculator::{Calculator, Dispatcher, Executor, Faults};
    use proptest::prelude::*;

    proptest! {
        /// However long the request and the reply took, the true offset lies within the bound.
        #[test]
        fn the_true_offset_lies_within_the_bound(
            asked in 0..1_000_000_000_i64, there in 0..10_000_000_i64, back in 0..10_000_000_i64,
            offset in -1_000_000_000_000..1_000_000_000_000_i64,
        ) {
            let [asked, there, back, offset] = [asked, there, back, offset].map(i128::from);
            let found = estimate_offset(asked, asked + there + back, asked + there + offset);
            let wrong = (i128::from(found.offset_ns) - offset).unsigned_abs();
            prop_assert!(wrong <= u128::from(found.bound_ns), "{found:?}");
            prop_assert!(i128::from(found.bound_ns) <= (there + back + 1) / 2);
        }
    }

    #[test]
    fn time_at_and_instant_at_are_inverse() {
        let own = OwnClock::new();
        for moment in [own.read_at, own.read_at + Duration::from_nanos(1_234_567_891)] {
            assert_eq!(own.instant_at(own.time_at(moment)), Some(moment));
        }
        assert_eq!(own.instant_at(i128::MAX), None);
    }

    #[test]
    fn a_server_on_this_machine_has_the_same_clock() {
        let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults::default());
        let token = Token::random();
        let any = ControlPort { address: "127.0.0.1:0".parse().unwrap(), token: token.clone() };
        let port = ControlPort { address: control::serve(any, dispatcher).unwrap(), token };
        let clock = RunClock::new(Some((port.clone(), "here".to_owned()))).unwrap();
        let ended = clock.reference_at_end().unwrap();
        assert_eq!((ended.name.as_str(), ended.exchanges), ("here", EXCHANGES));
        for offset in [ended.start, ended.end.unwrap()] {
            // The clock may be set while this runs, but not by seconds.
            assert!(offset.offset_ns.unsigned_abs() < 1_000_000_000 + offset.bound_ns, "{offset:?}");
            assert!(offset.bound_ns > 0);
        }
        assert_eq!(RunClock::new(None).unwrap().reference_at_end(), None);
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(RunClock::new(Some((ControlPort { address, ..port }, String::new()))).is_err());
    }
}
