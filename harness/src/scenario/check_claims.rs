//! What is checked of the claims of a scenario: that they are complete, and that what they name exists.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use codecs::Format;

use super::check::Mistake;
use super::claim::{ClaimFigure, Condition, Subject};
use super::model::{Measurement, Scenario};
use crate::stacks::{Stack, hint, nearest};

/// Checks that the claims of `scenario` have everything that is needed to judge them, and that what they name exists.
pub(super) fn check_claims(scenario: &Scenario) -> Result<(), Mistake> {
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
    let subject = subject_of(condition)?;
    check_subject(scenario, condition, (&condition.measurement, subject))?;
    match condition.compared_with() {
        Some(other) if other == (condition.measurement.as_str(), subject) => {
            refused("compares a figure with itself; `over` must name another stack, format or measurement")
        }
        Some(other) => check_subject(scenario, condition, other),
        None => Ok(()),
    }
}

/// The stack that `condition` is about, or the format if its figure is one of codecs. It may not name the other kind on either side.
fn subject_of(condition: &Condition) -> Result<Subject<'_>, Mistake> {
    let Condition { name, figure, over, .. } = condition;
    let over = over.as_ref();
    let has_stack = condition.stack.is_some() || over.is_some_and(|over| over.stack.is_some());
    let has_format = condition.format.is_some() || over.is_some_and(|over| over.format.is_some());
    let (has_other, title) = (if figure.is_of_codec() { has_stack } else { has_format }, figure.title());
    condition.subject().filter(|_| !has_other).ok_or_else(|| {
        let message = if figure.is_of_codec() {
            format!("the condition `{name}` takes a `format` and no `stack`: {title} is a figure of codecs")
        } else {
            format!(
                "the condition `{name}` takes a `stack` and no `format`: {title} is not a figure of codecs"
            )
        };
        Mistake::new(name, message)
    })
}

