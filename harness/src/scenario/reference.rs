//! The reference of the keys of a scenario: a JSON Schema for editors and a page for people, both made from the types.

use std::fmt::Write as _;

use serde_json::Value;

use super::model::Scenario;

/// The JSON Schema of a scenario, published as `results/scenario.schema.json`.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(Scenario).to_value();
    schema["title"] = "rpcbench scenario".into();
    schema
}

const INTRODUCTION: &str = r##"# Scenarios

<!-- Made from the types of harness/src/scenario by a test; do not edit. -->

A scenario is a TOML file that says what is measured. `rpcbench run FILE.toml` measures it; `rpcbench run NAME` measures a
built-in one. `rpcbench list` prints their names, and `rpcbench list --scenario NAME` prints one of them, to copy and
change:

```sh
rpcbench list --scenario quick > mine.toml
rpcbench run mine.toml
```

A complete scenario:

```toml
#:schema ../results/scenario.schema.json
name = "mine"
question = "Is zerorpc faster than REST for documents?"
blocks = 10
warmup = "100ms"
measure = "300ms"
stacks = ["rest", "zerorpc"]
pairs = [["rest", "zerorpc"]]

[[measurement]]
name = "document"
operation = "echo:10KiB"
load = "closed:1"
placement = "shared"

[[search]]
name = "capacity"
operation = "add"
arrivals = "poisson"
p99 = "5ms"
placement = "split"
connections = 32

[[timeline]]
name = "server away"
operation = "add"
load = "open:500:constant"
placement = "split"
length = "8s"

[[timeline.event]]
at = "2s"
action = "kill-server"

[[timeline.event]]
at = "4s"
action = "start-server"

[[timeline]]
name = "ramp"
operation = "add"
arrivals = "poisson"
placement = "split"

[[timeline.stage]]
from = 100
to = 1000
over = "30s"

[[timeline.stage]]
to = 1000
over = "1m"
```

A scenario can also call [your own service](own-service.md) instead of the calculator.

At least one `[[measurement]]`, `[[search]]`, `[[timeline]]`, `[[topology]]`, `[[codec]]` or included scenario is needed. Every
trial of a block is one stack under one measurement.
Durations are written as `250ms`, `5s` or `1s 500ms`. Command-line options such as `--stack`, `--load` and `--blocks`
override the scenario; see `rpcbench run --help`.

