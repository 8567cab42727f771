"""A fork shares what its parent has finished and goes its own way; after a crash there is no run or a whole one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.engine import fork as forking
from nbflow.engine.host import Host
from nbflow.errors import (
    StorageDamaged,
    WorkflowExecutionError,
    WorkflowExistsError,
    WorkflowNotFoundError,
)
from nbflow.storage.folder import FolderStorage
from nbflow.storage.os_calls import OS
from tests.engine.tools import Counter, Gate, large_files, script, until


@pytest.fixture
def calls(tmp_path: Path) -> Counter:
    return Counter(tmp_path / "calls")


def pipeline(calls: Counter, train: Callable[..., Any] = lambda x, y: x + y) -> Any:
    """Return load -> clean -> train, with other beside clean."""

    def counted(name: str, function: Callable[..., Any]) -> Any:
        return nf.task(lambda *args: (calls.add(name), function(*args))[1], name=name, max_retries=0)

    loaded = counted("load", lambda: 1).bind()
    cleaned = counted("clean", lambda x: 10 * x).bind(loaded)
    return counted("train", train).bind(cleaned, counted("other", lambda x: x + 4).bind(loaded))


def broken(x: int, y: int) -> int:
    raise ValueError("broken")


def test_a_fork_of_a_run_that_is_done_runs_nothing_again(calls: Counter) -> None:
    nf.run(pipeline(calls), workflow_id="w")
    fork = nf.fork("w", "again")
    assert (fork.workflow_id, fork.status) == ("again", "RESUMABLE")
    assert nf.resume("again") == 15
    assert len(calls.words) == 4
    assert nf.get_metadata("again")["forked_from"] == "w" and "forked_after" not in nf.get_metadata("again")
    assert "forked_from" not in nf.get_metadata("w")


def test_what_depends_on_the_named_task_runs_again_and_nothing_beside_it(calls: Counter) -> None:
    nf.run(pipeline(calls), workflow_id="w")
    nf.fork("w", "again", after="clean")
    assert nf.run(pipeline(calls, lambda x, y: x * y), workflow_id="again") == 50
    assert calls.words[4:] == ["train"]
    assert nf.get_output("w") == 15, "the parent is as it was"
    nf.fork("w", "early", after="load")
    assert nf.resume("early") == 15
    assert sorted(calls.words[5:]) == ["clean", "other", "train"]
    assert nf.get_metadata("early")["forked_after"] == "load"


def test_a_failed_run_is_forked_and_mended_and_stays_failed(calls: Counter) -> None:
    with pytest.raises(WorkflowExecutionError):
        nf.run(pipeline(calls, broken), workflow_id="w")
    assert nf.fork("w").workflow_id == "w-fork"
    assert nf.fork("w").workflow_id == "w-fork-2"
    assert nf.run(pipeline(calls), workflow_id="w-fork") == 15
    assert calls.count("clean") == 1 and nf.get_status("w") == "FAILED"
    with pytest.raises(WorkflowExecutionError):
        nf.resume("w-fork-2")


def test_a_live_run_is_forked_as_it_is_at_this_moment(calls: Counter) -> None:
    gate = Gate()
    run = nf.run_async(pipeline(calls, lambda x, y: (gate.wait(), x + y)[1]), workflow_id="w")
    gate.reached()
    nf.fork("w", "again")
    assert nf.run(pipeline(calls, lambda x, y: x - y), workflow_id="again") == 5
    gate.open.set()
    assert run.result(10) == 15
    assert calls.count("clean") == 1


def test_an_open_question_is_asked_in_the_fork_too_and_each_has_its_own_answer() -> None:
    def ask() -> Any:
        return nf.task(lambda d: str(d), name="said").bind(
            nf.wait_for_event(nf.ButtonListener, "Go?", options=["a", "b"])
        )

    run = nf.run_async(ask(), workflow_id="w")
    until(lambda: run.questions, "the question")
    other = nf.resume_async(nf.fork("w").workflow_id)
    until(lambda: other.questions, "the question of the fork")
    assert other.answer("Go?", "b").status == "delivered"
    assert run.answer("Go?", "a").status == "delivered"
    assert (run.result(10), other.result(10)) == ("a", "b")


def test_a_canceled_run_can_be_forked() -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
    run.cancel()
    fork = nf.resume_async(nf.fork("w", metadata={"why": "second thoughts"}).workflow_id)
    fork.send("go", 3)
    assert fork.result(10) == 3
    assert nf.get_metadata("w-fork")["user_metadata"] == {"why": "second thoughts"}


def test_a_fork_of_a_fork_names_its_own_parent_and_its_journal_is_read_back(calls: Counter, host: Host) -> None:
    nf.run(pipeline(calls), workflow_id="w", metadata={"team": "a"})
    nf.fork("w", "b")
    nf.fork("b", "c", after="load")
    assert nf.get_metadata("c")["forked_from"] == "b"
    assert nf.get_metadata("c")["user_metadata"] == {"team": "a"}
    assert nf.resume("c") == 15
    assert {name: str(status) for name, status in nf.list_all()} == {
        "w": "SUCCESSFUL",
        "b": "RESUMABLE",
        "c": "SUCCESSFUL",
    }
    assert any("forked from 'w'" in line or "forked from 'b'" in line for line in nf.get_run("c").story("clean"))


def test_large_values_are_linked_and_outlive_the_parent(folder: Path, calls: Counter) -> None:
    big = nf.task(lambda: bytes(range(256)) * 20_000, name="big")
    size = nf.task(lambda x: len(x), name="size")
    assert nf.run(size.bind(big.bind()), workflow_id="w") == 5_120_000
    (original,) = large_files(folder, 5_120_000)
    nf.fork("w", "again", after="big")
    assert {path.stat().st_ino for path in large_files(folder, 5_120_000)} == {original.stat().st_ino}
    nf.delete("w")
    assert nf.run(nf.task(lambda x: x[255], name="size").bind(big.bind()), workflow_id="again") == 255
    assert len(large_files(folder, 5_120_000)) == 1


def test_large_values_are_copied_where_there_are_no_links(tmp_path: Path) -> None:
    class NoLinks(OS):
        def link(self, old: str, new: str) -> None:
            raise PermissionError(1, "Operation not permitted")

    nf.shutdown()
    nf.init(storage=FolderStorage(tmp_path / "unlinked", os=NoLinks()))
    big = nf.task(lambda: bytes(100_000), name="big").bind()
    nf.run(big, workflow_id="w")
    nf.fork("w", "again")
    nf.delete("w")
    assert nf.resume("again") == bytes(100_000)


def test_a_grown_task_can_be_named_and_what_its_owner_feeds_runs_again(calls: Counter) -> None:
    inner = nf.task(lambda: calls.add("inner"), name="inner")
    outer = nf.task(lambda: nf.continuation(inner.bind()), name="outer")
    last = nf.task(lambda x: (calls.add("last"), x)[1], name="last")
    nf.run(last.bind(outer.bind()), workflow_id="w")
    nf.fork("w", "again", after="inner")
    assert nf.resume("again") == 1
    assert calls.words == ["inner", "last", "last"]


def test_what_cannot_be_forked_is_refused_with_what_can(calls: Counter) -> None:
    with pytest.raises(WorkflowExecutionError):
        nf.run(pipeline(calls, broken), workflow_id="w")
    with pytest.raises(ValueError, match="no task 'nobody' to fork after: it has finished 'load'"):
        nf.fork("w", after="nobody")
    with pytest.raises(ValueError, match="'train' of run 'w' is failed"):
        nf.fork("w", after="train")
    with pytest.raises(WorkflowExistsError):
        nf.fork("w", "w")
    with pytest.raises(WorkflowNotFoundError):
        nf.fork("nobody")
    for bad in ({"new_id": ""}, {"metadata": 5}):
        with pytest.raises(ValueError):
            nf.fork("w", **bad)  # type: ignore[arg-type]
    assert [name for name, _ in nf.list_all()] == ["w"]


def test_a_parent_that_cleans_up_at_this_moment_is_read_once_more(
    calls: Counter, monkeypatch: pytest.MonkeyPatch, host: Host
) -> None:
    nf.run(pipeline(calls), workflow_id="w")
    tries: list[int] = []

    def missing(part: Any) -> set[str]:
        tries.append(1)
        return {"f" * 64} if len(tries) == 1 else set()

    monkeypatch.setattr(forking, "blobs_of", missing)
    assert nf.resume(nf.fork("w", "again").workflow_id) == 15
    monkeypatch.setattr(forking, "blobs_of", lambda part: {"f" * 64})
    with pytest.raises(StorageDamaged):
        nf.fork("w", "third")
    assert not host.storage.exists("third")


PROGRAM = """
import os, sys, nbflow as nf
from nbflow.storage.folder import FolderStorage
from nbflow.storage.os_calls import OS

