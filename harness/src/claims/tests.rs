//! Verdicts on records that are made up.

mod brokers;
mod codecs;
mod trials;

use std::num::NonZeroU32;
use std::sync::LazyLock;

use proptest::prelude::*;

use std::time::Duration;

use super::*;
use crate::deploy::Cores;
use crate::record::{Record, Skipped, Status, TimelineBin, TimelineResult};
use crate::report::tests::record as made_up;
use crate::scenario::{Claim, ClaimFigure, Condition, Over, Threshold, Timeline, TrialSpec, TrialTimes};
use crate::stacks::Stack;
use crate::stats::Interval;

/// The condition that the median latency of `jsonrpc` is at least `at_least` times that of `rest`.
fn slower(at_least: f64) -> Condition {
    Condition {
        name: "it takes longer".to_owned(),
        measurement: "latency".to_owned(),
        stack: Some("jsonrpc".to_owned()),
        format: None,
        figure: ClaimFigure::MedianLatency,
        at_least: Some(at_least),
        at_most: None,
        reason: "a test".to_owned(),
        over: Some(Over { stack: Some("rest".to_owned()), ..Over::default() }),
    }
}

/// The inverse of `condition`: the other stack's figure over this one's is at most the inverse of the threshold.
fn inverse(condition: &Condition) -> Condition {
    Condition {
        stack: Some("rest".to_owned()),
        over: Some(Over { stack: condition.stack.clone(), ..Over::default() }),
        at_least: condition.at_most.map(|limit| 1.0 / limit),
        at_most: condition.at_least.map(|limit| 1.0 / limit),
        ..condition.clone()
    }
}

/// A record with one claim, in which a call of `rest` takes 2 µs and one of `jsonrpc` takes what `micros` says for each block.
fn record(conditions: &[Condition], micros: &[u64]) -> Record {
    // Making histograms up takes long, so that they are made up once for all tests, and further blocks are left out.
    static MADE_UP: LazyLock<Record> = LazyLock::new(|| made_up(&["tcp", "rest", "jsonrpc", "amqp"], 12));
    let mut record = MADE_UP.clone();
    record.scenario.blocks = NonZeroU32::new(u32::try_from(micros.len()).unwrap()).unwrap();
    record.trials.retain(|trial| (trial.block as usize) < micros.len());
    for trial in &mut record.trials {
        let latency = trial.latency.as_mut().unwrap();
        latency.p50 =
            Some(if trial.stack == "jsonrpc" { 1_000 * micros[trial.block as usize] } else { 2_000 });
    }
    record.scenario.claims = vec![Claim {
        name: "claim".to_owned(),
        statement: "It is so.".to_owned(),
        conditions: conditions.to_vec(),
    }];
    record
}

fn only(record: &Record) -> JudgedClaim {
    let [claim] = judge(record).try_into().unwrap();
    claim
}

/// The reason why the first condition of the claim has no figure.
fn reason(record: &Record) -> String {
    let claim = only(record);
    assert_eq!(claim.verdict, Verdict::CannotTell);
    claim.conditions[0].estimate.clone().unwrap_err()
}

#[test]
fn each_verdict_follows_from_the_figures_and_changes_with_them() {
    let conditions = [slower(2.0), slower(4.0)];
    for (micros, expected) in [
        ([10; 12], Verdict::Holds),
        ([9; 12], Verdict::Holds),
        ([6; 12], Verdict::HoldsInPart),
        ([2; 12], Verdict::DoesNotHold),
        // Between 1.5 and 2.5 times as long: the first condition is undecided and the second false.
        ([3, 5, 3, 5, 3, 5, 3, 5, 3, 5, 3, 5], Verdict::CannotTell),
        // Between 2.5 and 6 times: the first one is true.
        ([5, 12, 5, 12, 5, 12, 5, 12, 5, 12, 5, 12], Verdict::CannotTell),
    ] {
        assert_eq!(only(&record(&conditions, &micros)).verdict, expected, "{micros:?}");
    }
}

