//! What the processes of a trial have used and what its cores did, each figure with the instant at which it was read.

use crate::observe::{CoresReading, Meter};
use crate::record::{MAX_TAKEN_SHARE, Used};
use crate::sys::{self, Usage, UsageReading};

/// The meters of the processes of a trial. A process that is not observable has none.
pub(super) struct Meters {
    pub(super) client: Option<Meter>,
    /// Of every server.
    pub(super) servers: Vec<Meter>,
    pub(super) broker: Option<Meter>,
    /// The ids of other processes whose CPU time is known: those that keep cores awake, and for a group its servers and
    /// brokers.
    pub(super) others: Vec<u32>,
}

impl Meters {
    /// Resets the recorded peak memory of every process to its current memory.
    pub(super) fn reset_peak_memory(&self) {
        let all = self.client.iter().chain(&self.servers).chain(&self.broker);
        all.for_each(Meter::reset_peak_memory);
    }

    /// Reads every meter at the beginning of the window, one after the other. A reading through a control port takes a round
    /// trip, so that each process has its own instant. The client's is the last one: it is this process, and its CPU time
    /// would include the other readings.
    pub(super) fn read_at_beginning(&self, what: What) -> Reading {
        let servers = self.read_servers(what);
        Reading { client: what.of(self.client.as_ref()), ..servers }
    }

    /// Reads every meter at the end of the window, the client's first.
    pub(super) fn read_at_end(&self, what: What) -> Reading {
        let client = what.of(self.client.as_ref());
        Reading { client, ..self.read_servers(what) }
    }

    fn read_servers(&self, what: What) -> Reading {
        let server = together(self.servers.iter().map(|server| what.of(Some(server))));
        let broker = what.of(self.broker.as_ref());
        let reading = Reading { server, broker, ..Reading::default() };
        match what {
            What::CpuTimes | What::Processes => reading,
            What::Everything => Reading {
                others: self.others.iter().map(|pid| sys::cpu_time(*pid)).collect(),
                cores: CoresReading::take(),
                ..reading
            },
        }
    }
}

/// What a reading contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// All that can be known.
    Everything,
    /// Everything about client, server and broker, but neither the cores nor other processes.
    Processes,
    /// The CPU times of client, server and broker: at the ends of a slice, which is much longer than the microseconds that
    /// this takes.
    CpuTimes,
}

impl What {
    fn of(self, meter: Option<&Meter>) -> Option<UsageReading> {
        match self {
            What::Everything | What::Processes => meter?.read(),
            What::CpuTimes => meter?.read_cpu_time(),
        }
    }
}

/// The usage of several processes together; `None` without any, or where one could not be read. The instant is that of the
/// first reading.
fn together(readings: impl Iterator<Item = Option<UsageReading>>) -> Option<UsageReading> {
    let readings = readings.collect::<Option<Vec<_>>>()?;
    let sum = |a: UsageReading, b: UsageReading| UsageReading { usage: a.usage.with(b.usage), at: a.at };
    readings.into_iter().reduce(sum)
}

/// One reading of every meter, and of the cores.
#[derive(Clone, Default)]
pub(super) struct Reading {
    pub(super) client: Option<UsageReading>,
    pub(super) server: Option<UsageReading>,
    pub(super) broker: Option<UsageReading>,
    others: Vec<Option<UsageReading>>,
    cores: Option<CoresReading>,
}

impl Reading {
    /// This reading with the CPU times and the instants of `edge`, that of the beginning or the end of a slice.
    pub(super) fn with_cpu_times_of(self, edge: &Reading) -> Self {
        let at_edge = |all: Option<UsageReading>, edge: Option<UsageReading>| {
            let (all, edge) = (all?, edge?);
            Some(UsageReading { usage: Usage { cpu_ns: edge.usage.cpu_ns, ..all.usage }, at: edge.at })
        };
        Reading {
            client: at_edge(self.client, edge.client),
            server: at_edge(self.server, edge.server),
            broker: at_edge(self.broker, edge.broker),
            others: vec![],
            cores: None,
        }
    }
}

/// What a process used in some windows, each with the readings at its ends. Shares of a core are over the time between the
/// instants of the readings.
pub(super) fn used(
    windows: impl IntoIterator<Item = (Option<UsageReading>, Option<UsageReading>)>,
) -> Option<Used> {
    let of_window = |(before, after): (Option<UsageReading>, Option<UsageReading>)| {
        let (before, after) = (before?, after?);
        let seconds = after.at.saturating_duration_since(before.at).as_secs_f64();
        Some((Used::between(before.usage, after.usage, seconds), seconds))
    };
    let windows = windows.into_iter().map(of_window).collect::<Option<Vec<_>>>()?;
    windows
        .into_iter()
        .reduce(|(a, a_seconds), (b, b_seconds)| (a.then(a_seconds, b, b_seconds), a_seconds + b_seconds))
        .map(|(used, _)| used)
}

/// What was kept from the processes of a trial, as shares of the time of its cores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct KeptBack {
    /// The share that the hypervisor took.
    pub(super) stolen: f64,
    /// The share that processes outside the trial, or the group that takes turns, used, estimated rather too low than too high; `None` where the window is
    /// too short for the resolution of the counters.
    pub(super) others: Option<f64>,
}

