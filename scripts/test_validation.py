"""Tests of the records of scripts/method's parts."""

import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import validation
from measuring import Program

RUN = {"machine": {"processor": "p", "system": "s", "cores": 2, "virtualised": True, "hostname": "h"},
       "tool": {"build": {"commit": "0123456789", "dirty": False}}}


class Validation(unittest.TestCase):
    def test_rows_are_kept_and_shown_with_their_command(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(validation, "FOLDER", Path(folder, "new")):
            self.assertEqual(validation.read(), [])
            for name, run, met in (("b", RUN, False), ("a", None, True)):
                part, table = validation.Part(name), validation.Table()
                Program.last_record = run
                with mock.patch("builtins.print"):
                    table.row("time", "< 1", "2 ", met)
                part.keep(table.rows)
                self.assertEqual(table.missed, 0 if met else 1)
            records = validation.read()
            self.assertEqual([json.loads(path.read_text(encoding="utf-8"))["part"] for path in sorted(Path(folder, "new").iterdir())],
                             ["a", "b"])
        self.assertEqual(list(validation.table_rows(records)), [
            ("time", "< 1", "2", "`scripts/method a`"), ("time", "< 1", "2: **missed**", "`scripts/method b`")])
        self.assertEqual((records[1]["commit"], records[1]["machine"]["cores"]), ("0123456789", 2))
        self.assertNotIn("hostname", records[1]["machine"])

    def test_conditions_name_days_commits_and_the_largest_disturbance(self):
        records = [{"started": f"2026-01-0{day}T00:00:00+00:00", "commit": commit, "dirty": dirty, "others": 0.01 * day, "stolen": 0.0,
                    "machine": {"processor": "p", "cores": day} if day == 2 else {}}
                   for day, commit, dirty in ((2, "aaaaaaaaa", False), (1, "bbbbbbbbb", True))]
        sentence = validation.conditions(records)
        self.assertIn("from 2026-01-01 to 2026-01-02 with commits aaaaaaa, bbbbbbb with changes (p, 2 cores);", sentence)
        self.assertIn("at most 2.0 %", sentence)
        self.assertIn("on 2026-01-01 with commit bbbbbbb with changes; other", validation.conditions(records[1:]))


if __name__ == "__main__":
    unittest.main()
