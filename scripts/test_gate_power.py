"""Tests of the campaigns of gates: `python3 -m unittest discover scripts`."""

import argparse
import contextlib
import io
import json
import math
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import gate_power


class Campaign(unittest.TestCase):
    """A campaign in a temporary folder, whose gates are made up."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.options = argparse.Namespace(action="record", rounds=120, gates=None, stack="rest-hyper", folder=Path(folder.name))
        self.neighbours = []
        self.check = lambda: None
        for name, value in (("machine", lambda: "here"), ("gate", self.gate), ("neighbour", self.neighbour)):
            patch = mock.patch.object(gate_power, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def gate(self, *_):
        return {"base": "b", "seed": 1, "verdict": "undecided", "seconds": 1, "measured_seconds": 1, "rounds": [{}] * 60}

    def neighbour(self, wanted):
        self.neighbours.append(wanted)
        return contextlib.nullcontext(self.check)

    def measure(self, condition="neighbour"):
        with contextlib.redirect_stderr(io.StringIO()):
            gate_power.measure(self.options, [condition])
        lines = Path(self.options.folder, f"gate-{condition}.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def test_a_complete_campaign_starts_no_load_generator(self):
        self.assertEqual(len(self.measure()), 2)
        self.assertEqual(len(self.measure()), 2)
        self.assertEqual(self.neighbours, [True, False])

    def test_no_outcome_is_kept_without_the_neighbour(self):
        self.check = lambda: sys.exit("ended early")
        with self.assertRaises(SystemExit):
            self.measure()
        self.assertEqual(list(self.options.folder.iterdir()), [])

    def test_a_handler_is_busy_for_as_long_as_makes_the_difference(self):
        def gate(_condition, _stack, slower_ns, *_):
            # Half of the time shows at the server, whose call takes 10 µs.
            metric = {"metric": "server-cpu", "base_ns": 10_000, "ratio": math.log1p(slower_ns / 20_000)}
            return {**self.gate(), "rounds": [{"metrics": [metric]}]}

        self.options.action, self.options.gates = "gates", 2
        with mock.patch.object(gate_power, "gate", gate):
            lines = self.measure("slower-2")
        self.assertEqual([line["slower_ns"] for line in lines], [400, 400])

    def test_conditions_stand_before_and_after_options(self):
        for words in (["gates", "--gates", "2", "same", "linked"], ["gates", "same", "linked", "--gates", "2"]):
            options = gate_power.parse(words)
            self.assertEqual((options.action, options.conditions, options.gates), ("gates", ["same", "linked"], 2))
        self.assertEqual(gate_power.parse(["table"]).conditions, [])

    def test_a_mistake_is_named(self):
        for words in (["gates", "sane"], ["gates", "--gate", "2"], []):
            with self.assertRaises(SystemExit) as ended, contextlib.redirect_stderr(io.StringIO()) as text:
                gate_power.parse(words)
            self.assertEqual(ended.exception.code, 2)
            self.assertIn("scripts/gate-power: error: ", text.getvalue())


if __name__ == "__main__":
    unittest.main()
