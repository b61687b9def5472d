//! Timelines that are made up.

use super::*;
use crate::scenario::{Plan, Scenario};
use crate::stacks::Stack;

const MS: u64 = 1_000_000;

fn event(action: Action, began_ms: u64, done_ms: u64) -> EventTimes {
    EventTimes { action, planned_ns: began_ms * MS, began_ns: began_ms * MS, done_ns: done_ms * MS }
}

/// A result of one server with these events.
fn with_events(events: Vec<EventTimes>) -> TimelineResult {
    let text = "name = \"x\"\nquestion = \"?\"\nblocks = 1\nwarmup = \"0s\"\nmeasure = \"1s\"\nstacks = [\"rest\"]\n\
                [[timeline]]\nname = \"away\"\noperation = \"add\"\nload = \"open:100:constant\"\n\
                placement = \"free\"\nlength = \"4s\"\nevent = [{ at = \"1s\", action = \"kill-server\" }]\n";
    let scenario = Scenario::parse("x", text).unwrap();
    let plan = Plan::new(&scenario, &[0]).unwrap();
    let planned = &plan.timelines()[0];
    let spec = planned.trial(Stack::named("rest").unwrap());
    let added = events.iter().filter(|event| event.action == Action::AddServer).count();
    let servers = vec![ServerCalls { calls: Some(0) }; 1 + added];
    TimelineResult { events, servers, ..TimelineResult::new(&planned.timeline, &spec, 0) }
}

/// What is seen of calls every 10 ms for 4 s, of which `outcome` gives the response time in milliseconds and the outcome;
/// `None` for a call that is not sent.
fn seen(events: Vec<EventTimes>, outcome: impl Fn(u64) -> Option<(u64, CallOutcome)>) -> TimelineObservation {
    let begin = Instant::now();
    let at = |ms| begin + Duration::from_millis(ms);
    let times = (0..400).map(|number| number * 10);
    let calls = times.clone().filter_map(|ms| {
        let (response, outcome) = outcome(ms)?;
        let response = Duration::from_millis(response);
        Some(EndedCall { slot: at(ms), response, lag: Duration::ZERO, outcome })
    });
    let observation = Observation {
        slots: times.clone().map(at).collect(),
        calls: calls.collect(),
        ..Observation::default()
    };
    let window = Window { begin, end: at(4_000) };
    TimelineObservation { window, observation, events, server_calls: vec![Some(7)], operations: vec![] }
}

fn away() -> Vec<EventTimes> {
    vec![event(Action::KillServer, 1_000, 1_002), event(Action::StartServer, 2_000, 2_050)]
}

const REFUSED: CallOutcome = CallOutcome::Failed(ErrorKind::Undeliverable);

#[test]
fn calls_are_counted_in_the_bin_of_their_scheduled_send_time() {
    let mut result = with_events(vec![]);
    result.fill(seen(away(), |ms| match ms {
        1_000..2_050 => Some((0, REFUSED)),
        3_000..3_050 => Some((5_000, CallOutcome::TimedOut)),
        3_990 => Some((1, CallOutcome::Wrong)),
        3_980 => None,
        _ => Some((1 + ms / 1_000, CallOutcome::Right)),
    }));
    assert_eq!(result.bins.len(), 40);
    assert!(result.bins.iter().all(|bin| bin.scheduled == 10 && bin.is_conserved()));
    assert_eq!(
        (result.bins[0].right, result.bins[0].p50_ns, result.bins[0].max_ns),
        (10, Some(MS), Some(MS))
    );
    assert_eq!(
        (result.bins[10].failures(), result.bins[10].p50_ns, result.bins[10].max_ns),
        (10, None, None)
    );
    // Half of these have an answer, so that the fifth of ten is the slowest of them.
    assert_eq!((result.bins[30].timed_out, result.bins[30].p50_ns), (5, Some(4 * MS)));
    assert_eq!((result.bins[39].wrong, result.bins[39].not_sent), (1, 1));
    let counts = result.counts();
    assert_eq!((counts.slots, counts.errors(), counts.timed_out, counts.right), (400, 105, 5, 288));
    assert!(counts.is_conserved());
    assert_eq!((result.lost(), result.late(), result.executed()), (112, 0, Some(7)));
    assert_eq!(result.median_before_ns, Some(MS));
    result.audit(Contention::Reject);
    assert_eq!(result.complaint.as_deref(), Some("1 of 289 answers were wrong"));
}

#[test]
fn a_call_is_late_if_it_waited_for_the_end_of_the_outage() {
    let mut result = with_events(vec![]);
    // The server is started at 2,000, and answers everything at 2,060.
    result.fill(seen(away(), |ms| match ms {
        1_000..2_050 => Some((2_060 - ms, CallOutcome::Right)),
        _ => Some((1, CallOutcome::Right)),
    }));
    assert_eq!((result.lost(), result.late()), (0, 100));
    assert_eq!(result.bins[9].late + result.bins[20].late, 0);
    result.audit(Contention::Reject);
    assert_eq!(result.status, Status::Valid);
}