impl KeptBack {
    /// The shares of `cores` between two readings.
    ///
    /// What others used is what is left of the CPU time on the cores without that of the processes with a meter, less the
    /// resolution of the counters, so that a quiet machine is hardly ever taken for a busy one.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn between(before: &Reading, after: &Reading, cores: &[usize]) -> Option<Self> {
        let shares = after.cores.as_ref()?.since(before.cores.as_ref()?, cores)?;
        let own = own_share(before, after) / cores.len() as f64;
        let others = (shares.busy - own - shares.resolution).max(0.0);
        let is_resolved = shares.resolution <= MAX_TAKEN_SHARE;
        Some(KeptBack { stolen: shares.stolen, others: is_resolved.then_some(others) })
    }
}

/// The CPU time between two readings of all processes that were metered, as a share of one core.
fn own_share(before: &Reading, after: &Reading) -> f64 {
    let ends = [(before.client, after.client), (before.server, after.server), (before.broker, after.broker)];
    let others = before.others.iter().copied().zip(after.others.iter().copied());
    let shares = ends.into_iter().chain(others).filter_map(|window| used([window]));
    shares.map(|used| used.utilisation).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::CoreTime;
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    #[test]
    fn a_cpu_share_is_over_the_time_between_the_readings_of_the_same_process() {
        let start = Instant::now();
        let reading = |after_ms, cpu_ms: u64| {
            let usage = Usage { cpu_ns: cpu_ms * 1_000_000, ..Usage::default() };
            Some(UsageReading { usage, at: start + Duration::from_millis(after_ms) })
        };
        // The server's second reading came late, through a control port: 240 ms of CPU time in 400 ms.
        let used = used([(reading(10, 100), reading(410, 340))]).unwrap();
        assert_eq!(used.cpu_ns, 240_000_000);
        assert!((used.utilisation - 0.6).abs() < 1e-9, "{used:?}");
        assert_eq!(super::used([(None, reading(410, 340))]), None);
        assert_eq!(super::used([]), None);
        assert_eq!(super::used([(reading(10, 5), reading(10, 5))]).unwrap().utilisation, 0.0);
    }

    #[test]
    fn windows_add_up_without_the_time_between_them() {
        let start = Instant::now();
        let reading = |after_ms, cpu_ms: u64, run_queue_ns| {
            let usage =
                Usage { cpu_ns: cpu_ms * 1_000_000, peak_rss: cpu_ms, run_queue_ns, ..Usage::default() };
            Some(UsageReading { usage, at: start + Duration::from_millis(after_ms) })
        };
        let first = (reading(0, 100, Some(3)), reading(20, 115, Some(5)));
        // Between the windows, the process used 40 ms.
        let second = (reading(500, 155, Some(9)), reading(530, 160, Some(10)));
        let all = used([first, second]).unwrap();
        assert_eq!((all.cpu_ns, all.peak_rss, all.run_queue_ns), (20_000_000, 160, Some(3)));
        assert!((all.utilisation - 0.4).abs() < 1e-9, "{all:?}");
        let unknown = (reading(500, 155, None), reading(530, 160, None));
        assert_eq!(used([first, unknown]).unwrap().run_queue_ns, None);
        assert_eq!(used([first, (None, reading(530, 160, None))]), None);
    }

    #[test]
    fn others_used_what_is_left_without_the_processes_of_the_trial() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let reading = |after_ms, idle_ms, cpu_ms: [u64; 3]| {
            let at = start + ms(after_ms);
            let [client, server, spinner] = cpu_ms.map(|cpu_ms| {
                let usage = Usage { cpu_ns: cpu_ms * 1_000_000, ..Usage::default() };
                Some(UsageReading { usage, at })
            });
            let core = CoreTime { idle: ms(idle_ms), ..CoreTime::default() };
            let cores = Some(CoresReading::new(BTreeMap::from([(0, core), (1, core)]), at));
            Reading { client, server, broker: None, others: vec![spinner], cores }
        };
        let before = reading(100, 1_000, [5, 6, 7]);
        // Two cores for 500 ms, of which 100 ms idle, 800 the trial's own, 20 the resolution of the clock: 80 ms are left.
        let after = reading(600, 1_050, [305, 306, 207]);
        let kept = KeptBack::between(&before, &after, &[0, 1]).unwrap();
        assert!(kept.stolen == 0.0 && (kept.others.unwrap() - 0.08).abs() < 1e-9, "{kept:?}");
        let own_alone = reading(600, 1_050, [305, 406, 207]);
        assert_eq!(KeptBack::between(&before, &own_alone, &[0, 1]).unwrap().others, Some(0.0));
        assert_eq!(KeptBack::between(&Reading::default(), &after, &[0, 1]), None);
        // Ten milliseconds are a quarter of this window.
        let soon = reading(140, 1_000, [5, 6, 7]);
        assert_eq!(KeptBack::between(&before, &soon, &[0, 1]).unwrap().others, None);
    }
}
