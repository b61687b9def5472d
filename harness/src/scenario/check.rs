//! What is checked of a scenario beyond the form of its keys: that what it names exists.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use super::claim::{ClaimFigure, Condition};
use super::model::{Measurement, Scenario};
use crate::stacks::{OptionGroup, Options, Stack, hint, nearest};

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

/// Checks that the names of measurements are unique, that claims are complete, and that what they name exists.
pub(super) fn check_references(scenario: &Scenario) -> Result<(), Mistake> {
    check_names(&scenario.measurements)?;
    check_claims(scenario)
}

fn check_names(measurements: &[Measurement]) -> Result<(), Mistake> {
    let mut names = BTreeSet::new();
    match measurements.iter().find(|measurement| !names.insert(&measurement.name)) {
        Some(Measurement { name, .. }) => {
            Err(Mistake::new(name, format!("two measurements have the name `{name}`")))
        }
        None => Ok(()),
    }
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

/// Checks that the claims of `scenario` have everything that is needed to judge them, and that what they name exists.
fn check_claims(scenario: &Scenario) -> Result<(), Mistake> {
    let mut names = BTreeSet::new();
    for claim in &scenario.claims {
        let refused = |message: String| Err(Mistake::new(&claim.name, message));
        if !names.insert(&claim.name) {
            return refused(format!("two claims have the name `{}`", claim.name));
        }
        if claim.statement.trim().is_empty() {
            return refused(format!("the claim `{}` has no statement", claim.name));
        }
        if claim.conditions.is_empty() {
            return refused(format!("the claim `{}` has no [[claim.condition]]", claim.name));
        }
        claim.conditions.iter().try_for_each(|condition| check_condition(scenario, condition))?;
    }
    Ok(())
}

fn check_condition(scenario: &Scenario, condition: &Condition) -> Result<(), Mistake> {
    let refused = |message: &str| {
        Err(Mistake::new(&condition.name, format!("the condition `{}` {message}", condition.name)))
    };
    if condition.reason.trim().is_empty() {
        return refused("gives no reason for its threshold");
    }
    match condition.threshold() {
        None => return refused("takes one of `at_least` and `at_most`"),
        Some(threshold) if !(threshold.value() > 0.0 && threshold.value().is_finite()) => {
            return refused("has a threshold that is not a positive number");
        }
        Some(_) => {}
    }
    check_subject(scenario, condition, &condition.measurement, &condition.stack)?;
    match condition.compared_with() {
        Some(other) if other == (condition.measurement.as_str(), condition.stack.as_str()) => {
            refused("compares a figure with itself; `over` must name another stack or measurement")
        }
        Some((measurement, stack)) => check_subject(scenario, condition, measurement, stack),
        None => Ok(()),
    }
}

/// Checks that `stack` is measured in `measurement` and has the figure of `condition`.
fn check_subject(
    scenario: &Scenario,
    condition: &Condition,
    measurement: &str,
    stack: &str,
) -> Result<(), Mistake> {
    let known = Stack::named(stack).map_err(|error| Mistake::new(stack, error.to_string()))?;
    if condition.figure.is_of_timeline() {
        return check_timeline(scenario, condition, known);
    }
    if condition.figure.is_of_topology() {
        return check_topology(scenario, measurement, known, condition.figure);
    }
    let found = find_measurement(scenario, measurement)?;
    if !scenario.measures(known, found) {
        let listed = if found.stacks.is_empty() { &scenario.stacks } else { &found.stacks };
        return Err(Mistake::new(
            stack,
            format!(
                "`{stack}` is not measured in `{measurement}`{}; its stacks are {}",
                hint(nearest(stack, listed.iter().map(String::as_str))),
                listed.join(", ")
            ),
        ));
    }
    if condition.figure.is_of_servers() {
        check_servers_of(condition, found, known)?;
    }
    if condition.figure == ClaimFigure::BrokerCpu && !known.needs_broker() {
        return Err(Mistake::new(stack, format!("`{stack}` has no broker")));
    }
    if condition.figure == ClaimFigure::Deliveries && found.way.is_call() {
        let message = format!(
            "`{measurement}` makes calls; only messages without an answer have deliveries: set its `way`"
        );
        return Err(Mistake::new(measurement, message));
    }
    if condition.figure.needs_server() && !known.has_server() {
        return Err(Mistake::new(
            stack,
            format!("`{stack}` has no server, and so no {}", condition.figure.title()),
        ));
    }
    Ok(())
}

/// Checks that `measurement` has several servers, and that those of `stack` report their calls.
fn check_servers_of(condition: &Condition, measurement: &Measurement, stack: &Stack) -> Result<(), Mistake> {
    let (figure, name) = (condition.figure.title(), &measurement.name);
    if measurement.servers == NonZeroU32::MIN {
        let message = format!("`{name}` has one server, and so no {figure}; set its `servers`");
        return Err(Mistake::new(name, message));
    }
    if stack.reference().is_some() {
        let message =
            format!("the servers of `{}` do not report their calls, and have no {figure}", stack.name);
        return Err(Mistake::new(stack.name, message));
    }
    Ok(())
}

/// Checks that `stack` takes part in the timeline that `condition` names.
fn check_timeline(scenario: &Scenario, condition: &Condition, stack: &Stack) -> Result<(), Mistake> {
    let (wanted, figure) = (&condition.measurement, condition.figure.title());
    let names = || scenario.timelines.iter().map(|timeline| timeline.name.as_str());
    let Some(timeline) = scenario.timelines.iter().find(|timeline| timeline.name == *wanted) else {
        let suggestion = hint(nearest(wanted, names()));
        let message = format!("there is no timeline `{wanted}`{suggestion}, and only those have {figure}");
        return Err(Mistake::new(wanted, message));
    };
    if condition.over.is_some() {
        let message = format!("the condition `{}` takes no `over`: it is about a timeline", condition.name);
        return Err(Mistake::new(&condition.name, message));
    }
    if timeline.includes(stack) && scenario.measures(stack, &timeline.measurement()) {
        return Ok(());
    }
    let message = format!("`{}` does not take part in the timeline `{wanted}`", stack.name);
    Err(Mistake::new(stack.name, message))
}

/// Checks that `stack` takes part in the topology `wanted`, which has `figure`.
fn check_topology(
    scenario: &Scenario,
    wanted: &str,
    stack: &Stack,
    figure: ClaimFigure,
) -> Result<(), Mistake> {
    let names = || scenario.topologies.iter().map(|topology| topology.name.as_str());
    let Some(topology) = scenario.topologies.iter().find(|topology| topology.name == wanted) else {
        let (suggestion, figure) = (hint(nearest(wanted, names())), figure.title());
        let message = format!("there is no topology `{wanted}`{suggestion}, and only those have {figure}");
        return Err(Mistake::new(wanted, message));
    };
    if topology.includes(&scenario.stacks, stack) {
        return Ok(());
    }
    let message = format!("`{}` does not take part in the topology `{wanted}`", stack.name);
    Err(Mistake::new(stack.name, message))
}

fn find_measurement<'a>(scenario: &'a Scenario, name: &str) -> Result<&'a Measurement, Mistake> {
    let names = || scenario.measurements.iter().map(|measurement| measurement.name.as_str());
    let found = scenario.measurements.iter().find(|measurement| measurement.name == name);
    found.ok_or_else(|| {
        let list: Vec<_> = names().collect();
        let message = format!(
            "unknown measurement `{name}`{}; the measurements are {}",
            hint(nearest(name, names())),
            list.join(", ")
        );
        Mistake::new(name, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{BUILT_IN, Threshold};

    const CLAIM: &str = r#"
[[claim]]
name = "small"
statement = "JSON-RPC is smaller than REST."
[[claim.condition]]
name = "JSON-RPC takes fewer bytes"
measurement = "latency"
stack = "jsonrpc"
figure = "bytes"
over = { stack = "rest" }
at_most = 0.9
reason = "a tenth"
[[claim.condition]]
name = "JSON-RPC waits"
measurement = "throughput"
stack = "jsonrpc"
figure = "latency-p50"
over = { measurement = "latency" }
at_least = 2
reason = "32 callers"
"#;

    #[test]
    fn a_figure_of_a_timeline_needs_a_timeline_with_the_stack_and_takes_no_ratio() {
        let text = crate::scenario::built_in("outage").unwrap();
        Scenario::parse("outage", text).unwrap();
        for (from, to, expected) in [
            ("measurement = \"server away\"", "measurement = \"server awry\"", "did you mean `server away`?"),
            ("stack = \"rest\"", "stack = \"tcp\"", "`tcp` does not take part in the timeline `server away`"),
            ("at_least = 950", "at_least = 950\nover = { stack = \"amqp\" }", "takes no `over`"),
            ("figure = \"lost\"", "figure = \"bytes\"", "unknown measurement `server away`"),
        ] {
            let at = text.find("[[claim]]").unwrap();
            let broken = format!("{}{}", &text[..at], text[at..].replacen(from, to, 1));
            let error = Scenario::parse("mine.toml", &broken).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }

    fn with_claim(from: &str, to: &str) -> String {
        let claim = CLAIM.replacen(from, to, 1);
        assert!(from == to || claim != CLAIM, "the claim has no `{from}`");
        format!("{}{claim}", BUILT_IN[0].1)
    }

    #[test]
    fn a_claim_is_read_with_its_thresholds_and_ratios() {
        let scenario = Scenario::parse("mine.toml", &with_claim("", "")).unwrap();
        let [bytes, waits] = scenario.claims[0].conditions.as_slice() else { panic!("two conditions") };
        assert_eq!(bytes.threshold(), Some(Threshold::AtMost(0.9)));
        assert_eq!(bytes.compared_with(), Some(("latency", "rest")));
        assert_eq!(waits.threshold(), Some(Threshold::AtLeast(2.0)));
        assert_eq!(waits.compared_with(), Some(("latency", "jsonrpc")));
        let text = toml::to_string(&scenario).unwrap();
        assert_eq!(Scenario::parse("copy", &text).unwrap(), scenario);
    }

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

    #[test]
    fn a_claim_about_what_does_not_exist_is_refused_with_a_suggestion() {
        for (from, to, expected) in [
            ("\"latency\"", "\"latencie\"", "unknown measurement `latencie`; did you mean `latency`?"),
            ("{ measurement = \"latency\" }", "{ measurement = \"late\" }", "unknown measurement `late`"),
            ("\"jsonrpc\"", "\"jsonrcp\"", "did you mean `jsonrpc`?"),
            ("\"jsonrpc\"", "\"xmlrpc-python\"", "`xmlrpc-python` is not measured in `latency`"),
            ("\"jsonrpc\"", "\"inproc\"", "`inproc` has no server"),
            ("{ stack = \"rest\" }", "{ stack = \"jsonrpc\" }", "compares a figure with itself"),
            ("{ stack = \"rest\" }", "{ stac = \"rest\" }", "did you mean `stack`?"),
            ("\"latency-p50\"", "\"latency-p5\"", "did you mean `latency-p50`?"),
            ("\"latency-p50\"", "\"busiest-share\"", "`throughput` has one server, and so no share of the"),
            (
                "\"latency-p50\"",
                "\"deliveries\"",
                "`throughput` makes calls; only messages without an answer",
            ),
            ("at_most = 0.9\n", "", "takes one of `at_least` and `at_most`"),
            ("at_most = 0.9", "at_most = 0.9\nat_least = 1", "takes one of"),
            ("at_most = 0.9", "at_most = -1", "not a positive number"),
            ("at_most = 0.9", "at_most = inf", "not a positive number"),
            ("\"a tenth\"", "\" \"", "gives no reason"),
            ("reason = \"a tenth\"\n", "", "missing field `reason`"),
            ("\"JSON-RPC is smaller than REST.\"", "\"\"", "has no statement"),
        ] {
            let text = with_claim(from, to);
            let error = Scenario::parse("mine.toml", &text).unwrap_err().to_string();
            assert!(error.starts_with("mine.toml:") && error.contains(expected), "{to}: {error}");
        }
        let twice = format!("{}{CLAIM}", with_claim("", ""));
        let error = Scenario::parse("mine.toml", &twice).unwrap_err().to_string();
        assert!(error.contains("two claims have the name `small`"), "{error}");
    }
}
