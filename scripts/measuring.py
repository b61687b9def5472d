"""Run rpcbench and read its records, for the scripts that measure how reliable it is."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
# The exit codes of a run that wrote a record: the second one if an audit failed.
MEASURED = (0, 4)


class Program:
    """The program that is measured: the release build, unless another one is named."""

    path = TARGET / "release" / "rpcbench"
    # The record of its last run.
    last_record = None


def output(command, accepted=(0,)):
    """Runs `command` and returns its standard output. Ends the script if its exit code is not one of `accepted`. After
    Ctrl-C, waits until it has ended its servers."""
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, errors = process.communicate()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.communicate()
        raise
    if process.returncode == 130:
        raise KeyboardInterrupt
    if process.returncode not in accepted:
        sys.exit(f"{' '.join(map(str, command))}\n{errors}")
    return out


def run_into(folder, *arguments, scenario=None):
    """Makes a run whose record is in `folder`/out; returns the record and the output."""
    command = [Program.path, "run", "--out", Path(folder, "out"), *arguments]
    if scenario:
        path = Path(folder, "scenario.toml")
        path.write_text(scenario, encoding="utf-8")
        command.insert(2, path)
    out = output(command, MEASURED)
    Program.last_record = json.loads(Path(folder, "out", "record.json").read_text(encoding="utf-8"))
    return Program.last_record, out


def run(*arguments, scenario=None):
    """Makes a run; returns the record and the output."""
    with tempfile.TemporaryDirectory() as folder:
        return run_into(folder, *arguments, scenario=scenario)


def report(record):
    """The report of a record, with its statements, as `rpcbench report --format json` prints it."""
    with tempfile.TemporaryDirectory() as folder:
        return json.loads(output([Program.path, "report", record, "--out", folder, "--format", "json"]))


def scenario(stack, load, seconds, placement="split", blocks=1, warmup="100ms", extra="", of_measurement=""):
    """The text of a scenario with one stack and one measurement."""
    return f"""name = "method"
question = "How far can the figures be trusted?"
blocks = {blocks}
warmup = "{warmup}"
measure = "{round(seconds * 1000)}ms"
timeout = "30s"
floors = false
stacks = ["{stack}"]
{extra}
[[measurement]]
name = "measured"
operation = "add"
load = "{load}"
placement = "{placement}"
{of_measurement}
"""


def pair(placement, *arguments, blocks=30):
    """Compares rest-hyper with itself in new server processes; returns the record and what the program states about the
    two, in slices of 10 ms. By default in thirty blocks, as in the scenario `standard`: the interval leaves out the
    smallest and the largest ratios, of which ten blocks have too few."""
    text = scenario("rest-hyper", "closed:1", 0.06, placement, blocks=blocks, warmup="40ms",
                    extra='pairs = [["rest-hyper", "rest-hyper"]]', of_measurement='slice = "10ms"')
    with tempfile.TemporaryDirectory() as folder:
        record, _ = run_into(folder, *arguments, scenario=text)
        (same,) = report(Path(folder, "out"))["measurements"][0]["comparisons"]["same"]
    return record, same


def only(record):
    """The only trial of a record, and the reason if it does not count."""
    (trial,) = record["trials"]
    return trial, next((check["detail"] for check in trial["audit"] if not check["passed"]), "")


def one(stack, load, seconds, *arguments):
    """The only trial of a run of one stack, and the reason if it does not count."""
    return only(run(*arguments, scenario=scenario(stack, load, seconds))[0])


def schedule_lag(trial):
    """The schedule lag of an open loop. Records of older programs have it under another name."""
    return trial.get("schedule_lag") or trial["lateness"]
