"""Whether a machine is quiet enough to measure on: the figures that define it, and their bounds."""

import os
import statistics
import time
from pathlib import Path

from measuring import pair

# The share of the cores' time that the hypervisor may take away.
MAX_STOLEN = 0.01
# The share of the cores' time that other processes may use.
MAX_OTHERS = 0.02
# The share of the time that a process which never sleeps may wait for its core.
MAX_QUEUED = 0.01
# How long a thread of client or server may take to run once it is woken, on average, in nanoseconds. The scheduler itself
# takes some 1,000; a process that has the core for a hundredth of the time, a millisecond at a time, adds 10,000.
MAX_WAKE_UP = 10_000
# The largest difference that a stack may have from itself in a short run: the bound of its 99 % interval.
MAX_BOUND = 0.01

SAMPLE_SECONDS = 2.0
QUEUE_SECONDS = 0.5


def ticks():
    """The busy and the stolen time of the usable cores since the machine started, in seconds."""
    cores = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    busy = stolen = 0
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *fields = line.split()
        if name in cores:
            user, nice, system, _idle, _waiting, _irq, _softirq, steal = map(int, fields[:8])
            # Without interrupts, as in a record: a run's own network causes them, and a kernel may leave them out of the
            # processes' CPU time.
            busy += user + nice + system
            stolen += steal
    per_second = os.sysconf("SC_CLK_TCK")
    return busy / per_second, stolen / per_second


def own_time():
    """The CPU time of this process and of the processes that it started and that have ended, in seconds."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


class Watch:
    """Observes what else happens on the machine while this process waits for a run."""

    def __init__(self):
        self.started = time.monotonic()
        self.busy, self.stolen = ticks()
        self.own = own_time()

    def shares(self):
        """The shares of the cores' time that other processes and the hypervisor took since the start."""
        busy, stolen = ticks()
        cores_time = (time.monotonic() - self.started) * len(os.sched_getaffinity(0))
        others = busy - self.busy - (own_time() - self.own)
        return {"others": max(others, 0.0) / cores_time, "stolen": (stolen - self.stolen) / cores_time}


def queued(core):
    """The share of the time that a busy loop on `core` waits for it; None where the system does not report it."""
    allowed = os.sched_getaffinity(0)
    schedstat = Path("/proc/thread-self/schedstat")
    try:
        os.sched_setaffinity(0, {core})
        before = int(schedstat.read_text(encoding="ascii").split()[1])
        started = time.monotonic()
        while time.monotonic() - started < QUEUE_SECONDS:
            pass
        waited = int(schedstat.read_text(encoding="ascii").split()[1]) - before
        return waited / 1e9 / (time.monotonic() - started)
    except OSError:
        return None
    finally:
        os.sched_setaffinity(0, allowed)


def bound(ratio):
    """The largest difference from 1 that the interval of an A/A pair leaves possible, as a share."""
    return max(ratio["high"], 1 / ratio["low"], 1.0) - 1 if ratio else float("inf")


def check(table):
    """Adds a row for each figure that defines a quiet machine; returns whether all of them are met."""
    missed = table.missed
    watch = Watch()
    time.sleep(SAMPLE_SECONDS)
    shares = watch.shares()
    table.row("time that the hypervisor took from the cores, 2 s", f"≤ {MAX_STOLEN:.0%}", f"{shares['stolen']:.1%}",
              shares["stolen"] <= MAX_STOLEN)
    table.row("time that other processes used on the cores, 2 s", f"≤ {MAX_OTHERS:.0%}", f"{shares['others']:.1%}",
              shares["others"] <= MAX_OTHERS)
    waits = [share for core in sorted(os.sched_getaffinity(0)) if (share := queued(core)) is not None]
    if waits:
        table.row("run-queue delay of a busy loop, the largest of all cores", f"≤ {MAX_QUEUED:.0%}", f"{max(waits):.1%}",
                  max(waits) <= MAX_QUEUED)
    _, same = pair("shared")
    table.row("difference that a stack may have from itself, one core, 30 blocks", f"≤ {MAX_BOUND:.0%}",
              f"{bound(same['ratio']):.1%}", bound(same["ratio"]) <= MAX_BOUND)
    return table.missed == missed


def wake_up_ns(trials):
    """How long the threads of client and server waited for a core each time that they ran, in nanoseconds: the mean of a trial,
    and the median of the trials. None where a record does not have it, or where they share a core and so wait for each other
    by design."""
    means = []
    for trial in trials:
        used = [trial.get(side) or {} for side in ("client", "server")]
        delays = [side.get("run_queue_ns") for side in used]
        switches = [side.get(kind) for side in used for kind in ("voluntary_switches", "involuntary_switches")]
        if trial["placement"] != "shared" and None not in delays + switches and sum(switches):
            means.append(sum(delays) / sum(switches))
    return statistics.median(means) if means else None


def disturbances(figures):
    """Which of the bounds the figures of a run exceed, in words. They say nothing of what was measured, so that a result
    is never left out for what it is."""
    bounds = (
        ("stolen", MAX_STOLEN, "the hypervisor took {:.1%} of the time"),
        ("others", MAX_OTHERS, "other processes used {:.1%} of the time"),
        ("wake_up_ns", MAX_WAKE_UP, "client and server waited {:,.0f} ns for a core each time"),
    )
    return [words.format(figures[name]) for name, bound, words in bounds
            if figures.get(name) is not None and figures[name] > bound]
