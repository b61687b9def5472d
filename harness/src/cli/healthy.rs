//! The hidden subcommand that container health checks run.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::brokers::broker_urls;
use super::targets::from_environment;
use super::{Exit, Failure, Outcome, runtime};
use crate::run::targets::probe;
use crate::stacks::{BROKER_VARIABLE, Destination};
use crate::sys;

/// The name of the subcommand.
pub(super) const SUBCOMMAND: &str = "__healthy";

/// For how long after the start of the container a probe checks the servers without delay.
const STARTUP_TIME: Duration = Duration::from_secs(60);
/// How long a probe waits before it checks servers that have answered before, because a probe takes CPU time and its calls
/// disturb a measurement. The container engine starts the next probe when this one has ended.
const PROBE_DELAY: Duration = Duration::from_secs(300);
/// This file exists once the servers have answered. All containers can write there, and it is removed when the container
/// restarts.
const ANSWERED_FILE: &str = "/dev/shm/rpcbench-answered";

/// Checks that the servers of this container, which `RPCBENCH_TARGETS` lists, answer.
pub(super) fn healthy() -> Outcome {
    if Path::new(ANSWERED_FILE).exists() || container_age().is_none_or(|age| age > STARTUP_TIME) {
        std::thread::sleep(PROBE_DELAY);
    }
    let broker = sys::variable(BROKER_VARIABLE).and_then(|url| url.into_string().ok());
    let brokers = broker_urls(broker.as_slice())?;
    let targets = from_environment(&brokers)?;
    runtime()?.block_on(async {
        for (stack, url) in targets {
            probe(stack, Destination::new(url))
                .await
                .map_err(|reason| Failure::new(Exit::No, format!("{}: {reason}", stack.name)))?;
        }
        // If it cannot be written, the age of the container decides.
        let _ = fs::write(ANSWERED_FILE, "");
        Ok(Exit::Done)
    })
}

/// How long ago the first process of the container started (proc_pid_stat(5), field 22, in ticks of 1/100 s).
fn container_age() -> Option<Duration> {
    let uptime: f64 = fs::read_to_string("/proc/uptime").ok()?.split_whitespace().next()?.parse().ok()?;
    let stat = fs::read_to_string("/proc/1/stat").ok()?;
    // The program's name is in parentheses and may contain spaces.
    let started: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    Duration::try_from_secs_f64(uptime - started / 100.0).ok()
}
