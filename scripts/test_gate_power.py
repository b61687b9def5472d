"""Tests of the campaigns of gates: `python3 -m unittest discover scripts`."""

import argparse
import contextlib
import io
import json
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
        for name, value in (("machine", lambda: "here"), ("gate", self.gate), ("neighbour", self.neighbour)):
            patch = mock.patch.object(gate_power, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def gate(self, *_):
        return {"base": "b", "seed": 1, "verdict": "undecided", "seconds": 1, "measured_seconds": 1, "rounds": [{}] * 60}

    def neighbour(self, wanted):
        self.neighbours.append(wanted)
        return contextlib.nullcontext()

    def measure(self):
        with contextlib.redirect_stderr(io.StringIO()):
            gate_power.measure(self.options, ["neighbour"])
        lines = Path(self.options.folder, "gate-neighbour.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def test_a_complete_campaign_starts_no_load_generator(self):
        self.assertEqual(len(self.measure()), 2)
        self.assertEqual(len(self.measure()), 2)
        self.assertEqual(self.neighbours, [True, False])


if __name__ == "__main__":
    unittest.main()
