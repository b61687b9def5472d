"""Make every generated table and figure of README.md and harness/docs from the records in results.

    scripts/readme [--check] [--program PROGRAM]

    --check            change nothing; print what differs from the records, and exit with 1 if anything does
    --program PROGRAM  read the records with this program instead of building one

A generated region of a document begins with `<!-- generated: NAME -->` and ends with `<!-- end -->`. What is between is
replaced. The regions come from results/reference, from results/amqp, a record of `rpcbench run amqp`, from
results/claims, from records of the same claims in results/machines and of further scenarios with claims, from
results/campaigns, from results/validation, which `scripts/method --keep` writes, and from harness/src/run/power.json,
which `scripts/method verdicts` makes from results/reference. The figures and pages in results/reference/report and results/claims/report are made again as well.
"""

import argparse
import difflib
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import campaign
import gate_power
import validation
from measuring import Program, ROOT, TARGET, output
from reference import Reference, measurements, protocol, three_digits, two_digits
from tables import detectable_rows, power_rows, rows, stacks_of

REFERENCE = ROOT / "results" / "reference"
AMQP = ROOT / "results" / "amqp"
CLAIMS = ROOT / "results" / "claims"
# Scenarios whose claims the record of `claims` does not have.
FURTHER_CLAIMS = ("codecs", "transports", "http-bare", "streams", "dependent")
# The same claims, measured on other machines or again.
CLAIMS_AGAIN = sorted(path.parent for path in (ROOT / "results" / "machines").glob("*/claims*/record.json"))
POWER = ROOT / "harness" / "src" / "run" / "power.json"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "harness" / "docs").glob("*.md"))]
REGION = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


# What the program makes of a record: the report as JSON, and the folder with its page and figures, which is removed when this script ends.
Made = namedtuple("Made", "report folder")


@functools.cache
def made(record):
    """The report of `record`, made once."""
    folder = tempfile.TemporaryDirectory()
    text = output([Program.path, "report", record, "--out", folder.name, "--format", "json"])
    return Made(json.loads(text), folder)


