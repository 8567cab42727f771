"""A file is found when it is there and whole; ten thousand who look cost one look at a time."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import WorkflowExecutionError
from nbflow.listeners import FileListener, file
from nbflow.listeners.rounds import until_seen
from tests.engine.tools import until

QUICK: dict[str, Any] = {"polling": 0.01, "settled": 0}


def wait(path: Path | str, **settings: Any) -> Any:
    return nf.wait_for_event(FileListener, path, **{**QUICK, **settings})


def waiting(run: nf.Run) -> nf.Run:
    until(lambda: run.state.counts["waiting"])
    return run


def test_a_file_that_appears_is_found_with_its_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    run = waiting(nf.run_async(wait(path)))
    (tmp_path / "other").write_text("x" * 100)
    os.replace(tmp_path / "other", path)
    assert run.result(20) == {"path": str(path), "size": 100, "mtime": path.stat().st_mtime}


def test_of_a_pattern_the_first_match_by_name_counts(tmp_path: Path) -> None:
    for name in ("c.csv", "b.csv", "a.txt", "deep/a.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert nf.run(wait(f"{tmp_path}/*.csv"))["path"] == str(tmp_path / "b.csv")
    assert nf.run(wait(f"{tmp_path}/deep/**/*.csv"))["path"] == str(tmp_path / "deep/a.csv")


def test_a_file_that_is_being_written_is_not_taken_before_it_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, now = tmp_path / "growing", [1e9]
    monkeypatch.setattr(file, "time", SimpleNamespace(time=lambda: now[0], monotonic=lambda: now[0]))
    watch = file._Watch(str(path), None, 30.0)
    assert watch.look() is None
    for size in range(1, 4):
        path.write_bytes(b"x" * size)
        os.utime(path, (now[0], now[0]))
        for _ in range(3):
            assert watch.look() is None
            now[0] += 9
    now[0] += 2
    assert watch.look() is None
    now[0] += 2
    assert (watch.look() or {})["size"] == 3


def test_a_file_that_has_rested_for_long_is_taken_at_once(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.touch()
    os.utime(path, (time.time() - 3600, time.time() - 3600))
    began = time.monotonic()
    assert nf.run(wait(path, settled=30))["size"] == 0
    assert time.monotonic() - began < 20


def test_a_change_counts_from_when_the_wait_opened_also_while_nobody_ran(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_text("old")
    os.utime(path, (time.time() - 100, time.time() - 100))
    run = waiting(nf.run_async(wait(path, changes=True), workflow_id="w"))
    run.detach()
    path.write_text("newer")
    os.utime(path, (time.time() + 5, time.time() + 5))
    assert nf.resume("w")["size"] == 5


def test_what_cannot_be_looked_at_like_this_fails_the_wait(tmp_path: Path) -> None:
    for wrong in ({"polling": 0}, {"settled": -1}):
        with pytest.raises(WorkflowExecutionError, match="FileListener looks every"):
            nf.run(wait(tmp_path, **wrong))


def test_a_folder_that_may_not_be_read_fails_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError("not yours")

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(WorkflowExecutionError, match="not yours"):
        nf.run(wait("/somewhere"))


def test_all_who_look_at_one_interval_share_a_thread_and_a_round() -> None:
    threads, rounds = set[int](), [0]

    async def many() -> list[Any]:
        def look_first() -> Any:
            threads.add(threading.get_ident())
            rounds[0] += 1
            return "seen" if rounds[0] == 5 else None

        def look() -> Any:
            threads.add(threading.get_ident())
            return "seen" if rounds[0] >= 5 else None

        return await asyncio.gather(*(until_seen(each, 0.01) for each in [look_first, *[look] * 100]))

    assert set(asyncio.run(many())) == {"seen"}
    assert len(threads) <= 5, "a round is one call of a thread"


def test_who_leaves_is_not_looked_for_and_who_fails_does_not_disturb_the_others() -> None:
    async def scene() -> str:
        looks: list[str] = []

        def never() -> None:
            looks.append("never")

        def fail() -> None:
            raise OSError("broken")

        leaving = asyncio.create_task(until_seen(never, 0.01))
        failing = asyncio.create_task(until_seen(fail, 0.01))
        with pytest.raises(OSError, match="broken"):
            await failing
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        count = len(looks)
        assert await until_seen(lambda: len(looks), 0.01) <= count + 1
        return "done"

    assert asyncio.run(scene()) == "done"
