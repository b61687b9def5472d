//! `rpcbench list`.

use std::fmt::Write as _;

use calculator::Method;

use super::{Exit, Failure, Outcome, print};
use crate::load::{STREAM, Steps};
use crate::scenario::{BUILT_IN, Scenario, built_in};
use crate::stacks::all;

/// List stacks, scenarios and operations
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  rpcbench list\n  rpcbench list --scenario quick > mine.toml")]
pub(super) struct Arguments {
    /// Print this built-in scenario, to copy and change
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
}

pub(super) fn list(arguments: &Arguments) -> Outcome {
    if let Some(name) = &arguments.scenario {
        print(built_in(name).map_err(Failure::usage)?)?;
        return Ok(Exit::Done);
    }
    let mut text = String::from("Stacks (--stack), and their transports beside TCP\n");
    for stack in all() {
        let _ = writeln!(
            text,
            "  {:<22} {:<8} {} → {} ({}){}",
            stack.name,
            stack.protocol,
            stack.client.name,
            stack.server.name,
            stack.role.title(),
            stack.all_transports().skip(1).map(|transport| format!(" +{transport}")).collect::<String>()
        );
    }
    text.push_str("\nScenarios (rpcbench run NAME)\n");
    for (name, source) in BUILT_IN {
        if let Ok(scenario) = Scenario::parse(name, source) {
            let _ = writeln!(text, "  {name:<18} {}", scenario.question);
        }
    }
    text.push_str("\nOperations (--operation)\n");
    for method in Method::ALL {
        let title = format!("{}({})", method.name(), method.params().join(", "));
        let _ = writeln!(text, "  {title:<18} {}", method.doc());
    }
    text.push_str("                     echo can have a payload: echo:100B, echo:1KiB, … up to echo:1MiB,\n");
    text.push_str("                     and echo:nova the sizes of the messages of OpenStack's services\n");
    let name = Steps::Sequential.name();
    let _ = writeln!(
        text,
        "  {name:<18} Calculate ((5·2) + ((7−3)·10)) / (6−4) by six calls, one after another."
    );
    text.push_str("                     dependent:concurrent and dependent:batched make those that need no other's result\n");
    text.push_str("                     at the same time, and in one message\n");
    let _ = writeln!(
        text,
        "  {STREAM:<18} Receive a stream of 100 items from gRPC and zerorpc; stream:1000 is one of 1,000."
    );
    print(&text)?;
    Ok(Exit::Done)
}
