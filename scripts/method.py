"""Measure how reliable rpcbench is on this machine: the figures of harness/docs/validation.md.

    scripts/method [OPTION]... [PART]...        default: all of them, in two hours

    quiet          whether the machine is quiet enough: hypervisor, other processes, noise      20 s
    schedule-lag   the delay of an open loop's generator at 10,000 calls/s                      20 s
    known-answers  a server with known stalls, delays, failures and wrong answers                4 min
    cpu            CPU time per call against a server that burns a known amount                 30 s
    recording      what recording a call costs                                                   1 min
    oha            latency at 1,000 calls/s, compared with oha's (cargo install oha)             1 min
    wrk            throughput and latency in closed loops, compared with wrk's (apt install wrk)  2 min
    noise          200 pairs of one stack with itself: how many are stated as different         55 min
    sensitivity    40 pairs that differ by 3 % of CPU time: how many are stated as different    11 min
    verdicts       simulated tables with the noise of the reference record: false statements, power  2 min
    connections    the memory of 10,000 open connections                                         1 min
    codec          what encoding and decoding a call costs                                       3 min
    servers        calls/s, latency and CPU time compared with jsonrpsee, libzmq and Python      3 min
    documents      the memory that servers keep after 1,000 documents of 1 MiB                    3 min
    zerorpc        calls on one socket, 1,000 clients, CPU time compared with Python's zerorpc   2 min

`noise` and `sensitivity` are campaigns. They begin only on a quiet machine, append the outcome of each pair to a file in
results/campaigns, and continue where they were interrupted, for example by Ctrl-C. A pair that was disturbed is counted,
not used, and repeated, at most as many times as there are pairs. `verdicts` writes the differences that a run announces
into harness/src/run/power.json.

    --record FILE      the file of a campaign (one part only)
    --pairs N          measure N pairs instead of 200 or 40
    --keep             write the rows of each other part into results/validation, for harness/docs/validation.md
    --blocks N         compare the two halves of a pair of a campaign in N blocks instead of 30
    --anyway           begin a campaign although the machine is not quiet; disturbed pairs are still not used
    --program PROGRAM  measure this program instead of building one

Needs Linux and two cores. `servers` and `zerorpc` need Python with the packages of servers/python/requirements.txt, named by
RPCBENCH_PYTHON, and `servers` needs RabbitMQ. Prints a table. Exits with 1 if a figure misses its requirement.
"""

import argparse
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import quiet
from campaign import BLOCKS, Campaign, figures
from measuring import Program, ROOT, one, only, run, scenario, schedule_lag
from tables import power_rows
from validation import Part, Table

POWER = ROOT / "harness" / "src" / "run" / "power.json"
BODY = '{"x":20000,"y":30000}'


def measure_schedule_lag(table):
    for stack in ("rest-hyper", "zerorpc", "tcp"):
        tails, disturbed = [], 0
        while len(tails) < 5 and disturbed < 5:
            trial, _ = one(stack, "open:10000:constant", 1)
            if "disturbed" in trial["labels"]:
                disturbed += 1
            else:
                tails.append(schedule_lag(trial)["p99"] / 1e3)
        measured = ", ".join(f"{tail:.0f}" for tail in sorted(tails))
        if disturbed:
            measured += f"; {disturbed} disturbed and not counted"
        table.row(f"schedule lag p99 at 10,000 calls/s, constant, two cores kept awake, five trials, µs, {stack}", "each ≤ 50",
                  measured, len(tails) == 5 and max(tails) <= 50)


