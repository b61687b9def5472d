//! The history of calls and casts, and the properties that it must have whatever the broker does.

use std::collections::{BTreeMap, BTreeSet};

/// An event of a call or cast. Each has an id that no other one has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A call was made.
    CallStarted(i64),
    /// The server has executed a call.
    CallExecuted(i64),
    /// A call has ended at its caller.
    CallEnded(i64, End),
    /// A cast was made.
    CastStarted(i64),
    /// The broker has confirmed a cast to its caller.
    CastConfirmed(i64),
    /// A cast has failed at its caller; the broker may have it all the same.
    CastFailed(i64),
    /// A server has executed a cast.
    CastExecuted(i64),
}

/// How a call has ended at its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// With the right answer.
    Right,
    /// With the answer to another call, or a value that is no answer.
    Wrong,
    /// With an error of the transport.
    Error,
    /// At its timeout.
    Timeout,
    /// With an error that the transport cannot cause.
    OtherError,
}

/// A property that a history does not have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Violation {
    /// A call has not ended.
    NeverEnded(i64),
    /// A call has ended more than once.
    EndedTwice(i64),
    /// A call has ended that was not made.
    EndedWithoutStart(i64),
    /// A call has ended in a way that no disturbance of the broker explains.
    WrongEnd(i64, End),
    /// A call was executed more than once, although it is acknowledged before its execution.
    CallExecutedTwice(i64),
    /// A call or cast was executed that was not made.
    ExecutedWithoutStart(i64),
    /// A call has the right answer although no server has executed it.
    AnsweredWithoutExecution(i64),
    /// A confirmed cast was not executed.
    CastLost(i64),
    /// A cast was neither confirmed nor has it failed, or both.
    CastEndedWrongly(i64),
}

/// What the history says of one call.
#[derive(Default)]
struct CallRecord {
    started: bool,
    executions: u32,
    ends: Vec<End>,
}

/// What the history says of one cast.
#[derive(Default)]
struct CastRecord {
    started: bool,
    ends: u32,
    confirmed: bool,
    executed: bool,
}

/// The violations in a complete history, in which every call and cast has had its time to end.
pub(crate) fn check(history: &[Event]) -> BTreeSet<Violation> {
    let mut calls: BTreeMap<i64, CallRecord> = BTreeMap::new();
    let mut casts: BTreeMap<i64, CastRecord> = BTreeMap::new();
    for event in history {
        match *event {
            Event::CallStarted(id) => calls.entry(id).or_default().started = true,
            Event::CallExecuted(id) => calls.entry(id).or_default().executions += 1,
            Event::CallEnded(id, end) => calls.entry(id).or_default().ends.push(end),
            Event::CastStarted(id) => casts.entry(id).or_default().started = true,
            Event::CastConfirmed(id) => {
                let cast = casts.entry(id).or_default();
                cast.confirmed = true;
                cast.ends += 1;
            }
            Event::CastFailed(id) => casts.entry(id).or_default().ends += 1,
            Event::CastExecuted(id) => casts.entry(id).or_default().executed = true,
        }
    }
    let mut violations = BTreeSet::new();
    for (id, call) in calls {
        let CallRecord { started, executions, ends } = call;
        violations.extend((started && ends.is_empty()).then_some(Violation::NeverEnded(id)));
        violations.extend((ends.len() > 1).then_some(Violation::EndedTwice(id)));
        violations.extend((!started && !ends.is_empty()).then_some(Violation::EndedWithoutStart(id)));
        violations.extend((!started && executions > 0).then_some(Violation::ExecutedWithoutStart(id)));
        violations.extend((executions > 1).then_some(Violation::CallExecutedTwice(id)));
        let is_right = ends.contains(&End::Right);
        violations.extend((is_right && executions == 0).then_some(Violation::AnsweredWithoutExecution(id)));
        let wrong = ends.into_iter().filter(|end| matches!(end, End::Wrong | End::OtherError));
        violations.extend(wrong.map(|end| Violation::WrongEnd(id, end)));
    }
    for (id, cast) in casts {
        let CastRecord { started, ends, confirmed, executed } = cast;
        violations.extend((ends != 1).then_some(Violation::CastEndedWrongly(id)));
        violations.extend((!started && executed).then_some(Violation::ExecutedWithoutStart(id)));
        violations.extend((confirmed && !executed).then_some(Violation::CastLost(id)));
    }
    violations
}