#[test]
fn true_and_false_conditions_make_a_claim_hold_in_part_whatever_the_rest() {
    use Outcome::{False, True, Undecided};
    assert_eq!(Verdict::of(&[]), Verdict::CannotTell);
    for a in [True, False, Undecided] {
        for b in [True, False, Undecided] {
            for c in [True, False, Undecided] {
                let outcomes = [a, b, c];
                let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
                let expected = match (count(True), count(False)) {
                    (3, _) => Verdict::Holds,
                    (_, 3) => Verdict::DoesNotHold,
                    (1.., 1..) => Verdict::HoldsInPart,
                    _ => Verdict::CannotTell,
                };
                assert_eq!(Verdict::of(&outcomes), expected, "{outcomes:?}");
            }
        }
    }
}

#[test]
fn more_conditions_take_more_blocks_and_counted_ones_take_none() {
    let fast = [100; 12];
    assert_eq!(only(&record(&[slower(2.0)], &fast[..8])).verdict, Verdict::Holds);
    let few = only(&record(&[slower(2.0)], &fast[..7]));
    assert_eq!((few.verdict, few.blocks_needed), (Verdict::CannotTell, 8));
    let Ok(Estimate::TooFewBlocks(median)) = few.conditions[0].estimate else { panic!("too few blocks") };
    assert!((median - 50.0).abs() < 1e-9);
    let six = vec![slower(2.0); 6];
    assert_eq!(only(&record(&six, &fast[..10])).verdict, Verdict::CannotTell);
    assert_eq!(only(&record(&six, &fast[..11])).verdict, Verdict::Holds);
    assert_eq!(only(&record(&six, &fast[..11])).blocks_needed, 11);
    let bytes = Condition { figure: ClaimFigure::Bytes, over: None, ..slower(130.0) };
    let counted = only(&record(&[bytes], &fast[..1]));
    assert_eq!((counted.verdict, counted.blocks_needed), (Verdict::Holds, 1));
}

#[test]
fn bytes_are_those_of_all_connections_and_decide_without_an_interval() {
    let over_rest = |stack: &str, at_least| Condition {
        stack: Some(stack.to_owned()),
        figure: ClaimFigure::Bytes,
        ..slower(at_least)
    };
    let mut record = record(&[over_rest("amqp", 2.0), over_rest("jsonrpc", 2.0)], &[2]);
    let amqp = record.wire.iter_mut().find(|wire| wire.stack == "amqp").unwrap();
    amqp.behind_broker = Some(amqp.per_call);
    let claim = only(&record);
    assert_eq!(claim.verdict, Verdict::HoldsInPart);
    let values: Vec<_> = claim.conditions.iter().map(|judged| judged.estimate.clone().unwrap()).collect();
    assert_eq!(values, [Estimate::Counted(2.0), Estimate::Counted(1.0)]);
    // One byte less, and it does not hold.
    let amqp = record.wire.iter_mut().find(|wire| wire.stack == "amqp").unwrap();
    amqp.per_call.down -= 1.0;
    assert_eq!(only(&record).verdict, Verdict::DoesNotHold);
    record.wire.clear();
    assert!(reason(&record).contains("the bytes of amqp were not counted"));
}

#[test]
fn a_figure_itself_is_compared_in_its_unit() {
    let absolute = |figure, at_most| Condition {
        figure,
        at_least: None,
        at_most: Some(at_most),
        over: None,
        ..slower(1.0)
    };
    let record = record(&[absolute(ClaimFigure::MedianLatency, 6.01)], &[6; 8]);
    assert_eq!(only(&record).verdict, Verdict::Holds);
    let trial = record.trials.iter().find(|trial| trial.stack == "jsonrpc").unwrap();
    let (right, server) = (trial.counts.right as f64, trial.server.unwrap().cpu_ns as f64);
    let client = trial.client.unwrap().cpu_ns as f64;
    for (figure, expected) in [
        (ClaimFigure::ClientCpu, client / right / 1e3),
        (ClaimFigure::ServerCpu, server / right / 1e3),
        (ClaimFigure::Cpu, (client + server) / right / 1e3),
        (ClaimFigure::CallsPerSecond, trial.throughput),
    ] {
        let mut record = record.clone();
        record.scenario.claims[0].conditions = vec![absolute(figure, 1.0)];
        let found = only(&record).conditions[0].estimate.clone().unwrap().value();
        assert!((found / expected - 1.0).abs() < 1e-9, "{figure:?}: {found} {expected}");
    }
}

