//! The traces of a run at a broker that others use, too.

use std::time::Duration;

use super::options::Options;
use crate::scenario::Plan;

/// The most servers of one stack that run at the same time in blocks: a pair of a stack with itself has four trials.
const SERVERS_IN_BLOCKS: usize = 4;
/// How long the traces of one stack may take to be removed.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Removes what the servers of a run of `plan` leave at the brokers that `options` name, such as their queues. Does
/// nothing for private brokers, which end with the run. Returns, for people, what could not be removed.
#[must_use]
pub fn remove_leftovers(plan: &Plan, options: &Options) -> Vec<String> {
    if options.brokers.is_empty() {
        return vec![];
    }
    let started = plan.stacks().into_iter().filter_map(|stack| {
        let is_ours = stack.has_server() && !options.targets.urls.contains_key(stack.name);
        Some((stack, stack.protocol.get().brokered()?, options.brokers.of_stack(stack).filter(|_| is_ours)?))
    });
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return vec![error.to_string()],
    };
    let mut problems = Vec::new();
    for (stack, broker, url) in started {
        for instance in 0..SERVERS_IN_BLOCKS.max(plan.topologies().max_servers()) {
            let mut server = options.server.protocol.clone();
            stack.separate(instance, &mut server);
            let removed = broker.remove_leftovers(url.to_owned(), server, TIMEOUT);
            if let Err(problem) = runtime.block_on(removed) {
                problems.push(format!("{}: {problem}", stack.name));
                break;
            }
        }
    }
    problems
}
