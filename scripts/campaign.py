"""Campaigns: many pairs, one after the other, whose outcomes are appended to a file, so that a campaign can be
interrupted and continued."""

import datetime
import hashlib
import json
import math
import os
import sys
from pathlib import Path

import quiet
from measuring import Program, ROOT, pair

FOLDER = ROOT / "results" / "campaigns"
# The blocks of a pair, as many as in the scenario `standard`.
BLOCKS = 30


def clopper_pearson(found, trials, confidence=0.95):
    """The confidence interval of a proportion (Clopper and Pearson, Biometrika 26, 1934), by bisection."""
    def at_most(k, share):
        return sum(math.comb(trials, i) * share**i * (1 - share) ** (trials - i) for i in range(k + 1))

    def share_where(falls_below):
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if falls_below(middle) else (middle, high)
        return low

    tail = (1 - confidence) / 2
    low = 0.0 if found == 0 else share_where(lambda share: 1 - at_most(found - 1, share) > tail)
    high = 1.0 if found == trials else share_where(lambda share: at_most(found, share) < tail)
    return low, high


def program_hash():
    """Identifies the program: the beginning of the SHA-256 of its file."""
    return hashlib.sha256(Path(Program.path).read_bytes()).hexdigest()[:16]


def machine():
    """Describes the machine: its kernel and the number of usable cores."""
    return f"{os.uname().sysname} {os.uname().release}, {len(os.sched_getaffinity(0))} cores"


def read(path):
    """The outcomes in the file of a campaign, a JSON object in each line. A line that was not written to its end, because
    the machine went down, is not an outcome."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    outcomes = []
    for number, line in enumerate(text[:text.rfind("\n") + 1].splitlines(), 1):
        try:
            outcomes.append(json.loads(line))
        except ValueError as error:
            sys.exit(f"{path}:{number}: not an outcome: {error}; remove the line or give another --record FILE")
    return outcomes


class Campaign:
    """Pairs of a stack with itself, in `blocks` blocks. `wanted` is the number of undisturbed pairs of each placement."""

    def __init__(self, name, path, wanted, blocks=BLOCKS):
        self.name, self.wanted, self.blocks = name, wanted, blocks
        self.path = Path(path) if path else FOLDER / f"{name}.jsonl"
        self.program = program_hash()
        self.outcomes = read(self.path)
        self.refuse_others()
        self.remove_incomplete_line()

    def refuse_others(self):
        """Ends the script if the file has outcomes of another campaign, program, machine or number of blocks."""
        own = {"campaign": self.name, "program": self.program, "machine": machine(), "blocks": self.blocks}
        for outcome in self.outcomes:
            for key, value in own.items():
                if outcome[key] != value:
                    sys.exit(f"{self.path} has outcomes of {key} {outcome[key]} (commit {outcome['commit']}), and this is "
                             f"{key} {value}: give another --record FILE, or remove it to start again")

    def remove_incomplete_line(self):
        """Shortens the file to its last whole line."""
        if self.path.exists():
            whole = self.path.read_bytes().rfind(b"\n") + 1
            os.truncate(self.path, whole)

    def used(self, placement=None):
        """The undisturbed outcomes, of one placement or of all."""
        return [outcome for outcome in self.outcomes
                if not outcome["disturbed"] and placement in (None, outcome["placement"])]

    def next_placement(self):
        """The placement of the next pair: of those that miss pairs, the one that was tried less. None at the end: every pair
        is there, or as many were repeated as are wanted."""
        missing = [placement for placement in self.wanted if len(self.used(placement)) < self.wanted[placement]]
        if not missing or len(self.outcomes) >= 2 * sum(self.wanted.values()):
            return None
        tried = [outcome["placement"] for outcome in self.outcomes]
        return min(missing, key=lambda placement: tried.count(placement) / self.wanted[placement])

    def finish(self, extra_ns):
        """Measures the pairs that are missing. `extra_ns` returns the CPU time that the second half of each pair burns in
        addition; a campaign that is continued keeps it."""
        extra = self.outcomes[0]["extra_ns"] if self.outcomes else extra_ns()
        while placement := self.next_placement():
            self.append(self.measure(placement, extra))
            done, all_pairs = len(self.used()), sum(self.wanted.values())
            print(f"\r{self.name}: {done} of {all_pairs} pairs, {len(self.outcomes) - done} disturbed", end="",
                  file=sys.stderr, flush=True)
        print(file=sys.stderr)

    def measure(self, placement, extra_ns):
        """Measures one pair; returns its outcome."""
        date = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        watch = quiet.Watch()
        arguments = [f"--twin-arg=--handler-cpu={extra_ns}ns"] if extra_ns else []
        record, same = pair(placement, *arguments, blocks=self.blocks)
        figures = {**watch.shares(), "wake_up_ns": quiet.wake_up_ns(record["trials"])}
        build = record["tool"].get("build") or {}
        return {
            "campaign": self.name, "date": date, "program": self.program, "commit": build.get("commit"),
            "dirty": build.get("dirty"), "machine": machine(), "processor": record["machine"]["processor"],
            "placement": placement, "blocks": record["scenario"]["blocks"],
            "extra_ns": extra_ns, "ratio": same["ratio"], "statement": same["statement"],
            "invalid_trials": sum(trial["status"] != "valid" for trial in record["trials"]),
            "disturbed": quiet.disturbances(figures), **figures,
        }

    def append(self, outcome):
        """Adds an outcome, and writes it to the file before the next pair begins: a whole line or none."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab") as file:
            file.write(json.dumps(outcome, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.outcomes.append(outcome)


def share(found, pairs):
    """A count with its confidence interval."""
    if not pairs:
        return f"{found} of 0"
    low, high = clopper_pearson(found, pairs)
    return f"{found} of {pairs} ({100 * low:.1f}–{100 * high:.1f} %)"


def stated(outcomes, statements):
    """How many of `outcomes` have one of `statements`."""
    return sum(outcome["statement"] in statements for outcome in outcomes)


def figures(name, outcomes):
    """What a campaign found: the figure, the requirement, what was measured, and whether that is met. For the table of
    scripts/method and for harness/docs/validation.md."""
    used = [outcome for outcome in outcomes if not outcome["disturbed"]]
    disturbed = len(outcomes) - len(used)
    if name == "noise":
        found = stated(used, ("faster", "slower"))
        by_placement = "".join(
            f"{words} {share(stated(of, ('faster', 'slower')), len(of))}; "
            for placement, words in (("shared", "one core"), ("split", "two cores kept awake"))
            if (of := [outcome for outcome in used if outcome["placement"] == placement]))
        return ("A/A pairs with new server processes that are stated as different", "≤ 4 of 200",
                f"{share(found, len(used))}; {by_placement}{disturbed} disturbed and not counted",
                found <= 4 and len(used) >= 200)
    found = stated(used, ("faster",))
    extra = f" ({outcomes[0]['extra_ns']} ns), {outcomes[0]['blocks']} blocks" if outcomes else ""
    return (f"pairs stated as different among those that differ by 3 % of a call's CPU time{extra}", "≥ 36 of 40",
            f"{share(found, len(used))}; {disturbed} disturbed and not counted", found >= 36 and len(used) >= 40)
