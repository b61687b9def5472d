//! `rpcbench doctor`.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Exit, Outcome, print};
use crate::deploy::{broker, keep_awake::KeepAwake};
use crate::observe::CoresReading;
use crate::record::MAX_UNDISTURBED_SHARE;
use crate::stacks::BrokerKind;
use crate::sys::{self, CpuQuota, Usage};

/// Check what on this machine would disturb a measurement, or is missing
///
/// Prints each problem with its remedy. Exits with 1 if something is missing that the scenario `standard` needs.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  rpcbench doctor")]
pub(super) struct Arguments {}

/// For how long the load of the cores is sampled.
const SAMPLE_TIME: Duration = Duration::from_secs(1);

/// The result of one check.
#[derive(Debug, PartialEq)]
enum Finding {
    /// Nothing to do.
    Good(String),
    /// Would disturb a measurement: the finding and what to do about it.
    Warning(String, &'static str),
    /// Missing: what, and what to do about it.
    Missing(String, &'static str),
}

pub(super) fn doctor(_: &Arguments) -> Outcome {
    let own = sys::usage(std::process::id()).map(|reading| reading.usage);
    let [busy, stolen] = load();
    let findings = [
        build(),
        cores(),
        pinning(),
        awake(),
        byte_counts(),
        waits(own),
        quota(sys::cpu_quota(), own.and_then(|own| own.throttled_ns)),
        governor(),
        virtualisation(),
        busy,
        stolen,
        rabbitmq(),
        nats(),
    ];
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

fn waits(own: Option<Usage>) -> Finding {
    match own.and_then(|own| own.run_queue_ns) {
        Some(_) => Finding::Good("the kernel counts how long processes wait for a core".into()),
        None => Finding::Warning(
            "this system does not report how long processes wait for a core (run-queue delay)".into(),
            "boot Linux with the parameter `delayacct`, which is optional: other processes are detected without it",
        ),
    }
}

fn quota(quota: Option<CpuQuota>, throttled_ns: Option<u64>) -> Finding {
    let held_up = Duration::from_nanos(throttled_ns.unwrap_or(0));
    match quota {
        None => Finding::Good("no CPU quota".into()),
        Some(CpuQuota { cores, group }) => {
            let used_up = match held_up {
                Duration::ZERO => "it has not been used up yet".to_owned(),
                time => format!("processes were held up for {:.1} s in all", time.as_secs_f64()),
            };
            Finding::Warning(
                format!("the control group {group} has a CPU quota of {cores:.2} cores; {used_up}"),
                "measure without a quota (no CPU limit of the container), or assign whole cores instead (cpuset); trials \
                 that a quota holds up do not count",
            )
        }
    }
}

/// What other programs and the hypervisor take of the cores now.
fn load() -> [Finding; 2] {
    let cores = sys::allowed_cores();
    let before = CoresReading::take();
    std::thread::sleep(SAMPLE_TIME);
    let shares = before.zip(CoresReading::take()).and_then(|(before, after)| after.since(&before, &cores));
    // This process sleeps meanwhile.
    [
        busy(shares.map(|shares| (shares.busy - shares.resolution).max(0.0)), sys::load_average()),
        stolen(shares.map(|shares| shares.stolen)),
    ]
}

fn busy(share: Option<f64>, load_average: Option<f64>) -> Finding {
    let minute = load_average.map_or_else(String::new, |load| format!("; the load average is {load:.1}"));
    match share {
        Some(share) if share > MAX_UNDISTURBED_SHARE => Finding::Warning(
            format!("other programs use {:.0} % of the cores' time now{minute}", 100.0 * share),
            "stop other programs; a trial from whose cores they take more than a tenth does not count",
        ),
        Some(share) => {
            Finding::Good(format!("other programs use {:.0} % of the cores' time now{minute}", 100.0 * share))
        }
        None => Finding::Good("this system does not report how busy its cores are".into()),
    }
}

fn stolen(share: Option<f64>) -> Finding {
    match share {
        Some(share) if share > MAX_UNDISTURBED_SHARE => Finding::Warning(
            format!("the hypervisor keeps {:.0} % of the cores' time for others now (steal)", 100.0 * share),
            "measure at a quieter time, or on a machine with dedicated cores",
        ),
        Some(_) => Finding::Good("the hypervisor keeps no time of the cores for others".into()),
        None => Finding::Good("this system does not report what a hypervisor keeps of its cores".into()),
    }
}

fn rabbitmq() -> Finding {
    match broker::installed(BrokerKind::RabbitMq) {
        Ok(path) => Finding::Good(format!("RabbitMQ: {}", path.display())),
        Err(error) => Finding::Missing(
            error.to_string(),
            "without a broker, the AMQP stacks are skipped and all others are measured",
        ),
    }
}

/// `standard` does not measure NATS.
fn nats() -> Finding {
    match broker::installed(BrokerKind::Nats) {
        Ok(path) => Finding::Good(format!("nats-server: {}", path.display())),
        Err(error) => Finding::Warning(
            error.to_string(),
            "without it, the NATS stacks are skipped and all others are measured",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_and_what_it_held_up_is_reported() {
        assert!(matches!(quota(None, None), Finding::Good(_)));
        let of = |throttled_ns| match quota(Some(CpuQuota { cores: 0.2, group: "/g".into() }), throttled_ns) {
            Finding::Warning(what, _) => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            of(Some(3_760_000_000)),
            "the control group /g has a CPU quota of 0.20 cores; processes were held up for 3.8 s in all"
        );
        assert!(of(Some(0)).ends_with("it has not been used up yet") && of(None) == of(Some(0)));
    }

    #[test]
    fn notable_shares_are_warnings() {
        assert!(matches!(busy(Some(0.02), Some(7.0)), Finding::Good(_)));
        let Finding::Warning(what, _) = busy(Some(0.47), Some(1.25)) else { panic!("47 % are fine") };
        assert_eq!(what, "other programs use 47 % of the cores' time now; the load average is 1.2");
        assert!(matches!(busy(None, None), Finding::Good(_)));
        assert!(matches!(stolen(Some(0.03)), Finding::Warning(..)));
        assert!(matches!(stolen(Some(0.0)), Finding::Good(_)));
        assert!(matches!(waits(None), Finding::Warning(..)));
        assert!(matches!(waits(Some(Usage { run_queue_ns: Some(0), ..Usage::default() })), Finding::Good(_)));
    }
}
