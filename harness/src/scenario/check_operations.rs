//! What is checked of the operations that a scenario names.

use std::num::NonZeroU32;
use std::path::Path;

use super::check::Mistake;
use super::model::{Measurement, Scenario};
use super::slo::Slo;
use crate::deploy::Placement;
use crate::load::{Operation, OperationParseError, OwnError, OwnName, OwnOperation, OwnOperations};
use crate::stacks::{Stack, hint, nearest};

/// The fewest blocks of a scenario that options let call operations of one's own. A statement about two servers takes 8.
const MIN_BLOCKS: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Checks that every operation of one's own that a measurement, a search, a timeline, a topology or a codec names is defined, and can
/// be called on the stacks that are listed there.
pub(super) fn check_operations(scenario: &Scenario) -> Result<(), Mistake> {
    let of_measurements = scenario.measurements.iter().map(|it| (it.operation, &it.stacks));
    let of_timelines = scenario.timelines.iter().map(|it| (it.operation, &it.stacks));
    let of_searches = scenario.searches.iter().map(|it| (it.operation, &scenario.stacks));
    let sends_otherwise = |it: &&Measurement| !it.way.is_call() || it.exchange.is_some();
    let is_own = |it: &&Measurement| it.operation.own_name().is_some();
    if let Some(measurement) = scenario.measurements.iter().filter(is_own).find(sends_otherwise) {
        let name = &measurement.name;
        let message = format!(
            "`{name}` calls an `[[operation]]`, which can be combined with neither `way` nor `exchange`"
        );
        return Err(Mistake::new(name, message));
    }
    check_streams(scenario)?;
    for (operation, listed) in of_measurements.chain(of_timelines).chain(of_searches) {
        check_operation(scenario, operation)?;
        for name in if listed.is_empty() { &scenario.stacks } else { listed } {
            // Names of stacks are checked elsewhere.
            let stack = Stack::named(name).ok();
            if let Some(obstacle) = stack.and_then(|stack| scenario.own.obstacle(operation, stack)) {
                return Err(Mistake::new(&operation.to_string(), obstacle));
            }
        }
    }
    let of_calculator = scenario
        .topologies
        .iter()
        .map(|it| ("a topology", it.operation))
        .chain(scenario.codecs.iter().map(|it| ("a codec", it.operation)));
    for (what, operation) in of_calculator {
        check_operation(scenario, operation)?;
        if operation.own_name().is_some() || !operation.has_one_answer() {
            let message =
                format!("{what} takes an operation of the calculator that is one call, not `{operation}`");
            return Err(Mistake::new(&operation.to_string(), message));
        }
    }
    Ok(())
}

/// Checks that nothing is asked of streams that servers do for calls with one result only.
fn check_streams(scenario: &Scenario) -> Result<(), Mistake> {
    let of_measurements = scenario
        .measurements
        .iter()
        .map(|it| (&it.name, it.operation, it.executor.is_some() || it.work.is_some() || it.slow.is_some()));
    let of_timelines = scenario
        .timelines
        .iter()
        .map(|it| (&it.name, it.operation, it.executor.is_some() || it.work.is_some()));
    for (name, operation, has_handlers) in of_measurements.chain(of_timelines) {
        if operation.stream().is_some() && has_handlers {
            let message = format!(
                "`{name}` receives streams, whose items no handler makes: leave out `executor`, `work` and `slow`"
            );
            return Err(Mistake::new(name, message));
        }
    }
    Ok(())
}

impl Scenario {
    /// Checks that every operation of one's own that it names is defined, and can be called where it is measured. A scenario that was
    /// read from a file is; options may have changed it.
    ///
    /// # Errors
    /// A message about the first that is not.
    pub fn check_operations(&self) -> Result<(), String> {
        check_operations(self).map_err(|mistake| mistake.message)
    }

    /// Checks that the subject of every service level objective is a measurement, a timeline with stages, or an operation of one.
    ///
    /// # Errors
    /// A message about the first that is not, with those that there are.
    pub fn check_slos(&self) -> Result<(), String> {
        check_slos(self).map_err(|mistake| mistake.message)
    }

    /// The message about the first operation of one's own that it names and does not define, as options may have it; `None` where
    /// there is none.
    #[must_use]
    pub fn unknown_operation(&self) -> Option<String> {
        let of_measurements = self.measurements.iter().map(|it| it.operation);
        let of_searches = self.searches.iter().map(|it| it.operation);
        let of_timelines = self.timelines.iter().map(|it| it.operation);
        let mut all = of_measurements.chain(of_searches).chain(of_timelines);
        all.find_map(|operation| unknown_operation(self, operation))
    }

