"""What the tests of the command line share: the installed command in a process of its own, and runs to look at."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import textwrap
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from nbflow.cli import main

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).with_name("nbflow")
SOON = 20

OWNER = """
    import sys, time
    import nbflow as nf
    nf.init(storage=sys.argv[1])
    load = nf.task(lambda shop: print("loading", shop) or [12, 30, 7], name="load")
    add_up = nf.task(lambda orders, said: (sum(orders), str(said)), name="add_up")
    def fields(share: int, stage="canary"): ...
    ok = nf.wait_for_event(nf.ButtonListener, "Close the books?", options=["approve", "reject"], assigned_to="ana")
    books = nf.run_async(add_up.bind(load.bind("north"), ok), workflow_id="books")
    form = nf.run_async(nf.wait_for_event(nf.FormListener, "Release?", fields), workflow_id="release")
    event = nf.run_async(nf.wait_for_event("invoice"), workflow_id="the invoice")
    listed = nf.home.default_host().storage.entry
    while not (listed("books").status.get("questions") and listed("release").status.get("questions")):
        time.sleep(0.01)  # the listing is a cache, and comes a moment later
    print("up", flush=True)
    for line in sys.stdin:
        if line.strip() == "end":
            break
    nf.shutdown()
"""


@dataclass
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]


class Shell:
    """Types commands in a folder; what they print goes into pipes.

    Called, it runs the command in this process, which is quick; ``real`` starts the installed one.
    """

    def __init__(self, here: Path, storage: Path) -> None:
        self.here = here
        self.storage = storage
        self.env = {**os.environ, "NBFLOW_STORAGE": str(storage)}

    def __call__(self, *words: str, stdin: str = "", **env: str) -> Said:
        out, err, before = io.StringIO(), io.StringIO(), os.getcwd()
        os.chdir(self.here)
        try:
            with (
                redirect_stdout(out), redirect_stderr(err), patch.dict(os.environ, {**self.env, **env}),
                patch.object(sys, "stdin", io.StringIO(stdin)),
            ):  # fmt: skip
                try:
                    code = main(words)
                except SystemExit as ended:
                    code = int(str(ended.code or 0))
        finally:
            os.chdir(before)
        return Said(code, out.getvalue(), err.getvalue())

    def real(self, *words: str, stdin: str = "", **env: str) -> Said:
        """Run the installed command in a process of its own."""
        return self.run([str(COMMAND), *words], stdin, **env)

    def run(self, command: list[str], stdin: str = "", **env: str) -> Said:
        done = subprocess.run(
            command, cwd=self.here, env={**self.env, **env}, input=stdin, capture_output=True, text=True, timeout=60
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done.returncode, done.stdout, done.stderr)


class Owner:
    """A process that has runs live: ``books`` and ``release`` ask, ``the invoice`` waits for an event."""

    def __init__(self, storage: Path) -> None:
        self.storage = storage
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(OWNER), str(storage)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self.process.stdout is not None
        lines = iter(self.process.stdout.readline, "")
        assert any(line == "up\n" for line in lines), "the owner ended"

    def kill(self) -> None:
        """Kill it with kill -9."""
        self.process.kill()
        self.process.communicate()

    def end(self) -> None:
        """Let it let its runs go. Idempotent."""
        if self.process.poll() is None:
            self.process.communicate("end\n", timeout=SOON)


def program(storage: Path, code: str) -> None:
    """Run a program of its own on the storage, to its end."""
    head = "import sys, nbflow as nf\nnf.init(storage=sys.argv[1])\n"
    code = head + textwrap.dedent(code) + "\nnf.shutdown()\n"
    done = subprocess.run(
        [sys.executable, "-c", code, str(storage)], cwd=ROOT, timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
