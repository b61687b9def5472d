//! When a channel sends heartbeats, and when its peer counts as lost.
//!
//! The rules are those of zerorpc-python's `heartbeat.py`. A channel that stays open for more than a period sends a
//! heartbeat each period. The peer is lost when two periods pass without one from it; the count begins when the channel
//! sends its own first heartbeat. Two rules differ. Here any event of the peer counts as a heartbeat, because a Python
//! server that is busy streaming may send none. So does a part of a message that the peer sends or accepts, because its
//! heartbeats wait until the whole message has been transferred.
//!
//! Time is counted in ticks of a quarter of a period, by one timer for all channels of a client or server. A call that
//! is answered within a period, as nearly all are, therefore needs neither a timer nor a clock reading.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};

/// How often each side of an open channel sends a heartbeat; `None` for never. Both sides should use the same period,
/// because each side gives up after two of its periods without a heartbeat.
pub type HeartbeatPeriod = Option<Duration>;

/// The default period, the same as zerorpc-python's.
pub const DEFAULT_PERIOD: Duration = Duration::from_secs(5);

/// Ticks of a period.
const TICKS_PER_PERIOD: u32 = 4;

/// The timer of a client or server. After a stall it does not catch up on missed ticks: time in which this process
/// could not read must not count as silence of the peer.
pub(crate) fn timer(period: Duration) -> Interval {
    let mut timer = tokio::time::interval((period / TICKS_PER_PERIOD).max(Duration::from_millis(1)));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}

/// The action that is due on a channel at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// Send a heartbeat.
    Heartbeat,
    /// Give up: the peer is lost.
    PeerLost,
}

/// The heartbeat state of one channel. Its fields count ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heartbeat {
    opened: u32,
    last_heard: Option<u32>,
    /// Whether this side sends heartbeats only after it has received one.
    passive: bool,
}

impl Heartbeat {
    /// The state of a channel that opens between tick `now` and the next.
    pub(crate) fn new(now: u32, passive: bool) -> Self {
        Heartbeat { opened: now, last_heard: None, passive }
    }

    /// Records a heartbeat of the peer.
    pub(crate) fn record_heartbeat(&mut self, now: u32) {
        self.last_heard = Some(now);
    }

    /// Records another event of the peer. A passive channel does not start to send heartbeats because of it.
    pub(crate) fn record_event(&mut self, now: u32) {
        if !self.passive || self.last_heard.is_some() {
            self.last_heard = Some(now);
        }
    }

    /// Records that the peer is receiving or sending a part of a message, which keeps its heartbeats waiting.
    pub(crate) fn record_transfer(&mut self, now: u32) {
        if let Some(last_heard) = &mut self.last_heard {
            *last_heard = now;
        }
    }

    /// The action that is due at tick `now`.
    pub(crate) fn due(&mut self, now: u32) -> Due {
        // The channel opened somewhere between two ticks, so a full period needs one tick more.
        let Some(open_for) = now.wrapping_sub(self.opened).checked_sub(TICKS_PER_PERIOD + 1) else {
            return Due::Nothing;
        };
        if self.passive && self.last_heard.is_none() {
            return Due::Nothing;
        }
        let last_heard = *self.last_heard.get_or_insert(now);
        if is_silent(last_heard, now) {
            return Due::PeerLost;
        }
        if open_for % TICKS_PER_PERIOD == 0 { Due::Heartbeat } else { Due::Nothing }
    }
}

/// Whether a peer that was last heard at tick `last_heard` is overdue at tick `now`.
pub(crate) fn is_silent(last_heard: u32, now: u32) -> bool {
    now.wrapping_sub(last_heard) > 2 * TICKS_PER_PERIOD
}

/// Whether a peer that has sent nothing since tick `since` is lost at tick `now`, although no heartbeat was sent to it: it
/// has had a period to send the first one, and the time after which it [is silent](is_silent).
pub(crate) fn is_lost(since: u32, now: u32) -> bool {
    now.wrapping_sub(since) > 3 * TICKS_PER_PERIOD + 1
}

/// The error message of a call whose peer is lost, the same as zerorpc-python's.
pub(crate) fn lost_remote_message(period: Duration) -> String {
    format!("Lost remote after {}s heartbeat", period.saturating_mul(2).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_during(heartbeat: &mut Heartbeat, ticks: std::ops::Range<u32>) -> Vec<(u32, Due)> {
        ticks.map(|now| (now, heartbeat.due(now))).filter(|(_, due)| *due != Due::Nothing).collect()
    }

    #[test]
    fn a_silent_peer_is_sent_three_heartbeats_and_is_then_lost() {
        let mut silent = Heartbeat::new(10, false);
        let due = due_during(&mut silent, 10..25);
        assert_eq!(
            due,
            [(15, Due::Heartbeat), (19, Due::Heartbeat), (23, Due::Heartbeat), (24, Due::PeerLost)]
        );
    }

    #[test]
    fn a_peer_that_sends_heartbeats_is_kept_across_a_wrap_of_the_tick_counter() {
        let mut alive = Heartbeat::new(u32::MAX - 2, false);
        for round in 0..50_u32 {
            let now = round.wrapping_sub(3);
            assert_ne!(alive.due(now), Due::PeerLost);
            match round % 16 {
                7 => alive.record_heartbeat(now),
                15 => alive.record_event(now),
                _ => {}
            }
        }
    }

    #[test]
    fn a_passive_channel_starts_with_the_first_heartbeat_it_receives() {
        let mut passive = Heartbeat::new(0, true);
        assert_eq!(due_during(&mut passive, 0..40), []);
        passive.record_event(39);
        assert_eq!(due_during(&mut passive, 39..40), []);
        passive.record_heartbeat(40);
        assert_eq!(due_during(&mut passive, 40..44), [(41, Due::Heartbeat)]);
    }

    #[test]
    fn the_message_of_a_lost_peer_is_the_same_as_in_python() {
        assert_eq!(lost_remote_message(DEFAULT_PERIOD), "Lost remote after 10s heartbeat");
        assert_eq!(lost_remote_message(Duration::from_millis(250)), "Lost remote after 0.5s heartbeat");
    }
}
