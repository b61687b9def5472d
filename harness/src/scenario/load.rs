//! Reading a scenario, with the scenarios that it includes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::built_in::built_in;
use super::check::{Mistake, check_names, check_stacks};
use super::check_claims::check_claims;
use super::check_operations::{check_operations, check_slos};
use super::claim::Claim;
use super::file::{ScenarioError, line_in_array, parse_toml};
use super::lengths::{Defaults, Lengths, StatedTimes, lengths, settle};
use super::model::Scenario;
use super::timeline_load::LoadMistake;
use crate::load::OwnOperations;

/// The largest number of scenarios that are read for one.
const MAX_SCENARIOS: usize = 64;

/// The text of a scenario, and where it comes from.
struct Source {
    /// The name in messages.
    origin: String,
    text: String,
    /// The file, with which included paths begin; `None` for a built-in scenario.
    file: Option<PathBuf>,
}

impl Source {
    /// A text without a file, which can include built-in scenarios only.
    fn text(origin: &str, text: &str) -> Self {
        Source { origin: origin.to_owned(), text: text.to_owned(), file: None }
    }

    /// The built-in scenario `name_or_path`, or the file of that path.
    fn find(name_or_path: &str) -> Result<Self, ScenarioError> {
        Source::find_from(name_or_path, Some(Path::new("")))
    }

    /// The same, with a path relative to `folder`; only a built-in scenario where there is none.
    fn find_from(name_or_path: &str, folder: Option<&Path>) -> Result<Self, ScenarioError> {
        let unknown = match built_in(name_or_path) {
            Ok(text) => return Ok(Source::text(name_or_path, text)),
            Err(unknown) => unknown,
        };
        let Some(folder) = folder else { return Err(ScenarioError::Unknown(unknown)) };
        let path = folder.join(name_or_path);
        if path.extension().is_none_or(|extension| extension != "toml") && !path.exists() {
            return Err(ScenarioError::Unknown(unknown));
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Source { origin: path.display().to_string(), text, file: Some(path) }),
            Err(source) => Err(ScenarioError::Unreadable { path, source }),
        }
    }

    fn folder(&self) -> Option<&Path> {
        self.file.as_deref().and_then(Path::parent)
    }

    /// The same for the same scenario, however it is named.
    fn id(&self) -> PathBuf {
        let file = self.file.as_ref().map(|file| file.canonicalize().unwrap_or_else(|_| file.clone()));
        file.unwrap_or_else(|| PathBuf::from(&self.origin))
    }

    /// The operations of one's own of `scenario`, which was read from this text.
    fn own_operations(&self, scenario: &Scenario) -> Result<OwnOperations, ScenarioError> {
        const ARRAY: &str = "operation";
        let place = |index| format!("{}:{}", self.origin, line_in_array(&self.text, ARRAY, index));
        let folder = self.folder().unwrap_or(Path::new(""));
        OwnOperations::new(&scenario.operations, folder, place).map_err(|error| {
            let at = (ARRAY, error.index, error.key);
            ScenarioError::invalid_in_array(&self.origin, &self.text, at, &error.message)
        })
    }

    /// Refuses a timeline whose load cannot be made, at the key that is wrong.
    fn check_loads(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        for (index, timeline) in scenario.timelines.iter().enumerate() {
            if let Some(LoadMistake { key, message }) = timeline.load_mistake() {
                let path = format!("timeline.{index}.{key}");
                let message = format!("the timeline `{}`: {message}", timeline.name);
                return Err(ScenarioError::invalid_key(&self.origin, &self.text, &path, &message));
            }
        }
        Ok(())
    }

    /// The scenario is not valid because of `mistake`.
    fn invalid(&self, mistake: &Mistake) -> ScenarioError {
        let Mistake { part, message } = mistake;
        ScenarioError::invalid(&self.origin, &self.text, &format!("\"{part}\""), message)
    }
}

