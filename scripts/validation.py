"""What scripts/method measured: the rows of each part, and the records of them in results/validation, from which
scripts/readme makes the table of harness/docs/validation.md."""

import datetime
import json
import subprocess
import time

import quiet
from measuring import Program, ROOT

FOLDER = ROOT / "results" / "validation"


class Table:
    """Prints a row for each figure, and counts those that miss their requirement."""

    def __init__(self):
        self.missed = 0
        self.rows = []

    def row(self, figure, required, measured, good):
        self.missed += not good
        measured = measured.strip()
        self.rows.append({"figure": figure, "required": required, "measured": measured, "met": bool(good)})
        print(f"| {figure} | {required} | {measured} | {'yes' if good else '**no**'} |", flush=True)


def git(*words):
    """What git prints; empty outside of a repository."""
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


class Part:
    """Measures a part of scripts/method, and what else happened on the machine meanwhile."""

    def __init__(self, name):
        self.name = name
        self.started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self.clock = time.monotonic()
        self.watch = quiet.Watch()
        Program.last_record = None

    def record(self, rows):
        """The record of the part. A micro-benchmark makes no run; it was built from the working tree."""
        machine = {}
        build = {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}
        if run := Program.last_record:
            machine = {key: run["machine"][key] for key in ("processor", "system", "cores", "virtualised")}
            build = run["tool"].get("build") or {}
        return {"part": self.name, "started": self.started, "seconds": round(time.monotonic() - self.clock),
                "commit": build.get("commit"), "dirty": build.get("dirty"), "machine": machine,
                **{key: round(share, 4) for key, share in self.watch.shares().items()}, "rows": rows}

    def keep(self, rows):
        """Writes the record in place of an earlier one."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.record(rows), ensure_ascii=False, indent=2) + "\n"
        (FOLDER / f"{self.name}.json").write_text(text, encoding="utf-8")


def read():
    """The records of all parts that were kept."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]


def table_rows(records):
    """The rows of the table: figure, requirement, what was measured, and the command that measures it."""
    for record in records:
        for row in record["rows"]:
            missed = "" if row["met"] else ": **missed**"
            yield row["figure"], row["required"], row["measured"] + missed, f"`scripts/method {record['part']}`"


def conditions(records):
    """When, with which commits, where and how undisturbed the records were made, as a sentence."""
    days = sorted({record["started"][:10] for record in records})
    commits = sorted({record["commit"][:7] + (" with changes" if record["dirty"] else "") for record in records})
    most = max(record["others"] + record["stolen"] for record in records)
    when = f"on {days[0]}" if len(days) == 1 else f"from {days[0]} to {days[-1]}"
    machines = sorted({f"{machine['processor']}, {machine['cores']} cores" for record in records if (machine := record["machine"])})
    where = f" ({'; '.join(machines)})" if machines else ""
    return (f"Measured {when} with commit{'s' * (len(commits) > 1)} {', '.join(commits)}{where}; other processes and the "
            f"hypervisor took at most {100 * most:.1f} % of the cores' time during any part.")
