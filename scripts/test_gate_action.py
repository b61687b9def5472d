"""Tests of the scripts of .github/actions/gate: `python3 -m unittest discover scripts`.

With RPCBENCH_PROGRAM, the path of a built rpcbench, gates are run with it as well.
"""

import os
import re
import shlex
import subprocess
import tempfile
import unittest
from pathlib import Path

ACTION = Path(__file__).resolve().parent.parent / ".github" / "actions" / "gate"
PROGRAM = os.environ.get("RPCBENCH_PROGRAM")
# Stands in for rpcbench: keeps its arguments, prints what the test wants, and ends as the test wants.
STAND_IN = """#!/bin/sh
printf '%s\\0' "$@" >arguments
printf '%s' "$LOG" >&2
printf '%s' "$TABLE"
exit "$CODE"
"""
# Thresholds that no noise reaches, and short rounds of slices that are long enough for a call on a busy machine.
SETTINGS = """
stacks = ["rest-hyper"]
operation = "add"
placement = "shared"
warmup = "30ms"
slice = "30ms"
slices = 2
max_time = "60s"
link_spread = 0.003
[thresholds]
server-cpu = 4.0
client-cpu = 4.0
latency-p50 = 4.0
"""


class Step(unittest.TestCase):
    """Runs a script as a step of a job, in an empty folder."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_step(self, script, arguments=(), **variables):
        """The exit code, what the script printed, the job's summary and the step's outputs."""
        summary, outputs = self.folder / "summary", self.folder / "outputs"
        summary.write_text("")
        outputs.write_text("")
        environment = {"PATH": os.environ["PATH"], "RUNNER_TEMP": str(self.folder), "GITHUB_STEP_SUMMARY": str(summary),
                       "GITHUB_OUTPUT": str(outputs), **variables}
        step = subprocess.run([script, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True)
        lines = outputs.read_text().splitlines()
        return step.returncode, step.stdout + step.stderr, summary.read_text(), dict(line.split("=", 1) for line in lines)

    def executable(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return str(path)


class WithStandIn(Step):
    """Gates whose outcome is made up."""

    def gate(self, code=0, table="# Gate\n", log="round 1\n", **inputs):
        program = self.executable("stand-in", STAND_IN)
        inputs = {"GATE_PROGRAM": program, "GATE_BASE": "main", **inputs}
        return self.run_step(ACTION / "gate", CODE=str(code), TABLE=table, LOG=log, **inputs)

    def arguments(self):
        return (self.folder / "arguments").read_text().split("\0")[:-1]

    def test_the_exit_code_decides(self):
        for code, undecided_fails, exit_code, verdict, level in (
            (0, "", 0, "not-slower", None),
            (1, "", 1, "slower", "error"),
            (4, "", 0, "undecided", "warning"),
            (4, "false", 0, "undecided", "warning"),
            (4, "true", 4, "undecided", "error"),
            (3, "", 3, "failed", "error"),
            (143, "", 143, "failed", "error"),
        ):
            with self.subTest(code=code, undecided_fails=undecided_fails):
                ended, printed, summary, outputs = self.gate(code, GATE_FAIL_ON_UNDECIDED=undecided_fails)
                self.assertEqual((ended, outputs["verdict"], summary), (exit_code, verdict, "# Gate\n"))
                self.assertEqual(Path(outputs["table"]).read_text(), "# Gate\n")
                self.assertEqual(re.findall(r"^::(error|warning) ", printed, re.MULTILINE), [level] if level else [])

    def test_without_a_table_no_change_is_let_through(self):
        for code, exit_code in ((0, 3), (1, 3), (4, 3), (2, 2), (101, 101)):
            with self.subTest(code=code):
                ended, printed, summary, outputs = self.gate(code, table="", log="base: 100 % wrong\n<b>twice</b>\n")
                self.assertEqual((ended, outputs), (exit_code, {"verdict": "failed"}))
                self.assertIn("\n    base: 100 % wrong\n    <b>twice</b>\n", summary)
                self.assertIn("could not run: base: 100 %25 wrong%0A<b>twice</b>\n", printed)

    def test_inputs_are_passed_on_as_they_are(self):
        odd = "a b'\"`touch made`$(touch made);touch made\n::error::x\n%0A\\ --out=made é <script>|&> *"
        self.gate(GATE_BASE=odd, GATE_NEW=odd, GATE_SIDE=odd, GATE_STACK=odd, GATE_SETTINGS=odd)
        self.assertEqual(self.arguments(), ["gate", "--format=markdown", *(
            f"--{option}={odd}" for option in ("base", "new", "side", "stack", "settings"))])
        self.assertFalse((self.folder / "made").exists())
        # An input that looks like an option stays a value.
        self.gate(GATE_BASE="--help", GATE_STACK="--out=made")
        self.assertEqual(self.arguments(), ["gate", "--format=markdown", "--base=--help", "--stack=--out=made"])

    def test_odd_inputs_add_no_outputs_and_no_commands(self):
        odd = "x\nverdict=not-slower\n::error::y"
        for inputs in ({"GATE_FAIL_ON_UNDECIDED": odd}, {"GATE_PROGRAM": odd}):
            ended, printed, _, outputs = self.gate(**inputs)
            self.assertNotEqual(ended, 0)
            self.assertEqual(outputs, {"verdict": "failed"})
            self.assertEqual(len(re.findall("^::", printed, re.MULTILINE)), 1, printed)

    def test_what_servers_print_are_no_commands_to_the_runner(self):
        for code in (0, 3):
            _, printed, *_ = self.gate(code, log="::error::from a server\n", table="::warning::from a table\n")
            stop, token = re.match("::(stop-commands)::([0-9a-f]{32})\n", printed).groups()
            inside = printed.split(f"\n::{token}::\n")[0]
            self.assertIn("::error::from a server", inside)
            self.assertIn("::warning::from a table", inside)
            self.assertEqual(printed.count("::error::from a server"), 1)
            self.assertNotEqual(token, re.search("::stop-commands::(.*)", self.gate(code)[1])[1])

    def test_what_is_missing_or_wrong_is_named(self):
        for inputs, code, words in (
            ({"GATE_BASE": ""}, 2, "input 'base' is missing"),
            ({"GATE_FAIL_ON_UNDECIDED": "yes"}, 2, "'fail-on-undecided' is 'yes'"),
            ({"GATE_PROGRAM": "./nothing"}, 3, "There is no program './nothing'"),
        ):
            ended, printed, _, outputs = self.gate(**inputs)
            self.assertEqual((ended, outputs), (code, {"verdict": "failed"}))
            self.assertIn(words, printed)

    def test_the_action_sets_every_variable_that_the_script_reads(self):
        metadata = (ACTION / "action.yml").read_text()
        read = set(re.findall(r"\$\{?(GATE_[A-Z_]+)", (ACTION / "gate").read_text()))
        given = set(re.findall(r"^ +(GATE_[A-Z_]+): \$\{\{ inputs\.", metadata, re.MULTILINE))
        self.assertEqual(read, given)


class Install(Step):
    """Installations with a stand-in for Cargo, in a copy of the repository's outline."""

    def setUp(self):
        super().setUp()
        for name in (".github/actions/gate", "harness", "servers", "scenarios", "bin"):
            (self.folder / name).mkdir(parents=True)
        for name in ("Cargo.toml", "Cargo.lock", "harness/main.rs"):
            (self.folder / name).write_text("")
        self.script = self.executable(".github/actions/gate/install", (ACTION / "install").read_text())
        self.executable("bin/rustc", "#!/bin/sh\necho rustc $RUST\n")
        self.executable("bin/cargo", '#!/bin/sh\nprintf "%s\\0" "$PWD" "$@" >"$RUNNER_TEMP/arguments"\n')
        self.path = f"{self.folder}/bin:{os.environ['PATH']}"

    def key(self, rust="1"):
        code, printed, _, outputs = self.run_step(self.script, ["key"], PATH=self.path, RUST=rust)
        self.assertEqual((code, printed), (0, ""))
        return outputs

    def test_the_key_changes_with_the_sources_and_the_compiler(self):
        first = self.key()
        self.assertEqual(first, self.key())
        self.assertEqual(first["program"], str(self.folder / "rpcbench-gate/bin/rpcbench"))
        keys = {first["key"], self.key(rust="2")["key"]}
        (self.folder / "harness/main.rs").write_text("fn main() {}")
        keys.add(self.key()["key"])
        (self.folder / "harness/main.rs").rename(self.folder / "harness/lib.rs")
        keys.add(self.key()["key"])
        self.assertEqual(len(keys), 4, keys)

    def test_the_program_is_built_from_the_files_of_the_action(self):
        code, *_ = self.run_step(self.script, PATH=self.path)
        self.assertEqual(code, 0)
        arguments = (self.folder / "arguments").read_text().split("\0")[:-1]
        self.assertEqual(arguments, [str(self.folder.resolve()), "install", "--locked", "--path", "harness", "--root",
                                     str(self.folder / "rpcbench-gate")])


