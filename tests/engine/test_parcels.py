"""Large values and other processes: they meet in the checkpoint, and the engine's own process holds none of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nbflow as nf
from nbflow.engine.host import Host
from nbflow.errors import WorkflowExecutionError
from nbflow.executors import wire
from nbflow.storage.shared import SharedBlobs
from nbflow.testing import MemoryStorage
from tests.engine.tools import Counter, large_files, until

SIZE = 200_000


class Watched:
    """A value that takes down in which processes it was loaded."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.content = bytes(SIZE)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        fd = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.write(fd, f"{os.getpid()}\n".encode())
        os.close(fd)


@nf.task(executor="process")
def array(n: int) -> Any:
    return np.arange(float(n))


@nf.task(executor="process")
def last(numbers: Any) -> float:
    return float(numbers[-1])


def test_the_engine_neither_loads_nor_carries_what_goes_from_process_to_process(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = Counter(tmp_path / "loaded")
    sizes: list[int] = []
    encode, decode = wire.encode_call, wire.decode_reply
    monkeypatch.setattr(wire, "encode_call", lambda *call: _measured(sizes, encode(*call)))
    monkeypatch.setattr(wire, "decode_reply", lambda reply: (_measured(sizes, reply[1]), decode(reply))[1])
    make = nf.task(lambda path: Watched(path), name="make", executor="process")
    size = nf.task(lambda value: len(value.content), name="size", executor="process")
    deep = nf.task(lambda values: len(values["here"][0].content), name="deep", executor="process")
    value = make.bind(loaded.path)
    run = nf.run_async([size.bind(value), deep.bind({"here": [value]})])
    assert run.result(60) == [SIZE, SIZE]
    assert len(loaded.words) == 2
    assert str(os.getpid()) not in loaded.words
    assert max(sizes) < SIZE / 4


def _measured(sizes: list[int], content: Any) -> Any:
    sizes.append(len(content))
    return content


def test_a_value_is_stored_once_by_whom_it_was_made(host: Host, folder: Path) -> None:
    numbers = array.bind(100_000)
    assert nf.run([last.bind(numbers), last.bind(numbers)], workflow_id="w") == [99_999.0, 99_999.0]
    assert len(large_files(folder, 400_000)) == 1
    np.testing.assert_array_equal(nf.get_output("w", task_id="array"), np.arange(100_000.0))


def test_what_one_body_writes_into_a_value_no_other_one_sees(host: Host) -> None:
    @nf.task(executor="process")
    def spoil(numbers: Any) -> float:
        numbers[:] = -1
        return float(numbers.sum())

    numbers = array.bind(10_000)
    spoiled = spoil.bind(numbers)
    after = nf.task(lambda _, found: float(found[-1]), name="after", executor="process").bind(spoiled, numbers)
    assert nf.run([spoiled, after]) == [-10_000.0, 9_999.0]


def test_values_cross_between_threads_and_processes_by_the_checkpoint(host: Host) -> None:
    double = nf.task(lambda numbers: numbers * 2, name="double")
    assert nf.run(last.bind(double.bind(array.bind(50_000)))) == 99_998.0


def test_what_is_put_into_the_graph_goes_as_its_place_too(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    encode = wire.encode_call
    monkeypatch.setattr(wire, "encode_call", lambda *call: _measured(sizes, encode(*call)))
    numbers = np.arange(100_000.0)
    both = nf.task(lambda x, y: float(x[-1] + y["n"][-1]), name="both", executor="process")
    assert nf.run(both.bind(nf.put(numbers), {"n": numbers})) == 2 * 99_999.0
    assert max(sizes) < 50_000


def test_a_pair_of_who_catches_is_made_beside_the_body(host: Host) -> None:
    catch = array.options(catch_exceptions=True)
    size = nf.task(lambda pair: (len(pair[0]), pair[1]), name="size", executor="process")
    assert nf.run(size.bind(catch.bind(50_000))) == (50_000, None)
    failed = nf.run(catch.bind("no number"))
    assert failed[0] is None and isinstance(failed[1], (TypeError, ValueError))


def test_what_is_not_to_be_stored_travels(host: Host, folder: Path) -> None:
    volatile = array.options(checkpoint=False)
    assert nf.run(last.bind(volatile.bind(100_000))) == 99_999.0
    assert not large_files(folder, 400_000)


def test_a_storage_without_files_is_written_by_the_engine_and_the_value_comes_once() -> None:
    nf.shutdown()
    nf.init(storage=MemoryStorage())
    numbers = array.bind(100_000)
    assert nf.run([last.bind(numbers), last.bind(numbers)], workflow_id="w") == [99_999.0, 99_999.0]
    np.testing.assert_array_equal(nf.get_output("w", task_id="array"), np.arange(100_000.0))


def test_workers_that_do_not_see_the_files_get_the_values_and_no_attempt_is_lost(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = SharedBlobs("/nowhere", "/nowhere/runs/w", "w", "another storage")
    monkeypatch.setattr("nbflow.engine.parcels.shared_blobs", lambda runner: blind)
    once = nf.task(lambda numbers: float(numbers[-1]), name="once", executor="process", max_retries=0)
    assert nf.run(once.bind(array.bind(100_000)), workflow_id="w") == 99_999.0
    assert nf.get_metadata("w", "once")["attempts"] == 1
    assert nf.get_metadata("w", "array")["attempts"] == 1
    assert not host.lane("process").sees


def test_a_value_of_an_earlier_session_is_checked_before_it_is_used(host: Host, folder: Path) -> None:
    read = nf.task(lambda numbers, path: Path(path).read_text() + str(len(numbers)), name="read", executor="process",
                   max_retries=0)  # fmt: skip
    dag = read.bind(array.bind(100_000), str(folder / "later"))
    with pytest.raises(WorkflowExecutionError, match="No such file"):
        nf.run(dag, workflow_id="w")
    (folder / "later").write_text("n = ")
    (stored,) = large_files(folder, 400_000)
    whole = stored.read_bytes()
    stored.write_bytes(whole[:-1] + b"!")
    with pytest.raises(WorkflowExecutionError, match="not what was stored"):
        nf.run(dag, workflow_id="w")
    stored.write_bytes(whole)
    assert nf.run(dag, workflow_id="w") == "n = 100000"


def test_a_result_that_cannot_be_stored_is_a_checkpoint_error_that_says_what_to_do(host: Host) -> None:
    import threading

    locked = nf.task(lambda: [threading.Lock()], name="locked", executor="process")
    with pytest.raises(WorkflowExecutionError, match="lock") as failure:
        nf.run(locked.bind())
    assert isinstance(failure.value.__cause__, nf.errors.CheckpointError)


def test_a_value_that_nobody_needs_any_more_is_forgotten(host: Host) -> None:
    gate = nf.wait_for_event("go")
    end = nf.task(lambda n, _: n, name="end").bind(last.bind(array.bind(100_000)), gate)
    run = nf.run_async(end, workflow_id="w")
    memory = host.runners["w"].memory
    until(lambda: nf.get_progress("w")["tasks"]["last"]["status"] == "done")
    until(lambda: not memory._fresh and not memory._handles)
    run.send("go")
    assert run.result(20) == 99_999.0