#[test]
fn an_outage_is_the_time_without_any_server() {
    use Action::{AddServer, KillBroker, KillServer, StartBroker, StartServer, StopServer};
    let outages = |events: &[(Action, u64)]| {
        let events = events.iter().map(|(action, ms)| event(*action, *ms, *ms + 1)).collect();
        let outages = with_events(events).outages();
        outages.into_iter().map(|it| (it.from_ns / MS, it.to_ns.map(|to| to / MS))).collect::<Vec<_>>()
    };
    assert_eq!(outages(&[(KillServer, 5), (StartServer, 8)]), [(5, Some(9))]);
    assert_eq!(outages(&[(StopServer, 5)]), [(5, None)]);
    assert_eq!(
        outages(&[(KillBroker, 5), (KillServer, 6), (StartBroker, 7), (StartServer, 9)]),
        [(5, Some(10))]
    );
    assert_eq!(outages(&[(AddServer, 2), (KillServer, 5), (StartServer, 8)]), []);
    assert_eq!(
        outages(&[(KillServer, 1), (AddServer, 3), (KillServer, 5), (StartServer, 8)]),
        [(1, Some(4)), (5, Some(9))]
    );
}

/// After how many milliseconds calls are level again.
fn level(events: Vec<EventTimes>, outcome: impl Fn(u64) -> Option<(u64, CallOutcome)>) -> Option<u64> {
    let mut result = with_events(vec![]);
    result.fill(seen(events, outcome));
    result.level_again_ns().map(|ns| ns / MS)
}

#[test]
fn calls_are_level_again_when_ten_bins_in_a_row_are_as_before() {
    let right = |ms| Some((ms, CallOutcome::Right));
    // The median before is 4 ms, so that 8 ms are level and 9 ms are not.
    assert_eq!(level(away(), move |ms| right(if ms < 1_000 { 4 } else { 8 })), Some(0));
    assert_eq!(level(away(), move |ms| right(if (1_000..2_300).contains(&ms) { 9 } else { 4 })), Some(300));
    // One call of a bin without an answer is enough.
    let one_lost = |ms| if ms == 2_550 { Some((0, REFUSED)) } else { Some((4, CallOutcome::Right)) };
    assert_eq!(level(away(), one_lost), Some(600));
    // A second must follow.
    let lost_at_3_100 = |ms| if ms == 3_100 { Some((0, REFUSED)) } else { Some((4, CallOutcome::Right)) };
    let slow_until_2_200 =
        |ms| if (1_000..2_200).contains(&ms) { Some((9, CallOutcome::Right)) } else { lost_at_3_100(ms) };
    assert_eq!(level(away(), slow_until_2_200), None);
    assert_eq!(level(away(), lost_at_3_100), Some(0));
    // Nothing starts, or nothing was answered before.
    assert_eq!(level(away()[..1].to_vec(), move |_| right(4)), None);
    assert_eq!(level(away(), |_| Some((0, REFUSED))), None);
}

#[test]
fn answers_count_when_they_arrive() {
    use Action::AddServer;
    let mut result = with_events(vec![]);
    // Until 2,000 each second call waits for 1,500 ms, and then all are answered at once.
    let outcome = |ms| {
        let response = if ms < 2_000 && ms % 20 == 0 { 1_500 } else { 1 };
        Some((response, CallOutcome::Right))
    };
    result.fill(seen(vec![event(AddServer, 1_000, 1_040)], outcome));
    let answered: Vec<_> = result.bins.iter().map(|bin| bin.answered).collect();
    assert_eq!(
        (answered[0], answered[14], answered[15], answered[39]),
        (Some(5), Some(5), Some(10), Some(10))
    );
    let near =
        |value: Option<f64>, expected: f64| assert!((value.unwrap() - expected).abs() < 1e-9, "{value:?}");
    near(result.answers_before(), 50.0);
    near(result.answers_at_end(), 100.0 + 25.0);
    near(result.answer_gain(), 2.5);
    near(result.slowest_at_end_ms(), 1.0);
    result.servers = [3, 1].map(|calls| ServerCalls { calls: Some(calls) }).to_vec();
    near(result.added_share(), 0.25);
    result.audit(Contention::Reject);
    assert_eq!(result.complaint, None);
    result.bins[0].answered = Some(9_999);
    result.audit(Contention::Reject);
    assert!(result.complaint.unwrap().contains("right answers arrived, but 400 calls got one"));
}

#[test]
fn answers_that_are_missing_or_not_known_have_no_rate() {
    let mut result = with_events(vec![]);
    let lost_at_end = |ms| if ms == 3_500 { Some((0, REFUSED)) } else { Some((1, CallOutcome::Right)) };
    // The event begins in the first bin, so that nothing was before.
    result.fill(seen(vec![event(Action::KillServer, 50, 60)], lost_at_end));
    assert_eq!((result.answers_before(), result.answer_gain()), (None, None));
    assert_eq!(result.slowest_at_end_ms(), Some(f64::INFINITY));
    result.servers = vec![ServerCalls { calls: None }];
    assert_eq!(result.added_share(), None);
    result.bins.iter_mut().for_each(|bin| bin.answered = None);
    assert_eq!((result.answers_at_end(), result.slowest_at_end_ms()), (None, None));
    result.servers = vec![];
    assert_eq!(result.added_share(), None);
}

#[test]
fn what_does_not_add_up_is_invalid_when_it_is_read() {
    let mut result = with_events(away());
    result.bins = vec![TimelineBin { scheduled: 3, right: 2, ..TimelineBin::default() }];
    result.audit(Contention::Reject);
    assert_eq!(result.status, Status::Invalid);
    let mut stolen = TimelineResult { stolen: Some(0.2), bins: vec![], ..with_events(away()) };
    stolen.audit(Contention::Label);
    assert_eq!(stolen.status, Status::Valid);
    stolen.audit(Contention::Reject);
    assert!(stolen.complaint.unwrap().contains("hypervisor kept 20 %"));
}