def known_answers(table):
    length, period, rate, periods = 0.1, 1.0, 2000, 31
    # After a stall, the server answers the waiting calls without a pause. Its load is then the rate divided by its
    # capacity, which is less than the CPU time that it uses while it is woken for every call.
    capacity, _ = one("rest-hyper", "closed:32", 2)
    need = rate / capacity["throughput"]
    for arrivals in ("constant", "poisson"):
        trial, complaint = one("rest-hyper", f"open:{rate}:{arrivals}", periods * period, "--server-arg=--stall=100ms/1s")
        calls, server = trial["counts"]["right"], trial["server"]["cpu_ns"]
        busy = rate * server / calls / 1e9
        service = trial["service"]["p50"] / 1e9
        for name, q in (("p95", 0.95), ("p99", 0.99), ("p999", 0.999)):
            # A call that arrives t after the start of a stall waits for the rest of the stall and for the calls before it:
            # length - t (1 - need). See harness/docs/method-load.md.
            expected = length - (1 - q) * period * (1 - need) + service
            measured = (trial["latency"][name] or math.inf) / 1e9
            error = measured / expected - 1
            table.row(f"{name} of a server that stalls 100 ms each second, {rate} calls/s {arrivals}, {periods} stalls",
                      f"{1e3 * expected:.1f} ms ± 5 %", f"{1e3 * measured:.1f} ms ({100 * error:+.1f} %) {complaint}",
                      abs(error) <= 0.05)
        table.row(f"the server's CPU time during this, {arrivals}", "< 10 %", f"{100 * busy:.1f} %", busy < 0.1)
    trial, _ = one("rest-hyper", "closed:1", 10, "--server-arg=--stall=100ms/1s")
    p99 = trial["latency"]["p99"] / 1e6
    table.row("p99 of the same stalls in a closed loop of one caller", "does not see them: < 10 ms",
              f"{p99:.3f} ms (longest {trial['latency']['max'] / 1e6:.0f} ms)", p99 < 10)
    trial, _ = one("rest-hyper", "open:50:poisson", 8, "--server-arg=--handler-delay=100ms")
    p50 = trial["latency"]["p50"] / 1e6
    # The server's timer has a resolution of one millisecond.
    table.row("p50 of a server that delays each call by 100 ms", "100 ms ± 5 %", f"{p50:.1f} ms", abs(p50 / 100 - 1) <= 0.05)
    for fault, n in (("fail", 10), ("wrong", 100)):
        # Only the second half of a pair has the fault, since the first must pass the conformance check.
        text = scenario("rest-hyper", "open:2000:constant", 3, extra='pairs = [["rest-hyper", "rest-hyper"]]')
        record, _ = run(f"--twin-arg=--{fault}=1/{n}", scenario=text)
        trial = next(trial for trial in record["trials"] if trial.get("twin"))
        counts = trial["counts"]
        hit = counts["wrong"] if fault == "wrong" else sum(counts["failed"].values())
        share = hit * n / counts["started"]
        table.row(f"calls affected by --{fault} 1/{n}", f"1 in {n}", f"{hit} of {counts['started']}", abs(share - 1) < 0.01)
        table.row("status of that trial", "invalid", trial["status"], trial["status"] == "invalid")


def cpu(table):
    def per_call(*arguments):
        record, _ = run(*arguments, scenario=scenario("rest-hyper", "closed:1", 1, "shared", blocks=5))
        return statistics.median(t["server"]["cpu_ns"] / t["counts"]["right"] for t in record["trials"]) / 1e3
    plain = per_call()
    for micros in (20, 200):
        measured = per_call(f"--server-arg=--handler-cpu={micros}us") - plain
        table.row(f"CPU time that a handler burning {micros} µs adds to a call", f"{micros} µs ± 5 %", f"{measured:.1f} µs",
                  abs(measured / micros - 1) <= 0.05)


def recording(table):
    estimates = criterion("recording")
    for name in ("closed loop", "open loop"):
        nanos = estimates[f"recording/{name}"]
        table.row(f"recording a call, {name}", "< 100 ns", f"{nanos:.0f} ns", nanos < 100)


class Server:
    """A server on the last core, which serves the protocol of `stack`."""

    def __init__(self, stack="rest-hyper"):
        self.stack = stack

    def __enter__(self):
        self.core = sorted(os.sched_getaffinity(0))[-1]
        protocol = self.stack.removesuffix("-hyper")
        self.process = subprocess.Popen([Program.path, "serve", protocol, "--end-with-input"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: os.sched_setaffinity(0, {self.core}))
        self.url = self.process.stdout.readline().split()[2]
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def ours(self, load, seconds, *arguments):
        """Runs our generator against it. Cores are not kept awake, as for the other generators."""
        record, _ = run("--target", f"{self.stack}={self.url}", "--no-warm", *arguments,
                        scenario=scenario(self.stack, load, seconds))
        return only(record)[0]

    def memory(self, field):
        """A field of its memory, VmRSS or VmHWM, in bytes."""
        status = Path("/proc", str(self.process.pid), "status").read_text(encoding="ascii")
        return int(re.search(rf"{field}:\s+(\d+)", status)[1]) << 10

    def theirs(self, *command):
        """Runs another generator on the client's core and returns its output."""
        core = sorted(os.sched_getaffinity(0))[-2]
        return subprocess.run(command, check=True, capture_output=True, text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, {core})).stdout


