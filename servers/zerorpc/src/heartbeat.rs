//! When a channel sends a sign of life, and when its peer counts as lost.
//!
//! The rules are those of zerorpc-python's `heartbeat.py`: a channel that is open for longer than a period sends a
//! heartbeat each period; the peer is lost when it has sent none for two periods, the first of which begins at the
//! channel's first own heartbeat. To zerorpc-python events that carry data are no sign of life; here they are, since a
//! Python server that streams may be too busy to send heartbeats.
//!
//! Time is counted in ticks of a quarter of a period, by one timer for all channels of an end: calls that are answered
//! within a period, which is nearly all, then cost no timer and no clock.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};

/// The period that peers expect unless both are told otherwise.
pub const DEFAULT_PERIOD: Duration = Duration::from_secs(5);

/// Ticks in a period.
const TICKS: u32 = 4;

/// The timer of an end. It falls behind rather than hurry after a stall: what nobody could answer meanwhile shall not
/// count as silence.
pub(crate) fn ticks(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval((period / TICKS).max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// What is due on a channel at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// To send a heartbeat.
    Beat,
    /// To give up: the peer is lost.
    Lost,
}

/// The heartbeat of one channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heartbeat {
    opened: u32,
    heard: Option<u32>,
    /// Whether this end only answers heartbeats.
    passive: bool,
}

impl Heartbeat {
    /// Of a channel that opens between tick `now` and the next.
    pub(crate) fn new(now: u32, passive: bool) -> Self {
        Heartbeat { opened: now, heard: None, passive }
    }

    /// Notes a heartbeat of the peer.
    pub(crate) fn heard(&mut self, now: u32) {
        self.heard = Some(now);
    }

    /// Notes another event of the peer. To an end that only answers heartbeats it is no reason to begin with them.
    pub(crate) fn spoke(&mut self, now: u32) {
        if !self.passive || self.heard.is_some() {
            self.heard = Some(now);
        }
    }

    /// What is due at tick `now`.
    pub(crate) fn due(&mut self, now: u32) -> Due {
        // The channel opened after its tick, so a full period has passed one tick later than the count says.
        let Some(open_for) = now.wrapping_sub(self.opened).checked_sub(TICKS + 1) else {
            return Due::Nothing;
        };
        if self.passive && self.heard.is_none() {
            return Due::Nothing;
        }
        let heard = *self.heard.get_or_insert(now);
        if is_silent(heard, now) {
            return Due::Lost;
        }
        if open_for % TICKS == 0 { Due::Beat } else { Due::Nothing }
    }
}

/// Whether a connection that last brought something at tick `heard` is silent at tick `now`, for longer than any
/// heartbeat may take.
pub(crate) fn is_silent(heard: u32, now: u32) -> bool {
    now.wrapping_sub(heard) > 2 * TICKS
}

/// What a call says that waits on a lost peer, in the words of zerorpc-python.
pub(crate) fn lost_remote(period: Duration) -> String {
    format!("Lost remote after {}s heartbeat", (2 * period).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(heartbeat: &mut Heartbeat, ticks: std::ops::Range<u32>) -> Vec<(u32, Due)> {
        ticks.map(|now| (now, heartbeat.due(now))).filter(|(_, due)| *due != Due::Nothing).collect()
    }

    #[test]
    fn a_silent_peer_gets_three_beats_and_is_lost() {
        let mut silent = Heartbeat::new(10, false);
        let seen = ticks(&mut silent, 10..25);
        assert_eq!(seen, [(15, Due::Beat), (19, Due::Beat), (23, Due::Beat), (24, Due::Lost)]);
    }

    #[test]
    fn a_peer_that_beats_is_kept_whatever_the_clock_wraps_around() {
        let mut alive = Heartbeat::new(u32::MAX - 2, false);
        for round in 0..50_u32 {
            let now = round.wrapping_sub(3);
            assert_ne!(alive.due(now), Due::Lost);
            match round % 16 {
                7 => alive.heard(now),
                15 => alive.spoke(now),
                _ => {}
            }
        }
    }

    #[test]
    fn a_passive_end_waits_for_the_first_beat() {
        let mut passive = Heartbeat::new(0, true);
        assert_eq!(ticks(&mut passive, 0..40), []);
        passive.spoke(39);
        assert_eq!(ticks(&mut passive, 39..40), []);
        passive.heard(40);
        assert_eq!(ticks(&mut passive, 40..44), [(41, Due::Beat)]);
    }

    #[test]
    fn the_message_is_pythons() {
        assert_eq!(lost_remote(DEFAULT_PERIOD), "Lost remote after 10s heartbeat");
        assert_eq!(lost_remote(Duration::from_millis(250)), "Lost remote after 0.5s heartbeat");
    }
}
