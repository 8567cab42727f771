"""A real kernel is killed with kill -9 again and again, and the run goes on each time in a new one."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from nbflow.core.records import TaskSucceeded
from nbflow.engine.inspect import fold, read, stored_value
from nbflow.storage.folder import FolderStorage
from tests import figures

TASKS, KILLS = 200, 25

DEFINE = """
import os, time, random
{before}
import nbflow as nf
nf.init(storage={storage!r})
EPOCH = {epoch}

def effect(name):
    with open({effects!r}, "a") as file:
        file.write(f"{{EPOCH}} {{name}}\\n")

@nf.task
def source(i):
    effect(f"source {{i}}")
    time.sleep(0.01)
    return i

@nf.task
async def double(x, i):
    effect(f"double {{i}}")
    return 2 * x

@nf.task(executor="process")
def cube(x, i):
    effect(f"cube {{i}}")
    return list(range(x)) * 1000

@nf.task
def total(parts):
    effect("total 0")
    return sum(map(len, parts))

sources = [source.options(task_id=f"source {{i}}").bind(i) for i in range(66)]
doubles = [double.options(task_id=f"double {{i}}").bind(s, i) for i, s in enumerate(sources)]
cubes = [cube.options(task_id=f"cube {{i}}").bind(d, i) for i, d in enumerate(doubles)]
go = nf.wait_for_event(nf.ButtonListener, "Add up?", options=["yes", "no"])

@nf.task
def last(total, decision):
    effect("last 0")
    return total, decision.option

dag = last.options(task_id="last 0").bind(total.options(task_id="total 0").bind(cubes), go)
run = nf.run_async(dag, workflow_id="killed")
"""


class Kernels:
    """Kernels in which the run is begun or continued; the next one starts while the present one is used."""

    def __init__(self, folder: Path, cell: str = DEFINE) -> None:
        self.cell = cell
        self.storage, self.effects = str(folder / "runs"), folder / "effects"
        self.effects.touch()
        self.epoch = 0
        self._next = self._start()

    def _start(self) -> KernelManager:
        manager = KernelManager(kernel_name="python3")
        root = str(Path(__file__).resolve().parents[2])
        manager.start_kernel(env=dict(os.environ, PYTHONPATH=root), cwd=root)
        return manager

    def go_on(self, before: str = "") -> tuple[KernelManager, Any]:
        """Run the workflow's cell in a fresh kernel; return the kernel and its client."""
        manager, self._next = self._next, self._start()
        self.epoch += 1
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(60)
        code = self.cell.format(storage=self.storage, effects=str(self.effects), epoch=self.epoch, before=before)
        client.execute(code)
        return manager, client

    def lines(self) -> list[str]:
        """Return what the bodies have done so far: the number of the kernel and the name of the task."""
        return self.effects.read_text().splitlines()

    def kill(self, manager: KernelManager, client: Any) -> None:
        """Kill a kernel with kill -9 and wait until it is gone."""
        client.stop_channels()
        manager.provisioner.process.send_signal(signal.SIGKILL)
        manager.provisioner.process.wait()
        manager.cleanup_resources()

    def close(self) -> None:
        """Stop what is left."""
        self._next.shutdown_kernel(now=True)


@pytest.fixture
def kernels(tmp_path: Path) -> Iterator[Kernels]:
    found = Kernels(tmp_path)
    yield found
    found.close()


def finished(storage: FolderStorage) -> set[str]:
    """Return the tasks whose results are recorded."""
    if not storage.exists("killed"):
        return set()
    state = fold(storage.read_run("killed"))
    return {node.node_id for node in state.nodes if node.status.finished and node.value is not None}


def wait_until(condition: Any, manager: KernelManager, what: str, seconds: float = 60) -> None:
    """Look again and again until something is so; the kernel must be alive meanwhile."""
    end = time.monotonic() + seconds
    while not condition():
        assert manager.provisioner.process.poll() is None, "the kernel died by itself"
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.001)


@pytest.mark.crash
@pytest.mark.slow
def test_no_finished_body_runs_again_over_many_kills(kernels: Kernels, soak: bool) -> None:
    kills = 2 * KILLS if soak else KILLS
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    storage = FolderStorage(kernels.storage)
    recorded: dict[str, int] = {}
    for _ in range(kills):
        before = len(kernels.lines())
        manager, client = kernels.go_on()
        left = TASKS - len(recorded)  # so many bodies at least are still to run
        if left > 10:
            wanted = before + chance.randint(1, min(2 * TASKS // kills, left - 10))
            wait_until(lambda wanted=wanted: len(kernels.lines()) >= wanted, manager, "the bodies go on")
        time.sleep(chance.random() * 0.01)
        kernels.kill(manager, client)
        figures.count("crash points")
        for name in finished(storage):
            recorded.setdefault(name, kernels.epoch)

    manager, client = kernels.go_on("os.environ['NBFLOW_ANSWERS'] = '{\"Add up?\": \"yes\"}'")
    wait_until(lambda: read(storage, "killed").status == "SUCCESSFUL", manager, "the run ends")
    kernels.kill(manager, client)

    state = read(storage, "killed")
    expected = sum(2 * i * 1000 for i in range(66))
    assert stored_value(state, state.output, storage.blobs("killed")) == (expected, "yes")
    again = [line for line in kernels.lines() if int(line.split()[0]) > recorded.get(line.split(" ", 1)[1], 1 << 30)]
    figures.count("doubled", len(again))
    assert again == []
    assert len({line.split(" ", 1)[1] for line in kernels.lines()}) == TASKS
    done = [r for r in storage.read_run("killed") if r["t"] == TaskSucceeded.tag]
    assert len({r["n"] for r in done}) == len(done), "a result was recorded twice"
