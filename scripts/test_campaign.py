"""Tests of campaigns and of generated regions: `python3 -m unittest discover scripts`."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import campaign
import quiet
import readme

QUIET = {"others": 0.0, "stolen": 0.0, "wake_up_ns": None}


class Fixture(unittest.TestCase):
    """A campaign in a temporary folder, whose pairs are made up."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "folder", "noise.jsonl")
        for name, value in (("program_hash", lambda: "this"), ("machine", lambda: "here")):
            patch = mock.patch.object(campaign, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def pairs(self, name="noise"):
        return campaign.Campaign(name, self.path, {"shared": 2, "split": 1})

    def outcome(self, placement, statement="undecided", disturbed=(), extra_ns=0):
        return {"campaign": "noise", "program": "this", "machine": "here", "commit": "c", "placement": placement, "blocks": 30,
                "statement": statement, "disturbed": list(disturbed), "extra_ns": extra_ns}

    def finish(self, pairs, outcomes, extra_ns=lambda: 0):
        """Finishes `pairs` with `outcomes`, and then with Ctrl-C."""
        made = iter(outcomes)

        def measure(placement, extra):
            outcome = next(made, None)
            if outcome is None:
                raise KeyboardInterrupt
            return {**self.outcome(placement, extra_ns=extra), **outcome}
        with mock.patch.object(pairs, "measure", measure), contextlib.redirect_stderr(io.StringIO()):
            pairs.finish(extra_ns)


class Campaigns(Fixture):
    def test_an_interrupted_campaign_continues_until_all_pairs_are_there(self):
        with self.assertRaises(KeyboardInterrupt):
            self.finish(self.pairs(), [{}], lambda: 7)
        again = self.pairs()
        self.assertEqual(len(again.outcomes), 1)
        self.finish(again, [{}, {}], lambda: self.fail("a campaign that is continued keeps its difference"))
        self.assertIsNone(self.pairs().next_placement())
        outcomes = campaign.read(self.path)
        self.assertEqual(sorted(outcome["placement"] for outcome in outcomes), ["shared", "shared", "split"])
        self.assertEqual({outcome["extra_ns"] for outcome in outcomes}, {7})

    def test_disturbed_pairs_are_repeated_but_not_without_end(self):
        pairs = self.pairs()
        self.finish(pairs, [{"disturbed": ["x"]}] * 6)
        self.assertEqual((len(pairs.outcomes), pairs.used()), (6, []))
        self.assertEqual({outcome["placement"] for outcome in pairs.outcomes}, {"shared", "split"})
        pairs.outcomes = []
        self.finish(pairs, [{"disturbed": ["x"]}, {}, {}, {}])
        self.assertEqual(len(pairs.used()), 3)

    def test_outcomes_of_another_program_machine_campaign_or_number_of_blocks_are_refused(self):
        self.finish(self.pairs(), [{}] * 3)
        for key, value in (("program", "other"), ("machine", "there"), ("campaign", "sensitivity"), ("blocks", 120)):
            lines = [json.dumps({**outcome, key: value}) + "\n" for outcome in campaign.read(self.path)]
            changed = self.path.with_name("changed.jsonl")
            changed.write_text("".join(lines), encoding="utf-8")
            with self.assertRaises(SystemExit) as refused:
                campaign.Campaign("noise", changed, {"shared": 2})
            self.assertIn(f"{changed} has outcomes of {key} {value}", str(refused.exception))

    def test_a_line_that_was_not_written_to_its_end_is_removed(self):
        self.finish(self.pairs(), [{}] * 3)
        whole = self.path.read_bytes()
        self.path.write_bytes(whole + b'{"campaign": "noi')
        self.assertEqual(len(self.pairs().outcomes), 3)
        self.assertEqual(self.path.read_bytes(), whole)

    def test_a_damaged_line_is_named(self):
        self.path.parent.mkdir()
        self.path.write_text("{}\n{]\n", encoding="utf-8")
        with self.assertRaises(SystemExit) as refused:
            campaign.read(self.path)
        self.assertIn("noise.jsonl:2: not an outcome", str(refused.exception))

    def test_statements_are_counted_among_undisturbed_pairs(self):
        some = [self.outcome("shared", "faster"), self.outcome("split", "slower")]
        rest = [self.outcome("shared") for _ in range(198)]
        disturbed = [self.outcome("split", "faster", ["x"])]
        _, _, measured, is_met = campaign.figures("noise", some + rest + disturbed)
        self.assertTrue(measured.startswith("2 of 200 (0.1–3.6 %)"), measured)
        self.assertTrue(measured.endswith("1 disturbed and not counted") and is_met, measured)
        self.assertFalse(campaign.figures("noise", 5 * some[:1] + rest)[3])
        self.assertFalse(campaign.figures("noise", some + rest[1:])[3], "a pair is missing")
        # With a true difference, only one direction is right.
        found = [self.outcome("shared", "faster") for _ in range(36)]
        self.assertTrue(campaign.figures("sensitivity", found + 4 * some[1:])[3])
        self.assertFalse(campaign.figures("sensitivity", found[1:] + 5 * some[1:])[3])

    def test_intervals_are_those_of_clopper_and_pearson(self):
        for found, trials, low, high in ((1, 50, 0.0005, 0.1065), (15, 15, 0.7820, 1.0), (0, 20, 0.0, 0.1684)):
            for bound, known in zip(campaign.clopper_pearson(found, trials), (low, high)):
                self.assertAlmostEqual(bound, known, places=4)


class Quiet(unittest.TestCase):
    def test_a_pair_is_disturbed_above_each_bound_and_not_at_it(self):
        self.assertEqual(quiet.disturbances(QUIET), [])
        self.assertEqual(quiet.disturbances({"others": 0.02, "stolen": 0.01, "wake_up_ns": 10_000}), [])
        for name, figure in (("others", 0.021), ("stolen", 0.011), ("wake_up_ns", 10_001)):
            self.assertEqual(len(quiet.disturbances({**QUIET, name: figure})), 1, name)

    def test_run_queue_delay_counts_where_each_end_has_a_core(self):
        def used(delay, voluntary, involuntary):
            return {"run_queue_ns": delay, "voluntary_switches": voluntary, "involuntary_switches": involuntary}

        def trial(placement, delay):
            return {"placement": placement, "client": used(delay, 5_000, 100), "server": used(1_000_000, 4_900, 0)}
        self.assertEqual(quiet.wake_up_ns([trial("split", 19_000_000)]), 2_000)
        self.assertIsNone(quiet.wake_up_ns([trial("shared", 19_000_000)]))
        self.assertIsNone(quiet.wake_up_ns([{"placement": "split", "client": {}, "server": None}]))
        self.assertIsNone(quiet.wake_up_ns([{"placement": "split", "client": used(0, 0, 0), "server": used(0, 0, 0)}]))

    def test_the_bound_of_an_interval_is_its_largest_difference_from_one(self):
        self.assertAlmostEqual(quiet.bound({"low": 0.99, "high": 1.02}), 0.02)
        self.assertAlmostEqual(quiet.bound({"low": 0.5, "high": 0.9}), 1.0)
        self.assertEqual(quiet.bound(None), float("inf"))


class Regions(unittest.TestCase):
    def regenerated(self, text):
        with mock.patch.dict(readme.REGIONS, {"one": lambda of: [f"new {of}", "lines"]}, clear=True):
            return readme.regenerated(text, "contents", "README.md")

    def test_only_what_is_inside_a_region_is_replaced(self):
        before = "a\n<!-- generated: one -->\nold\n<!-- end -->\nb\n"
        after = "a\n<!-- generated: one -->\nnew contents\nlines\n<!-- end -->\nb\n"
        self.assertEqual(self.regenerated(before), after)
        self.assertEqual(self.regenerated(after), after)
        self.assertEqual(self.regenerated("no region\n"), "no region\n")

    def test_an_unknown_region_and_one_without_an_end_are_refused(self):
        for text in ("<!-- generated: two -->\n<!-- end -->\n", "<!-- generated: one -->\nold\n"):
            with self.assertRaises(SystemExit):
                self.regenerated(text)


if __name__ == "__main__":
    unittest.main()
