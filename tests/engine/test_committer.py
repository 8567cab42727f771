"""Group commit: what was written together becomes one commit, in order; trouble stops it until it is mended."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

import pytest

from nbflow.core import records as r
from nbflow.engine.committer import QUICK_RECORDS, QUICK_SECONDS, Committer
from nbflow.errors import StorageFull


class Disk:
    """A journal that can be slow or full."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.threads: set[str] = set()
        self.delay = threading.Event()
        self.delay.set()
        self.full = False

    def append(self, lines: Sequence[str]) -> None:
        self.threads.add(threading.current_thread().name)
        self.delay.wait(5)
        if self.full:
            raise StorageFull("no space")
        self.batches.append([json.loads(line)["at"] for line in lines])


class Scene:
    """A committer on a disk; what it said is kept."""

    def __init__(self, writer: concurrent.futures.Executor) -> None:
        self.disk = Disk()
        self.durable: list[float] = []
        self.troubles: list[tuple[list[r.Record], list[str], BaseException]] = []
        self.committer = Committer(
            self.disk, asyncio.get_running_loop(), writer, self.took, lambda *trouble: self.troubles.append(trouble)
        )  # type: ignore[arg-type]
        self.also: Callable[[float], None] = lambda at: None

    def took(self, records: Sequence[r.Record]) -> None:
        for record in records:
            self.durable.append(record.at)  # type: ignore[attr-defined]
            self.also(record.at)  # type: ignore[attr-defined]

    def write(self, *moments: float) -> None:
        for at in moments:
            self.committer.write(r.RunOpened(at))


def play(scene: Callable[[Scene], Any]) -> Scene:
    async def main() -> Scene:
        with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="writer") as writer:
            played = Scene(writer)
            await asyncio.wait_for(scene(played), 5)
            return played

    return asyncio.run(main())


def test_what_is_written_in_one_moment_is_one_commit_in_order() -> None:
    async def scene(s: Scene) -> None:
        s.write(1, 2, 3)
        await s.committer.drained()
        s.write(4)
        await s.committer.drained()

    s = play(scene)
    assert s.disk.batches == [[1, 2, 3], [4]]
    assert (s.durable, s.committer.acknowledged) == ([1, 2, 3, 4], 4)
    assert not any(name.startswith("writer") for name in s.disk.threads), "a quick disk is written to at once"


def test_what_comes_while_a_slow_disk_syncs_is_the_next_commit() -> None:
    async def scene(s: Scene) -> None:
        s.committer._seconds = 10 * QUICK_SECONDS
        s.disk.delay.clear()
        s.write(1)
        await asyncio.sleep(0.02)
        s.write(2)
        await asyncio.sleep(0.02)
        s.write(3)
        assert s.durable == []
        s.disk.delay.set()
        await s.committer.drained()

    s = play(scene)
    assert s.disk.batches == [[1], [2, 3]]
    assert all(name.startswith("writer") for name in s.disk.threads)


@pytest.mark.parametrize(("commits", "quick"), [(1, True), (20, False)])
def test_one_hiccup_is_no_slow_disk_and_many_are(commits: int, quick: bool) -> None:
    async def scene(s: Scene) -> None:
        s.committer._seconds = QUICK_SECONDS / 3
        for at in range(commits):
            s.write(at)
            await s.committer.drained()

    seconds = itertools.count()
    with patch("nbflow.engine.committer.time.perf_counter", lambda: next(seconds)):
        assert play(scene).committer.quick is quick


def test_a_large_batch_goes_to_the_writer() -> None:
    async def scene(s: Scene) -> None:
        s.write(*range(1, QUICK_RECORDS + 2))
        await s.committer.drained()

    s = play(scene)
    assert s.durable == list(range(1, QUICK_RECORDS + 2))
    assert [name[:6] for name in s.disk.threads] == ["writer"]


def test_records_that_follow_from_durable_ones_come_behind_them() -> None:
    async def scene(s: Scene) -> None:
        s.also = lambda at: s.write(at + 10) if at < 30 else None
        s.write(1, 2)
        await s.committer.drained()

    assert play(scene).disk.batches == [[1, 2], [11, 12], [21, 22], [31, 32]]


@pytest.mark.parametrize("slow", [False, True])
def test_after_trouble_nothing_is_written_until_it_is_mended(slow: bool) -> None:
    async def scene(s: Scene) -> None:
        s.committer._seconds = 10 * QUICK_SECONDS if slow else 0.0
        s.disk.full = True
        s.write(1, 2)
        while not s.troubles:
            await asyncio.sleep(0.001)
        s.write(3)
        await asyncio.sleep(0.01)
        assert s.durable == []
        ((records, lines, error),) = s.troubles
        assert isinstance(error, StorageFull)
        assert len(records) == len(lines) == 2
        mended = Disk()
        s.committer.resume(mended, records)  # type: ignore[arg-type]
        await s.committer.drained()
        assert mended.batches == [[3]]

    assert play(scene).durable == [1, 2, 3]


def test_stop_lets_nobody_wait() -> None:
    async def scene(s: Scene) -> None:
        s.disk.full = True
        s.write(1)
        while not s.troubles:
            await asyncio.sleep(0.001)
        s.write(2)
        waiting = asyncio.create_task(s.committer.drained())
        await asyncio.sleep(0)
        s.committer.stop()
        await waiting

    assert play(scene).durable == []


def test_a_record_that_is_no_json_is_refused_at_once() -> None:
    async def scene(s: Scene) -> None:
        with pytest.raises(ValueError, match="JSON"):
            s.write(float("nan"))
        s.write(1)
        await s.committer.drained()

    assert play(scene).disk.batches == [[1]]


def test_nobody_waits_for_what_is_written_after_it_was_stopped() -> None:
    async def scene(s: Scene) -> None:
        s.write(1)
        s.committer.stop()
        s.write(2)
        await s.committer.drained()

    played = play(scene)
    assert (played.durable, played.disk.batches) == ([], [])
