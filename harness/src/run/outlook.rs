//! What a run will measure, how long that takes, and which differences it will be able to state.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::power::{MeasurementPower, Power};
use crate::claims;
use crate::scenario::{
    Claim, CodecMeasurement, Measurement, Plan, PlannedTopology, Scenario, TrialSpec, TrialTimes,
};
use crate::stacks::Stack;
use crate::stats::blocks_for_pairs;
use crate::trial::WARM_AGAIN_SHARE;

/// What a trial takes beside warm-up and window, to start a server and to connect: 30 ms in the reference record, whose
/// trials through a broker take 100 ms more.
const TRIAL_OVERHEAD: Duration = Duration::from_millis(30);

/// What a topology takes at least, for each of its servers, for each pair of a client and a server, and with a broker for each
/// process that connects to it: measured on a virtual machine with two cores.
const TOPOLOGY_OVERHEAD: Duration = Duration::from_millis(50);
const TIME_PER_SERVER: Duration = Duration::from_millis(15);
const TIME_PER_PAIR: Duration = Duration::from_micros(400);
const TIME_TO_JOIN_BROKER: Duration = Duration::from_millis(70);
/// What the separate broker of a block of topologies takes to start and to end.
const BROKER_OVERHEAD: Duration = Duration::from_secs(7);

/// What a run will measure, and which differences it will be able to state.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// The number of blocks.
    blocks: u32,
    /// The number of trials in the first block, which contains all of them, those of codecs included.
    trials_per_block: usize,
    /// Whether every block has as many.
    has_equal_blocks: bool,
    /// About how long all blocks take.
    duration: Duration,
    /// The number of searches that follow the blocks. How long they take is not known.
    searches: usize,
    /// How often timelines are run after that, and how long all of that takes, without the time until the last answers.
    timelines: (usize, Duration),
    /// How often topologies are built after that, and about how long all of that takes.
    topologies: (usize, Duration),
    /// The largest number of stacks that a table of the run compares with each other; floors are not among them.
    stacks: usize,
    /// The smallest and the largest number of blocks of a table.
    blocks_of_tables: [u32; 2],
    /// The smallest number of blocks with which a statement about two of these is possible.
    blocks_needed: usize,
    /// What can be stated, for each kind of measurement of which the noise is known.
    differences: Vec<Difference>,
    /// The number of measurements whose noise is not known.
    unknown: usize,
    /// The claims that have too few blocks for a verdict.
    undecidable: Vec<Undecidable>,
}

/// A claim that has too few blocks for a verdict.
#[derive(Clone, Debug, PartialEq)]
struct Undecidable {
    claim: String,
    blocks: u32,
    blocks_needed: usize,
}

/// The difference that a kind of measurement will be able to state.
#[derive(Clone, Debug, PartialEq)]
struct Difference {
    /// The name of such a measurement in the reference record.
    like: String,
    /// The smallest difference that is stated in four of five runs, as a share; `None` where there are too few blocks.
    difference: Option<f64>,
    /// The same with twice as many blocks.
    with_twice_the_blocks: Option<f64>,
}

