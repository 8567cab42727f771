"""Other processes that own runs, as other kernels do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASKS = """
import sys
import nbflow as nf

nf.init(storage=sys.argv[1])

@nf.task
def load():
    return 20

@nf.task
def publish(rows, decision):
    return f"{rows} rows: {decision}"

rows = load.bind()
question = nf.wait_for_event(
    nf.ButtonListener, "Publish the report?", options=["approve", "reject"], message="**20** rows of it.",
    show=rows,
)
live = nf.run_async(publish.bind(rows, question), workflow_id=sys.argv[2])
print("started", flush=True)
print("ended with", live.result(), flush=True)
"""


class Owner:
    """A process that runs a workflow with a question, and ends with it."""

    def __init__(self, folder: Path, workflow_id: str) -> None:
        command = [sys.executable, "-c", ASKS, str(folder), workflow_id]
        environment = {"PYTHONPATH": str(ROOT), "PATH": "", "NBFLOW_HUMAN_TIMEOUT": "120"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=environment)
        assert self.line() == "started"

    def line(self) -> str:
        """Return the next line that it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait(10)


@contextmanager
def owner(folder: Path, workflow_id: str) -> Iterator[Owner]:
    """Give an owner that is gone at the end."""
    started = Owner(folder, workflow_id)
    try:
        yield started
    finally:
        started.kill()
        assert started.process.stdout is not None
        started.process.stdout.close()
