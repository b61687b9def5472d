//! `rpcbench doctor`.

use std::fmt::Write as _;

use super::{Exit, Outcome, print};
use crate::deploy::{keep_awake::KeepAwake, rabbitmq};
use crate::sys;

/// Check this machine for what would disturb a measurement or is missing
///
/// Prints each problem with its remedy. Exits with 1 if something is missing that the scenario `standard` needs.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  rpcbench doctor")]
pub(super) struct Arguments {}

/// The result of one check.
enum Finding {
    /// Nothing to do.
    Good(String),
    /// Would disturb a measurement: the finding and what to do about it.
    Warning(String, &'static str),
    /// Missing: what, and what to do about it.
    Missing(String, &'static str),
}

pub(super) fn doctor(_: &Arguments) -> Outcome {
    let findings =
        [build(), cores(), pinning(), awake(), byte_counts(), governor(), virtualisation(), busy(), broker()];
    let mut text = String::new();
    for finding in &findings {
        let _ = match finding {
            Finding::Good(what) => writeln!(text, "ok       {what}"),
            Finding::Warning(what, remedy) => writeln!(text, "warning  {what}\n         → {remedy}"),
            Finding::Missing(what, remedy) => writeln!(text, "missing  {what}\n         → {remedy}"),
        };
    }
    print(&text)?;
    let missing = findings.iter().any(|finding| matches!(finding, Finding::Missing(..)));
    Ok(if missing { Exit::No } else { Exit::Done })
}

fn build() -> Finding {
    if cfg!(debug_assertions) {
        Finding::Warning("this is a build without optimisations".into(), "build with --release")
    } else {
        Finding::Good("built with optimisations".into())
    }
}

fn cores() -> Finding {
    match sys::allowed_cores().len() {
        1 => Finding::Missing(
            "only one core: client and server cannot have a core each".into(),
            "use --placement shared, or allow this process a second core",
        ),
        n => Finding::Good(format!("{n} cores")),
    }
}

fn pinning() -> Finding {
    let pinned = std::thread::scope(|scope| {
        scope.spawn(|| sys::pin_current_thread(&sys::allowed_cores()[..1])).join()
    });
    match pinned {
        Ok(Ok(())) => Finding::Good("processes can be pinned to cores".into()),
        Ok(Err(error)) => Finding::Warning(
            format!("processes cannot be pinned: {error}"),
            "measure on Linux, or read the results as those of placement `free`",
        ),
        Err(_) => Finding::Warning("pinning panicked".into(), "report this as a bug"),
    }
}

fn awake() -> Finding {
    match KeepAwake::start(&sys::allowed_cores()[..1]) {
        Ok(_) => Finding::Good("cores can be kept awake (SCHED_IDLE)".into()),
        Err(error) => Finding::Warning(
            format!("cores cannot be kept awake: {error}"),
            "latencies on two cores then include waking up a core; prefer --placement shared",
        ),
    }
}

fn byte_counts() -> Finding {
    match sys::sockets() {
        Some(_) => Finding::Good("the kernel counts the bytes of each TCP connection (TCP_INFO)".into()),
        None => Finding::Warning(
            "this system does not report the bytes of a TCP connection".into(),
            "measure on Linux; reports show byte counts as not observable",
        ),
    }
}

fn governor() -> Finding {
    match sys::machine().governor.as_deref() {
        None | Some("performance") => Finding::Good("no frequency scaling".into()),
        Some(other) => Finding::Warning(
            format!("the frequency governor is `{other}`"),
            "as root: cpupower frequency-set -g performance",
        ),
    }
}

fn virtualisation() -> Finding {
    match sys::machine().virtualised {
        Some(true) => Finding::Warning(
            "this is a virtual machine: its cores may be shared, and waking up a core is slow".into(),
            "compare ratios within a run, not times between runs",
        ),
        Some(false) => Finding::Good("this is not a virtual machine".into()),
        None => Finding::Good("this system does not report whether this is a virtual machine".into()),
    }
}

fn busy() -> Finding {
    match sys::load_average() {
        Some(load) if load > 0.5 => Finding::Warning(
            format!("the load average of the last minute is {load:.1}"),
            "stop other programs",
        ),
        Some(load) => Finding::Good(format!("the machine is idle (load average {load:.1})")),
        None => Finding::Good("this system does not report how busy the machine is".into()),
    }
}

fn broker() -> Finding {
    match rabbitmq::installed() {
        Ok(path) => Finding::Good(format!("RabbitMQ: {}", path.display())),
        Err(error) => Finding::Missing(
            error.to_string(),
            "without a broker, the AMQP stacks are skipped and all others are measured",
        ),
    }
}