impl Outlook {
    /// The outlook of `scenario`, of which `plan` is what can be measured.
    #[must_use]
    pub fn new(scenario: &Scenario, plan: &Plan) -> Self {
        let blocks = scenario.blocks.get();
        let formats: usize = scenario.codecs.iter().map(|codecs| codecs.formats.len()).sum();
        let trials_per_block = plan.trials().count() + formats;
        let of_codecs = |codecs: &CodecMeasurement| {
            let TrialTimes { warmup, measure } = scenario.times_of_codecs(codecs);
            let formats = u32::try_from(codecs.formats.len()).unwrap_or(u32::MAX);
            // Each format is encoded and decoded, one after the other.
            let of_block = (warmup + measure).saturating_mul(2).saturating_mul(formats);
            of_block.saturating_mul(scenario.blocks_of_codecs(codecs).get())
        };
        let of_trial = |spec: &TrialSpec| {
            let TrialTimes { warmup, measure } = spec.times;
            // The limit of the generator takes a separate warm-up and window.
            let calling = (warmup + measure) * if spec.finds_generator_limit { 2 } else { 1 };
            let again = if spec.slices > 1 { measure / WARM_AGAIN_SHARE } else { Duration::ZERO };
            let starting = TRIAL_OVERHEAD.saturating_mul(spec.servers.get());
            (starting + calling + again).saturating_mul(spec.blocks)
        };
        let compared: Vec<_> = scenario
            .measurements
            .iter()
            .map(|measurement| (measurement, stacks_to_compare(plan, measurement)))
            .filter(|(_, stacks)| *stacks > 1)
            .collect();
        let stacks = compared.iter().map(|(_, stacks)| *stacks).max().unwrap_or(0);
        let blocks_of = |measurement: &Measurement| scenario.blocks_of(measurement).get();
        let blocks_of_tables: Vec<u32> =
            compared.iter().map(|(measurement, _)| blocks_of(measurement)).collect();
        let blocks_of_tables = [blocks_of_tables.iter().min(), blocks_of_tables.iter().max()];
        let power = Power::of_reference().ok();
        let mut differences: Vec<Difference> = Vec::new();
        let mut unknown = 0;
        for (measurement, _) in compared {
            match power.as_ref().and_then(|power| power.like(measurement)) {
                Some(like) if differences.iter().any(|known| known.like == like.name) => {}
                // With the number of stacks that is announced, so that no table states less.
                Some(like) => differences.push(Difference::of(like, stacks, blocks_of(measurement))),
                None => unknown += 1,
            }
        }
        Outlook {
            blocks,
            trials_per_block,
            has_equal_blocks: plan.trials().all(|spec| spec.blocks == blocks)
                && scenario.codecs.iter().all(|codecs| scenario.blocks_of_codecs(codecs) == scenario.blocks),
            duration: plan.trials().map(of_trial).chain(scenario.codecs.iter().map(of_codecs)).sum(),
            searches: scenario.searches.len(),
            timelines: timelines(plan),
            topologies: topologies(plan),
            stacks,
            blocks_of_tables: blocks_of_tables.map(|of_tables| of_tables.copied().unwrap_or(blocks)),
            blocks_needed: blocks_for_pairs(stacks * stacks.saturating_sub(1) / 2),
            differences,
            unknown,
            undecidable: scenario
                .claims
                .iter()
                .filter_map(|claim| Undecidable::of(claim, scenario))
                .collect(),
        }
    }

    /// What can be stated, in words; empty where there is nothing to compare.
    fn statements(&self) -> String {
        if self.stacks < 2 {
            return String::new();
        }
        let ([fewest, blocks], stacks, needed) = (self.blocks_of_tables, self.stacks, self.blocks_needed);
        let are_too_few = |blocks: u32| u32::try_from(needed).is_ok_and(|needed| blocks < needed);
        if are_too_few(blocks) {
            let few = if fewest == 1 { "1 block is".to_owned() } else { format!("{fewest} blocks are") };
            return format!(
                "{few} too few to state any difference: {stacks} stacks take {needed} blocks or more (--blocks {needed})"
            );
        }
        let except = if are_too_few(fewest) {
            format!("; none in measurements of fewer than {needed} blocks")
        } else {
            String::new()
        };
        let list = |of: fn(&Difference) -> Option<f64>| {
            let words = self
                .differences
                .iter()
                .filter_map(|known| Some(format!("{} in {}", percent(of(known)?), known.like)));
            words.collect::<Vec<_>>().join(", ")
        };
        let now = list(|known| known.difference);
        if now.is_empty() {
            return if self.differences.is_empty() {
                "which differences can be stated is not known: the reference record has no such measurement"
                    .to_owned()
            } else {
                format!(
                    "{blocks} blocks can just state differences; how small they may be was not simulated for {stacks} stacks"
                )
            };
        }
        let unknown = match self.unknown {
            0 => String::new(),
            1 => "; not known for 1 other measurement".to_owned(),
            unknown => format!("; not known for {unknown} other measurements"),
        };
        let twice = list(|known| known.with_twice_the_blocks);
        let more = if twice == now {
            String::new()
        } else {
            format!("\nwith --blocks {}: {twice}", blocks.saturating_mul(2))
        };
        format!(
            "{stacks} stacks, {blocks} blocks: differences from about {now} can be stated, in four of five runs with the \
             noise of the reference record{unknown}{except}{more}"
        )
    }
}