class Mortal(OS):
    left = -1
    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name in ("open", "write", "fdatasync", "fsync", "fsync_dir", "mkdir", "rename", "link"):
            Mortal.left -= 1
            if Mortal.left == 0:
                os._exit(9)
        return found

nf.init(storage=FolderStorage(sys.argv[1], os=Mortal()))
nf.get_status("w")
Mortal.left = int(sys.argv[2])
nf.fork("w", "again", after="big")
print("whole", flush=True)
os._exit(0)
"""


@pytest.mark.crash
def test_a_fork_that_dies_at_any_call_leaves_no_run_or_a_whole_one(folder: Path, tmp_path: Path) -> None:
    big = nf.task(lambda: bytes(50_000), name="big")
    size = nf.task(lambda x: len(x), name="size")
    dag = size.bind(big.bind())
    nf.run(dag, workflow_id="w")
    nf.shutdown()
    seen = set()
    for step in range(1, 90, 5):
        copy = tmp_path / f"copy{step}"
        shutil.copytree(folder, copy)
        process = script(PROGRAM, copy, step)
        out, _ = process.communicate(timeout=60)
        assert process.returncode in (0, 9), out
        nf.init(storage=FolderStorage(copy, durability="lazy"))
        there = "again" in dict(nf.list_all())
        seen.add(there)
        if there:
            assert nf.resume("again") == 50_000
        else:
            nf.fork("w", "again", after="big")
            assert nf.run(dag, workflow_id="again") == 50_000
        assert nf.get_output("w", task_id="size") == 50_000
        nf.shutdown()
        if process.returncode == 0:
            break
    assert seen == {False, True} and process.returncode == 0


@pytest.mark.crash
def test_a_run_that_is_live_in_another_process_can_be_forked(folder: Path) -> None:
    code = """
    import sys, time, nbflow as nf
    nf.init(storage=sys.argv[1])
    first = nf.task(lambda: 5, name="first")
    last = nf.task(lambda x, e: x + e, name="last")
    run = nf.run_async(last.bind(first.bind(), nf.wait_for_event("go")), workflow_id="w")
    while not (run.state.counts["waiting"] and run.state.counts["done"]): time.sleep(0.01)
    print("READY", flush=True)
    time.sleep(60)
    """
    process = script(code, folder)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == "READY\n", line
    fork = nf.resume_async(nf.fork("w").workflow_id)
    fork.send("go", 2)
    assert fork.result(10) == 7
    process.kill()
    process.communicate()
    assert os.path.exists(folder)
