//! `--target`, `--control` and `--wait`: servers that are already running.

use std::collections::{BTreeMap, BTreeSet};
use std::env::VarError;
use std::num::NonZeroU32;
use std::time::Duration;

use net::Endpoint;

use super::Failure;
use super::protocol_options::{OfClients, ProtocolOptions};
use crate::run::targets::Targets;
use crate::scenario::{Plan, Scenario, TrialSpec};
use crate::stacks::{BrokerUrls, FLOORS, Options, Stack, base_name};

/// The environment variable that lists servers that are already running, as `--target` does, separated by spaces.
const TARGETS_VARIABLE: &str = "RPCBENCH_TARGETS";
/// The environment variable that lists their control ports, as `--control` does, separated by spaces.
const CONTROLS_VARIABLE: &str = "RPCBENCH_CONTROLS";

/// Servers that are already running.
#[derive(clap::Args)]
pub(super) struct TargetsArguments {
    /// Measure a server that is already running, instead of starting one (repeatable). STACK@LABEL is measured in addition
    /// to the server that the run starts, to show what the network path costs. For a stack with a broker the URL is that of the
    /// broker; if it is left out, that of --broker is used. The environment variable RPCBENCH_TARGETS can list further servers,
    /// separated by spaces; those of stacks that are not measured are ignored
    // No parser here: what it refuses is repeated, and a URL may hold a password.
    #[arg(long = "target", value_name = "STACK[@LABEL]=URL")]
    targets: Vec<String>,
    /// The control port of such a server (its `serve --control`), which reports its CPU time, memory, bytes and cores
    /// (repeatable). RPCBENCH_CONTROLS can list further ones. The token in RPCBENCH_CONTROL_TOKEN must be that of the server
    #[arg(long = "control", value_name = "STACK[@LABEL]=HOST:PORT")]
    controls: Vec<String>,
    /// Wait up to this long for servers that are already running to answer, instead of failing at once
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = calculator::parse_duration)]
    wait: Duration,
    #[command(flatten)]
    clients: ProtocolOptions<OfClients>,
}

impl TargetsArguments {
    /// The servers for a run of `scenario`. Adds the variants among them to `scenario`.
    pub(super) fn of(&self, scenario: &mut Scenario, brokers: &BrokerUrls) -> Result<Targets, Failure> {
        let mut targets = Targets { wait: self.wait, foreign: scenario.has_only_own(), ..Targets::default() };
        for given in &self.targets {
            let (stack, url) = parse_target(given, brokers)?;
            if targets.urls.insert(stack.name.to_owned(), url).is_some() {
                return Err(named_twice("--target", stack.name));
            }
        }
        let mut listed_stacks = BTreeSet::new();
        let covers = |scenario: &Scenario, name: &str| {
            let base = base_name(name);
            scenario.stacks.iter().any(|stack| stack == name || stack == base)
                || (scenario.floors && FLOORS.contains(&base))
        };
        for given in listed(TARGETS_VARIABLE)? {
            let (stack, url) = parse_target(&given, brokers)?;
            if !listed_stacks.insert(stack.name) {
                return Err(named_twice(TARGETS_VARIABLE, stack.name));
            }
            if covers(scenario, stack.name) {
                targets.urls.entry(stack.name.to_owned()).or_insert(url);
            }
        }
        for name in targets.urls.keys().filter(|name| covers(scenario, name)).cloned().collect::<Vec<_>>() {
            add_variant(scenario, &name);
        }
        targets.clients = self.client_options(&targets.urls)?;
        targets.controls = self.controls(&targets.urls)?;
        Ok(targets)
    }

    /// The options with which clients address the servers at `urls`.
    fn client_options(&self, urls: &BTreeMap<String, String>) -> Result<Options, Failure> {
        let stacks = urls.keys().map(|name| Stack::named(name).map_err(Failure::usage));
        self.clients.of_targets(&stacks.collect::<Result<Vec<_>, _>>()?)
    }

