"""Tests of the rules for workflows: `python3 -m unittest discover scripts`."""

import copy
import unittest

import workflows

HASH = "0123456789abcdef0123456789abcdef01234567"
USE = f"      - uses: actions/checkout@{HASH} # v1.2.3\n"
WORKFLOW = {
    "on": ["push"],
    "permissions": {"contents": "read"},
    "concurrency": {"group": "g"},
    "jobs": {"tests": {"timeout-minutes": 1, "steps": [
        {"uses": f"actions/checkout@{HASH}", "with": {"persist-credentials": False}},
        {"run": 'echo "$TITLE"', "env": {"TITLE": "${{ github.event.pull_request.title }}"}},
    ]}},
}


class Rules(unittest.TestCase):
    def faults(self, change=lambda workflow: None, text=USE):
        workflow = copy.deepcopy(WORKFLOW)
        change(workflow)
        return workflows.faults_of(text, workflow, {})

    def assert_fault(self, expected, change=lambda workflow: None, text=USE):
        found = self.faults(change, text)
        self.assertEqual(len(found), 1, found)
        self.assertIn(expected, found[0])

    def test_a_workflow_that_keeps_the_rules_has_no_faults(self):
        self.assertEqual(self.faults(), [])

    def test_actions_are_pinned_to_a_hash_with_a_version(self):
        for pin, expected in (("@v1", "full commit hash"), ("@0123456 # v1.2.3", "full commit hash"),
                              ("", "full commit hash"), (f"@{HASH}", "version"), (f"@{HASH} # v1", "version")):
            self.assert_fault(expected, text=f"    uses: actions/checkout{pin}\n")
        self.assert_fault("write `uses: actions/checkout@HASH", text=f"      - {{uses: actions/checkout@{HASH}}}\n")
        other = f"      - uses: actions/checkout/part@{HASH[::-1]} # v1.2.3\n"
        self.assert_fault("another pin", text=USE + other)
        self.assertEqual(self.faults(text=USE + "      - uses: ./.github/actions/gate\n"), [])

    def test_an_expression_must_not_become_part_of_a_command(self):
        for key in ("run", "shell", "working-directory"):
            def change(workflow):
                workflow["jobs"]["tests"]["steps"][1][key] = "echo ${{ github.head_ref }}"
            self.assert_fault(f"inside {key}", change)
        steps = [{"run": "echo ${{ inputs.base }}", "shell": "bash"}]
        found = workflows.faults_of("", {"runs": {"using": "composite", "steps": steps}}, {})
        self.assertEqual(len(found), 1, found)

    def test_tokens_are_declared_and_read_only(self):
        self.assert_fault("no permissions", lambda workflow: workflow.pop("permissions"))
        self.assert_fault("write-all", lambda workflow: workflow.update(permissions="write-all"))
        self.assert_fault("contents: write", lambda workflow: workflow.update(permissions={"contents": "write"}))
        self.assert_fault("packages: write",
                          lambda workflow: workflow["jobs"]["tests"].update(permissions={"packages": "write"}))
        rights = {"pages": "write", "id-token": "write"}
        publish = {"uses": f"actions/deploy-pages@{HASH}"}
        use = f"      - uses: actions/deploy-pages@{HASH} # v1.2.3\n"
        for steps, faults in (([publish], 0), ([publish, {"run": "id"}], 2)):
            changed = copy.deepcopy(WORKFLOW)
            changed["jobs"]["publish"] = {"timeout-minutes": 1, "permissions": rights, "steps": steps}
            self.assertEqual(len(workflows.faults_of(USE + use, changed, {})), faults)
        self.assert_fault("persist-credentials", lambda workflow: workflow["jobs"]["tests"]["steps"][0].pop("with"))
        self.assert_fault("a secret", text=USE + "          TOKEN: ${{ secrets.TOKEN }}\n")
        for trigger in ("pull_request_target", ["workflow_run"], {"pull_request_target": None}):
            self.assert_fault("the trigger", lambda workflow: workflow.update(on=trigger))

    def test_runs_are_limited(self):
        self.assert_fault("timeout-minutes", lambda workflow: workflow["jobs"]["tests"].pop("timeout-minutes"))
        self.assert_fault("concurrency", lambda workflow: workflow.pop("concurrency"))


if __name__ == "__main__":
    unittest.main()