impl Scenario {
    /// Loads the built-in scenario of this name, or the scenario file at this path, with all that it includes.
    ///
    /// # Errors
    /// [`ScenarioError`].
    pub fn load(name_or_path: &str) -> Result<Self, ScenarioError> {
        let source = Source::find(name_or_path)?;
        Ok(Reader::default().read(&source)?.scenario)
    }

    /// Parses a scenario; `origin` names it in messages. It can include built-in scenarios.
    ///
    /// # Errors
    /// [`ScenarioError::Invalid`] with the line and column, and what was expected there.
    pub fn parse(origin: &str, text: &str) -> Result<Self, ScenarioError> {
        Ok(Reader::default().read(&Source::text(origin, text))?.scenario)
    }
}

/// A scenario with all that it includes, after its own measurements, codecs, timelines, topologies and claims.
struct Part {
    scenario: Scenario,
    own: Own,
    stated: Stated,
}

/// How many of each a scenario has without those that it includes.
struct Own {
    measurements: usize,
    codecs: usize,
    timelines: usize,
    topologies: usize,
    claims: usize,
}

/// The times that each measurement, and each of the codecs, itself states, not its scenario.
struct Stated {
    measurements: Vec<StatedTimes>,
    codecs: Vec<StatedTimes>,
}

impl Own {
    fn of(scenario: &Scenario) -> Self {
        Own {
            measurements: scenario.measurements.len(),
            codecs: scenario.codecs.len(),
            timelines: scenario.timelines.len(),
            topologies: scenario.topologies.len(),
            claims: scenario.claims.len(),
        }
    }
}

impl Stated {
    fn of(scenario: &mut Scenario) -> Self {
        let stated = |lengths: Lengths<'_>| lengths.stated();
        Stated {
            measurements: lengths(&mut scenario.measurements, &mut []).map(stated).collect(),
            codecs: lengths(&mut [], &mut scenario.codecs).map(stated).collect(),
        }
    }

    fn extend(&mut self, other: &Stated) {
        self.measurements.extend(&other.measurements);
        self.codecs.extend(&other.codecs);
    }
}

/// Reads a scenario and all that it includes.
#[derive(Default)]
struct Reader {
    /// What was read so far.
    seen: BTreeSet<PathBuf>,
}

impl Reader {
    fn read(&mut self, source: &Source) -> Result<Part, ScenarioError> {
        self.seen.insert(source.id());
        let mut scenario: Scenario = parse_toml(&source.origin, &source.text)?;
        check_stacks(&scenario).map_err(|mistake| source.invalid(&mistake))?;
        source.check_loads(&scenario)?;
        scenario.own = source.own_operations(&scenario)?;
        check_operations(&scenario).map_err(|mistake| source.invalid(&mistake))?;
        let included = std::mem::take(&mut scenario.include);
        if !included.is_empty() {
            // What comes from elsewhere adds to the stacks.
            let all = &scenario.stacks;
            scenario.measurements.iter_mut().for_each(|own| own.stacks = stacks_of(all, &own.stacks));
            scenario.timelines.iter_mut().for_each(|own| own.stacks = stacks_of(all, &own.stacks));
            scenario.topologies.iter_mut().for_each(|own| own.stacks = stacks_of(all, &own.stacks));
        }
        let own = Own::of(&scenario);
        let mut stated = Stated::of(&mut scenario);
        for name in &included {
            let refused = |message: String| source.invalid(&Mistake::new(name, message));
            let next =
                Source::find_from(name, source.folder()).map_err(|error| refused(error.to_string()))?;
            if self.seen.contains(&next.id()) {
                return Err(refused(format!(
                    "`{name}` is included already; a scenario can be included once, and not in itself"
                )));
            }
            if self.seen.len() >= MAX_SCENARIOS {
                return Err(refused(format!("more than {MAX_SCENARIOS} scenarios are included")));
            }
            let part = self.read(&next)?;
            stated.extend(&part.stated);
            add(&mut scenario, part).map_err(refused)?;
        }
        if own.measurements == 0 && own.codecs == 0 {
            settle(&mut scenario);
        }
        let defaults = Defaults::of(&scenario);
        let Scenario { measurements, codecs, .. } = &mut scenario;
        lengths(&mut measurements[own.measurements..], &mut codecs[own.codecs..])
            .for_each(|included| included.shorten(defaults));
        let checks = [check_names, check_claims, check_slos];
        checks.iter().try_for_each(|check| check(&scenario)).map_err(|mistake| source.invalid(&mistake))?;
        Ok(Part { scenario, own, stated })
    }
}