class Awake:
    """Keeps the last two cores awake, for all generators."""

    def __enter__(self):
        self.spinners = []
        for core in sorted(os.sched_getaffinity(0))[-2:]:
            spinner = subprocess.Popen([Program.path, "__keep-awake", str(core)], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
            self.spinners.append(spinner)
            if (line := spinner.stdout.readline().strip()) != "spinning":
                sys.exit(f"core {core} cannot be kept awake: {line}")

    def __exit__(self, *_):
        for spinner in self.spinners:
            spinner.stdin.close()
            spinner.wait()


def beside(server, rounds, ours, theirs):
    """The medians of two generators that run alternately, so that disturbances affect both alike."""
    pairs = [(ours(server), theirs(server)) for _ in range(rounds)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def oha(table):
    command = [tool("oha", "cargo install oha"), "-m", "POST", "-d", BODY, "-H", "content-type: application/json"]
    command += ["--no-tui", "--output-format", "json"]

    def latency(server):
        out = json.loads(server.theirs(*command, "-z", "3s", "-c", "16", "-q", "1000", "--latency-correction",
                                       f"{server.url}/add"))
        return out["latencyPercentiles"]["p50"] * 1e6

    def rate(server):
        return json.loads(server.theirs(*command, "-z", "2s", "-c", "32", f"{server.url}/add"))["summary"]["requestsPerSec"]

    with Server() as server, Awake():
        mine, other = beside(server, 5, lambda s: s.ours("open:1000:constant", 3)["latency"]["p50"] / 1e3, latency)
        table.row("p50 at 1,000 calls/s beside oha --latency-correction, cores awake, medians of 5 rounds", "within 10 %",
                  f"{mine:.0f} µs beside {other:.0f} µs: {mine / other:.2f}", abs(mine / other - 1) <= 0.1)
        mine, other = beside(server, 9, lambda s: s.ours("closed:32", 2)["throughput"], rate)
    table.row("calls/s of 32 callers beside oha, medians of 9 rounds", "≥ 0.9 ×",
              f"{mine:,.0f} beside {other:,.0f}: {mine / other:.2f}", mine >= 0.9 * other)


def wrk(table):
    program = tool("wrk", "apt install wrk")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "add.lua")
        script.write_text(f"wrk.method='POST'\nwrk.body='{BODY}'\nwrk.headers['Content-Type']='application/json'\n",
                          encoding="utf-8")

        def rate(server):
            out = server.theirs(program, "-t1", "-c32", "-d2", "-s", str(script), f"{server.url}/add")
            return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])

        def latency(server):
            out = server.theirs(program, "-t1", "-c1", "-d2", "--latency", "-s", str(script), f"{server.url}/add")
            number, unit = re.search(r"50%\s+([\d.]+)(us|ms)", out).groups()
            return float(number) * (1 if unit == "us" else 1000)

        with Server("rest-bare") as server:
            bare = beside(server, 9, lambda s: s.ours("closed:1", 2)["latency"]["p50"] / 1e3, latency)
        with Server() as server:
            mine, other = beside(server, 9, lambda s: s.ours("closed:32", 2)["throughput"], rate)
    table.row("calls/s of 32 callers beside wrk, medians of 9 rounds", "≥ 0.85 ×",
              f"{mine:,.0f} beside {other:,.0f}: {mine / other:.2f}", mine >= 0.85 * other)
    mine, other = bare
    table.row("p50 of one caller of rest-bare beside wrk, medians of 9 rounds", "no longer",
              f"{mine:.1f} µs beside {other:.1f} µs: {mine / other:.2f}", mine <= other)


def tool(name, remedy):
    return shutil.which(name) or sys.exit(f"{name} is not installed: {remedy}")


def campaign(table, options, name, wanted, extra_ns=lambda: 0):
    """Makes a campaign or continues it, on a quiet machine only."""
    pairs = Campaign(name, options.record, wanted, options.blocks or BLOCKS)
    if pairs.next_placement():
        if not quiet.check(table) and not options.anyway:
            print(f"{name}: the machine is not quiet, see the rows above: end other programs, or begin with --anyway",
                  file=sys.stderr)
            return
        pairs.finish(extra_ns)
    table.row(*figures(name, pairs.outcomes))