    /// Calls only `operations`, each in every measurement, and the first one in every search. Timelines, topologies, codecs and claims,
    /// which are about the calculator, are left out. There are enough blocks for a statement about two servers. Of several operations
    /// with one name, such as calls of a method with different arguments, the second one is `NAME-2`, and so on.
    ///
    /// # Errors
    /// [`OwnError`].
    pub fn call_only(&mut self, operations: &[OwnOperation]) -> Result<(), OwnError> {
        let operations = with_different_names(operations);
        self.own = OwnOperations::new(&operations, Path::new(""), |_| "--call".to_owned())?;
        self.operations = operations;
        self.blocks = self.blocks.max(MIN_BLOCKS);
        self.timelines.clear();
        self.topologies.clear();
        self.codecs.clear();
        self.claims.clear();
        let names: Vec<Operation> = self.own.names().map(Operation::own).collect();
        let Some(first) = names.first() else { return Ok(()) };
        self.searches.iter_mut().for_each(|search| search.operation = *first);
        let mut measurements: Vec<Measurement> = vec![];
        for measurement in &self.measurements {
            for operation in &names {
                let name = if names.len() > 1 {
                    format!("{} {operation}", measurement.name)
                } else {
                    measurement.name.clone()
                };
                let called = Measurement {
                    name,
                    operation: *operation,
                    placement: Placement::Free,
                    ..measurement.clone()
                };
                let is_new =
                    |other: &Measurement| (other.load, other.operation) != (called.load, called.operation);
                if measurements.iter().all(is_new) {
                    measurements.push(called);
                }
            }
        }
        self.measurements = measurements;
        Ok(())
    }
}

/// Checks that the subject of every service level objective is a measurement, a timeline with stages, or an operation of one.
pub(super) fn check_slos(scenario: &Scenario) -> Result<(), Mistake> {
    let mut known: Vec<String> = vec![];
    let of_measurements = scenario.measurements.iter().map(|it| (&it.name, it.operation));
    let staged = scenario.timelines.iter().filter(|timeline| !timeline.stages.is_empty());
    for (name, operation) in of_measurements.chain(staged.map(|it| (&it.name, it.operation))) {
        let parts = scenario.own.parts(operation).into_iter().map(|name| name.to_string());
        known.extend([operation.to_string(), name.clone()].into_iter().chain(parts));
    }
    if let (Some(slo), true) = (scenario.slos.first(), known.is_empty()) {
        let message = format!("`{slo}`: nothing is measured here that has response times and a rate");
        return Err(Mistake::new(&slo.to_string(), message));
    }
    known.sort_unstable();
    known.dedup();
    let unknown = |slo: &&Slo| slo.subject.as_ref().is_some_and(|subject| !known.contains(subject));
    let Some(slo) = scenario.slos.iter().find(unknown) else { return Ok(()) };
    let subject = slo.subject.as_deref().unwrap_or_default();
    let suggestion = hint(nearest(subject, known.iter().map(String::as_str)));
    let list = known.join(", ");
    let message =
        format!("`{slo}`: nothing is measured that is named `{subject}`{suggestion}; there are {list}");
    Err(Mistake::new(&slo.to_string(), message))
}

/// Checks that `operation` is one of the calculator, or is defined.
fn check_operation(scenario: &Scenario, operation: Operation) -> Result<(), Mistake> {
    unknown_operation(scenario, operation)
        .map_or(Ok(()), |message| Err(Mistake::new(&operation.to_string(), message)))
}

/// The message about an operation that is neither one of the calculator nor defined by `scenario`; `None` for any other.
fn unknown_operation(scenario: &Scenario, operation: Operation) -> Option<String> {
    let name = operation.own_name().filter(|_| scenario.own.parts(operation).is_empty())?;
    if scenario.own.is_empty() && name != OwnName::MIX {
        return Some(OperationParseError::Unknown(name.to_string()).to_string());
    }
    let known: Vec<&str> = scenario.own.names().map(OwnName::as_str).collect();
    if known.is_empty() {
        return Some(
            "`mix` stands for all operations of the scenario, and it has no [[operation]]".to_owned(),
        );
    }
    let suggestion = hint(nearest(name.as_str(), known.iter().copied()));
    Some(format!(
        "unknown operation `{name}`{suggestion}; the operations of the scenario are {}, and mix for all of them",
        known.join(", ")
    ))
}

