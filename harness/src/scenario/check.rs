//! What is checked of a scenario beyond the form of its keys: that what it names exists.

use std::collections::BTreeSet;

use super::model::{Measurement, Scenario};
use crate::stacks::{OptionGroup, Options, Stack};

/// Something that is wrong in a scenario.
#[derive(Debug)]
pub(super) struct Mistake {
    /// The text that is wrong.
    pub(super) part: String,
    /// What is wrong with it.
    pub(super) message: String,
}

impl Mistake {
    pub(super) fn new(part: &str, message: impl Into<String>) -> Self {
        Mistake { part: part.to_owned(), message: message.into() }
    }
}

/// Checks that every stack exists, and that those of a measurement are among those of the scenario and can have its executor.
pub(super) fn check_stacks(scenario: &Scenario) -> Result<(), Mistake> {
    let of_measurements = || scenario.measurements.iter().flat_map(|measurement| &measurement.stacks);
    for name in scenario.stacks.iter().chain(scenario.pairs.iter().flatten()).chain(of_measurements()) {
        Stack::named(name).map_err(|error| Mistake::new(name, error.to_string()))?;
    }
    scenario.measurements.iter().try_for_each(check_executor)?;
    scenario.measurements.iter().try_for_each(check_way)?;
    check_options(scenario)?;
    match of_measurements().find(|name| !scenario.stacks.contains(name)) {
        Some(name) => {
            let list = scenario.stacks.join(", ");
            Err(Mistake::new(name, format!("`{name}` is not among the scenario's `stacks`: {list}")))
        }
        None => Ok(()),
    }
}

/// Checks that the names of measurements are unique, and those of codecs.
pub(super) fn check_names(scenario: &Scenario) -> Result<(), Mistake> {
    let of_measurements = scenario.measurements.iter().map(|measurement| &measurement.name);
    let of_codecs = scenario.codecs.iter().map(|codecs| &codecs.name);
    match (duplicate(of_measurements), duplicate(of_codecs)) {
        (Some(name), _) => Err(Mistake::new(name, format!("two measurements have the name `{name}`"))),
        (_, Some(name)) => Err(Mistake::new(name, format!("two codecs have the name `{name}`"))),
        (None, None) => Ok(()),
    }
}

/// The first name that an earlier one is equal to.
fn duplicate<'a>(mut names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = BTreeSet::new();
    names.find(|name| !seen.insert(*name))
}

/// Checks that the servers of the stacks that `measurement` lists can run handlers as it says.
fn check_executor(measurement: &Measurement) -> Result<(), Mistake> {
    let Some(executor) = measurement.executor else { return Ok(()) };
    for name in &measurement.stacks {
        let stack = Stack::named(name).map_err(|error| Mistake::new(name, error.to_string()))?;
        if !stack.has_executors() {
            let measurement = &measurement.name;
            let message = format!("the executor of `{name}` is fixed; `{measurement}` sets `{executor}`");
            return Err(Mistake::new(name, message));
        }
    }
    Ok(())
}

/// Checks that the stacks that `measurement` lists can send in its way and through its exchange.
fn check_way(measurement: &Measurement) -> Result<(), Mistake> {
    let (way, measurement_name) = (measurement.way, &measurement.name);
    for name in &measurement.stacks {
        let stack = Stack::named(name).map_err(|error| Mistake::new(name, error.to_string()))?;
        if !stack.has_way(way) {
            let message = format!("`{name}` has only calls; `{measurement_name}` sets the way `{way}`");
            return Err(Mistake::new(name, message));
        }
        if measurement.exchange.is_some() && !stack.has_exchanges() {
            let message = format!("`{name}` does not choose its exchange; `{measurement_name}` sets one");
            return Err(Mistake::new(name, message));
        }
    }
    Ok(())
}

/// Checks that the options of measurements and timelines are those of a server, and have values that it can have.
fn check_options(scenario: &Scenario) -> Result<(), Mistake> {
    let of_measurements = scenario.measurements.iter().map(|it| (&it.name, &it.stacks, &it.options));
    let of_timelines = scenario.timelines.iter().map(|it| (&it.name, &it.stacks, &it.options));
    for (part, listed, values) in of_measurements.chain(of_timelines).filter(|(.., it)| !it.is_empty()) {
        let names = if listed.is_empty() { &scenario.stacks } else { listed };
        let stacks: Vec<_> = names.iter().filter_map(|name| Stack::named(name).ok()).collect();
        let mistake = |message: String| Mistake::new(part, format!("the options of `{part}`: {message}"));
        let mut groups: Vec<&OptionGroup> = Vec::new();
        for group in stacks.iter().flat_map(|stack| stack.protocol.server_options()) {
            if groups.iter().all(|known| known.name != group.name) {
                groups.push(group);
            }
        }
        values.set(&mut Options::default(), &groups).map_err(|error| mistake(error.to_string()))?;
        let lacks = |stack: &&&Stack| !stack.has_server_options(values);
        let lacking: Vec<_> = stacks.iter().filter(lacks).map(|stack| stack.name).collect();
        if !lacking.is_empty() && (!listed.is_empty() || lacking.len() == stacks.len()) {
            let message =
                format!("not every one of them is an option of the server of {}", lacking.join(", "));
            return Err(mistake(message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::BUILT_IN;

    #[test]
    fn a_stack_with_a_fixed_executor_is_refused_where_a_measurement_lists_it() {
        let text = |stack: &str| {
            let quick = BUILT_IN[0].1.replacen("stacks = [", &format!("stacks = [\"{stack}\", "), 1);
            format!("{quick}stacks = [\"{stack}\"]\nexecutor = \"threads:4\"\n")
        };
        Scenario::parse("mine.toml", &text("jsonrpc")).unwrap();
        for stack in ["xmlrpc-python", "tcp", "inproc"] {
            let error = Scenario::parse("mine.toml", &text(stack)).unwrap_err().to_string();
            let expected = format!("the executor of `{stack}` is fixed; `throughput` sets `threads:4`");
            assert!(error.starts_with("mine.toml:") && error.contains(&expected), "{error}");
        }
    }

    #[test]
    fn options_that_no_server_has_or_that_cannot_have_a_value_are_refused() {
        let text = |stacks: &str, options: &str| {
            let quick = BUILT_IN[0].1.replacen("stacks = [", "stacks = [\"rest\", \"amqp\", ", 1);
            format!("{quick}{stacks}\noptions = {{ {options} }}\n")
        };
        let scenario = Scenario::parse("mine.toml", &text("", "prefetch = 1, ack = \"after\"")).unwrap();
        let measurement = scenario.measurements.last().unwrap();
        let measured = ["rest", "amqp", "amqp-python"].map(|name| {
            let stack = Stack::named(name).unwrap();
            scenario.measures(stack, measurement)
        });
        assert_eq!(measured, [false, true, false]);
        for (stacks, options, expected) in [
            ("", "prefetsch = 1", "unknown option `prefetsch`; did you mean `prefetch`?"),
            ("stacks = [\"rest\", \"amqp\"]", "prefetch = 1", "is an option of the server of rest"),
            ("", "prefetch = 0", "expected a nonzero u16"),
            ("", "ack = \"never\"", "unknown variant `never`"),
        ] {
            let error = Scenario::parse("mine.toml", &text(stacks, options)).unwrap_err().to_string();
            let expected = error.contains(expected) && error.contains("the options of `throughput`");
            assert!(error.starts_with("mine.toml:") && expected, "{options}: {error}");
        }
    }
}
