//! The traces of a run at a broker that others use, too.

use std::time::Duration;

use super::error::RunError;
use super::options::Options;
use crate::scenario::{Plan, Scenario};
use crate::sys;

/// How long the traces of one stack may take to be removed.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Removes what the servers of a run of `scenario` leave at the broker that `options` name, such as their queues. Does
/// nothing for private brokers, which end with the run. Returns, for people, what could not be removed.
///
/// # Errors
/// [`RunError::Plan`].
pub fn remove_leftovers(scenario: &Scenario, options: &Options) -> Result<Vec<String>, RunError> {
    let Some(url) = &options.broker else { return Ok(vec![]) };
    let plan = Plan::new(scenario, &sys::allowed_cores())?;
    let started = plan.stacks().into_iter().filter(|stack| {
        stack.needs_broker() && stack.has_server() && !options.targets.urls.contains_key(stack.name)
    });
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Ok(vec![error.to_string()]),
    };
    let mut problems = Vec::new();
    for stack in started {
        let mut server = options.server.protocol.clone();
        stack.protocol.separate(stack, &mut server);
        let removed = stack.protocol.get().remove_leftovers(url.clone(), server, TIMEOUT);
        if let Err(problem) = runtime.block_on(removed) {
            problems.push(format!("{}: {problem}", stack.name));
        }
    }
    Ok(problems)
}
