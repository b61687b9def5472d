//! A scenario whose only load changes in stages.

use std::num::NonZeroU32;

use super::model::Scenario;
use super::servers::one;
use super::stage::Stage;
use super::timeline::Timeline;
use crate::deploy::Placement;
use crate::load::{Arrivals, Operation, OwnName};
use crate::stacks::OptionValues;

/// The name of the timeline.
const NAME: &str = "stages";

impl Scenario {
    /// Makes calls only in `stages`, at random times and in so many `blocks`: of the operation that the measurements have in common, or
    /// else of all operations of one's own, or else of the operation of the first measurement. Everything else that the scenario
    /// measures is left out. Cores and connections are those of the first measurement.
    pub fn load_in_stages(&mut self, stages: &[Stage], blocks: NonZeroU32) {
        let mut operations = self.measurements.iter().map(|measurement| measurement.operation);
        let first = operations.next().unwrap_or(Operation::ADD);
        let is_common = operations.all(|operation| operation == first);
        let operation = if is_common || self.own.is_empty() { first } else { Operation::own(OwnName::MIX) };
        let measurement = self.measurements.first();
        let timeline = Timeline {
            name: NAME.to_owned(),
            operation,
            load: None,
            arrivals: Some(Arrivals::Poisson),
            placement: measurement.map_or(Placement::Free, |measurement| measurement.placement),
            length: None,
            stacks: vec![],
            blocks: Some(blocks),
            connections: measurement.and_then(|measurement| measurement.connections),
            servers: one(),
            timeout: None,
            warm: measurement.is_none_or(|measurement| measurement.warm),
            executor: None,
            work: None,
            options: OptionValues::default(),
            events: vec![],
            stages: stages.to_vec(),
        };
        self.measurements.clear();
        self.searches.clear();
        self.topologies.clear();
        self.codecs.clear();
        self.claims.clear();
        self.timelines = vec![timeline];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Plan;

    fn staged(mut scenario: Scenario) -> Timeline {
        let stages: Vec<Stage> = ["10..50:2s", "50:3s"].iter().map(|text| text.parse().unwrap()).collect();
        scenario.load_in_stages(&stages, one());
        let plan = Plan::new(&scenario, &[0, 1]).unwrap();
        assert_eq!((plan.trials().count(), plan.timelines().len()), (0, 1));
        plan.timelines()[0].timeline.clone()
    }

    #[test]
    fn the_calls_are_those_of_the_measurements() {
        let quick = Scenario::load("quick").unwrap();
        let first = quick.measurements[0].clone();
        let timeline = staged(quick);
        assert_eq!((timeline.operation, timeline.placement), (first.operation, first.placement));
        assert_eq!((timeline.name.as_str(), timeline.length().as_secs()), ("stages", 5));
    }

    #[test]
    fn several_operations_of_ones_own_become_a_mix() {
        let mut scenario = Scenario::load("quick").unwrap();
        let calls = ["GET /users/7", "GET /users"].map(|text| crate::load::parse_call(text).unwrap());
        scenario.stacks = vec!["rest".to_owned()];
        scenario.call_only(&calls).unwrap();
        assert_eq!(staged(scenario.clone()).operation.to_string(), "mix");
        scenario.call_only(&calls[..1]).unwrap();
        assert_eq!(staged(scenario).operation.own_name(), Some(calls[0].name));
    }

    const STAGED: &str = r#"
name = "mine"
question = "When is it too much?"
blocks = 1
warmup = "10ms"
measure = "100ms"
stacks = ["rest"]
floors = false
slo = ["ramp.p99<20ms"]

[[timeline]]
name = "ramp"
operation = "add"
arrivals = "poisson"
placement = "free"

[[timeline.stage]]
from = 10
to = 100
over = "2s"

[[timeline.stage]]
to = 100
over = "1m 30s"
"#;

    #[test]
    fn stages_follow_each_other_and_a_scenario_with_them_survives_serialization() {
        let scenario = Scenario::parse("mine.toml", STAGED).unwrap();
        let timeline = &scenario.timelines[0];
        let ramps: Vec<_> = timeline.ramps().iter().map(|ramp| (ramp.from, ramp.to)).collect();
        assert_eq!((ramps, timeline.length().as_secs()), (vec![(10, 100), (100, 100)], 92));
        assert_eq!(timeline.measurement().load.to_string(), "open:100:poisson");
        assert_eq!(timeline.load_of_warm_up().to_string(), "open:10:poisson");
        assert_eq!(Plan::new(&scenario, &[0, 1]).unwrap().timelines()[0].runs(), 1);
        let text = toml::to_string(&scenario).unwrap();
        assert_eq!(Scenario::parse("copy", &text).unwrap(), scenario);
    }

    #[test]
    fn a_load_that_cannot_be_made_is_refused_where_it_stands() {
        let first = "[[timeline.stage]]\nfrom = 10";
        for (from, to, line_of, expected) in [
            ("over = \"2s\"", "over = \"0s\"", "over = \"0s\"", "a stage takes 1s to 600s, not 0s"),
            ("over = \"2s\"", "over = \"1m 90s\"", "over = \"1m 90s\"", "overlap; write 2m 30s"),
            ("over = \"2s\"", "over = \"2 parsecs\"", "over = \"2 p", "expected a duration"),
            ("over = \"2s\"", "over = \"9m\"", "over = \"1m 30s\"", "with this stage it takes 10m 30s"),
            (
                "to = 100\nover = \"2s\"",
                "to = 1000000000\nover = \"2s\"",
                "to = 1000000000",
                "0 to 1000000 calls a second",
            ),
            ("to = 100\nover = \"2s\"", "to = 1e9\nover = \"2s\"", "to = 1e9", "invalid type"),
            ("from = 10\nto = 100", "from = 0\nto = 0", "to = 0", "a stage from 0 to 0 makes no calls"),
            ("from = 10", "from = -1", "from = -1", "0 to 1000000 calls a second, not -1"),
            (
                "to = 100\nover = \"2s\"",
                "to = 1000000\nover = \"2s\"",
                "to = 1000000",
                "it makes 1000010 calls",
            ),
            (
                first,
                &format!("load = \"open:9:constant\"\n{first}"),
                "load = ",
                "`load` and `stage` exclude each other",
            ),
            (first, &format!("length = \"3s\"\n{first}"), "length = ", "the length is that of the stages"),
            (
                first,
                &format!("event = [{{ at = \"1s\", action = \"kill-server\" }}]\n{first}"),
                "event = ",
                "stages or events",
            ),
            ("arrivals = \"poisson\"\n", "", "[[timeline]]", "`arrivals` is missing"),
            ("arrivals = \"poisson\"", "arrivals = \"random\"", "arrivals = ", "unknown variant `random`"),
            ("slo = [\"ramp.", "slo = [\"rump.", "slo = ", "did you mean `ramp`?"),
        ] {
            let broken = STAGED.replacen(from, to, 1);
            assert_ne!(broken, STAGED, "{from}");
            let error = Scenario::parse("mine.toml", &broken).unwrap_err().to_string();
            let line = broken.lines().position(|line| line.starts_with(line_of)).unwrap() + 1;
            assert!(
                error.starts_with(&format!("mine.toml:{line}:")) && error.contains(expected),
                "{to}: {error}"
            );
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