impl Undecidable {
    /// `claim`, a claim of `scenario`, if one of its measured conditions has too few blocks.
    fn of(claim: &Claim, scenario: &Scenario) -> Option<Self> {
        let blocks_of = |name: &str, is_of_codec: bool| {
            if is_of_codec {
                let found = scenario.codecs.iter().find(|codecs| codecs.name == name)?;
                Some(scenario.blocks_of_codecs(found).get())
            } else {
                let found = scenario.measurements.iter().find(|measurement| measurement.name == name)?;
                Some(scenario.blocks_of(found).get())
            }
        };
        let measured = claim.conditions.iter().filter(|condition| !condition.figure.is_counted());
        let sides = measured.flat_map(|condition| {
            let other = condition.compared_with().map(|(measurement, _)| measurement);
            let sides = other.into_iter().chain([condition.measurement.as_str()]);
            sides.map(|measurement| (measurement, condition.figure.is_of_codec()))
        });
        let blocks = sides.filter_map(|(name, is_of_codec)| blocks_of(name, is_of_codec)).min()?;
        let needed = claims::blocks_needed(claim);
        let is_possible = usize::try_from(blocks).is_ok_and(|blocks| blocks >= needed);
        (!is_possible).then(|| Undecidable { claim: claim.name.clone(), blocks, blocks_needed: needed })
    }
}

impl Difference {
    fn of(like: &MeasurementPower, stacks: usize, blocks: u32) -> Self {
        Difference {
            like: like.name.clone(),
            difference: like.detectable(stacks, blocks),
            with_twice_the_blocks: like.detectable(stacks, blocks.saturating_mul(2)),
        }
    }
}

/// How often the timelines of `plan` are run, and how long that takes.
fn timelines(plan: &Plan) -> (usize, Duration) {
    let all = plan.timelines().iter().map(|planned| {
        let runs = u32::try_from(planned.runs()).unwrap_or(u32::MAX);
        (planned.runs(), planned.timeline.length().saturating_mul(runs))
    });
    all.fold((0, Duration::ZERO), |(runs, time), (more, longer)| (runs + more, time.saturating_add(longer)))
}

/// How often the topologies of `plan` are built, and about how long that takes.
fn topologies(plan: &Plan) -> (usize, Duration) {
    let topologies = plan.topologies();
    let time = topologies.iter().map(|PlannedTopology { topology, stacks, blocks, .. }| {
        let pairs = u32::try_from(topology.pairs()).unwrap_or(u32::MAX);
        let each = TOPOLOGY_OVERHEAD + TIME_PER_SERVER * topology.servers.get() + TIME_PER_PAIR * pairs;
        let to_broker = TIME_TO_JOIN_BROKER * (topology.clients.get() + topology.servers.get());
        let of_stack = |stack: &&Stack| if stack.needs_broker() { each + to_broker } else { each };
        stacks.iter().map(of_stack).sum::<Duration>().saturating_mul(blocks.get())
    });
    let has_broker = topologies.iter().any(|planned| planned.stacks.iter().any(|it| it.needs_broker()));
    let brokers =
        if has_broker { BROKER_OVERHEAD.saturating_mul(topologies.blocks()) } else { Duration::ZERO };
    (topologies.runs(), time.fold(brokers, Duration::saturating_add))
}

/// A duration of a run in words.
fn about(duration: Duration) -> String {
    let minutes = duration.as_secs_f64() / 60.0;
    match duration.as_secs_f64() {
        seconds if seconds < 90.0 => format!("{seconds:.0} s"),
        _ if minutes < 90.0 => format!("{minutes:.0} min"),
        _ => format!("{:.0} h", minutes / 60.0),
    }
}

/// The number of stacks of `measurement` that are not floors.
fn stacks_to_compare(plan: &Plan, measurement: &Measurement) -> usize {
    let trials = plan.trials().filter(|trial| trial.measurement == measurement.name);
    let compared = trials.map(|trial| trial.stack).filter(|stack| !stack.protocol.is_floor());
    compared.map(|stack| stack.name).collect::<BTreeSet<_>>().len()
}

/// A share as a percentage with two significant digits.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

