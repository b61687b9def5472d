//! The hidden subcommand that a container's health check is.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::targets::from_environment;
use super::{Exit, Failure, Outcome, runtime};
use crate::run::targets::probe;
use crate::stacks::BROKER_VARIABLE;

/// The hidden subcommand.
pub(super) const SUBCOMMAND: &str = "__healthy";

/// How long after the container's start a probe asks at once, at the most.
const STARTING: Duration = Duration::from_secs(60);
/// How long it waits with the question once the servers have answered: a probe is a process beside the one that is
/// measured, and its calls are not the client's. An engine begins the next probe when the last has ended.
const LATER: Duration = Duration::from_secs(300);
/// There once the servers have answered. Every container can write there, and it is gone when the container starts anew.
const ANSWERED: &str = "/dev/shm/rpcbench-answered";

/// Whether the servers that `RPCBENCH_TARGETS` lists, those of this container, answer.
pub(super) fn healthy() -> Outcome {
    if Path::new(ANSWERED).exists() || container_age().is_none_or(|age| age > STARTING) {
        std::thread::sleep(LATER);
    }
    let broker = std::env::var(BROKER_VARIABLE).ok();
    let targets = from_environment(broker.as_deref())?;
    runtime()?.block_on(async {
        for (stack, url) in targets {
            probe(stack, &url)
                .await
                .map_err(|reason| Failure::new(Exit::No, format!("{}: {reason}", stack.name)))?;
        }
        // Where it cannot be written, the time since the start decides.
        let _ = fs::write(ANSWERED, "");
        Ok(Exit::Done)
    })
}

/// For how long the first process of the container has run (proc_pid_stat(5), field 22, in ticks of 1/100 s).
fn container_age() -> Option<Duration> {
    let uptime: f64 = fs::read_to_string("/proc/uptime").ok()?.split_whitespace().next()?.parse().ok()?;
    let stat = fs::read_to_string("/proc/1/stat").ok()?;
    // The program's name, in parentheses, may hold blanks.
    let started: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    Duration::try_from_secs_f64(uptime - started / 100.0).ok()
}
