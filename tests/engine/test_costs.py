"""What keeps a durable task cheap, said as laws that no slow machine can break: syncs, bytes, pickles, calls."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

import nbflow as nf
from nbflow.engine import committer
from nbflow.engine.host import Host
from nbflow.home import default_host
from nbflow.storage.folder import FolderStorage
from nbflow.storage.os_calls import OS

BEGIN_AND_END = 10
"""Commits that a run needs besides those of its tasks, at most."""


class CountedOS(OS):
    """The real system calls, counted by name; ``made`` are the files, ``written`` the bytes by file, ``threads`` those
    that synced a large value."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.threads: set[str] = set()
        self.made: dict[int, str] = {}
        self.written: Counter[str] = Counter()

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        fd = super().open(path, flags, mode)
        self.made[fd] = path
        return fd

    def write(self, fd: int, chunk: Any) -> int:
        taken = super().write(fd, chunk)
        self.written[self.made.get(fd, "")] += taken
        return taken

    def fdatasync(self, fd: int) -> None:
        self._synced(fd)
        super().fdatasync(fd)

    def fsync(self, fd: int) -> None:
        self._synced(fd)
        super().fsync(fd)

    def _synced(self, fd: int) -> None:
        of_blob = "/blobs/" in self.made[fd]
        self.calls["sync of a blob" if of_blob else "sync of the journal"] += 1
        if of_blob:
            self.threads.add(threading.current_thread().name)

    def fsync_dir(self, path: str) -> None:
        self.calls[f"fsync {path.rpartition('/')[2]}"] += 1
        super().fsync_dir(path)

    def bytes_of(self, part: str) -> list[int]:
        """Return the bytes written to each file whose path has a part."""
        return [size for path, size in self.written.items() if part in path]


@pytest.fixture
def calls(host: Host, folder: Path) -> CountedOS:
    """Use a storage that counts its calls."""
    nf.shutdown()
    counted = CountedOS()
    nf.init(storage=FolderStorage(folder / "counted", os=counted))
    return counted


@nf.task
async def start(i: int) -> int:
    return i


@nf.task
async def follow(before: int, i: int) -> int:
    return i


@nf.task
async def count(parts: list[int]) -> int:
    return len(parts)


def chain(n: int) -> Any:
    node = start.bind(0)
    for i in range(1, n):
        node = follow.bind(node, i)
    return node


def fan_out(n: int) -> Any:
    return count.bind([start.bind(i) for i in range(n)])


class Pickled:
    """A value that counts how often it is pickled."""

    times: ClassVar[Counter[str]] = Counter()

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> Any:
        Pickled.times[self.name] += 1
        return Pickled, (self.name,)


def test_a_step_that_depends_on_another_waits_for_one_sync(calls: CountedOS) -> None:
    nf.run(chain(100))
    assert 100 <= calls.calls["sync of the journal"] <= 100 + BEGIN_AND_END


def test_steps_that_depend_on_nothing_share_their_syncs(calls: CountedOS) -> None:
    nf.run(fan_out(1000))
    assert calls.calls["sync of the journal"] <= 1000 / 20 + BEGIN_AND_END


@nf.task
async def large(i: int) -> bytes:
    return i.to_bytes(2, "big") * 50_000


@nf.task
async def next_large(before: bytes, i: int) -> bytes:
    return i.to_bytes(2, "big") * 50_000


def test_a_large_value_waits_for_one_sync_before_that_of_its_step_and_for_no_thread(
    calls: CountedOS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "QUICK_SECONDS", 60.0)  # any disk is quick
    node = large.bind(0)
    for i in range(1, 20):
        node = next_large.bind(node, i)
    nf.run(node)
    assert (calls.calls["sync of a blob"], calls.calls["fsync blobs"]) == (20, 1)
    assert calls.calls["sync of the journal"] <= 20 + BEGIN_AND_END
    assert calls.threads == {"nbflow-engine"}


def test_large_values_that_come_together_are_stored_side_by_side_in_threads(calls: CountedOS) -> None:
    nf.run(count.bind([large.bind(i) for i in range(8)]))
    assert calls.calls["sync of a blob"] == 8
    assert calls.threads - {"nbflow-engine"}


@pytest.mark.parametrize("graph", [chain, fan_out])
def test_a_tiny_step_takes_at_most_250_bytes_on_disk(calls: CountedOS, graph: Callable[[int], Any]) -> None:
    nf.run(graph(500))
    journal = sum(calls.bytes_of("/j-"))
    assert 50 <= journal / 500 <= 250


@pytest.mark.parametrize("name", ["in a coroutine", "in a thread"])
def test_a_value_is_pickled_once_however_many_use_it(calls: CountedOS, name: str) -> None:
    if name == "in a coroutine":

        @nf.task
        async def make() -> Pickled:
            return Pickled(name)
    else:

        @nf.task
        def make() -> Pickled:
            return Pickled(name)

    @nf.task
    def use(value: Pickled, i: int) -> str:
        return value.name

    value = make.bind()
    Pickled.times.clear()
    assert nf.run(count.bind([use.bind(value, i) for i in range(5)])) == 5
    assert Pickled.times[name] == 1


def test_a_function_is_pickled_once_however_many_nodes_call_it(calls: CountedOS) -> None:
    held = Pickled("held")

    @nf.task
    async def name_of(i: int) -> str:
        return held.name

    nodes = [name_of.bind(i) for i in range(50)]
    Pickled.times.clear()
    assert nf.run(count.bind(nodes)) == 50
    assert Pickled.times["held"] == 1


def test_a_large_value_is_written_once_and_not_into_the_journal(calls: CountedOS) -> None:
    size = 1_000_000

    @nf.task
    def make() -> bytes:
        return bytes(size)

    @nf.task
    def use(value: bytes, i: int) -> int:
        return len(value)

    value = make.bind()
    assert nf.run(count.bind([use.bind(value, i) for i in range(5)])) == 5
    (blob,) = calls.bytes_of("/blobs/")
    assert size <= blob <= size + 8192
    assert sum(calls.bytes_of("/j-")) < size / 10


def calls_of_a_run(host: Host, dag: Any) -> int:
    """Return how many Python functions a run calls on the engine's loop and in the threads that it starts."""
    found, over = 0, threading.Event()

    def tick(_frame: object, what: str, _arg: object) -> None:
        nonlocal found
        found += what == "call"

    def put(profile: Any) -> None:
        sys.setprofile(profile)
        over.set()

    for profile in (tick, None):
        over.clear()
        threading.setprofile(profile)
        host.engine.loop.call_soon_threadsafe(put, profile)
        over.wait()
        if profile is not None:
            nf.run(dag)
    return found


def test_a_node_takes_as_many_calls_in_a_large_graph_as_in_a_small_one_and_not_many(calls: CountedOS) -> None:
    nf.run(fan_out(10))
    host = default_host()
    few, many = calls_of_a_run(host, fan_out(500)), calls_of_a_run(host, fan_out(2500))
    a_node = (many - few) / 2000
    assert a_node <= 140, f"{a_node:.0f} calls for each node; there were 85 when this was written"
    assert many <= 5.5 * few
