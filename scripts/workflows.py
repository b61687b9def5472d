"""Check the workflows and actions for GitHub against the published schemas and the rules below.

    scripts/workflows

Prints what is wrong, and exits with 1 if anything is, or with 3 if the Python packages that this takes cannot be installed.
The rules:

- An action of another repository is pinned to a full commit hash, with its version as a comment, and to the same one
  everywhere: a tag can be moved to other code. Documents that show an action follow the rule, too.
- The token of a job may read at most, and no other secret is used. A job whose only step publishes pages may do that. No workflow runs with the rights of the base branch
  (`pull_request_target`, `workflow_run`). A checkout does not leave its token in the work tree.
- No `${{ }}` stands inside a command. The runner replaces it before the shell reads the text, so that a value such as a
  branch's name could become a command. Values reach commands through environment variables.
- A workflow limits how many of its runs there are at once, and a job how long it takes.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "harness" / "docs").glob("*.md"))]
USE = re.compile(r"^\s*(?:- )?uses:\s*(?P<action>[^\s#@]+)(?:@(?P<pin>[^\s#]*))?(?:\s+#\s*(?P<version>\S+))?", re.MULTILINE)
HASH = re.compile(r"[0-9a-f]{40}")
VERSION = re.compile(r"v\d+\.\d+\.\d+")
PRIVILEGED = {"pull_request_target", "workflow_run"}
# This repository, as documents write it: a reader fills in its owner and a commit.
THIS = "OWNER/rpcbench/"


def pin_faults(text, pins):
    """What is wrong with the actions that `text` uses. `pins` has the pins of the texts before, and gets those of this one."""
    faults = []
    for use in USE.finditer(text):
        action, pin, version = use["action"], use["pin"], use["version"]
        if action.startswith(("./", THIS)):
            continue
        if not HASH.fullmatch(pin or ""):
            faults.append(f"{action} is not pinned to a full commit hash")
        elif not VERSION.fullmatch(version or ""):
            faults.append(f"{action} has no comment with its version, such as # v1.2.3")
        else:
            # Actions in folders of one repository have the same commit.
            repository = "/".join(action.split("/")[:2])
            if pins.setdefault(repository, (pin, version)) != (pin, version):
                faults.append(f"{action} has another pin elsewhere")
    return faults


def permission_faults(permissions, steps=()):
    """The rights in `permissions` that a job with these `steps` must not have."""
    if not isinstance(permissions, dict):
        return [f"permissions are {permissions!r}, not listed one by one"]
    publishes = len(steps) == 1 and steps[0].get("uses", "").startswith("actions/deploy-pages@")
    writable = {"pages", "id-token"} if publishes else set()
    return [f"permission {name}: {value}" for name, value in permissions.items()
            if value not in ("read", "none") and not (value == "write" and name in writable)]


def step_faults(steps):
    faults = []
    for step in steps:
        for key in ("run", "shell", "working-directory"):
            if "${{" in step.get(key, ""):
                faults.append(f"${{{{ }}}} inside {key}: {step[key].strip()}")
        if step.get("uses", "").startswith("actions/checkout@"):
            if step.get("with", {}).get("persist-credentials") is not False:
                faults.append("a checkout without persist-credentials: false")
    return faults


def workflow_faults(workflow):
    """What is wrong with a parsed workflow."""
    faults = []
    if "permissions" in workflow:
        faults += permission_faults(workflow["permissions"])
    else:
        faults.append("no permissions are declared")
    if "concurrency" not in workflow:
        faults.append("no concurrency is declared")
    triggers = workflow["on"]
    triggers = {triggers} if isinstance(triggers, str) else set(triggers)
    faults += [f"the trigger {trigger}" for trigger in sorted(triggers & PRIVILEGED)]
    for name, job in workflow["jobs"].items():
        found = permission_faults(job["permissions"], job.get("steps", [])) if "permissions" in job else []
        if "timeout-minutes" not in job:
            found.append("no timeout-minutes")
        found += step_faults(job.get("steps", []))
        faults += [f"job {name}: {fault}" for fault in found]
    return faults


def unread_uses(text, parsed):
    """Actions that `parsed` uses and that pin_faults does not see in `text`, because they are written otherwise."""
    jobs = list(parsed.get("jobs", {"": parsed.get("runs")}).values())
    steps = [step for job in jobs for step in job.get("steps", [])]
    seen = {use["action"] for use in USE.finditer(text)}
    used = {part["uses"].split("@")[0] for part in jobs + steps if "uses" in part}
    return [f"write `uses: {action}@HASH # VERSION` on a line" for action in sorted(used - seen)]


def faults_of(text, parsed, pins):
    """What is wrong with the workflow or action `text`, which was parsed as `parsed`."""
    found = pin_faults(text, pins) + unread_uses(text, parsed)
    if re.search(r"\bsecrets\s*[.\[]|secrets:\s*inherit", text):
        found.append("a secret is used")
    if "jobs" in parsed:
        return found + workflow_faults(parsed)
    return found + step_faults(parsed["runs"].get("steps", []))


def main():
    if len(sys.argv) > 1:
        print(__doc__)
        sys.exit(0 if sys.argv[1:] in (["--help"], ["-h"]) else 2)
    # Not needed by the tests of the rules.
    from ruamel.yaml import YAML

    faults, pins = [], {}
    for path in WORKFLOWS + ACTIONS:
        text = path.read_text()
        faults += [(path, fault) for fault in faults_of(text, YAML(typ="safe").load(text), pins)]
    for path in DOCUMENTS:
        faults += [(path, fault) for fault in pin_faults(path.read_text(), pins)]
    for path, fault in faults:
        print(f"{path.relative_to(ROOT)}: {fault}")
    are_valid = True
    for schema, paths in (("github-workflows", WORKFLOWS), ("github-actions", ACTIONS)):
        if not paths:
            sys.exit(f"there is nothing to check with the schema {schema}")
        command = [sys.executable, "-m", "check_jsonschema", "--quiet", "--builtin-schema", f"vendor.{schema}", *paths]
        are_valid &= subprocess.run(command).returncode == 0
    sys.exit(0 if are_valid and not faults else 1)


if __name__ == "__main__":
    main()