def wrapped(text):
    """A paragraph or an item of a list, in lines of the documents' width."""
    indent = "  " if text.startswith("- ") else ""
    return textwrap.wrap(text, 120, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


TITLES = {"rest": "REST", "jsonrpc": "JSON-RPC", "xmlrpc": "XML-RPC", "zerorpc": "zerorpc", "grpc": "gRPC", "amqp": "AMQP"}
FEW_LIBRARIES = {"zerorpc": ". Few languages have a library"}


def choice(of):
    """Which protocol to choose, with the figures that say so."""
    latency, throughput, payload = of.latency, of.throughput, of.payload

    def us(stack, measurement=latency):
        return three_digits(measurement.value(stack, "p50"))

    def thousands(stack, key="capacity"):
        quantity = throughput.quantity(stack, key)
        bound = "at least " if quantity.get("is_lower_bound") else ""
        return f"{bound}{round(quantity['value'], -3):,.0f}"

    def size(stack):
        return sum(latency.bytes(stack))

    def ratio(stack):
        return two_digits(latency.value(stack, "ratio-to-floor"))

    json_documents = [payload.value(stack, "p50") for stack in ("rest", "rest-hyper", "jsonrpc", "jsonrpc-hyper")]
    xml_documents = [payload.value(stack, "p50") for stack in ("xmlrpc", "xmlrpc-hyper")]
    times_json = min(xml_documents) / max(json_documents)
    cheapest, most = winner(latency), winner(throughput)
    documents = winner(payload)
    body = [
        ("the cheapest small calls between your own services", TITLES[protocol(cheapest)],
         f"{us(cheapest)} µs a call, {ratio(cheapest)} × raw TCP; minimal REST takes {us('rest-hyper')} µs",
         f"on two cores {us(cheapest, of.two_cores)} µs, minimal REST {us('rest-hyper', of.two_cores)}{FEW_LIBRARIES.get(protocol(cheapest), '')}"),
        ("the most small calls per second", TITLES[protocol(most)],
         f"{thousands(most)} calls/s per core of the server; minimal REST {thousands('rest-hyper')}",
         f"with a usual HTTP client (reqwest) {thousands('rest', 'calls')} were seen"),
        ("calls from browsers, `curl`, any language; caches and proxies", "REST",
         f"{us('rest-hyper')} µs minimal, {us('rest')} µs with reqwest; {size('rest')} bytes a call",
         "no proxy or cache was measured"),
        ("a schema that generates clients in many languages; streams; deadlines", "gRPC",
         f"{us('grpc')} µs with tonic, {latency.compared('grpc', 'rest')} than REST with reqwest; {size('grpc')} bytes a call",
         f"{thousands('grpc')} calls/s per core of the server; every call carries HTTP/2 frames"),
        ("named methods and batches over HTTP", "JSON-RPC",
         f"{us('jsonrpc-hyper')} µs minimal; compared with minimal REST: {latency.statement('jsonrpc-hyper', 'rest-hyper')}",
         f"{size('jsonrpc')} bytes a call"),
        ("to talk to existing XML-RPC systems", "XML-RPC",
         f"{us('xmlrpc-hyper')} µs minimal, {latency.longer('xmlrpc-hyper', 'rest-hyper')} % above minimal REST",
         f"{size('xmlrpc')} bytes a call; 10 KiB documents take {min(xml_documents) / 1e3:.1f} ms or more, at least "
         f"{two_digits(times_json)} times as long as JSON"),
        ("documents of 10 KiB rather than two numbers", TITLES[protocol(documents)],
         f"{us(documents, payload)} µs; JSON over HTTP {min(json_documents):.0f}–{max(json_documents):.0f} µs",
         "mostly encoding: measure your own data"),
        ("queues: work that waits for a worker, fan-out", "AMQP",
         f"{us('amqp')} µs a call, {ratio('amqp')} × raw TCP; {round(throughput.value('amqp', 'calls'), -2):,.0f} calls/s",
         f"even the minimum through RabbitMQ takes {us('amqp-bare')} µs; `rpcbench run brokers` compares NATS and queues that "
         "survive a broker's restart"),
    ]
    return rows(["you need", "choose", "measured", "but"], body)


def winner(measurement):
    """The fastest stack by the statements. The table of choices has one; a record without it needs another table."""
    fastest = measurement.fastest()
    if fastest is None:
        sys.exit("scripts/readme: the reference record names no fastest protocol; the table of choices says one")
    return fastest


def results(of):
    """The table of the README: one call, and calls per second."""
    names = {"tcp": "*tcp, the floor*", "amqp-bare": "*amqp-bare, AMQP's floor*"}

    def row(stack):
        ratio = of.latency.shown(stack, "ratio-to-floor", with_range=stack != "tcp")
        cpu = [of.latency.shown(stack, f"{side}-cpu") for side in ("client", "server", "broker")]
        return [names.get(stack, stack), of.latency.shown(stack, "p50"), ratio, *cpu,
                *map(str, of.latency.bytes(stack)), of.throughput.capacity(stack)]
    heading = ["stack", "p50 µs", "× raw TCP (range)", "client CPU µs", "server CPU µs", "broker CPU µs", "bytes out",
               "bytes back", "32 callers, two cores: calls/s per core of the server (seen)"]
    return rows(heading, [row(stack) for stack in of.latency.rows if stack != "inproc"], "l" + "r" * (len(heading) - 1))


def conditions(of):
    """Where and how the reference record was measured."""
    machine = of.record["machine"]
    kind = "a virtual machine" if machine["virtualised"] else "a machine"
    processor = (machine["processor"] or machine["architecture"]).replace("(R)", "").removesuffix(" Processor")
    system, release, *_ = machine["system"].split()
    version = ".".join(release.split(".")[:2])
    name = of.record["scenario"]["name"]
    written = tomllib.loads((ROOT / "scenarios" / f"{name}.toml").read_text(encoding="utf-8"))
    is_current = all(written[key] == of.record["scenario"][key] for key in ("blocks", "stacks"))
    what = f"`rpcbench run {name}`" if is_current else f"An earlier version of the scenario `{name}`"
    return wrapped(f"{what} measured these on {of.record['started'][:10]} on {kind} with "
            f"{machine['cores']} cores ({processor}, {system} {version}), in {of.blocks} *blocks*.")


def findings(of):
    """What the reference record shows."""
    latency, two_cores = of.latency, of.two_cores

    def ratio(stack, measurement=latency):
        return two_digits(measurement.value(stack, "ratio-to-floor"))

    def size(stack):
        return sum(latency.bytes(stack))

    http = [of.framing(stack) for stack in ("rest", "jsonrpc", "xmlrpc")]
    library, notation = latency.longer("rest", "rest-hyper"), latency.longer("jsonrpc-hyper", "rest-hyper")
    wake_up = two_cores.value("tcp", "p50") - latency.value("tcp", "p50")
    encoding = latency.value("rest-hyper", "p50") - latency.value("tcp", "p50")
    # Each sentence with what the record must show for it: conclusions in words are not computed.
    items = [
        (library > notation,
         f"- **The client library often matters more than the protocol.** Without reqwest, REST drops from {ratio('rest')} to "
         f"{ratio('rest-hyper')} × raw TCP. Over the same library the medians of JSON-RPC and XML-RPC are {notation} % and "
         f"{latency.longer('xmlrpc-hyper', 'rest-hyper')} % above REST's "
         f"(JSON-RPC: {latency.statement('jsonrpc-hyper', 'rest-hyper')})."),
        (size("rest") <= min(size("jsonrpc"), size("xmlrpc")),
         f"- **RPC over HTTP is not smaller than REST.** A call and its answer take {size('rest')} bytes in REST, "
         f"{size('jsonrpc')} in JSON-RPC, {size('xmlrpc')} in XML-RPC. In all three, {min(http)} to {max(http)} bytes are HTTP."),
        (wake_up > encoding,
         f"- **Waking a process costs more than encoding.** On two cores, both kept awake, raw TCP takes "
         f"{two_cores.value('tcp', 'p50'):.0f} µs instead of {latency.value('tcp', 'p50'):.0f}, and minimal REST "
         f"{ratio('rest-hyper', two_cores)} times that instead of {ratio('rest-hyper')}."),
        (latency.value("amqp-bare", "ratio-to-floor") > 3,
         f"- **A broker adds a third process and twice the hops:** at least {ratio('amqp-bare')} × raw TCP, and {ratio('amqp')} × "
         "with oslo.messaging's acknowledgements, confirms and reply queues. `rpcbench run amqp` measures what each costs."),
    ]
    for is_shown, sentence in items:
        if not is_shown:
            sys.exit(f"scripts/readme: the reference record does not show this any more: {sentence}")
    return [line for _, sentence in items for line in wrapped(sentence)]


def implementation(_of):
    """What an implementation costs beside another of the same protocol, from the part `zerorpc` of scripts/method."""
    (record,) = (record for record in validation.read() if record["part"] == "zerorpc")
    (row,) = (row for row in record["rows"] if "Python at both ends" in row["figure"])
    ratio, theirs, ours = re.fullmatch(r"(\S+) \((\S+) / (\S+) µs\)", row["measured"]).groups()
    if float(ratio) < 10:
        sys.exit(f"scripts/readme: Python's zerorpc takes {ratio} times as long as ours: is this still worth a sentence?")
    return wrapped(f"- **The implementation can matter most.** One `add` takes {float(theirs):,.0f} µs of CPU time with Python's zerorpc "
                   f"at both ends, and {ours} µs with ours (`scripts/method zerorpc`).")


def noise(of):
    """The noise of the reference record."""
    return wrapped(f"- **Noise is measured, not assumed.** On one core, the speed of a stack compared with itself gave a ratio of "
            f"{of.latency.itself('rest-hyper')}; the capacity of its server with many callers {of.throughput.itself('rest-hyper')}. "
            "A difference that noise could explain is called undecided.")


def requirements(of):
    """The figures that were required and that records show."""
    def multiple(stack):
        return of.latency.shown(stack, "ratio-to-floor", with_range=True)
    inproc = [1e3 * number for number in of.latency.quantity("inproc", "p50")["range"]]
    http = ("rest-hyper", "jsonrpc-hyper", "xmlrpc-hyper")
    required = dict(zip(http, (1.5, 1.6, 1.8)))
    body = [
        ("the harness: `inproc`, p50", "< 250 ns", f"{inproc[0]:.0f}–{inproc[1]:.0f} ns{missed(inproc[1] < 250)}"),
        ("`zerorpc` × `tcp`, one caller on one core", "≤ 1.7",
         f"{multiple('zerorpc')}{missed(of.latency.value('zerorpc', 'ratio-to-floor') <= 1.7)}"),
        *((f"`{stack}` × `tcp`, the same", f"≤ {most}",
           f"{multiple(stack)}{missed(of.latency.value(stack, 'ratio-to-floor') <= most)}") for stack, most in required.items()),
        ("`rest-hyper` compared with itself, one core", "interval contains 1", of.latency.itself("rest-hyper")),
    ]
    body = [(*row, "`rpcbench run standard`") for row in body]
    for name in ("noise", "sensitivity"):
        outcomes = campaign.read(campaign.FOLDER / f"{name}.jsonl")
        figure, needed, measured, is_met = campaign.figures(name, outcomes)
        measured = measured + missed(is_met) if outcomes else "not recorded yet"
        body.append((figure, needed, measured, f"`scripts/method {name}`"))
    body += [*power_requirements(), *amqp_requirements()]
    return rows(["figure", "required", "measured", "command"], body)


def power_requirements():
    """How often a difference that is there was required to be stated, and how often it is."""
    simulated = json.loads(POWER.read_text(encoding="utf-8"))
    for measurement in simulated["measurements"]:
        (rates,) = (rates for rates in measurement["rates"] if rates["blocks"] == 30)
        for effect, least in ((0.05, 0.8), (0.1, 0.99)) if "latency" in measurement["name"] else ():
            stated = rates["stated"][simulated["effects"].index(effect)]
            yield (f"tables of 30 blocks that state a true difference of {100 * effect:.0f} %, noise of {measurement['name']}",
                   f"≥ {100 * least:.0f} %", f"{100 * stated:.1f} %{missed(stated >= least)}", "`scripts/method verdicts`")


# What each stack of the scenario `amqp` adds to the one before.
AMQP_STEPS = {
    "amqp-bare": "",
    "amqp-direct": "oslo.messaging's message, dispatcher and server with three queues",
    "amqp-enveloped": "its envelope, with JSON inside JSON and ids of 32 digits",
    "amqp-unacknowledged": "topic exchange, reply queue, expiration, two connections at each end",
    "amqp-unconfirmed": "acknowledgements, and with them a prefetch",
    "amqp": "publisher confirms",
}


def amqp():
    """The two measurements of the record of the scenario `amqp`: latency and throughput."""
    tables = measurements(made(AMQP).report)
    return tables["latency"], tables["throughput"]


def amqp_steps(_of):
    """What each feature of oslo.messaging costs."""
    latency, throughput = amqp()

    def row(stack, added):
        cpu = ", ".join(latency.shown(stack, f"{side}-cpu") for side in ("client", "server", "broker"))
        out, back = latency.bytes(stack)
        ratio = 1 if stack == "amqp-bare" else latency.times(stack, "amqp-bare")
        return [stack, added, latency.shown(stack, "p50"), f"{ratio:.2f}", cpu, f"{out} {back}",
                f"{throughput.value(stack, 'calls'):,.0f}"]
    heading = ["stack", "what is added", "p50 µs", "× `amqp-bare`", "client, server, broker CPU µs", "bytes ↑ ↓",
               "calls/s of 64 in flight"]
    return rows(heading, [row(*step) for step in AMQP_STEPS.items()], "llrrrrr")


def amqp_requirements():
    """The figures that were required of our AMQP implementation."""
    latency, throughput = amqp()
    for stack, most in (("amqp", 2.2), ("amqp-direct", 1.05)):
        ratio = latency.times(stack, "amqp-bare")
        yield (f"`{stack}` × `amqp-bare`, one caller on one core", f"≤ {most}", f"{ratio:.2f}{missed(ratio <= most)}",
               "`rpcbench run amqp`")
    for stack, least in (("amqp", 0.5), ("amqp-direct", 0.95)):
        ratio = throughput.value(stack, "calls") / throughput.value("amqp-bare", "calls")
        yield (f"`{stack}` ÷ `amqp-bare`, calls/s of 64 in flight over one connection on two cores", f"≥ {least}",
               f"{ratio:.2f}{missed(ratio >= least)}", "`rpcbench run amqp`")


def missed(is_met):
    """What follows a figure that does not meet its requirement."""
    return "" if is_met else ": **missed**"


def validated(_of):
    """The figures of the other parts of scripts/method."""
    records = validation.read()
    if not records:
        return ["Not recorded yet."]
    return [*wrapped(validation.conditions(records)), "",
            *rows(["figure", "required", "measured", "command"], list(validation.table_rows(records)))]


VERDICTS = {"holds": "holds", "holds-in-part": "holds in part", "does-not-hold": "does not hold", "cannot-tell": "cannot tell"}


def claims(folder):
    """The verdict on every claim of the record in the folder, with the numbers."""
    if not (folder / "record.json").exists():
        return ["Not recorded yet."]
    judged = made(folder).report["claims"]
    by_verdict = {words: sum(claim["verdict"] == key for claim in judged) for key, words in VERDICTS.items()}
    counts = "; ".join(f"{words}: {count}" for words, count in by_verdict.items() if count)
    day, processor, cores = circumstances(folder)
    return [*wrapped(f"{len(judged)} claims, measured on {day[:10]} on {processor}, {cores} cores. {counts[0].upper() + counts[1:]}."),
            "", *rows(["claim", "verdict", "why"],
                      [[claim["statement"], VERDICTS[claim["verdict"]], claim["sentence"]] for claim in judged])]


def circumstances(folder):
    """When the record in the folder was begun, on which processor, and how many cores it has."""
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    machine = record["machine"]
    processor = (machine["processor"] or machine["architecture"]).removesuffix(" Processor")
    return record["started"], processor, machine["cores"]


def claims_again(_of):
    """Which verdicts differ between the records of all claims, and whether a condition is true in one and false in another."""
    if not CLAIMS_AGAIN:
        return ["Not recorded yet."]
    folders = [CLAIMS, *CLAIMS_AGAIN]
    runs = [{claim["name"]: claim for claim in made(folder).report["claims"]} for folder in folders]
    names = [name for name in runs[0] if all(name in run for run in runs)]
    differing = [name for name in names if len({run[name]["verdict"] for run in runs}) > 1]
    conditions = [{condition["outcome"] for condition in of_runs}
                  for name in names for of_runs in zip(*(run[name]["conditions"] for run in runs), strict=True)]
    contradicting = sum({"true", "false"} <= outcomes for outcomes in conditions)
    sentences = [f"{len(folders)} runs of {len(names)} claims with {len(conditions)} conditions.",
                 f"{contradicting or 'No'} condition{'s are' if contradicting > 1 else ' is'} true in one run and false in another.",
                 f"{len(names) - len(differing)} verdicts are the same in all runs. The others:"]
    headings = [f"{processor}, {started[:16].replace('T', ' ')}" for started, processor, _ in map(circumstances, folders)]
    return [*wrapped(" ".join(sentences)), "",
            *rows(["claim", *headings],
                  [[runs[0][name]["statement"], *(VERDICTS[run[name]["verdict"]] for run in runs)] for name in differing])]


def gates(_of):
    """What real gates decided about sides that are equal, and about sides that differ by a known amount."""
    stack, machines, body = gate_power.real_gates()
    if not body:
        return ["Not recorded yet."]
    heading = ["the new side, as intended", "server CPU time, measured", "gates", "found slower (95 % interval)", "required", "undecided",
               "rounds, median", "seconds of calls, median"]
    return [*wrapped(f"Gates of `{stack}` on {' and '.join(sorted(machines))}, server and client on one core."), "",
            *rows(heading, body, "lrrrrrrr")]


def power(of):
    """What simulated tables state with the noise of the reference record."""
    simulated = json.loads(POWER.read_text(encoding="utf-8"))
    if simulated["record"] != of.record["id"]:
        sys.exit(f"{POWER.relative_to(ROOT)} was made from record {simulated['record']}, and results/reference is "
                 f"{of.record['id']}: run scripts/method verdicts")
    tables = f"{simulated['tables']:,} tables for each figure"
    return [*wrapped(f"The smallest difference that a table of {stacks_of(simulated)} stacks states in four of five runs, "
                     f"from {tables} with the noise of the {simulated['blocks']} blocks of the reference record:"),
            "", *detectable_rows(simulated), "",
            "The share of tables with a false statement, and the share that states a true difference:", "",
            *power_rows(simulated)]


def of_folder(folder):
    """What makes the table of the claims of the record in the folder."""
    return lambda _of: claims(folder)


REGIONS = {"choice": choice, "claims": of_folder(CLAIMS), "claims-again": claims_again, "results": results, "conditions": conditions, "findings": findings,
           "implementation": implementation, "noise": noise,
           "requirements": requirements, "validated": validated, "amqp-steps": amqp_steps,
           "power": power, "gates": gates, **{f"claims-{name}": of_folder(CLAIMS.parent / name) for name in FURTHER_CLAIMS}}


def regenerated(text, of, where):
    """`text` with new contents in its regions."""
    def replaced(found):
        if found["name"] not in REGIONS:
            sys.exit(f"{where}: there is no generated region named {found['name']}; there are {', '.join(REGIONS)}")
        return found[1] + "\n".join(REGIONS[found["name"]](of)) + "\n" + found[3]
    if text.count("<!-- generated:") != len(REGION.findall(text)):
        sys.exit(f"{where}: a generated region does not end with <!-- end -->, or its name is not in small letters")
    return REGION.sub(replaced, text)


def reports():
    """The path and the regenerated contents of each figure and page that is kept."""
    for record in (REFERENCE, CLAIMS):
        if not (record / "report" / "index.html").is_file():
            sys.exit(f"{record / 'report' / 'index.html'} is missing: create an empty one, and run scripts/readme")
        for path in sorted([*(record / "report").glob("*.html"), *(record / "report").glob("*.svg")]):
            yield path, Path(made(record).folder.name, path.name).read_text(encoding="utf-8")


def wanted():
    """Every document, figure and page as the records make it: its path and its text."""
    record = json.loads((REFERENCE / "record.json").read_text(encoding="utf-8"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(made, (REFERENCE, CLAIMS, *CLAIMS_AGAIN, AMQP, *(CLAIMS.parent / name for name in FURTHER_CLAIMS))))
    of = Reference(record, made(REFERENCE).report)
    for path in DOCUMENTS:
        yield path, regenerated(path.read_text(encoding="utf-8"), of, path.relative_to(ROOT))
    yield from reports()


def main():
    parser = argparse.ArgumentParser(prog="scripts/readme", usage=argparse.SUPPRESS, add_help=False, allow_abbrev=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--program", type=Path)
    options = parser.parse_args()
    if options.help:
        print(__doc__.strip())
        return
    if options.program and not os.access(options.program, os.X_OK):
        parser.error(f"{options.program} is not a program")
    if options.program:
        Program.path = options.program.resolve()
    else:
        Program.path = TARGET / "debug" / "rpcbench"
        subprocess.run(["cargo", "build", "--locked", "--quiet", "--package", "rpcbench"], check=True, cwd=ROOT)
    differs = False
    for path, text in wanted():
        current = path.read_text(encoding="utf-8")
        if text == current:
            continue
        differs = True
        name = str(path.relative_to(ROOT))
        if options.check and path.suffix == ".html":
            print(f"{name} differs from the page that the program makes from the record")
        elif options.check:
            lines = difflib.unified_diff(current.splitlines(), text.splitlines(), name, f"{name} from the records", lineterm="")
            print("\n".join(lines))
        else:
            path.write_text(text, encoding="utf-8")
            print(name)
    if differs and options.check:
        sys.exit("the documents differ from the records in results: run scripts/readme")


if __name__ == "__main__":
    main()
