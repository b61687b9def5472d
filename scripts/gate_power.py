"""Measure how often `rpcbench gate` is right on this machine.

    scripts/gate-power record [OPTION]... [CONDITION]...    record rounds, to be judged later
    scripts/gate-power gates [OPTION]... [CONDITION]...     run gates
    scripts/gate-power table [OPTION]...                    what was recorded, as a table

    same           the same program on both sides
    linked         the same source on both sides, linked anew for every round
    slower-2       the new side takes 2 % more CPU time of the server a call
    slower-5       the new side takes 5 % more CPU time of the server a call
    neighbour      as `linked`, with a load generator on the other core
    neighbour-5    as `slower-5`, with a load generator on the other core

The default is every condition. Rounds and outcomes are appended to results/campaigns/gate-CONDITION.jsonl, so a campaign can
be interrupted, for example by Ctrl-C, and continued. Recorded rounds draw their links from a pool of 30 a side, which
is made anew for every 60 rounds; gates link both sides for every round. `table` plays the recorded rounds through the
decision of the gate, one piece after the other. Client and server share a core, where only a part of the time that a handler is
busy shows as CPU time of the server. This part is measured once for each condition, and the CPU time of a call before each gate
or batch of rounds; the time that the handler is busy follows from both.

    --rounds N         record until there are N rounds of each condition (default: 600, some ten minutes each)
    --gates N          run gates until there are N (default: as many as the table requires)
    --stack STACK      the stack (default: rest-hyper)
    --folder FOLDER    the folder of the campaigns (default: results/campaigns)
    --program PROGRAM  run gates with this program instead of building one

Needs Linux and two cores. Exits with 1 if a figure of the table misses its requirement.
"""

import argparse
import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import quiet
from campaign import FOLDER, clopper_pearson, machine, read
from measuring import Program, ROOT, TARGET, output

# The rounds that are recorded with the same links, and the number of links of each side.
BATCH, POOL = 60, 30
# How what a busy handler adds is measured: the number of rounds, and how long it is busy, as a share of the CPU time of a call at the
# server. It is large, so that the effect is known to a few per cent.
CALIBRATION, BUSY = 150, 0.1
# The exit codes of a gate that came to its end.
ENDED = (0, 1, 4)


class Condition:
    """What is measured: the title, the share of a call's CPU time at the server by which the new side is slower, whether another load runs
    on the other core, the verdict that is right, the share of pieces with it and the number of gates that are required."""

    def __init__(self, title, slower, neighbour, right, share, gates, wanted):
        self.title, self.slower, self.neighbour, self.right = title, slower, neighbour, right
        self.share, self.gates, self.wanted = share, gates, wanted


CONDITIONS = {
    "same": Condition("the same program on both sides", 0, False, "not-slower", 0.01, 60, 1),
    "linked": Condition("the same source, both sides linked anew", 0, False, "not-slower", 0.01, 60, 1),
    "slower-2": Condition("2 % more CPU time of the server a call", 0.02, False, "slower", 0.90, 40, 36),
    "slower-5": Condition("5 % more CPU time of the server a call", 0.05, False, "slower", 0.99, 20, 20),
    "neighbour": Condition("the same source, a load generator on the other core", 0, True, "not-slower", 0.02, 30, 1),
    "neighbour-5": Condition("5 % more CPU time of the server a call, the same neighbour", 0.05, True, "slower", 0.90, 20, 18),
}


@contextlib.contextmanager
def neighbour(wanted):
    """Runs a load generator and its server on the first core, if that is wanted. Yields a function that ends this program if the
    generator has ended."""
    if not wanted:
        yield lambda: None
        return
    first = min(os.sched_getaffinity(0))
    command = [str(Program.path), "serve", "rest", "--end-with-input"]
    pin = {"preexec_fn": lambda: os.sched_setaffinity(0, {first}), "text": True}
    with (tempfile.TemporaryDirectory() as folder,
          subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **pin) as server):
        url = server.stdout.readline().split()[2]
        load = [str(Program.path), "run", "--target", f"rest={url}", "--stack", "rest", "--load", "closed:8", "--placement",
                "free", "--blocks", "30", "--seconds", "600", "--contention", "label", "--out", Path(folder, "out")]
        errors = Path(folder, "errors")
        with open(errors, "wb") as stderr, subprocess.Popen(load, stdout=subprocess.DEVNULL, stderr=stderr, **pin) as generator:
            def check():
                if generator.poll() is not None:
                    sys.exit(f"the load generator on the other core ended early, with exit code {generator.returncode}: "
                             f"{errors.read_text(encoding='utf-8', errors='replace').strip()}")

            try:
                yield check
            finally:
                generator.terminate()