impl fmt::Display for Outlook {
    /// Two or three lines for the user who waits for the run.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let block = if self.blocks == 1 { "block" } else { "blocks" };
        let searches = match self.searches {
            0 => String::new(),
            1 => "1 search, which takes as long as it needs".to_owned(),
            searches => format!("{searches} searches, which take as long as they need"),
        };
        let timelines = match self.timelines {
            (0, _) => String::new(),
            (1, time) => format!("1 timeline of {}", about(time)),
            (runs, time) => format!("{runs} timelines, about {}", about(time)),
        };
        let topologies = match self.topologies {
            (0, _) => String::new(),
            (1, time) => format!("1 topology, about {}", about(time)),
            (runs, time) => format!("{runs} topologies, about {}", about(time)),
        };
        let blocks = if self.trials_per_block > 0 {
            let (duration, trials) = (about(self.duration), self.trials_per_block);
            let up_to = if self.has_equal_blocks { "" } else { "up to " };
            format!("{} {block} of {up_to}{trials} trials, about {duration}", self.blocks)
        } else {
            String::new()
        };
        let parts = [blocks, searches, timelines, topologies];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        f.write_str(&parts.join(", and "))?;
        match self.statements().as_str() {
            "" => {}
            statements => write!(f, "\n{statements}")?,
        }
        for Undecidable { claim, blocks, blocks_needed } in &self.undecidable {
            write!(
                f,
                "\nthe claim `{claim}` takes {blocks_needed} blocks, and has {blocks}: no verdict is possible"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn outlook(name: &str, change: fn(&mut Scenario)) -> Outlook {
        let mut scenario = Scenario::load(name).unwrap();
        change(&mut scenario);
        Outlook::new(&scenario, &Plan::new(&scenario, &[0, 1]).unwrap())
    }

    #[test]
    fn a_run_with_too_few_blocks_announces_that_it_states_nothing() {
        let quick = outlook("quick", |_| ());
        assert_eq!((quick.stacks, quick.blocks_needed), (10, 14));
        let text = quick.to_string();
        assert!(text.contains("5 blocks are too few to state any difference"), "{text}");
        assert!(text.contains("--blocks 14"), "{text}");
    }

    #[test]
    fn a_run_announces_a_difference_for_each_kind_of_measurement() {
        let standard = outlook("standard", |_| ());
        let names: Vec<_> = standard.differences.iter().map(|known| known.like.as_str()).collect();
        assert_eq!(names, ["latency", "latency on two cores", "throughput", "payload"]);
        assert_eq!(standard.unknown, 0);
        for known in &standard.differences {
            assert!(known.difference >= known.with_twice_the_blocks, "{known:?}");
        }
        let text = standard.to_string();
        assert!(text.contains("12 stacks, 30 blocks: differences from about "), "{text}");
        assert!(text.contains(" % in payload can be stated"), "{text}");
        assert!(text.contains("with --blocks 60: "), "{text}");
    }

    #[test]
    fn a_single_stack_and_an_unknown_load_are_not_judged() {
        let one = outlook("quick", |scenario| scenario.stacks = vec!["rest".to_owned()]);
        assert_eq!(one.stacks, 0);
        assert_eq!(one.to_string().lines().count(), 1);
        let open = outlook("quick", |scenario| {
            scenario.blocks = NonZeroU32::new(30).unwrap();
            for measurement in &mut scenario.measurements {
                measurement.load = "open:1000:poisson".parse().unwrap();
            }
        });
        assert_eq!((open.differences.len(), open.unknown), (0, 2));
        assert!(open.to_string().contains("is not known"));
    }

    #[test]
    fn the_duration_is_that_of_all_trials() {
        let standard = outlook("standard", |_| ());
        let trials = 30 * u32::try_from(standard.trials_per_block).unwrap();
        assert_eq!(standard.duration, trials * Duration::from_millis(80 + 260 + 26 + 30));
        assert!(standard.to_string().contains(" min"), "{standard}");
    }

    #[test]
    fn measurements_with_fewer_blocks_and_other_times_count_with_these() {
        let changed = outlook("quick", |scenario| {
            scenario.measurements.truncate(1);
            let mut short = scenario.measurements[0].clone();
            short.name = "short".to_owned();
            short.stacks = vec!["rest".to_owned(), "zerorpc".to_owned()];
            (short.slice, short.floors, short.blocks) = (None, Some(false), NonZeroU32::new(2));
            (short.warmup, short.measure) = (Some(Duration::ZERO), Some(Duration::from_millis(70)));
            scenario.measurements.push(short);
        });
        let whole = outlook("quick", |scenario| scenario.measurements.truncate(1));
        assert_eq!(changed.duration - whole.duration, 2 * 2 * Duration::from_millis(70 + 30));
        assert_eq!(
            (changed.trials_per_block, changed.blocks_of_tables),
            (whole.trials_per_block + 2, [2, 5])
        );
        let text = changed.to_string();
        assert!(text.contains("5 blocks of up to 14 trials"), "{text}");
        assert!(text.contains("2 blocks are too few"), "{text}");
    }

    #[test]
    fn codecs_with_fewer_blocks_and_other_times_count_with_these() {
        let changed = outlook("codecs", |scenario| {
            scenario.codecs.truncate(2);
            let shorter = &mut scenario.codecs[0];
            shorter.formats.truncate(3);
            (shorter.blocks, shorter.measure) = (NonZeroU32::new(9), Some(Duration::from_millis(30)));
            scenario.claims.retain(|claim| claim.name == "fast calls");
        });
        let whole = outlook("codecs", |scenario| scenario.codecs.truncate(1));
        assert_eq!(changed.duration - whole.duration, 9 * 3 * 2 * Duration::from_millis(20 + 30));
        let text = changed.to_string();
        assert!(text.contains("16 blocks of up to 14 trials"), "{text}");
        assert!(
            text.contains("the claim `fast calls` takes 11 blocks, and has 9: no verdict is possible"),
            "{text}"
        );
    }

    #[test]
    fn the_claims_of_built_in_scenarios_have_enough_blocks_and_end_in_time() {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        for (name, limit) in [("claims", minutes(40)), ("claims-quick", minutes(8))] {
            let all = outlook(name, |_| ());
            assert_eq!(all.undecidable, [], "{name}");
            let whole = all.duration + all.timelines.1 + all.topologies.1;
            assert!(whole < limit, "{name}: {whole:?}");
            let few = outlook(name, |scenario| scenario.blocks = NonZeroU32::new(7).unwrap());
            assert!(few.to_string().contains("and has 7: no verdict is possible"), "{few}");
        }
    }

    #[test]
    fn topologies_count_with_their_servers_and_pairs_and_a_broker_for_each_block() {
        let of = |stack: &str| {
            let mut scenario = Scenario::load("connections").unwrap();
            scenario.restrict_to(&[stack.to_owned()]);
            scenario.topologies.truncate(1);
            let topology = &mut scenario.topologies[0];
            topology.blocks = NonZeroU32::new(3);
            (topology.clients, topology.servers) = (NonZeroU32::new(4).unwrap(), NonZeroU32::new(2).unwrap());
            Outlook::new(&scenario, &Plan::new(&scenario, &[0, 1]).unwrap())
        };
        let (runs, time) = of("rest").topologies;
        assert_eq!((runs, time), (3, 3 * (TOPOLOGY_OVERHEAD + 2 * TIME_PER_SERVER + 8 * TIME_PER_PAIR)));
        let with_broker = of("amqp");
        assert_eq!(with_broker.topologies, (3, time + 3 * (BROKER_OVERHEAD + 6 * TIME_TO_JOIN_BROKER)));
        assert!(with_broker.to_string().contains("3 topologies, about 23 s"), "{with_broker}");
    }

    #[test]
    fn the_floor_of_an_open_loop_takes_the_time_for_the_limit_of_the_generator() {
        let with_load = |load: &str| {
            let mut scenario = Scenario::load("quick").unwrap();
            (scenario.floors, scenario.stacks) = (false, vec!["rest".to_owned(), "tcp".to_owned()]);
            scenario.measurements.truncate(1);
            let measurement = &mut scenario.measurements[0];
            measurement.slice = None;
            (measurement.load, measurement.connections) = (load.parse().unwrap(), Some(NonZeroU32::MIN));
            (scenario.warmup, scenario.measure) = (Duration::from_millis(40), Duration::from_millis(160));
            scenario.blocks = NonZeroU32::new(3).unwrap();
            let outlook = Outlook::new(&scenario, &Plan::new(&scenario, &[0, 1]).unwrap());
            assert_eq!(outlook.trials_per_block, 2);
            outlook.duration
        };
        let trial = TRIAL_OVERHEAD + Duration::from_millis(200);
        assert_eq!(with_load("closed:1"), 3 * 2 * trial);
        // The floor makes calls in a closed loop first, with a separate warm-up and window.
        assert_eq!(with_load("open:1000:poisson"), 3 * (2 * trial + Duration::from_millis(200)));
    }
}