#[test]
fn without_a_figure_the_reason_is_given() {
    let whole = record(&[slower(2.0)], &[100; 8]);
    let without = |change: fn(&mut Record)| {
        let mut record = whole.clone();
        change(&mut record);
        reason(&record)
    };
    let skipped = without(|record| {
        record.trials.retain(|trial| trial.stack != "jsonrpc");
        let reason = "install Python:\n  apt install python3".to_owned();
        record.skipped.push(Skipped { stack: "jsonrpc".to_owned(), reason });
    });
    assert_eq!(skipped, "jsonrpc was not measured: install Python: apt install python3");
    let renamed = without(|record| record.scenario.measurements[0].name = "other".to_owned());
    assert_eq!(renamed, "the run has no measurement `latency`");
    let interrupted = without(|record| {
        record.trials.clear();
        record.interrupted = true;
    });
    assert!(interrupted.contains("interrupted"), "{interrupted}");
    let invalid = without(|record| {
        for trial in record.trials.iter_mut().filter(|trial| trial.stack == "rest") {
            trial.status = Status::Invalid;
        }
    });
    assert!(invalid.starts_with("no trial of rest in `latency` is valid"), "{invalid}");
    let unplaced = without(|record| {
        for facts in &mut record.stacks {
            facts.target = Some("http://h:1".to_owned());
        }
        record.trials.iter_mut().for_each(|trial| trial.server_placed = false);
    });
    assert!(unplaced.contains("other or unknown cores"), "{unplaced}");
    let unobservable = without(|record| {
        record.scenario.claims[0].conditions[0].figure = ClaimFigure::ServerCpu;
        record.trials.iter_mut().for_each(|trial| trial.server = None);
    });
    assert!(unobservable.contains("not observable"), "{unobservable}");
    let fewer_calls = without(|record| {
        record.scenario.claims[0].conditions[0].figure = ClaimFigure::P90Latency;
        record.trials.iter_mut().for_each(|trial| trial.counts.started = 99);
    });
    assert!(fewer_calls.contains("too few calls for a p90"), "{fewer_calls}");
    let few_calls = without(|record| {
        record.scenario.claims[0].conditions[0].figure = ClaimFigure::P99Latency;
        record.trials.iter_mut().for_each(|trial| trial.counts.started = 100);
    });
    assert!(few_calls.contains("too few calls for a p99"), "{few_calls}");
    let apart = without(|record| {
        record.trials.retain(|trial| (trial.stack == "rest") == (trial.block % 2 == 0));
    });
    assert!(apart.contains("no block has valid trials of both sides"), "{apart}");
}

#[test]
fn a_median_among_calls_without_an_answer_is_larger_than_any_number() {
    let mut stuck = record(&[slower(1e9)], &[2; 8]);
    for trial in stuck.trials.iter_mut().filter(|trial| trial.stack == "jsonrpc") {
        trial.latency.as_mut().unwrap().p50 = None;
    }
    assert_eq!(only(&stuck).verdict, Verdict::Holds);
    for trial in &mut stuck.trials {
        trial.latency.as_mut().unwrap().p50 = None;
    }
    assert!(reason(&stuck).contains("both sides"));
}

/// How far an outcome is on the way to being true.
fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::False => 0,
        Outcome::Undecided => 1,
        Outcome::True => 2,
    }
}

