"""The values of a run in memory: there while somebody needs them, loaded once when many ask."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import nbflow as nf
from nbflow.engine.host import Host, fold
from nbflow.engine.memory import Memory
from nbflow.errors import WorkflowExecutionError
from nbflow.storage.folder import FolderStorage
from tests.engine.tools import Counter, Gate, until


class Heavy:
    """A value that can be watched."""

    alive: ClassVar[weakref.WeakSet[Heavy]] = weakref.WeakSet()

    def __init__(self) -> None:
        self.content = bytes(50_000)
        Heavy.alive.add(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        Heavy.alive.add(self)


def test_a_value_leaves_memory_when_nobody_needs_it_any_more(host: Host) -> None:
    gate = Gate()
    make = nf.task(lambda: Heavy(), name="make")
    use = nf.task(lambda heavy: len(heavy.content), name="use")
    last = nf.task(lambda n: (gate.wait(), n)[1], name="last")
    node = make.bind()
    run = nf.run_async(last.bind(use.bind(node)), workflow_id="w")
    gate.reached()
    until(lambda: gc.collect() is not None and not Heavy.alive, "the value to leave memory")
    gate.open.set()
    assert run.result(10) == 50_000


def test_consumers_share_one_value_in_memory() -> None:
    make = nf.task(lambda: Heavy(), name="make")
    ident = nf.task(lambda heavy: id(heavy), name="ident")
    node = make.bind()
    assert len(set(nf.run([ident.options(task_id=str(i)).bind(node) for i in range(5)]))) == 1


def test_a_long_chain_keeps_few_values(host: Host) -> None:
    step = nf.task(lambda x: x + 1, name="step", executor="inline")
    node, most = step.bind(0), [0]
    for _ in range(500):
        node = step.bind(node)
    run = nf.run_async(nf.task(lambda x, _: x, name="end").bind(node, nf.wait_for_event("go")), workflow_id="w")
    runner = host.runners["w"]
    runner.observers.append(lambda r: most.append(len(r.memory)))
    until(lambda: runner.state.counts["done"] == 501)
    assert len(runner.memory) <= 2
    run.send("go")
    assert run.result(10) == 501


@pytest.mark.parametrize("large", [False, True])
def test_a_value_comes_back_from_its_checkpoint(large: bool, folder: Path, tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")
    size = 100_000 if large else 10

    @nf.task
    def make() -> Any:
        calls.add("make")
        return np.arange(size)

    @nf.task
    def total(x: Any) -> int:
        if calls.add("total") == 1:
            raise ValueError
        return int(x.sum())

    with pytest.raises(WorkflowExecutionError):
        nf.run(total.bind(make.bind()), workflow_id="w")
    nf.shutdown()
    nf.init(storage=str(folder))
    assert nf.resume("w") == sum(range(size))
    assert calls.words == ["make", "total", "total"]


def test_a_large_value_is_read_once_however_many_ask(folder: Path) -> None:
    nf.run(nf.task(lambda: bytes(200_000), name="make").bind(), workflow_id="w")
    nf.shutdown()
    storage = FolderStorage(folder)
    state, reads, let = fold(storage.read_run("w")), [], threading.Event()

    class Blobs:
        def get_blob(self, sha256: str) -> Any:
            reads.append(sha256)
            assert let.wait(5)
            return storage.blobs("w").get_blob(sha256)

    async def main() -> list[Any]:
        memory = Memory(state, Blobs())  # type: ignore[arg-type]
        assert not memory.has(0)
        state.nodes[0].uses = 5
        asking = [asyncio.create_task(memory.fetch(0)) for _ in range(5)]
        await asyncio.sleep(0.05)
        let.set()
        found = await asyncio.gather(*asking)
        assert memory.has(0)
        memory.drop(0)
        assert not memory.has(0)
        return found

    found = asyncio.run(main())
    assert (len(reads), len({id(value) for value in found}), len(found[0])) == (1, 1, 200_000)


def test_the_outputs_of_ended_runs_are_not_kept_by_the_engine(host: Host) -> None:
    run = nf.run_async(nf.task(lambda: Heavy(), name="make").bind())
    run.result(10)
    until(lambda: not host.runners)
    del run
    until(lambda: gc.collect() is not None and not Heavy.alive, "the output to leave memory")