/// `operations` with another name for each that has the one of an earlier operation.
fn with_different_names(operations: &[OwnOperation]) -> Vec<OwnOperation> {
    let mut named: Vec<OwnOperation> = Vec::new();
    for operation in operations {
        let is_free = |name: &OwnName| {
            let has_name = |other: &OwnOperation| other.name == *name;
            !named.iter().any(has_name) && (*name == operation.name || !operations.iter().any(has_name))
        };
        let numbered =
            (2_u32..).map_while(|number| OwnName::new(&format!("{}-{number}", operation.name)).ok());
        let name = std::iter::once(operation.name).chain(numbered).find(is_free).unwrap_or(operation.name);
        named.push(OwnOperation { name, ..operation.clone() });
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::parse_call;

    /// A scenario of `stacks` whose only measurement calls `operation`, with further TOML.
    fn scenario(stacks: &str, operation: &str, more: &str) -> String {
        format!(
            "name = \"mine\"\nquestion = \"?\"\nblocks = 1\nwarmup = \"10ms\"\nmeasure = \"20ms\"\nstacks = [{stacks}]\n\
             [[measurement]]\nname = \"latency\"\noperation = \"{operation}\"\nload = \"closed:1\"\nplacement = \"free\"\n{more}"
        )
    }

    const GET: &str = "[[operation]]\nname = \"get_user\"\npath = \"/users/7\"\n";

    #[test]
    fn a_measurement_calls_an_operation_that_is_defined() {
        let mine = Scenario::parse("mine.toml", &scenario("\"rest\"", "get_user", GET)).unwrap();
        assert!(mine.measures(Stack::named("rest").unwrap(), &mine.measurements[0]));
        assert!(!mine.measures(Stack::named("tcp").unwrap(), &mine.measurements[0]));
        assert!(!mine.measures(Stack::named("inproc").unwrap(), &mine.measurements[0]));
        Scenario::parse("mine.toml", &scenario("\"rest\"", "mix", GET)).unwrap();
    }

    #[test]
    fn the_examples_of_the_page_about_your_own_service_are_scenarios() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("users.csv"), "id,name\n7,Ann\n").unwrap();
        let page = include_str!("../../docs/own-service.md");
        let examples: Vec<_> = page.split("```toml\n").skip(1).collect();
        assert_eq!(examples.len(), 2);
        for example in examples {
            let path = folder.path().join("example.toml");
            std::fs::write(&path, example.split("```").next().unwrap()).unwrap();
            let scenario = Scenario::load(path.to_str().unwrap()).unwrap();
            assert!(!scenario.operations.is_empty());
        }
    }

    #[test]
    fn an_objective_is_about_something_that_is_measured() {
        let with = |slo: &str| {
            let text = scenario("\"rest\"", "mix", GET)
                .replace("[[measurement]]", &format!("slo = [\"{slo}\"]\n[[measurement]]"));
            Scenario::parse("mine.toml", &text).map_err(|error| error.to_string())
        };
        for slo in ["p99<1s", "latency.p99<1s", "mix.rate>1", "get_user.p99<1s"] {
            assert_eq!(with(slo).unwrap().slos[0].to_string(), slo);
        }
        let error = with("get_usr.p99<1s").unwrap_err();
        assert!(
            error.starts_with("mine.toml:7:8: ") && error.contains("did you mean `get_user`?"),
            "{error}"
        );
        assert!(with("p99<1").unwrap_err().starts_with("mine.toml:7:"));
        // Codecs have no response times, so that nothing could break an objective.
        let mut codecs = Scenario::load("codecs").unwrap();
        codecs.slos.push("p99<1ns".parse().unwrap());
        let error = codecs.check_slos().unwrap_err();
        assert!(error.contains("`p99<1ns`: nothing is measured here that has response times"), "{error}");
    }

    #[test]
    fn mistakes_are_found_with_their_line() {
        let codec = format!("{GET}[[codec]]\nname = \"c\"\noperation = \"get_user\"\n");
        let second = format!("{GET}[[operation]]\nname = \"second\"\nparams = [\n  \"{{id}}\",\n]\n");
        for (stacks, operation, more, place, expected) in [
            ("\"rest\"", "get_usr", GET, "9:13", "did you mean `get_user`?"),
            ("\"rest\"", "substract", "", "9:13", "did you mean `subtract`?"),
            ("\"rest\"", "mix", "", "9:13", "it has no [[operation]]"),
            ("\"rest\", \"xmlrpc\"", "get_user", GET, "9:13", "xmlrpc calls methods"),
            ("\"rest\"", "add", &codec, "13:8", "a codec takes an operation of the calculator"),
            ("\"rest\"", "get_user", &second, "17:1", "there is no variable `id`"),
        ] {
            let text = scenario(stacks, operation, more);
            let error = Scenario::parse("mine.toml", &text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("mine.toml:{place}: ")), "{error}\n{text}");
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn calls_that_differ_only_in_their_arguments_have_different_names() {
        let path = "/a/path/with/more/than/forty/characters/in/it";
        let calls = [
            "get_user(7)",
            "get_user-2",
            "get_user(8)",
            "get_user(9)",
            &format!("GET {path}/1"),
            &format!("GET {path}/2"),
        ];
        let calls: Vec<OwnOperation> = calls.iter().map(|text| parse_call(text).unwrap()).collect();
        let mut scenario = Scenario::load("overhead").unwrap();
        scenario.call_only(&calls).unwrap();
        let names: Vec<&str> = scenario.own.names().map(OwnName::as_str).collect();
        assert_eq!(names[..4], ["get_user", "get_user-2", "get_user-3", "get_user-4"]);
        assert_eq!(format!("{}-2", names[4]), names[5]);
        let defined: Vec<_> =
            scenario.operations.iter().map(|it| (&it.method, &it.params, &it.path)).collect();
        assert_eq!(defined, calls.iter().map(|it| (&it.method, &it.params, &it.path)).collect::<Vec<_>>());
        for name in names {
            assert!(scenario.measurements.iter().any(|it| it.operation.to_string() == name), "{name}");
        }
    }
}