proptest! {
    #[test]
    fn a_stricter_threshold_is_never_kept_where_a_looser_one_is_not(
        low in 0.1_f64..10.0, wide in 0.0_f64..5.0, one in 0.05_f64..20.0, two in 0.05_f64..20.0,
    ) {
        let bounds = Some((low, low + wide));
        let (loose, strict) = (one.min(two), one.max(two));
        let least = |limit| rank(Outcome::of(bounds, Threshold::AtLeast(limit)));
        let most = |limit| rank(Outcome::of(bounds, Threshold::AtMost(limit)));
        prop_assert!(least(strict) <= least(loose));
        prop_assert!(most(loose) <= most(strict));
        // A range is not on both sides of a limit.
        prop_assert!(wide == 0.0 || [least(loose), most(loose)] != [2, 2]);
    }
}

proptest! {
    // Each case makes a record of ten blocks, with a histogram for every trial.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_inverse_of_a_ratio_with_the_inverse_threshold_has_the_same_outcome(
        micros in prop::collection::vec(1_u64..20, 10), limit in 0.4_f64..12.0,
    ) {
        let condition = slower(limit);
        let claim = only(&record(&[condition.clone(), inverse(&condition)], &micros));
        let [one, other] = claim.conditions.as_slice() else { panic!("two conditions") };
        prop_assert_eq!(one.outcome, other.outcome);
        let (Ok(Estimate::Measured(one)), Ok(Estimate::Measured(other))) = (&one.estimate, &other.estimate) else {
            panic!("enough blocks")
        };
        let Interval { low, median, high } = other.inverse();
        for (a, b) in [(one.low, low), (one.median, median), (one.high, high)] {
            prop_assert!((a / b - 1.0).abs() < 1e-9);
        }
    }
}

#[test]
fn a_figure_of_a_timeline_decides_where_all_blocks_agree() {
    let lost = |at_least: Option<f64>, at_most: Option<f64>, figure| Condition {
        measurement: "away".to_owned(),
        stack: Some("rest".to_owned()),
        figure,
        at_least,
        at_most,
        over: None,
        ..slower(1.0)
    };
    let judged = |condition: Condition, lost: &[u64]| {
        let mut record = record(&[condition], &[3]);
        for (block, lost) in (0..).zip(lost) {
            record.timelines.push(timeline_with(block, *lost));
        }
        only(&record).conditions[0].clone()
    };
    use ClaimFigure::{Failed, Late, LevelAgain, Lost};
    let outcome = |condition: Condition| judged(condition, &[990, 1_000, 1_010]).outcome;
    assert_eq!(outcome(lost(Some(990.0), None, Lost)), Outcome::True);
    assert_eq!(outcome(lost(Some(991.0), None, Lost)), Outcome::Undecided);
    assert_eq!(outcome(lost(Some(1_011.0), None, Lost)), Outcome::False);
    assert_eq!(outcome(lost(None, Some(1_010.0), Failed)), Outcome::True);
    assert_eq!(outcome(lost(None, Some(1.0), Late)), Outcome::True);
    // Without a start they were never level again.
    assert_eq!(outcome(lost(None, Some(1e9), LevelAgain)), Outcome::False);
    let none = judged(lost(Some(1.0), None, Lost), &[]);
    assert_eq!(none.outcome, Outcome::Undecided);
    assert!(none.estimate.unwrap_err().contains("rest has no valid block of the timeline `away`"));
}

/// A block of a timeline of `rest` in which `lost` calls failed.
fn timeline_with(block: u32, lost: u64) -> TimelineResult {
    let text = "name = \"away\"\noperation = \"add\"\nload = \"open:100:constant\"\nplacement = \"free\"\n\
                length = \"4s\"\nevent = [{ at = \"1s\", action = \"kill-server\" }]\n";
    let failed = [(calculator::ErrorKind::Undeliverable, lost)].into();
    let bin = TimelineBin { scheduled: lost, failed, ..TimelineBin::default() };
    let timeline: Timeline = toml::from_str(text).unwrap();
    let times = TrialTimes { warmup: Duration::ZERO, measure: timeline.length() };
    let rest = Stack::named("rest").unwrap();
    let spec = TrialSpec::new(rest, &timeline.measurement(), &Cores::default(), times);
    TimelineResult { bins: vec![bin], ..TimelineResult::new(&timeline, &spec, block) }
}