def noise(table, options):
    pairs = options.pairs or 200
    campaign(table, options, "noise", {"shared": pairs - pairs // 2, "split": pairs // 2})


def three_percent():
    """Three percent of the CPU time of a call, in nanoseconds."""
    record, _ = run(scenario=scenario("rest-hyper", "closed:1", 0.5, "shared", blocks=3))
    return round(0.03 * median(record, "rest-hyper", cpu_of_a_call))


def sensitivity(table, options):
    campaign(table, options, "sensitivity", {"shared": options.pairs or 40}, three_percent)


def verdicts(table):
    """Simulates what harness/docs/method-verdicts.md says of false statements and of the differences that are stated, and
    writes it where the program and the documents have it from."""
    command = ["cargo", "run", "--release", "--locked", "--package", "rpcbench", "--example", "verdicts", "--",
               "--tables", "5000", ROOT / "results" / "reference"]
    out = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    power = json.loads(out)
    POWER.write_text(out, encoding="utf-8")
    print("\n".join(power_rows(power)), file=sys.stderr)
    rates = [(measurement["name"], rates) for measurement in power["measurements"] for rates in measurement["rates"]]
    false = 100 * max(max(of["false_equal_noise"], of["false_own_noise"]) for _, of in rates)
    table.row("tables with a false statement, the most in any row", "≤ 1 %", f"{false:.1f} %", false <= 1)
    for effect, least in ((0.05, 80), (0.1, 99)):
        column = power["effects"].index(effect)
        for name, of in rates:
            if of["blocks"] == 30:
                stated = 100 * of["stated"][column]
                table.row(f"tables that state a true {100 * effect:.0f} %, 30 blocks, noise of {name}", f"≥ {least} %",
                          f"{stated:.1f} %", stated >= least)


def connections(table):
    trial, complaint = one("rest-hyper", "closed:10000", 5)
    memory = (trial["client"]["peak_rss"] + trial["server"]["peak_rss"]) / 2**20
    table.row("client and server with 10,000 open connections", "< 1,024 MiB",
              f"{memory:.0f} MiB, {trial['counts']['right']} calls {complaint}",
              memory < 1024 and trial["connections"] == 10_000 and trial["counts"]["right"] > 0)


def criterion(bench, *filters):
    """Runs a criterion benchmark; returns its estimates in nanoseconds by name."""
    ended = subprocess.run(["cargo", "bench", "--locked", "--package", "rpcbench", "--bench", bench, "--", *filters],
                           cwd=ROOT, capture_output=True, text=True, check=True)
    # criterion prints low, estimate and high; a long name is on a separate line.
    found = re.findall(r"^(\S[^\n]*?)\s+time:\s+\[\S+ \S+ (\S+) (\S+) \S+ \S+\]", ended.stdout, re.MULTILINE)
    return {name: float(value) * {"ps": 1e-3, "ns": 1, "µs": 1e3}[unit] for name, value, unit in found}


def codec(table):
    estimates = criterion("codec", "codec add")
    for protocol, most in (("xmlrpc", 2000), ("jsonrpc", 700)):
        steps = [nanos for name, nanos in estimates.items() if name.startswith(f"codec add/{protocol}/")]
        table.row(f"encoding and decoding an add call and its answer, {protocol}", f"< {most} ns",
                  f"{sum(steps):.0f} ns in {len(steps)} steps", len(steps) == 4 and sum(steps) < most)


def servers(table):
    """Compares the median throughput of five blocks, server and client on one core each; then the latency of libzmq's floor,
    and the CPU time of oslo.messaging's calls."""
    text = scenario("rest-hyper", "closed:32", 1, blocks=5).replace(
        'stacks = ["rest-hyper"]', 'stacks = ["jsonrpc-hyper", "jsonrpc-jsonrpsee", "xmlrpc-hyper", "xmlrpc-python"]')
    record, _ = run("--require", "jsonrpc-jsonrpsee,xmlrpc-python", scenario=text)
    for ours, theirs, least in (("jsonrpc-hyper", "jsonrpc-jsonrpsee", 1), ("xmlrpc-hyper", "xmlrpc-python", 8)):
        mine, other = (median(record, stack, lambda trial: trial["throughput"]) for stack in (ours, theirs))
        table.row(f"calls/s of {ours}'s server beside {theirs}'s, 32 callers", f"≥ {least} ×",
                  f"{mine:,.0f} beside {other:,.0f}: {mine / other:.2f}", mine >= least * other)
    record, _ = run("--stack", "zerorpc,tcp-libzmq", "--require", "tcp-libzmq", "--load", "closed:1", "--placement", "shared",
                    "--blocks", 10, "--seconds", 1)
    ours, theirs = (median(record, stack, lambda trial: trial["latency"]["p50"]) for stack in ("zerorpc", "tcp-libzmq"))
    table.row("p50 of zerorpc beside a call over libzmq's sockets (tcp-libzmq), one caller on one core", "≤ 1 ×",
              f"{ours / 1e3:.1f} µs beside {theirs / 1e3:.1f}: {ours / theirs:.2f}", ours <= theirs)
    record, _ = run("--stack", "amqp,amqp-python", "--require", "amqp-python", "--load", "closed:64", "--connections", 1,
                    "--placement", "split", "--blocks", 5, "--seconds", 2)
    ours, theirs = (median(record, stack, cpu_of_a_call) for stack in ("amqp", "amqp-python"))
    table.row("CPU time of a call, client and server: amqp-python / amqp, 64 in flight", "≥ 10",
              f"{theirs / ours:.1f} ({theirs / 1e3:.0f} / {ours / 1e3:.0f} µs)", theirs >= 10 * ours)


def median(record, stack, figure):
    """The median of a figure over the valid trials of a stack."""
    trials = [trial for trial in record["trials"] if trial["stack"] == stack and trial["status"] == "valid"]
    return statistics.median(map(figure, trials)) if trials else sys.exit(f"no trial of {stack} is valid")


def cpu_of_a_call(trial):
    """The CPU time of a call, client and server, in nanoseconds."""
    return (trial["client"]["cpu_ns"] + trial["server"]["cpu_ns"]) / trial["counts"]["right"]


def documents(table):
    """What many documents leave behind; `cargo test --test document_memory` limits the peak of one call."""
    for stack in ("rest-hyper", "jsonrpc-hyper", "xmlrpc-hyper", "zerorpc"):
        with Server(stack) as server:
            server.ours("closed:1", 1)
            start, calls = server.memory("VmRSS"), 0
            while calls < 1000:
                right = server.ours("closed:1", 10, "--operation", "echo:1MiB")["counts"]["right"]
                calls += right or sys.exit(f"{stack}: no call with a document was answered")
            kept, peak = (server.memory(field) - start for field in ("VmRSS", "VmHWM"))
        table.row(f"resident memory that a server keeps after at least 1,000 echoes of 1 MiB of information, {stack}", "≤ 20 MiB",
                  f"{kept / 2**20:.1f} MiB after {calls:,} calls; {peak / 2**20:.1f} MiB at the peak", kept <= 20 << 20)


# Calls a server and prints the CPU time of both ends per call, in nanoseconds, with all threads of the server.
PYTHON_CLIENT = """
import sys, time
from pathlib import Path
import zerorpc
url, pid, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
client = zerorpc.Client(url)
def used():
    server = sum(int(task.read_text().split()[0]) for task in Path("/proc", pid, "task").glob("*/schedstat"))
    return time.process_time_ns() + server
for _ in range(calls // 5):
    client.add(20000, 30000)
before = used()
for _ in range(calls):
    assert client.add(20000, 30000) == 50000
print((used() - before) / calls)
client.close()
"""


def python_at_both_ends(calls):
    """CPU nanoseconds of a call with client and server in Python, on one core."""
    python = os.environ.get("RPCBENCH_PYTHON", "python3")
    core = max(os.sched_getaffinity(0))
    options = {"stdout": subprocess.PIPE, "text": True, "preexec_fn": lambda: os.sched_setaffinity(0, {core})}
    server = subprocess.Popen([python, "-B", ROOT / "servers" / "python" / "zerorpc_server.py"], **options)
    try:
        url = server.stdout.readline().split()[-1]
        arguments = [python, "-c", PYTHON_CLIENT, url, str(server.pid), str(calls)]
        return float(subprocess.run(arguments, check=True, **options).stdout)
    finally:
        server.kill()
        server.wait()


def zerorpc(table):
    record, _ = run("--stack", "zerorpc,zerorpc-python", "--load", "closed:1", "--placement", "shared", "--blocks", 5,
                    "--seconds", 1)
    if record["skipped"]:
        sys.exit(f"zerorpc: {record['skipped'][0]['reason']}")

    own = median(record, "zerorpc", cpu_of_a_call)
    python = statistics.median(python_at_both_ends(5_000) for _ in range(5))
    half = median(record, "zerorpc-python", cpu_of_a_call)
    for ends, cpu in (("Python at both ends", python), ("our client, Python's server", half)):
        table.row(f"CPU time of a call, both ends: {ends} / zerorpc", "≥ 10", f"{cpu / own:.1f} ({cpu / 1e3:.0f} / {own / 1e3:.1f} µs)",
                  cpu / own >= 10)
    trial, complaint = one("zerorpc", "closed:64", 3, "--connections", "1")
    table.row("calls/s with 64 in flight on one socket", "≥ 200,000", f"{trial['throughput']:,.0f} {complaint}",
              trial["throughput"] >= 200_000)
    trial, complaint = one("zerorpc", "open:10000:poisson", 10, "--connections", "1000")
    p99 = (trial["latency"]["p99"] or math.inf) / 1e6
    table.row("p99 of 1,000 clients at 10,000 calls/s", "< 50 ms",
              f"{p99:.3f} ms (schedule lag {schedule_lag(trial)['p99'] / 1e6:.3f} ms) {complaint}", p99 < 50)


PARTS = {"quiet": quiet.check, "schedule-lag": measure_schedule_lag, "known-answers": known_answers, "cpu": cpu,
         "recording": recording, "oha": oha, "wrk": wrk, "noise": noise, "verdicts": verdicts, "sensitivity": sensitivity,
         "connections": connections, "codec": codec, "servers": servers, "documents": documents, "zerorpc": zerorpc}
# Parts that take the options.
CAMPAIGNS = ("noise", "sensitivity")
# Parts whose outcomes are kept elsewhere, and the one that says whether the others can be measured.
NOT_KEPT = ("quiet", *CAMPAIGNS, "verdicts")
# Former names of parts.
FORMER = {"lateness": "schedule-lag"}


def options_of(words):
    """The parts and the options that the user gave."""
    parser = argparse.ArgumentParser(prog="scripts/method", usage=argparse.SUPPRESS, add_help=False, allow_abbrev=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--blocks", type=int)
    parser.add_argument("--anyway", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--program", type=Path)
    parser.add_argument("parts", nargs="*")
    options = parser.parse_args(words)
    options.parts = [FORMER.get(part, part) for part in options.parts] or list(PARTS)
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"unknown part {unknown[0]}; the parts are {', '.join(PARTS)}")
    if options.record and not (len(options.parts) == 1 and options.parts[0] in CAMPAIGNS):
        parser.error(f"--record takes one of the parts {' and '.join(CAMPAIGNS)}")
    if options.program and not os.access(options.program, os.X_OK):
        parser.error(f"{options.program} is not a program")
    if options.pairs is not None and options.pairs < 1:
        parser.error("--pairs takes a number from 1")
    if options.blocks is not None and options.blocks < 1:
        parser.error("--blocks takes a number from 1")
    return options


def build(options):
    """Builds the program that is measured, unless one was given."""
    if options.program:
        Program.path = options.program.resolve()
        return
    if not shutil.which("cargo"):
        print("cargo was not found; install Rust from https://rustup.rs", file=sys.stderr)
        sys.exit(3)
    command = ["cargo", "build", "--locked", "--release", "--quiet", "--package", "rpcbench"]
    subprocess.run(command + (["--features", "jsonrpsee,libzmq"] if "servers" in options.parts else []), check=True, cwd=ROOT)


def main():
    options = options_of(sys.argv[1:])
    if options.help:
        print(__doc__.strip())
        return
    if len(os.sched_getaffinity(0)) < 2:
        print("two cores are required: one for the client, one for the server", file=sys.stderr)
        sys.exit(3)
    build(options)
    print("| figure | required | measured | met |\n|---|---|---|---|", flush=True)
    table = Table()
    for name in options.parts:
        part, before = Part(name), len(table.rows)
        PARTS[name](table, *([options] if name in CAMPAIGNS else []))
        if options.keep and name not in NOT_KEPT:
            part.keep(table.rows[before:])
    sys.exit(1 if table.missed else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\ninterrupted; a campaign continues where it ended if it is started again", file=sys.stderr)
        sys.exit(130)