A scenario can also hold claims, on which its report gives a verdict: statements about the protocols, each with conditions
about the figures, and thresholds that stand here before anything is measured. The built-in scenarios `overhead` and
`payload` have some, and [reading a report](reading-a-report.md#claims) explains the verdicts:

```toml
[[claim]]
name = "smaller"
statement = "zerorpc needs less of the network than REST."

[[claim.condition]]
name = "a call takes fewer bytes"
measurement = "document"
stack = "zerorpc"
figure = "bytes"
over = { stack = "rest" }
at_most = 0.8
reason = "A fifth less would be noticed on the bill for traffic."
```

[scenario.schema.json](../../results/scenario.schema.json) is the JSON Schema of these keys, for completion in editors:
the first line of the example names it for Taplo and the editors that use it.
"##;

/// The page `harness/docs/scenarios.md`: every key with its type, default, meaning and an example.
#[must_use]
pub fn reference_page() -> String {
    let schema = json_schema();
    let definitions = &schema["$defs"];
    let mut page = INTRODUCTION.to_owned();
    for (title, object) in [
        ("The scenario", &schema),
        ("`[[measurement]]`", &definitions["Measurement"]),
        ("`slow`", &definitions["SlowServers"]),
        ("`exchange`", &definitions["Exchange"]),
        ("`[[operation]]`", &definitions["OwnOperation"]),
        ("`expect`", &definitions["Expect"]),
        ("`variables`", &definitions["Variables"]),
        ("`[[search]]`", &definitions["Search"]),
        ("`[[codec]]`", &definitions["CodecMeasurement"]),
        ("`[[claim]]`", &definitions["Claim"]),
        ("`[[claim.condition]]`", &definitions["Condition"]),
        ("`over`", &definitions["Over"]),
        ("`[[timeline]]`", &definitions["Timeline"]),
        ("`[[timeline.event]]`", &definitions["TimelineEvent"]),
        ("`[[timeline.stage]]`", &definitions["Stage"]),
        ("`[[topology]]`", &definitions["Topology"]),
    ] {
        let _ = writeln!(page, "\n## {title}\n\n{}\n", one_line(&object["description"]));
        page.push_str("| key | type | default | meaning | example |\n|---|---|---|---|---|\n");
        for (key, property) in properties(object) {
            let is_required = object["required"].as_array().is_some_and(|keys| keys.contains(&key.into()));
            let default = match property.get("default") {
                _ if is_required => "required".to_owned(),
                Some(Value::Null) | None => "none".to_owned(),
                Some(default) => format!("`{}`", toml(default)),
            };
            let example = property["examples"].get(0);
            let _ = writeln!(
                page,
                "| `{key}` | {} | {default} | {} | {} |",
                type_of(property),
                one_line(&property["description"]),
                example.map(|example| format!("`{key} = {}`", toml(example))).unwrap_or_default(),
            );
        }
    }
    for (title, name) in [
        ("Placements", "Placement"),
        ("Ways", "Way"),
        ("Kinds of exchanges", "ExchangeKind"),
        ("Arrivals", "Arrivals"),
        ("Connections", "ConnectionUse"),
        ("Actions", "Action"),
        ("Figures", "ClaimFigure"),
    ] {
        let _ = writeln!(page, "\n## {title}\n\n{}\n", one_line(&definitions[name]["description"]));
        page.push_str("| value | meaning |\n|---|---|\n");
        for value in definitions[name]["oneOf"].as_array().into_iter().flatten() {
            let _ = writeln!(page, "| `{}` | {} |", text(&value["const"]), one_line(&value["description"]));
        }
    }
    page
}

/// The properties of an object: required keys in the order of the type, then the others by name.
fn properties(object: &Value) -> Vec<(&str, &Value)> {
    let Some(all) = object["properties"].as_object() else { return vec![] };
    let required = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut keys: Vec<&str> = required.collect();
    let optional: Vec<&str> = all.keys().map(String::as_str).filter(|key| !keys.contains(key)).collect();
    keys.extend(optional);
    keys.into_iter().filter_map(|key| Some((key, all.get(key)?))).collect()
}

/// The type of a property in words.
fn type_of(property: &Value) -> String {
    if let Some(reference) = property["$ref"].as_str() {
        return match reference.rsplit('/').next() {
            Some("Placement") => "[placement](#placements)".to_owned(),
            Some("Arrivals") => "[arrivals](#arrivals)".to_owned(),
            Some("ConnectionUse") => "[connection](#connections)".to_owned(),
            Some("ClaimFigure") => "[figure](#figures)".to_owned(),
            Some("Over") => "[table](#over)".to_owned(),
            Some("SlowServers") => "[table](#slow)".to_owned(),
            Some("Exchange") => "[table](#exchange)".to_owned(),
            Some("ExchangeKind") => "[kind](#kinds-of-exchanges)".to_owned(),
            Some("OptionValues") => "table".to_owned(),
            Some("Action") => "[action](#actions)".to_owned(),
            Some("Way") => "[way](#ways)".to_owned(),
            Some("AnyValue") => "any value".to_owned(),
            Some("Expect") => "[table](#expect)".to_owned(),
            Some("Variables") => "[table](#variables)".to_owned(),
            _ => "string".to_owned(),
        };
    }
    let name = match &property["type"] {
        Value::Array(names) => names.first().map(text).unwrap_or_default(),
        name => text(name),
    };
    match name {
        "array" => {}
        "object" => return "table".to_owned(),
        name => return name.to_owned(),
    }
    match (property["items"]["type"].as_str(), property["items"]["$ref"].as_str()) {
        (Some("array"), _) => "array of pairs of strings".to_owned(),
        (Some(item), _) => format!("array of {item}s"),
        (None, _) => "array of tables".to_owned(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A description without its line breaks, for a cell of a table.
fn one_line(description: &Value) -> String {
    text(description).replace('\n', " ").replace('|', "\\|")
}

/// A value as TOML writes it; JSON's form of strings, numbers, booleans and arrays is valid TOML.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| format!("{key} = {}", toml(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_page_is_a_valid_scenario() {
        let page = reference_page();
        let examples = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        let [scenario, claim] = examples.collect::<Vec<_>>().try_into().unwrap();
        Scenario::parse("the page", &format!("{scenario}{claim}")).unwrap();
    }

    #[test]
    fn every_key_has_a_description_and_an_example_that_is_valid() {
        let schema = json_schema();
        let base = Scenario::load("saturation").unwrap();
        let mut base = serde_json::to_value(&base).unwrap();
        base["measurement"] = serde_json::json!([{
            "name": "latency", "operation": "add", "load": "closed:1", "placement": "shared",
            "slow": { "servers": 1, "work": "sleep:1ms" },
            "exchange": { "kind": "topic", "bindings": 10 },
        }]);
        base["claim"] = serde_json::json!([{
            "name": "small", "statement": "It is small.", "condition": [{
                "name": "few bytes", "measurement": "latency", "stack": "rest", "figure": "bytes",
                "over": { "stack": "xmlrpc" }, "at_most": 1, "reason": "a test",
            }],
        }]);
        base["codec"] = serde_json::json!([{ "name": "call", "operation": "add" }]);
        base["timeline"] = serde_json::json!([{
            "name": "away", "operation": "add", "load": "open:9:constant", "placement": "shared", "length": "8s",
            "event": [{ "at": "1s", "action": "kill-server" }], "stage": [{ "to": 9, "over": "9s" }],
        }]);
        base["topology"] = serde_json::json!([{
            "name": "2 × 2", "clients": 2, "servers": 2, "operation": "add", "placement": "shared",
        }]);
        base["operation"] = serde_json::json!([{
            "name": "get_user", "path": "/users/7", "expect": { "status": 200 }, "variables": {},
        }]);
        let definitions = &schema["$defs"];
        for (path, object) in [
            ("", &schema),
            ("/measurement/0", &definitions["Measurement"]),
            ("/measurement/0/slow", &definitions["SlowServers"]),
            ("/measurement/0/exchange", &definitions["Exchange"]),
            ("/operation/0", &definitions["OwnOperation"]),
            ("/operation/0/expect", &definitions["Expect"]),
            ("/operation/0/variables", &definitions["Variables"]),
            ("/search/0", &definitions["Search"]),
            ("/claim/0", &definitions["Claim"]),
            ("/claim/0/condition/0", &definitions["Condition"]),
            ("/claim/0/condition/0/over", &definitions["Over"]),
            ("/codec/0", &definitions["CodecMeasurement"]),
            ("/timeline/0", &definitions["Timeline"]),
            ("/timeline/0/event/0", &definitions["TimelineEvent"]),
            ("/timeline/0/stage/0", &definitions["Stage"]),
            ("/topology/0", &definitions["Topology"]),
        ] {
            for (key, property) in properties(object) {
                assert!(!text(&property["description"]).is_empty(), "{path}/{key}");
                let Some(example) = property["examples"].get(0) else {
                    let is_table = [
                        "measurement",
                        "search",
                        "timeline",
                        "event",
                        "stage",
                        "topology",
                        "codec",
                        "claim",
                        "condition",
                    ]
                    .contains(&key);
                    assert!(is_table, "{path}/{key} has no example");
                    continue;
                };
                let mut changed = base.clone();
                changed.pointer_mut(path).unwrap()[key] = example.clone();
                let scenario = serde_json::from_value::<Scenario>(changed);
                assert!(scenario.is_ok(), "{path}/{key}: {scenario:?}");
            }
        }
    }
}
