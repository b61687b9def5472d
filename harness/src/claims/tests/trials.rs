//! The claims about times, rates, bytes and outages, on records that are made up so that every condition of a claim is true, and so that
//! every one is false.

use std::collections::HashMap;

use super::brokers::check;
use super::*;
use crate::observe::wire::Traffic;
use crate::record::{EventTimes, Trial, Wire};
use crate::scenario::{Action, Plan, Scenario, Subject};

/// The figures of a record, by measurement, timeline or codec, by stack or format, and by figure.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures(HashMap<(String, String, ClaimFigure), f64>);

impl Figures {
    /// Figures with which every one of `conditions` is true, or every one false, by a margin.
    pub(super) fn with_outcome(conditions: &[Condition], is_true: bool) -> Self {
        const MARGIN: f64 = 1.5;
        let mut figures = Figures::default();
        // The figure of one condition may be what another one compares with.
        for _ in 0..=conditions.len() {
            let before = figures.clone();
            for condition in conditions {
                let key = |measurement: &str, subject: Subject<'_>| {
                    (measurement.to_owned(), subject.name().to_owned(), condition.figure)
                };
                let compared = condition.compared_with();
                let unit = compared.map_or(1.0, |(measurement, other)| {
                    *figures.0.entry(key(measurement, other)).or_insert(1_000.0)
                });
                let threshold = condition.threshold().unwrap();
                let limit = threshold.value() * unit;
                let found = figures.0.entry(key(&condition.measurement, condition.subject().unwrap()));
                if matches!(threshold, Threshold::AtLeast(_)) == is_true {
                    let value = found.or_insert(limit * MARGIN);
                    *value = value.max(limit * MARGIN);
                } else {
                    let value = found.or_insert(limit / MARGIN);
                    *value = value.min(limit / MARGIN);
                }
            }
            if figures == before {
                return figures;
            }
        }
        panic!("no figures make every condition {is_true}: {conditions:#?}");
    }

    pub(super) fn get(&self, measurement: &str, stack: &str, figure: ClaimFigure) -> Option<f64> {
        self.0.get(&(measurement.to_owned(), stack.to_owned(), figure)).copied()
    }
}

/// A record of `scenario` with these figures.
fn record_of(scenario: &Scenario, figures: &Figures) -> Record {
    let plan = Plan::new(scenario, &[0, 1]).unwrap();
    let planned = plan.trials().map(|spec| spec.stack.name);
    let of_timelines = plan.timelines().iter().flat_map(|planned| &planned.stacks).map(|stack| stack.name);
    let mut names: Vec<_> = planned.chain(of_timelines).collect();
    names.sort_unstable();
    names.dedup();
    let mut record = Record { scenario: scenario.clone(), ..made_up(&names, 1) };
    let templates = std::mem::take(&mut record.trials);
    for spec in plan.trials() {
        let template = templates.iter().find(|trial| trial.stack == spec.stack.name).unwrap();
        let of_stack = |figure| figures.get(&spec.measurement, spec.stack.name, figure);
        for block in 0..spec.blocks {
            let measurement = spec.measurement.clone();
            record.trials.push(with_figures(of_stack, Trial { block, measurement, ..template.clone() }));
        }
    }
    // Conditions about bytes have one measurement.
    let wire = record.wire[0].clone();
    record.wire = figures
        .0
        .iter()
        .filter(|((.., figure), _)| *figure == ClaimFigure::Bytes)
        .map(|((_, stack, _), bytes)| {
            let per_call = Traffic { up: bytes / 2.0, down: bytes / 2.0 };
            Wire { stack: stack.clone(), per_call, behind_broker: None, ..wire.clone() }
        })
        .collect();
    for planned in plan.timelines() {
        for stack in &planned.stacks {
            let of_stack = |figure| figures.get(&planned.timeline.name, stack.name, figure);
            let result = TimelineResult::new(&planned.timeline, &planned.trial(stack), 0);
            record.timelines.push(with_outage(of_stack, result));
        }
    }
    record
}

#[allow(clippy::cast_precision_loss, reason = "numbers of calls are small")]
fn with_figures(figure: impl Fn(ClaimFigure) -> Option<f64>, mut trial: Trial) -> Trial {
    if let Some(micros) = figure(ClaimFigure::MedianLatency) {
        trial.latency.as_mut().unwrap().p50 = Some(whole(1e3 * micros));
    }
    trial.throughput = figure(ClaimFigure::CallsPerSecond).unwrap_or(trial.throughput);
    let half = figure(ClaimFigure::Cpu).map(|micros| micros / 2.0);
    let of_client = figure(ClaimFigure::ClientCpu).or(half);
    let of_server = figure(ClaimFigure::ServerCpu).or(half);
    for (used, micros) in [(&mut trial.client, of_client), (&mut trial.server, of_server)] {
        if let Some((used, micros)) = used.as_mut().zip(micros) {
            used.cpu_ns = whole(1e3 * micros * trial.counts.right as f64);
        }
    }
    trial.broker.iter_mut().for_each(|used| used.cpu_ns = 0);
    trial
}

/// An outage from 1 to 3 s of a timeline of 5 s.
fn with_outage(figure: impl Fn(ClaimFigure) -> Option<f64>, result: TimelineResult) -> TimelineResult {
    let number = |wanted| figure(wanted).map_or(0, whole);
    // It is level again at once or never.
    let is_level = figure(ClaimFigure::LevelAgain).is_none_or(|millis| millis < 1_000.0);
    let bin = |index| TimelineBin {
        scheduled: 50,
        right: 50,
        p50_ns: Some(if index < 30 || is_level { 100_000 } else { 1_000_000_000 }),
        ..TimelineBin::default()
    };
    let mut bins: Vec<_> = (0..50).map(bin).collect();
    bins[20].scheduled += number(ClaimFigure::Lost);
    bins[20].timed_out = number(ClaimFigure::Lost);
    bins[20].late = number(ClaimFigure::Late);
    let event = |action, seconds: u64| {
        let ns = seconds * 1_000_000_000;
        EventTimes { action, planned_ns: ns, began_ns: ns, done_ns: ns + 1 }
    };
    TimelineResult {
        bins,
        events: vec![event(Action::KillServer, 1), event(Action::StartServer, 3)],
        median_before_ns: Some(100_000),
        ..result
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "figures are positive and small")]
pub(super) fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[test]
fn the_verdict_on_each_claim_follows_from_its_figures() {
    for name in ["overhead", "payload", "threading", "work", "zerorpc-fast", "outage"] {
        let scenario = Scenario::load(name).unwrap();
        assert!(!scenario.claims.is_empty());
        for claim in &scenario.claims {
            for (is_true, verdict) in [(true, Verdict::Holds), (false, Verdict::DoesNotHold)] {
                let figures = Figures::with_outcome(&claim.conditions, is_true);
                let alone = Scenario { claims: vec![claim.clone()], ..scenario.clone() };
                check(&record_of(&alone, &figures), verdict);
            }
        }
    }
}