/// The numbers of a history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Calls by their end.
    pub(crate) ends: BTreeMap<End, u64>,
    /// Confirmed casts.
    pub(crate) confirmed: u64,
    /// Casts that have failed at their callers.
    pub(crate) failed: u64,
    /// Casts that were executed more than once.
    pub(crate) repeated: u64,
}

/// Counts the events of `history`.
pub(crate) fn totals(history: &[Event]) -> Totals {
    let mut totals = Totals::default();
    let mut executions: BTreeMap<i64, u64> = BTreeMap::new();
    for event in history {
        match event {
            Event::CallEnded(_, end) => *totals.ends.entry(*end).or_default() += 1,
            Event::CastConfirmed(_) => totals.confirmed += 1,
            Event::CastFailed(_) => totals.failed += 1,
            Event::CastExecuted(id) => *executions.entry(*id).or_default() += 1,
            Event::CallStarted(_) | Event::CallExecuted(_) | Event::CastStarted(_) => {}
        }
    }
    totals.repeated = executions.values().filter(|count| **count > 1).count() as u64;
    totals
}

/// The confirmed casts that no server has executed so far.
pub(crate) fn missing_casts(history: &[Event]) -> usize {
    check(history).iter().filter(|violation| matches!(violation, Violation::CastLost(_))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A history without a violation: every way in which calls and casts may end.
    const SOUND: [Event; 19] = [
        Event::CallStarted(1),
        Event::CallStarted(2),
        Event::CallExecuted(2),
        Event::CallEnded(2, End::Right),
        Event::CallExecuted(1),
        Event::CallEnded(1, End::Timeout),
        Event::CallStarted(3),
        Event::CallEnded(3, End::Error),
        Event::CastStarted(4),
        Event::CastConfirmed(4),
        Event::CastExecuted(4),
        Event::CastExecuted(4),
        Event::CastStarted(5),
        Event::CastFailed(5),
        Event::CastStarted(6),
        Event::CastFailed(6),
        Event::CastExecuted(6),
        Event::CallStarted(7),
        Event::CallEnded(7, End::Timeout),
    ];

    #[test]
    fn disturbances_explain_errors_timeouts_and_repeated_casts() {
        assert_eq!(check(&SOUND), BTreeSet::new());
        let totals = totals(&SOUND);
        assert_eq!(totals.ends, [(End::Right, 1), (End::Error, 1), (End::Timeout, 2)].into());
        assert_eq!((totals.confirmed, totals.failed, totals.repeated), (1, 2, 1));
    }

    #[test]
    fn each_violation_is_found_in_an_otherwise_sound_history() {
        let with = |events: &[Event]| check(&[&SOUND[..], events].concat());
        for (events, expected) in [
            (&[Event::CallStarted(8)][..], Violation::NeverEnded(8)),
            (&[Event::CallEnded(1, End::Error)], Violation::EndedTwice(1)),
            (&[Event::CallEnded(2, End::Right)], Violation::EndedTwice(2)),
            (&[Event::CallEnded(8, End::Error)], Violation::EndedWithoutStart(8)),
            (&[Event::CallExecuted(8)], Violation::ExecutedWithoutStart(8)),
            (&[Event::CallExecuted(1)], Violation::CallExecutedTwice(1)),
            (
                &[Event::CallStarted(8), Event::CallEnded(8, End::Right)],
                Violation::AnsweredWithoutExecution(8),
            ),
            (&[Event::CallStarted(8), Event::CallEnded(8, End::Wrong)], Violation::WrongEnd(8, End::Wrong)),
            (
                &[Event::CallStarted(8), Event::CallEnded(8, End::OtherError)],
                Violation::WrongEnd(8, End::OtherError),
            ),
            (&[Event::CastStarted(8), Event::CastConfirmed(8)], Violation::CastLost(8)),
            (&[Event::CastStarted(8)], Violation::CastEndedWrongly(8)),
            (&[Event::CastFailed(4)], Violation::CastEndedWrongly(4)),
            (&[Event::CastConfirmed(6)], Violation::CastEndedWrongly(6)),
        ] {
            assert_eq!(with(events), BTreeSet::from([expected]), "{events:?}");
        }
        let unknown = with(&[Event::CastExecuted(8)]);
        assert!(unknown.contains(&Violation::ExecutedWithoutStart(8)), "{unknown:?}");
    }

    #[test]
    fn a_cast_is_missing_until_it_was_executed() {
        let confirmed = [Event::CastStarted(1), Event::CastConfirmed(1)];
        assert_eq!(missing_casts(&confirmed), 1);
        assert_eq!(missing_casts(&[&confirmed[..], &[Event::CastExecuted(1)]].concat()), 0);
    }
}