def gate(condition, stack, slower_ns, *further):
    """Runs a gate; returns its outcome."""
    sides = [str(Program.path)] * 2 if condition is CONDITIONS["same"] else [".", "."]
    slower = [f"--new-server-arg=--handler-cpu={slower_ns}ns"] if slower_ns else []
    # Counts would always find the side that takes more CPU time, by its instructions, and leave nothing to be decided by times.
    command = [Program.path, "gate", "--base", sides[0], "--new", sides[1], "--stack", stack, "--format", "json", "--no-counts"]
    outcome = json.loads(output([*command, *slower, *further], ENDED))
    if condition is CONDITIONS["same"]:
        # Only its name: a path means nothing on another machine.
        outcome["base"] = Program.path.name
    return outcome


def server_cpu(rounds, key):
    """The median of `key` over the rounds, of the CPU time at the server."""
    return statistics.median(metric[key] for of_round in rounds for metric in of_round["metrics"] if metric["metric"] == "server-cpu")


def call_ns(stack):
    """The CPU time of a call at the server at present, in nanoseconds."""
    return server_cpu(gate(CONDITIONS["same"], stack, 0, "--rounds", "10")["rounds"], "base_ns")


def shown_share(stack):
    """Which part of the time that a handler is busy shows as CPU time of the server."""
    busy = round(BUSY * call_ns(stack))
    rounds = gate(CONDITIONS["same"], stack, busy, "--rounds", str(CALIBRATION))["rounds"]
    return server_cpu(rounds, "base_ns") * math.expm1(server_cpu(rounds, "ratio")) / busy


class Record:
    """The file of a condition: rounds that were recorded, and outcomes of gates."""

    def __init__(self, folder, name, stack):
        self.path = Path(folder, f"gate-{name}.jsonl")
        self.lines = [line for line in read(self.path) if line["stack"] == stack]

    def rounds(self):
        """The lines with recorded rounds."""
        return [line for line in self.lines if line["kind"] == "rounds"]

    def gates(self):
        """The lines with gates."""
        return [line for line in self.lines if line["kind"] == "gate"]

    def append(self, kind, stack, outcome, slower_ns, watch):
        """Adds an outcome, and writes it to the file."""
        shares = watch.shares()
        line = {"kind": kind, "stack": stack, "machine": machine(), "slower_ns": slower_ns, **shares,
                **{key: outcome[key] for key in ("base", "seed", "verdict", "seconds", "measured_seconds", "rounds")}}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.lines.append(line)


def measure(options, names):
    """Records rounds or holds gates until there are enough."""
    for name in names:
        condition = CONDITIONS[name]
        record = Record(options.folder, name, options.stack)
        kind = "rounds" if options.action == "record" else "gate"

        def missing():
            if kind == "gate":
                return (options.gates or condition.gates) - len(record.gates())
            return options.rounds - sum(len(line["rounds"]) for line in record.rounds())

        differs = missing() > 0 and condition.slower
        shown = shown_share(options.stack) if differs else 1
        further = ["--rounds", str(BATCH), "--pool", str(POOL)] if kind == "rounds" else []
        with neighbour(condition.neighbour and missing() > 0) as check_neighbour:
            while missing() > 0:
                # Anew for each: the time that a handler is busy is fixed, and the speed of the machine is not.
                extra = round(condition.slower * call_ns(options.stack) / shown) if differs else 0
                watch = quiet.Watch()
                outcome = gate(condition, options.stack, extra, *further)
                # Checked before the outcome is kept: without the other load, it does not belong to this condition.
                check_neighbour()
                record.append(kind, options.stack, outcome, extra, watch)
                print(f"\r{name}: {max(missing(), 0)} {'rounds' if kind == 'rounds' else 'gates'} to go  ", end="",
                      file=sys.stderr, flush=True)
        print(file=sys.stderr)


