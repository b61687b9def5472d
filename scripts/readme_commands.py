"""Run the commands that README.md shows in its section "Measure your own service", as they are written.

    python3 scripts/readme_commands.py --program PROGRAM --environment FOLDER

    --program PROGRAM     the program that they call as `rpcbench`
    --environment FOLDER  the virtual environment whose `python3` and `pip` they call

They run in a temporary folder with a link to `servers`. In the place of the reader's editor, a script changes nothing. Exits with 1 if a command fails, or if the report lacks what the section promises.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import MEASURED, ROOT

SECTION = re.compile(r"^## Measure your own service\n.*?^```sh\n(?P<block>.*?)^```$", re.DOTALL | re.MULTILINE)
# What a reader may leave as it is: the arguments are examples from the server's description.
EDITOR = """#!/bin/sh
test -s "$1"
"""


def commands():
    """The commands of the section, in order."""
    found = SECTION.search((ROOT / "README.md").read_text(encoding="utf-8"))
    if not found:
        sys.exit("README.md has no section with commands on measuring one's own service")
    return [re.sub(r"\s+#.*", "", line) for line in found["block"].splitlines()]


def start(command, folder, environment):
    """Starts a command that ends with `&`, and waits until it prints that its server listens."""
    server = subprocess.Popen(["bash", "-c", command.removesuffix("&")], cwd=folder, env=environment, text=True,
                              stdout=subprocess.PIPE, start_new_session=True)
    if not any(line.startswith("listening") for line in server.stdout):
        sys.exit(f"{command}\nended with code {server.wait()}")
    return server


def run(command, folder, environment):
    """Runs a command to its end. A run on a busy machine may have trials that do not count."""
    accepted = MEASURED if command.startswith("rpcbench run") else (0,)
    ended = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, text=True, capture_output=True)
    if ended.returncode not in accepted:
        sys.exit(f"{command}\nended with code {ended.returncode}\n{ended.stdout}{ended.stderr}")


def check(folder):
    """Checks that every operation was measured, and that there is a report."""
    (path,) = folder.glob("results/*/record.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    called = {part["operation"] for trial in record["trials"] for part in trial.get("operations", []) if part["counts"]["right"] > 0}
    if called != {"get_order", "list_orders", "total"}:
        sys.exit(f"the run called {', '.join(sorted(called))}")
    page = path.parent / "report" / "index.html"
    if "Calls by operation" not in page.read_text(encoding="utf-8"):
        sys.exit(f"{page} does not show the calls of each operation")


def main():
    parser = argparse.ArgumentParser(usage=argparse.SUPPRESS, add_help=False, allow_abbrev=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--program", type=Path)
    parser.add_argument("--environment", type=Path)
    options = parser.parse_args()
    if options.help or not (options.program and options.environment):
        print(__doc__.strip())
        sys.exit(0 if options.help else 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "servers").symlink_to(ROOT / "servers")
        programs = folder / "programs"
        programs.mkdir()
        (programs / "rpcbench").symlink_to(options.program.resolve())
        editor = programs / "editor"
        editor.write_text(EDITOR, encoding="utf-8")
        editor.chmod(0o755)
        path = os.pathsep.join([str(programs), str(options.environment.resolve() / "bin"), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "EDITOR": str(editor)}
        servers = []
        try:
            for command in commands():
                print(command, flush=True)
                if command.endswith("&"):
                    servers.append(start(command, folder, environment))
                else:
                    run(command, folder, environment)
        finally:
            for server in servers:
                os.killpg(server.pid, signal.SIGTERM)
                server.wait()
        check(folder)


if __name__ == "__main__":
    main()