/// The stacks of a measurement, a timeline or a topology that lists `own`, in a scenario with the stacks `all`.
fn stacks_of(all: &[String], own: &[String]) -> Vec<String> {
    if own.is_empty() { all.to_vec() } else { own.to_vec() }
}

/// Adds the measurements, codecs, timelines, topologies and claims of `part` to `scenario`. The error says why that is not possible.
fn add(scenario: &mut Scenario, part: Part) -> Result<(), String> {
    let Part { scenario: mut other, own, stated } = part;
    let differs = |key: &str| {
        Err(format!("`{}` has another `{key}`; what is measured in one run has the same", other.name))
    };
    if other.timeout != scenario.timeout {
        return differs("timeout");
    } else if other.numbers != scenario.numbers {
        return differs("numbers");
    } else if other.contention != scenario.contention {
        return differs("contention");
    } else if !other.pairs.is_empty() || !other.searches.is_empty() {
        return Err(format!("`{}` has pairs or searches, and cannot be included", other.name));
    } else if !other.operations.is_empty() || !other.slos.is_empty() {
        return Err(format!("`{}` has operations or objectives, and cannot be included", other.name));
    } else if other.stacks.is_empty() && !has_only_codecs(&other) {
        return Err(format!("`{}` has no stacks, and cannot be included", other.name));
    }
    for measurement in &mut other.measurements {
        measurement.stacks = stacks_of(&other.stacks, &measurement.stacks);
        measurement.floors.get_or_insert(other.floors);
    }
    let (defaults, limits) = (Defaults::of(&other), Defaults::of(scenario));
    let stated = stated.measurements.into_iter().chain(stated.codecs);
    for (lengths, stated) in other.lengths().zip(stated) {
        lengths.limit(stated, defaults, limits);
    }
    for timeline in &mut other.timelines {
        timeline.stacks = stacks_of(&other.stacks, &timeline.stacks);
        timeline.blocks = Some(timeline.blocks.unwrap_or(other.blocks).min(scenario.blocks));
    }
    for topology in &mut other.topologies {
        topology.stacks = stacks_of(&other.stacks, &topology.stacks);
        topology.blocks = Some(topology.blocks.unwrap_or(other.blocks).min(scenario.blocks));
    }
    let prefixed = |name: &str| format!("{}: {name}", other.name);
    let mut names: BTreeSet<String> = BTreeSet::new();
    let of_measurements = other.measurements[..own.measurements].iter_mut().map(|own| &mut own.name);
    let of_codecs = other.codecs[..own.codecs].iter_mut().map(|own| &mut own.name);
    let of_timelines = other.timelines[..own.timelines].iter_mut().map(|own| &mut own.name);
    let of_topologies = other.topologies[..own.topologies].iter_mut().map(|own| &mut own.name);
    for name in of_measurements.chain(of_codecs).chain(of_timelines).chain(of_topologies) {
        *name = prefixed(name);
        names.insert(name.clone());
    }
    for claim in &mut other.claims[..own.claims] {
        rename(claim, prefixed, |measured| names.contains(&prefixed(measured)));
    }
    for stack in other.stacks {
        if !scenario.stacks.contains(&stack) {
            scenario.stacks.push(stack);
        }
    }
    scenario.measurements.extend(other.measurements);
    scenario.codecs.extend(other.codecs);
    scenario.timelines.extend(other.timelines);
    scenario.topologies.extend(other.topologies);
    scenario.claims.extend(other.claims);
    Ok(())
}