@unittest.skipUnless(PROGRAM, "RPCBENCH_PROGRAM is not set")
class WithProgram(Step):
    """Gates that run between servers of one program."""

    def gate(self, base, new, **inputs):
        (self.folder / "short.toml").write_text(SETTINGS)
        program = str(Path(PROGRAM).resolve())
        serve = f"{shlex.quote(program)} serve rest-hyper --listen 127.0.0.1:{{port}}"
        return self.run_step(ACTION / "gate", GATE_PROGRAM=program, GATE_SETTINGS="short.toml",
                             GATE_BASE=base.format(serve=serve, port="{port}"), GATE_NEW=f"{serve} {new}", **inputs)

    def test_an_equal_server_is_let_through_and_a_slower_one_is_not(self):
        for slower, code, verdict in (("", 0, "not-slower"), ("--handler-cpu 30ms", 1, "slower")):
            ended, printed, summary, outputs = self.gate("{serve}", slower)
            self.assertEqual((ended, outputs["verdict"]), (code, verdict), printed)
            self.assertTrue(summary.startswith("# Gate\n"), summary)
            self.assertIn("CPU per call, server", summary)

    def test_what_cannot_be_compared_is_named_in_the_summary(self):
        for base, inputs, code, words in (
            ("{serve}", {"GATE_STACK": "rest-hipper"}, 2, "did you mean `rest-hyper`?"),
            ("{serve}", {"GATE_SIDE": "sever"}, 2, "invalid value 'sever'"),
            ("no-such-program {port}", {}, 3, "ended before it listened on port"),
        ):
            ended, printed, summary, outputs = self.gate(base, "", **inputs)
            self.assertEqual((ended, outputs), (code, {"verdict": "failed"}), printed)
            self.assertIn(words, summary)
            self.assertRegex(printed, "::The gate could not run: (rpcbench|error): ")


if __name__ == "__main__":
    unittest.main()