def replayed(record, stack):
    """How the recorded rounds of `record` would have ended."""
    text = "".join(json.dumps({"rounds": line["rounds"]}) + "\n" for line in record.rounds())
    command = ["cargo", "run", "--quiet", "--locked", "--package", "rpcbench", "--example", "gate_replay"]
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    return json.loads(done.stdout).get(stack)


def proportion(found, of):
    """A count with its 95 % interval."""
    if not of:
        return "–"
    low, high = clopper_pearson(found, of)
    return f"{found} of {of} ({100 * low:.1f}–{100 * high:.1f} %)"


def required(condition):
    """How many gates may, or must, find the new side slower."""
    return f"{'≤' if condition.right == 'not-slower' else '≥'} {condition.wanted} of {condition.gates}"


def real_gates(folder=FOLDER, stack="rest-hyper"):
    """What real gates decided: the stack, the machine, and a row for each condition that has gates."""
    body, machines = [], set()
    for name, condition in CONDITIONS.items():
        held = Record(folder, name, stack).gates()
        if not held:
            continue
        machines |= {line["machine"] for line in held}
        verdicts = [line["verdict"] for line in held]
        rounds = statistics.median(len(line["rounds"]) for line in held)
        seconds = statistics.median(line["measured_seconds"] for line in held)
        seen = math.expm1(server_cpu([of_round for line in held for of_round in line["rounds"]], "ratio"))
        body.append([condition.title, f"{100 * seen:+.1f} %", str(len(held)), proportion(verdicts.count("slower"), len(held)),
                     required(condition), str(verdicts.count("undecided")), f"{rounds:.0f}", f"{seconds:.0f}"])
    return stack, machines, body


def table(options):
    """Prints the table; returns how many figures miss their requirement."""
    missed = 0
    print("| condition | replayed | required | undecided | gates | required | median rounds | spread of a round |")
    print("|:--|--:|--:|--:|--:|--:|--:|--:|")
    for name, condition in CONDITIONS.items():
        record = Record(options.folder, name, options.stack)
        pieces = replayed(record, options.stack) if record.rounds() else None
        gates = [line["verdict"] for line in record.gates()]
        alarms = condition.right == "not-slower"
        found = gates.count("slower")
        cells = ["–", "–", "–", "–"]
        if pieces:
            ended = len(pieces["rounds"])
            share = pieces["slower"] / ended if ended else 0
            missed += share > condition.share if alarms else share < condition.share
            cells = [proportion(pieces["slower"], ended), proportion(pieces["undecided"], ended),
                     f"{statistics.median(pieces['rounds']):.0f}" if ended else "–",
                     f"{100 * statistics.stdev(pieces['server_cpu']):.2f} %"]
        if gates:
            missed += found > condition.wanted if alarms else found < condition.wanted
        print(f"| {condition.title} | {cells[0]} | {'≤' if alarms else '≥'} {condition.share:.0%} | {cells[1]} "
              f"| {found} of {len(gates)} | {required(condition)} | {cells[2]} | {cells[3]} |")
    return missed


def parse(words):
    """The options on the command line; conditions may stand before and after others."""
    parser = argparse.ArgumentParser(prog="scripts/gate-power", usage=argparse.SUPPRESS, add_help=False, allow_abbrev=False)
    parser.add_argument("action", choices=("record", "gates", "table"))
    parser.add_argument("conditions", nargs="*", choices=[[], *CONDITIONS])
    parser.add_argument("--rounds", type=int, default=600)
    parser.add_argument("--gates", type=int)
    parser.add_argument("--stack", default="rest-hyper")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--program", type=Path)
    options = parser.parse_intermixed_args(words)
    options.folder = options.folder.resolve()
    return options


def main():
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__, end="")
        return
    options = parse(sys.argv[1:])
    if options.program:
        Program.path = options.program.resolve()
    # The gate builds the repository around the current folder.
    os.chdir(ROOT)
    if not options.program and options.action != "table":
        subprocess.run(["cargo", "build", "--quiet", "--locked", "--release", "--package", "rpcbench"], check=True, cwd=ROOT)
        Program.path = TARGET / "release" / "rpcbench"
    if options.action == "table":
        sys.exit(1 if table(options) else 0)
    try:
        measure(options, options.conditions or list(CONDITIONS))
    except KeyboardInterrupt:
        sys.exit("\nended early; the campaign can be continued")


if __name__ == "__main__":
    main()
