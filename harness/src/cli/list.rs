//! `rpcbench list`.

use std::fmt::Write as _;

use calculator::Method;

use super::{Exit, Outcome, print};
use crate::scenario::{BUILT_IN, Scenario};
use crate::stacks::all;

/// List the names that the other commands take.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  rpcbench list")]
pub(super) struct Arguments {}

#[allow(clippy::unnecessary_wraps)]
pub(super) fn list(_: &Arguments) -> Outcome {
    let mut text = String::from("Stacks (--stack)\n");
    for stack in all() {
        let _ = writeln!(
            text,
            "  {:<22} {:<8} {} → {} ({})",
            stack.name,
            stack.protocol,
            stack.client.name,
            stack.server.name,
            stack.role.title()
        );
    }
    text.push_str("\nScenarios (rpcbench run NAME)\n");
    for (name, source) in BUILT_IN {
        if let Ok(scenario) = Scenario::parse(name, source) {
            let _ = writeln!(text, "  {name:<14} {}", scenario.question);
        }
    }
    text.push_str("\nOperations (--operation)\n");
    for method in Method::ALL {
        let title = format!("{}({})", method.name(), method.params().join(", "));
        let _ = writeln!(text, "  {title:<14} {}", method.doc());
    }
    text.push_str("                 echo takes a payload: echo:100B, echo:1KiB, … up to echo:1MiB\n");
    print(&text);
    Ok(Exit::Done)
}
