//! CPU quotas of control groups, of version 1 and 2 (cgroups(7)).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::sys::types::CpuQuota;

/// Where the hierarchies that can limit CPU time are mounted. That does not change during a run.
static MOUNTS: LazyLock<Vec<Mount>> =
    LazyLock::new(|| mounts(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()));

/// A mounted hierarchy of control groups.
#[derive(Debug, PartialEq)]
struct Mount {
    version: Version,
    /// The group at the mount point: not that at the top where a container has only its own groups mounted.
    root: PathBuf,
    point: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Version {
    One,
    Two,
}

/// Nanoseconds during which the control groups of process `pid` had used up their quotas. A group whose parent is throttled
/// does not count that itself, so this is the sum over all groups up to the mounted root.
pub(super) fn throttled_ns(pid: u32) -> Option<u64> {
    let times = folders(&membership(pid), &MOUNTS)
        .into_iter()
        .filter_map(|(_, folder)| parse_throttled(&fs::read_to_string(folder.join("cpu.stat")).ok()?));
    times.reduce(u64::saturating_add)
}

pub(in crate::sys) fn cpu_quota() -> Option<CpuQuota> {
    let read = |path: PathBuf| fs::read_to_string(path).ok();
    let quota = |(version, folder): (Version, PathBuf)| {
        let cores = match version {
            Version::One => {
                parse_quota(&read(folder.join("cpu.cfs_quota_us"))?, &read(folder.join("cpu.cfs_period_us"))?)
            }
            Version::Two => {
                let text = read(folder.join("cpu.max"))?;
                let (quota, period) = text.trim().split_once(' ')?;
                parse_quota(quota, period)
            }
        }?;
        Some(CpuQuota { cores, group: folder.display().to_string() })
    };
    folders(&membership(std::process::id()), &MOUNTS)
        .into_iter()
        .filter_map(quota)
        .min_by(|one, other| one.cores.total_cmp(&other.cores))
}

fn membership(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default()
}

/// The mounts among the lines `ID PARENT DEVICE ROOT POINT OPTIONS … - TYPE SOURCE SUPER-OPTIONS` (proc_pid_mountinfo(5)).
fn mounts(mountinfo: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let version = match (kind.next()?, kind.nth(1)?) {
            ("cgroup2", _) => Version::Two,
            ("cgroup", options) if options.split(',').any(|option| option == "cpu") => Version::One,
            _ => return None,
        };
        let mut place = place.split(' ').skip(3);
        Some(Mount { version, root: place.next()?.into(), point: place.next()?.into() })
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// The folders of the groups in the lines `ID:CONTROLLERS:PATH` of `membership`, and of all groups above them that `mounts`
/// show. Version 2 has a single hierarchy without controllers.
fn folders(membership: &str, mounts: &[Mount]) -> Vec<(Version, PathBuf)> {
    let mut folders = Vec::new();
    for mount in mounts {
        let path = membership.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            let is_mounted = match mount.version {
                Version::One => controllers.split(',').any(|controller| controller == "cpu"),
                Version::Two => controllers.is_empty(),
            };
            is_mounted.then_some(Path::new(path))
        });
        let Some(path) = path else { continue };
        // A path that leads out of the mounted part (`/../other`) belongs to no folder below the mount point.
        let is_below = |path: &&Path| path.components().all(|part| part.as_os_str() != "..");
        let below = path.strip_prefix(&mount.root).ok().filter(is_below).unwrap_or(Path::new(""));
        folders.extend(below.ancestors().map(|group| (mount.version, mount.point.join(group))));
    }
    folders
}

/// `throttled_time` in nanoseconds of version 1, or `throttled_usec` of version 2. A group without a quota may have neither.
fn parse_throttled(cpu_stat: &str) -> Option<u64> {
    cpu_stat.lines().find_map(|line| match line.split_once(' ')? {
        ("throttled_time", nanos) => nanos.trim().parse().ok(),
        ("throttled_usec", micros) => micros.trim().parse::<u64>().ok().map(|micros| micros * 1_000),
        _ => None,
    })
}

/// The cores that `quota` in each `period` amounts to, both in microseconds; `None` for `-1` or `max`, which is no limit.
fn parse_quota(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (u32, u32) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    (period > 0).then(|| f64::from(quota) / f64::from(period))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(membership: &str, mountinfo: &str) -> Vec<String> {
        let folders = folders(membership, &mounts(mountinfo));
        folders.into_iter().map(|(_, folder)| folder.display().to_string()).collect()
    }

    #[test]
    fn the_folders_of_version_1_lead_up_to_the_root() {
        let mountinfo = "31 23 0:28 / /sys/fs/cgroup rw shared:9 - tmpfs tmpfs rw,mode=755\n\
                         32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
                         34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n";
        let membership = "8:pids:/other\n3:cpuset:/\n2:cpu,cpuacct:/ci/job\n0::/\n";
        let parent = "/sys/fs/cgroup/cpu,cpuacct/";
        assert_eq!(
            found(membership, mountinfo),
            [format!("{parent}ci/job"), format!("{parent}ci"), parent.to_owned()]
        );
    }

    #[test]
    fn a_container_sees_its_group_at_the_mount_point() {
        // Version 1 without a namespace: the path is that on the host.
        let mountinfo = "40 31 0:29 /docker/ab /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n";
        assert_eq!(found("2:cpu:/docker/ab\n", mountinfo), ["/sys/fs/cgroup/cpu/"]);
        assert_eq!(
            found("2:cpu:/docker/ab/worker\n", mountinfo),
            ["/sys/fs/cgroup/cpu/worker", "/sys/fs/cgroup/cpu/"]
        );
        // Version 2 with a namespace, for a process of the container and one outside of it.
        let mountinfo = "29 22 0:25 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n";
        assert_eq!(found("0::/\n", mountinfo), ["/sys/fs/cgroup/"]);
        assert_eq!(found("0::/../other\n", mountinfo), ["/sys/fs/cgroup/"]);
        assert_eq!(found("0::/one/two\n", mountinfo).len(), 3);
    }

    #[test]
    fn throttling_is_read_in_both_versions() {
        let one = "nr_periods 49\nnr_throttled 47\nthrottled_time 3761234567\n";
        let two = "usage_usec 990\nuser_usec 1\nsystem_usec 1\nnr_periods 49\nnr_throttled 47\nthrottled_usec 3761234\n";
        assert_eq!(parse_throttled(one), Some(3_761_234_567));
        assert_eq!(parse_throttled(two), Some(3_761_234_000));
        assert_eq!(parse_throttled("usage_usec 990\nuser_usec 1\nsystem_usec 1\n"), None);
    }

    #[test]
    fn a_quota_is_a_number_of_cores() {
        assert_eq!(parse_quota("20000\n", "100000\n"), Some(0.2));
        assert_eq!(parse_quota("250000", "100000\n"), Some(2.5));
        assert_eq!(parse_quota("-1\n", "100000\n"), None);
        assert_eq!(parse_quota("max", "100000\n"), None);
    }
}
