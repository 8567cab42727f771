"""Fix the cell and go on, in real kernels: what runs again, what is told, and what a restart changes: nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).resolve().parents[2]

FIRST = """
import os, nbflow as nf
nf.init(storage={storage!r})
def note(name):
    with open({effects!r}, "a") as file:
        file.write(name + "\\n")
"""
CELL = """
RATE = 10

def scaled(x):
    return x * RATE

@nf.task
def load():
    note("load")
    return [1, 2, 3]

@nf.task
def clean(x):
    note(f"clean{x}")
    return scaled(x)

@nf.task(max_retries=0)
def train(xs):
    note("train")
    raise KeyError("plan")

dag = train.bind(clean.map(load.bind()))
"""
RUN = """
try:
    print(nf.run(dag, workflow_id="churn"))
except nf.errors.WorkflowExecutionError as error:
    print(repr(error.__cause__))
"""


class Notebook:
    """Cells that are run in one kernel after another."""

    def __init__(self, folder: Path) -> None:
        self.effects = folder / "effects"
        self.first = FIRST.format(storage=str(folder / "storage"), effects=str(self.effects))
        self.start()

    def start(self) -> None:
        """Begin in a fresh kernel."""
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=str(ROOT))
        self._client: Any = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(60)
        self.run(self.first)
        self.run("import nbflow.errors")

    def restart(self) -> None:
        """Kill the kernel and begin in another."""
        self.close()
        self.start()

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def run(self, cell: str) -> str:
        """Run a cell; return what it printed, errors too."""
        said: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                said.append(message["content"]["text"])

        reply = self._client.execute_interactive(cell, output_hook=hear, timeout=60)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(said)

    def effects_since(self, count: int) -> list[str]:
        return self.effects.read_text().split()[count:]


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    found = Notebook(tmp_path)
    yield found
    found.close()


@pytest.mark.slow
def test_a_mended_cell_runs_what_failed_and_a_changed_helper_is_shown_and_run_on_demand(notebook: Notebook) -> None:
    notebook.run(CELL)
    assert "KeyError('plan')" in notebook.run(RUN)
    assert sorted(notebook.effects_since(0)) == ["clean1", "clean2", "clean3", "load", "train"]

    mended = CELL.replace('raise KeyError("plan")', "return sum(xs)")
    notebook.run(mended)
    said = notebook.run(RUN)
    assert said.strip() == "60", "no notice: nothing that is finished has changed"
    assert notebook.effects_since(5) == ["train"]

    notebook.restart()
    notebook.run(
        "# the same cell, lower down, with a comment and in other words\n"
        + mended.replace("x * RATE", "(x * RATE)  # scaled")
    )
    assert notebook.run(RUN).strip() == "60", "neither a restart nor the looks of the code is a change"
    assert notebook.effects_since(6) == []

    notebook.run(mended.replace("RATE = 10", "RATE = 20"))
    said = notebook.run(RUN)
    assert "60" in said and "'clean" in said and "on_change='rerun'" in said
    assert notebook.effects_since(6) == []
    diff = notebook.run("print(nf.get_run('churn').diff('clean_map'))")
    assert "-RATE = 10" in diff and "+RATE = 20" in diff

    assert notebook.run(RUN.replace('"churn"', '"churn", on_change="rerun"')).strip() == "120"
    assert sorted(notebook.effects_since(6)) == ["clean1", "clean2", "clean3", "train"]


@pytest.mark.slow
def test_a_mended_helper_reaches_the_tasks_of_a_continuation_that_failed(notebook: Notebook) -> None:
    notebook.run(
        CELL.replace("return x * RATE", "return x * RATE if x != 2 else [][0]").replace(
            "@nf.task\ndef clean", "@nf.task(max_retries=0)\ndef clean"
        )
    )
    assert "IndexError" in notebook.run(RUN)
    notebook.restart()
    notebook.run(CELL.replace('raise KeyError("plan")', "return sum(xs)"))
    before = len(notebook.effects_since(0))
    assert "60" in notebook.run(RUN)
    assert sorted(notebook.effects_since(before)) == ["clean2", "train"], "what was done of the map is kept"