    fn controls(&self, urls: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Failure> {
        let mut controls = BTreeMap::new();
        for given in &self.controls {
            let (stack, address) = parse_control(given)?;
            if !urls.contains_key(stack) {
                return Err(Failure::usage(format!("--control {stack}: there is no --target {stack}")));
            }
            if controls.insert(stack.to_owned(), address.to_owned()).is_some() {
                return Err(named_twice("--control", stack));
            }
        }
        for given in listed(CONTROLS_VARIABLE)? {
            let (stack, address) = parse_control(&given)?;
            if urls.contains_key(stack) {
                controls.entry(stack.to_owned()).or_insert_with(|| address.to_owned());
            }
        }
        Ok(controls)
    }
}

/// Every server that the environment lists.
pub(super) fn from_environment(brokers: &BrokerUrls) -> Result<Vec<(&'static Stack, String)>, Failure> {
    listed(TARGETS_VARIABLE)?.map(|given| parse_target(&given, brokers)).collect()
}

/// The words that the environment variable `variable` lists; none where it is not set.
fn listed(variable: &str) -> Result<impl Iterator<Item = String>, Failure> {
    let text = match std::env::var(variable) {
        Err(VarError::NotUnicode(_)) => {
            return Err(Failure::usage(format!("{variable} is not valid UTF-8")));
        }
        text => text.unwrap_or_default(),
    };
    Ok(text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().into_iter())
}

/// Refuses to measure `target`, a server that is already running, where a measurement of `plan` sets the executor, the work or
/// other options of its servers, or their number.
pub(super) fn check_handlers(plan: &Plan, target: &str) -> Result<(), Failure> {
    let sets_servers = |trial: &TrialSpec| {
        let sets_handlers = trial.executor.is_some() || trial.work.is_some() || !trial.options.is_empty();
        sets_handlers || trial.servers > NonZeroU32::MIN || trial.slow.is_some() || trial.sends_otherwise()
    };
    let Some(trial) = plan.trials_and_timelines().find(sets_servers) else { return Ok(()) };
    Err(Failure::usage(format!(
        "--target {target}: the measurement `{}` of the scenario sets `executor`, `work`, `options`, `servers`, `way` or `exchange`, which a server \
         that is already running does not take; start it with `serve --executor` or `--work`, and leave the keys out",
        trial.measurement
    )))
}

/// The last one would silently take the place of the others.
pub(super) fn named_twice(option: &str, stack: &str) -> Failure {
    Failure::usage(format!(
        "{option}: {stack} is named twice, but a stack has one server; to measure a second one beside it, name it \
         {0}@LABEL",
        base_name(stack)
    ))
}

/// Parses `STACK[@LABEL]=HOST:PORT` into the stack and the address. Messages do not repeat the address, which may be a URL
/// with a password.
fn parse_control(given: &str) -> Result<(&str, &str), Failure> {
    let is_address = |address: &str| matches!(address.parse(), Ok(Endpoint::Tcp { .. }));
    given.split_once('=').filter(|(_, address)| is_address(address)).ok_or_else(|| {
        let stack = given.split_once('=').map(|(stack, _)| format!(" {stack}"));
        // Without a name, the text may be a URL.
        let stack = stack.filter(|stack| !stack.contains("://")).unwrap_or_default();
        Failure::usage(format!(
            "--control{stack}: expected STACK=HOST:PORT with a port from 0 to 65535, for example rest=127.0.0.1:7000"
        ))
    })
}

/// Parses `STACK[@LABEL]=URL` into the stack and the URL. Messages do not repeat the URL, which may hold a password.
pub(super) fn parse_target(given: &str, brokers: &BrokerUrls) -> Result<(&'static Stack, String), Failure> {
    let (name, url) = match given.split_once('=') {
        Some((name, url)) => (name, Some(url)),
        None => (given, None),
    };
    let refused = |reason: String| Failure::usage(format!("--target {name}: {reason}"));
    // The name is missing, so the text may be a URL with a password: do not repeat it.
    let example = "expected STACK=URL, for example rest=http://127.0.0.1:8080/";
    if name.contains("://") {
        return Err(Failure::usage(format!("--target: {example}")));
    }
    let stack = Stack::named_at_address(name).map_err(|error| refused(error.to_string()))?;
    let url = match (url, brokers.of_stack(stack)) {
        (Some(url), _) | (None, Some(url)) => url,
        (None, None) if stack.needs_broker() => return Err(refused("give its URL, or --broker".to_owned())),
        (None, None) => return Err(refused(example.to_owned())),
    };
    stack.parse_url(url).map_err(refused)?;
    Ok((stack, url.to_owned()))
}

/// Adds the variant `name` to the stacks of `scenario`. Pairs it with its base stack, so that both run next to each other in
/// each block, if the scenario measures the base stack and has not paired it.
fn add_variant(scenario: &mut Scenario, name: &str) {
    if scenario.stacks.iter().any(|stack| stack == name) {
        return;
    }
    let base = base_name(name);
    let at = scenario.stacks.iter().position(|stack| stack == base);
    scenario.stacks.insert(at.map_or(0, |at| at + 1), name.to_owned());
    let is_paired = scenario.pairs.iter().flatten().any(|stack| stack == base);
    if at.is_some() && !is_paired {
        scenario.pairs.push([base.to_owned(), name.to_owned()]);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    #[command(no_binary_name = true)]
    struct CommandLine {
        #[command(flatten)]
        targets: TargetsArguments,
    }

    fn of(given: &[&str], controls: &[&str]) -> Result<(Scenario, Targets), Failure> {
        with_options(given, controls, &[])
    }

    fn with_options(
        given: &[&str],
        controls: &[&str],
        further: &[&str],
    ) -> Result<(Scenario, Targets), Failure> {
        let option = |name: &str, values: &[&str]| -> Vec<String> {
            values.iter().map(|value| format!("{name}={value}")).collect()
        };
        let further = further.iter().map(|word| (*word).to_owned()).collect();
        let words = [option("--target", given), option("--control", controls), further].concat();
        let arguments = CommandLine::try_parse_from(words).unwrap().targets;
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let mut scenario = Scenario::load("quick").unwrap();
        scenario.stacks = owned(&["rest", "amqp"]);
        let targets =
            arguments.of(&mut scenario, &BrokerUrls::new(["amqp://u:secret@h/".to_owned()]).unwrap())?;
        Ok((scenario, targets))
    }

    #[test]
    fn a_variant_stands_beside_its_stack_and_a_target_in_its_place() {
        let (scenario, targets) =
            of(&["rest@bridge=http://h:1/", "tcp@bridge=tcp://h:2", "amqp"], &["rest@bridge=h:3"]).unwrap();
        assert_eq!(scenario.stacks, ["tcp@bridge", "rest", "rest@bridge", "amqp"]);
        assert_eq!(scenario.pairs, [["rest", "rest@bridge"]]);
        assert_eq!(targets.urls["amqp"], "amqp://u:secret@h/");
        assert_eq!(targets.controls["rest@bridge"], "h:3");
    }

    #[test]
    fn client_options_apply_to_servers_that_are_already_running() {
        let given = ["--topic=calc2", "--server=s1"];
        let (_, targets) = with_options(&["amqp"], &[], &given).unwrap();
        assert!(format!("{:?}", targets.clients).contains("amqp"));
        for (targets, expected) in
            [(&[][..], "--topic is for amqp"), (&["rest=http://h/"], "--topic is for amqp")]
        {
            let message = with_options(targets, &[], &given).err().unwrap().message;
            assert!(message.contains(expected) && message.contains("--target"), "{message}");
        }
    }

    #[test]
    fn rejects_an_invalid_target_without_repeating_its_url() {
        for (given, expected) in [
            (["rest=tcp://u:secret@h:1"], "takes a URL such as"),
            (["rest"], "expected STACK=URL"),
            (["soap=http://u:secret@h/"], "unknown stack `soap`"),
            (["http://u:secret@h/"], "expected STACK=URL"),
            (["rest@Bridge=http://h/"], "unknown stack"),
        ] {
            let message = of(&given, &[]).err().unwrap().message;
            assert!(message.contains(expected) && !message.contains("secret"), "{message}");
        }
        assert!(of(&[], &["rest=h:1"]).err().unwrap().message.contains("there is no --target rest"));
        assert!(
            of(&["rest=http://h/"], &["rest"]).err().unwrap().message.contains("expected STACK=HOST:PORT")
        );
    }
}
