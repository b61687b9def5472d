//! What the cores did, from /proc/stat.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::sys::types::CoreTime;

pub(in crate::sys) fn core_times() -> Option<BTreeMap<usize, CoreTime>> {
    Some(parse(&fs::read_to_string("/proc/stat").ok()?))
}

/// The lines `cpuN user nice system idle iowait irq softirq steal guest guest_nice`.
fn parse(stat: &str) -> BTreeMap<usize, CoreTime> {
    // A tick is 1/100 s (proc_stat(5)), as in `CoreTime::RESOLUTION`.
    let core = |line: &str| {
        let (number, counters) = line.strip_prefix("cpu")?.split_once(' ')?;
        let ticks: Vec<u64> = counters.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        // A system that does not count writes zeros.
        ticks.iter().find(|ticks| **ticks > 0)?;
        let time = |counter: usize| {
            let ticks = ticks.get(counter)?;
            Some(Duration::from_millis(ticks.saturating_mul(10)))
        };
        let time = CoreTime { idle: time(3)? + time(4)?, interrupts: time(5)? + time(6)?, stolen: time(7)? };
        Some((number.parse().ok()?, time))
    };
    stat.lines().filter_map(core).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_core_has_its_counters_and_their_sum_is_left_out() {
        let stat = "cpu  40 0 20 180 22 3 5 7 0 0\ncpu0 20 0 10 100 2 1 2 3 0 0\ncpu12 20 0 10 80 20 2 3 4 0 0\n\
                    intr 5 1 2\nctxt 7\n";
        let time = |idle, interrupts, stolen| CoreTime {
            idle: Duration::from_millis(idle),
            interrupts: Duration::from_millis(interrupts),
            stolen: Duration::from_millis(stolen),
        };
        let expected = BTreeMap::from([(0, time(1_020, 30, 30)), (12, time(1_000, 50, 40))]);
        assert_eq!(parse(stat), expected);
        // More than 497 days of idle time.
        let long = parse("cpu0 1 0 1 4294967296 0 0 0 0\n");
        assert_eq!(long[&0].idle, Duration::from_millis(42_949_672_960));
        assert!(parse("cpu0 0 0 0 0 0 0 0 0 0 0\n").is_empty());
        // Older kernels have fewer counters.
        assert!(parse("cpu0 20 0 10 100\n").is_empty());
    }
}