/// Checks that `subject` has the figure of `condition` in `measurement`.
fn check_subject(
    scenario: &Scenario,
    condition: &Condition,
    (measurement, subject): (&str, Subject<'_>),
) -> Result<(), Mistake> {
    match subject {
        Subject::Stack(stack) => check_stack(scenario, condition, measurement, stack),
        Subject::Format(format) => check_format(scenario, condition, measurement, format),
    }
}

/// Checks that `wanted` is a `[[codec]]` that has `format`. A mistake is reported at the name of the condition, since a
/// measurement may have the name `wanted`, too, and other codecs may have the format.
fn check_format(
    scenario: &Scenario,
    condition: &Condition,
    wanted: &str,
    format: Format,
) -> Result<(), Mistake> {
    let name = &condition.name;
    let names = || scenario.codecs.iter().map(|codecs| codecs.name.as_str());
    let Some(codecs) = scenario.codecs.iter().find(|codecs| codecs.name == wanted) else {
        let (suggestion, title) = (hint(nearest(wanted, names())), condition.figure.title());
        let message = format!(
            "the condition `{name}`: {title} takes a [[codec]], and none is named `{wanted}`{suggestion}"
        );
        return Err(Mistake::new(name, message));
    };
    if codecs.formats.contains(&format) {
        return Ok(());
    }
    let list: Vec<_> = codecs.formats.iter().map(|format| format.name()).collect();
    let list = list.join(", ");
    let message =
        format!("the condition `{name}`: `{format}` is not measured in `{wanted}`; its formats are {list}");
    Err(Mistake::new(name, message))
}

/// Checks that `stack` is measured in `measurement` and has the figure of `condition`.
fn check_stack(
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
        if scenario.codecs.iter().any(|codecs| codecs.name == name) {
            let message = format!(
                "`{name}` is a [[codec]], and stacks are not measured in it; give a figure of codecs"
            );
            return Mistake::new(name, message);
        }
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

    fn with_claim(from: &str, to: &str) -> String {
        let claim = CLAIM.replacen(from, to, 1);
        assert!(from == to || claim != CLAIM, "the claim has no `{from}`");
        format!("{}{claim}", BUILT_IN[0].1)
    }

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

    #[test]
    fn a_claim_is_read_with_its_thresholds_and_ratios() {
        let scenario = Scenario::parse("mine.toml", &with_claim("", "")).unwrap();
        let [bytes, waits] = scenario.claims[0].conditions.as_slice() else { panic!("two conditions") };
        assert_eq!(bytes.threshold(), Some(Threshold::AtMost(0.9)));
        assert_eq!(bytes.compared_with(), Some(("latency", Subject::Stack("rest"))));
        assert_eq!(waits.threshold(), Some(Threshold::AtLeast(2.0)));
        assert_eq!(waits.compared_with(), Some(("latency", Subject::Stack("jsonrpc"))));
        let text = toml::to_string(&scenario).unwrap();
        assert_eq!(Scenario::parse("copy", &text).unwrap(), scenario);
    }

    /// Checks that the scenario `text` is refused at a place in its file, with a message that contains `expected`.
    fn assert_refused(text: &str, expected: &str) {
        let error = Scenario::parse("mine.toml", text).unwrap_err().to_string();
        assert!(error.starts_with("mine.toml:") && error.contains(expected), "{error}\n{text}");
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
            assert_refused(&with_claim(from, to), expected);
        }
        let twice = format!("{}{CLAIM}", with_claim("", ""));
        let error = Scenario::parse("mine.toml", &twice).unwrap_err().to_string();
        assert!(error.contains("two claims have the name `small`"), "{error}");
    }

    #[test]
    fn a_claim_about_codecs_takes_a_codec_with_the_format() {
        const OF_CODECS: &str = r#"
[[codec]]
name = "call"
operation = "add"
formats = ["json", "protobuf"]
[[codec]]
name = "document"
operation = "echo:1KiB"
[[claim]]
name = "fast"
statement = "Protobuf is fast."
[[claim.condition]]
name = "it takes less time"
measurement = "call"
format = "protobuf"
figure = "encode-time"
over = { format = "json" }
at_most = 0.5
reason = "half"
"#;
        let with = |from: &str, to: &str| {
            let claim = OF_CODECS.replacen(from, to, 1);
            assert!(from == to || claim != OF_CODECS, "the claim has no `{from}`");
            format!("{}{claim}", BUILT_IN[0].1)
        };
        let scenario = Scenario::parse("mine.toml", &with("", "")).unwrap();
        let condition = &scenario.claims[0].conditions[0];
        assert_eq!(condition.subject(), Some(Subject::Format(Format::Protobuf)));
        assert_eq!(condition.compared_with(), Some(("call", Subject::Format(Format::Json))));
        let text = toml::to_string(&scenario).unwrap();
        assert_eq!(Scenario::parse("copy", &text).unwrap(), scenario);
        // Two sizes of a document, or of the same format.
        let other = "over = { measurement = \"document\" }";
        Scenario::parse("mine.toml", &with("over = { format = \"json\" }", other)).unwrap();
        for (from, to, expected) in [
            ("measurement = \"call\"", "measurement = \"cal\"", "none is named `cal`; did you mean `call`?"),
            // A measurement of stacks.
            ("measurement = \"call\"", "measurement = \"latency\"", "encoding time takes a [[codec]]"),
            ("format = \"protobuf\"\n", "format = \"protobfu\"\n", "did you mean `protobuf`?"),
            (
                "format = \"protobuf\"\n",
                "format = \"xml\"\n",
                "`xml` is not measured in `call`; its formats are json, protobuf",
            ),
            ("{ format = \"json\" }", "{ format = \"xml\" }", "`xml` is not measured in `call`"),
            ("{ format = \"json\" }", "{ measurement = \"doc\" }", "none is named `doc`"),
            ("{ format = \"json\" }", "{ format = \"protobuf\" }", "compares a figure with itself"),
            ("{ format = \"json\" }", "{ stack = \"rest\" }", "takes a `format` and no `stack`"),
            ("format = \"protobuf\"\n", "stack = \"rest\"\n", "takes a `format` and no `stack`"),
            ("format = \"protobuf\"\n", "", "takes a `format` and no `stack`"),
            ("\"encode-time\"", "\"latency-p50\"", "takes a `stack` and no `format`"),
            ("\"encode-time\"", "\"encode-tim\"", "did you mean `encode-time`?"),
            ("name = \"document\"", "name = \"call\"", "two codecs have the name `call`"),
        ] {
            assert_refused(&with(from, to), expected);
        }
        let misplaced = with("format = \"protobuf\"\n", "stack = \"rest\"\n").replace("encode-time", "bytes");
        let misplaced = misplaced.replace("over = { format = \"json\" }", "over = { stack = \"jsonrpc\" }");
        let error = Scenario::parse("mine.toml", &misplaced).unwrap_err().to_string();
        assert!(error.contains("`call` is a [[codec]], and stacks are not measured in it"), "{error}");
        // The line is that of the condition, although a measurement has this name further up.
        let text = with("measurement = \"call\"", "measurement = \"latency\"");
        let error = Scenario::parse("mine.toml", &text).unwrap_err().to_string();
        let line = text.lines().position(|line| line.contains("it takes less time")).unwrap() + 1;
        assert!(error.starts_with(&format!("mine.toml:{line}:")), "{error}");
    }
}