/// Whether `scenario` measures codecs and nothing that takes stacks.
fn has_only_codecs(scenario: &Scenario) -> bool {
    let Scenario { codecs, measurements, timelines, topologies, .. } = scenario;
    !codecs.is_empty() && measurements.is_empty() && timelines.is_empty() && topologies.is_empty()
}

/// Gives `claim` the prefixed name, and the measurements that it names, too, if `is_own` says that they have one.
fn rename(claim: &mut Claim, prefixed: impl Fn(&str) -> String, is_own: impl Fn(&str) -> bool) {
    claim.name = prefixed(&claim.name);
    for condition in &mut claim.conditions {
        let over = condition.over.iter_mut().filter_map(|over| over.measurement.as_mut());
        for measurement in over.chain([&mut condition.measurement]) {
            if is_own(measurement) {
                *measurement = prefixed(measurement);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::CodecMeasurement;

    /// A scenario with one measurement of two stacks and a claim about it.
    fn small(name: &str, include: &str, blocks: u32) -> String {
        format!(
            r#"
name = "{name}"
question = "?"
blocks = {blocks}
warmup = "{blocks}0ms"
measure = "{blocks}00ms"
stacks = ["rest", "{name}"]
include = [{include}]
[[measurement]]
name = "latency"
operation = "add"
load = "closed:1"
placement = "shared"
[[claim]]
name = "slow"
statement = "It is slow."
[[claim.condition]]
name = "it takes longer"
measurement = "latency"
stack = "{name}"
figure = "latency-p50"
over = {{ stack = "rest" }}
at_least = 2
reason = "twice"
"#
        )
    }

    /// Writes these files, and loads the first one.
    fn load(files: &[(&str, &str)]) -> Result<Scenario, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Scenario::load(folder.path().join(files[0].0).to_str().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn included_measurements_keep_their_settings_up_to_those_of_the_scenario_that_includes_them() {
        let inner = small("zerorpc", "", 4).replace("[[measurement]]", "floors = false\n[[measurement]]");
        let files = [("a.toml", small("xmlrpc", "\"b.toml\"", 9)), ("b.toml", inner)];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        let scenario = load(&files).unwrap();
        let [own, included] = scenario.measurements.as_slice() else { panic!("two measurements") };
        assert_eq!((own.name.as_str(), included.name.as_str()), ("latency", "zerorpc: latency"));
        assert_eq!(own.stacks, ["rest", "xmlrpc"]);
        assert_eq!(included.stacks, ["rest", "zerorpc"]);
        assert_eq!(scenario.stacks, ["rest", "xmlrpc", "zerorpc"]);
        assert_eq!((own.floors, included.floors), (None, Some(false)));
        assert_eq!(scenario.blocks_of(included).get(), 4);
        let times = scenario.times_of(included);
        assert_eq!((times.warmup.as_millis(), times.measure.as_millis()), (40, 400));
        let claims: Vec<_> = scenario.claims.iter().map(|claim| claim.name.as_str()).collect();
        assert_eq!(claims, ["slow", "zerorpc: slow"]);
        assert_eq!(scenario.claims[1].conditions[0].measurement, "zerorpc: latency");

        // The same with smaller limits, and through another scenario.
        let outer = small("jsonrpc", "\"a.toml\"", 2);
        let scenario = load(&[("c.toml", outer.as_str()), files[0], files[1]]).unwrap();
        let names: Vec<_> =
            scenario.measurements.iter().map(|measurement| measurement.name.as_str()).collect();
        assert_eq!(names, ["latency", "xmlrpc: latency", "zerorpc: latency"]);
        for measurement in &scenario.measurements {
            assert_eq!(scenario.blocks_of(measurement).get(), 2);
            assert_eq!(scenario.times_of(measurement).measure.as_millis(), 200);
        }
        let text = toml::to_string(&scenario).unwrap();
        assert_eq!(Scenario::parse("copy", &text).unwrap(), scenario);

        // A window that a measurement itself states is kept, whatever includes it.
        let stated = files[1].1.replace("placement =", "measure = \"900ms\"\nplacement =");
        let outer = small("jsonrpc", "\"a.toml\"", 2);
        let scenario = load(&[("c.toml", outer.as_str()), files[0], ("b.toml", &stated)]).unwrap();
        let times = scenario.times_of(&scenario.measurements[2]);
        assert_eq!((times.warmup.as_millis(), times.measure.as_millis()), (20, 900));

        // Without measurements of the scenario itself, its limits are not more than what is needed.
        let outer = small("jsonrpc", "\"b.toml\"", 20);
        let (head, _) = outer.split_once("[[measurement]]").unwrap();
        let scenario = load(&[("c.toml", head), files[1]]).unwrap();
        assert_eq!((scenario.blocks.get(), scenario.measure.as_millis()), (4, 400));
        assert_eq!((scenario.measurements[0].blocks, scenario.measurements[0].measure), (None, None));
    }

    #[test]
    fn what_cannot_be_included_is_refused_where_it_is_named() {
        let with = |include: &str| small("xmlrpc", include, 3);
        let plain = small("zerorpc", "", 3);
        let slow = plain.replace("stacks =", "timeout = \"1s\"\nstacks =");
        let paired = plain.replace("include =", "pairs = [[\"rest\", \"zerorpc\"]]\ninclude =");
        let broken = plain.replace("closed:1", "closed");
        let circle = with("\"a.toml\"");
        for (include, other, expected) in [
            ("\"a.toml\"", &plain, "a.toml:8:12: `a.toml` is included already"),
            ("\"b.toml\", \"b.toml\"", &plain, "`b.toml` is included already"),
            ("\"b.toml\"", &circle, "b.toml:8:12: `a.toml` is included already"),
            ("\"c.toml\"", &plain, "a.toml:8:12: cannot read the scenario"),
            ("\"qick\"", &plain, "did you mean `quick`?"),
            ("\"b.toml\"", &slow, "`zerorpc` has another `timeout`"),
            ("\"b.toml\"", &paired, "`zerorpc` has pairs or searches"),
            ("\"saturation\"", &plain, "`saturation` has pairs or searches"),
            ("\"b.toml\"", &broken, "b.toml:12:8: "),
        ] {
            let error = load(&[("a.toml", &with(include)), ("b.toml", other)]).unwrap_err();
            assert!(error.contains(expected), "{include}: {error}");
        }
        // Without a file there is no folder to begin with.
        let error = Scenario::parse("text", &with("\"b.toml\"")).unwrap_err().to_string();
        assert!(error.contains("unknown scenario `b.toml`"), "{error}");
        let many: Vec<String> =
            (0..80).map(|number| small("rest", &format!("\"{}.toml\"", number + 1), 3)).collect();
        let names: Vec<String> = (0..80).map(|number| format!("{number}.toml")).collect();
        let files: Vec<(&str, &str)> =
            names.iter().zip(&many).map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let error = load(&files).unwrap_err();
        assert!(error.contains("more than 64 scenarios"), "{error}");
    }

    #[test]
    fn two_measurements_of_a_name_and_a_stack_that_is_not_the_scenarios_are_refused() {
        let text = small("xmlrpc", "", 3);
        let refused = |to: &str| {
            let text = text.replacen("placement = \"shared\"", &format!("placement = \"shared\"\n{to}"), 1);
            Scenario::parse("mine.toml", &text).unwrap_err().to_string()
        };
        let again = "[[measurement]]\nname = \"latency\"\noperation = \"add\"\nload = \"closed:1\"\n\
                     placement = \"free\"";
        assert!(refused(again).contains("two measurements have the name `latency`"));
        assert!(refused("stacks = [\"zerorpc\"]").contains("not among the scenario's `stacks`"));
        assert!(refused("stacks = [\"zerorcp\"]").contains("did you mean `zerorpc`?"));
    }

    #[test]
    fn included_codecs_keep_their_blocks_and_times_up_to_those_of_the_scenario_that_includes_them() {
        let codecs = "name = \"formats\"\nquestion = \"?\"\nblocks = 8\nwarmup = \"20ms\"\nmeasure = \"60ms\"\n\
                      stacks = []\n[[codec]]\nname = \"call\"\noperation = \"add\"\n[[codec]]\nname = \"large\"\n\
                      operation = \"echo:1KiB\"\nmeasure = \"900ms\"\n";
        let outer = small("xmlrpc", "\"b.toml\"", 5);
        let scenario = load(&[("a.toml", &outer), ("b.toml", codecs)]).unwrap();
        let lengths = |it: &CodecMeasurement| {
            let times = scenario.times_of_codecs(it);
            let millis = [times.warmup, times.measure].map(|time| time.as_millis());
            (it.name.clone(), scenario.blocks_of_codecs(it).get(), millis)
        };
        let found: Vec<_> = scenario.codecs.iter().map(lengths).collect();
        let expected = [("formats: call", 5, [20, 60]), ("formats: large", 5, [20, 900])];
        assert_eq!(found, expected.map(|(name, blocks, times)| (name.to_owned(), blocks, times)));
        let text = toml::to_string(&scenario).unwrap();
        assert_eq!(Scenario::parse("copy", &text).unwrap(), scenario);

        // Without anything of the scenario itself, its limits are not more than what is needed.
        let (head, _) = outer.split_once("[[measurement]]").unwrap();
        let head = head.replace("blocks = 5", "blocks = 9");
        let scenario = load(&[("a.toml", &head), ("b.toml", codecs)]).unwrap();
        assert_eq!((scenario.blocks.get(), scenario.measure.as_millis()), (8, 900));
        assert_eq!(scenario.codecs[0].measure.map(|measure| measure.as_millis()), Some(60));
        assert_eq!((scenario.codecs[0].blocks, scenario.codecs[1].measure), (None, None));

        let without_stacks = format!(
            "{codecs}[[measurement]]\nname = \"m\"\noperation = \"add\"\nload = \"closed:1\"\n\
                                      placement = \"free\"\n"
        );
        let refused = load(&[("a.toml", &outer), ("b.toml", &without_stacks)]).unwrap_err();
        assert!(refused.contains("`formats` has no stacks, and cannot be included"), "{refused}");
    }

    #[test]
    fn an_included_timeline_keeps_its_stacks_and_gets_a_prefix_as_in_the_claims_about_it() {
        let text = "name = \"all\"\nquestion = \"?\"\nblocks = 2\nwarmup = \"100ms\"\nmeasure = \"300ms\"\n\
                    stacks = []\ninclude = [\"outage\"]\n";
        let all = Scenario::parse("all.toml", text).unwrap();
        let outage = Scenario::load("outage").unwrap();
        assert_eq!(all.timelines.len(), outage.timelines.len());
        for (timeline, own) in all.timelines.iter().zip(&outage.timelines) {
            assert_eq!(timeline.name, format!("outage: {}", own.name));
            let stacks = if own.stacks.is_empty() { &outage.stacks } else { &own.stacks };
            assert_eq!(&timeline.stacks, stacks);
            assert!(timeline.blocks.is_some_and(|blocks| blocks.get() <= 2));
        }
        let conditions = all.claims.iter().flat_map(|claim| &claim.conditions);
        assert!(
            conditions.clone().all(|it| it.measurement.starts_with("outage: ")) && conditions.count() > 0
        );
    }
}
