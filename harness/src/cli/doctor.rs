//! `rpcbench doctor`.

use std::fmt::Write as _;

use super::{Exit, Outcome, print};
use crate::deploy::{rabbitmq, warm::KeptAwake};
use crate::sys;

/// Looks at this machine: what will disturb a measurement, what is missing, and what to do about it. Ends with 1 when
/// something is missing that a standard run needs.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  rpcbench doctor")]
pub(super) struct Arguments {}

/// What was found about one thing.
enum Finding {
    /// As it should be.
    Good(String),
    /// It will disturb a measurement: what, and the remedy.
    Disturbing(String, &'static str),
    /// It is missing: what, and the remedy.
    Missing(String, &'static str),
}

#[allow(clippy::unnecessary_wraps)]
pub(super) fn doctor(_: &Arguments) -> Outcome {
    let findings =
        [build(), cores(), pinning(), awake(), byte_counts(), governor(), virtualisation(), busy(), broker()];
    let mut text = String::new();
    for finding in &findings {
        let _ = match finding {
            Finding::Good(what) => writeln!(text, "ok       {what}"),
            Finding::Disturbing(what, remedy) => writeln!(text, "disturbs {what}\n         → {remedy}"),
            Finding::Missing(what, remedy) => writeln!(text, "missing  {what}\n         → {remedy}"),
        };
    }
    print(&text);
    let missing = findings.iter().any(|finding| matches!(finding, Finding::Missing(..)));
    Ok(if missing { Exit::No } else { Exit::Done })
}

fn build() -> Finding {
    if cfg!(debug_assertions) {
        Finding::Disturbing("this is a build without optimisations".into(), "build with --release")
    } else {
        Finding::Good("built with optimisations".into())
    }
}

fn cores() -> Finding {
    match sys::allowed_cores().len() {
        1 => Finding::Missing(
            "one core: client and server cannot have one each".into(),
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
        Ok(Err(error)) => Finding::Disturbing(
            format!("processes cannot be pinned: {error}"),
            "measure on Linux, or read the figures as placement `free`",
        ),
        Err(_) => Finding::Disturbing("pinning ended in a panic".into(), "report this as a bug"),
    }
}

fn awake() -> Finding {
    match KeptAwake::start(&sys::allowed_cores()[..1]) {
        Ok(_) => Finding::Good("cores can be kept awake (SCHED_IDLE)".into()),
        Err(error) => Finding::Disturbing(
            format!("cores cannot be kept awake: {error}"),
            "latencies on two cores then include waking one; prefer placement shared",
        ),
    }
}

fn byte_counts() -> Finding {
    match sys::sockets() {
        Some(_) => Finding::Good("the kernel tells the bytes on each connection (TCP_INFO)".into()),
        None => Finding::Disturbing(
            "this system does not tell the bytes on a connection".into(),
            "measure on Linux; reports show them as not observable",
        ),
    }
}

fn governor() -> Finding {
    match sys::machine().governor.as_deref() {
        None | Some("performance") => Finding::Good("no frequency scaling that would show".into()),
        Some(other) => Finding::Disturbing(
            format!("the frequency governor is `{other}`"),
            "cpupower frequency-set -g performance, as root",
        ),
    }
}

fn virtualisation() -> Finding {
    match sys::machine().virtualised {
        Some(true) => Finding::Disturbing(
            "a virtual machine: neighbours may take its cores, and waking one is slow".into(),
            "trust ratios within one run, not times between runs",
        ),
        Some(false) => Finding::Good("no hypervisor underneath".into()),
        None => Finding::Good("whether a hypervisor is underneath cannot be told".into()),
    }
}

fn busy() -> Finding {
    match sys::load_average() {
        Some(load) if load > 0.5 => Finding::Disturbing(
            format!("{load:.1} processes wanted to run on average in the last minute"),
            "end what else is running",
        ),
        Some(load) => Finding::Good(format!("the machine is quiet (load {load:.1})")),
        None => Finding::Good("how busy the machine is cannot be told".into()),
    }
}

fn broker() -> Finding {
    match rabbitmq::installed() {
        Ok(path) => Finding::Good(format!("RabbitMQ: {}", path.display())),
        Err(error) => Finding::Missing(
            error.to_string(),
            "without a broker the AMQP stacks are skipped and everything else runs",
        ),
    }
}
