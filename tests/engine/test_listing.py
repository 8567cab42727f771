"""Listing all runs: fresh for those that live here, true for those whose owner died, and light on many."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.core.status import WorkflowStatus
from nbflow.engine import inspect
from nbflow.engine.host import Host
from nbflow.engine.listing import Listing
from nbflow.storage.memory import MemoryStorage
from tests.engine.tools import until


@nf.task
def add(*numbers: Any) -> int:
    return sum(map(int, numbers))


@nf.task
def say(decision: str) -> str:
    return str(decision)


def ask(title: str = "Go?") -> Any:
    return nf.wait_for_event(nf.ButtonListener, title, options=["approve", "reject"])


def start_question(workflow_id: str) -> nf.Run:
    run = nf.run_async(say.bind(ask()), workflow_id=workflow_id)
    while not run.questions:
        time.sleep(0.005)
    return run


def settle(host: Host) -> None:
    """Return when the last state of every run that has ended is in the listing cache."""
    while any(runner.outcome.done() for runner in host.runners.values()):
        time.sleep(0.005)


def by_id(runs: Any) -> dict[str, Any]:
    return {row.workflow_id: row for row in runs}


def test_every_run_has_a_row_with_its_state_and_progress() -> None:
    nf.run(add.bind(1, add.bind(2)), workflow_id="sum")
    start_question("asks")
    rows = by_id(nf.list_runs())
    assert rows["sum"].status is WorkflowStatus.SUCCESSFUL
    assert (rows["sum"].done, rows["sum"].total, rows["sum"].live) == (2, 2, False)
    assert rows["asks"].look[0] == "waiting" and rows["asks"].live
    assert rows["asks"].questions == ("Go?",)
    assert rows["sum"].created <= rows["sum"].changed + 1


def test_a_run_here_is_listed_as_it_is_now(host: Host) -> None:
    run = start_question("asks")
    run.answer("Go?", "approve")
    run.result()
    row = by_id(nf.list_runs())["asks"]
    assert row.questions == () and row.status is WorkflowStatus.SUCCESSFUL


def test_a_run_that_was_let_go_still_shows_its_question() -> None:
    start_question("asks").detach()
    row = by_id(nf.list_runs())["asks"]
    assert row.status is WorkflowStatus.RESUMABLE and not row.live
    assert row.questions == ("Go?",) and len(row.asked) == 1


def test_values_and_containers_are_no_progress() -> None:
    nf.run(add.bind(nf.put(1), nf.put(2)), workflow_id="sum")
    assert by_id(nf.list_runs())["sum"].total == 1


def test_the_journal_of_a_dead_owner_is_the_truth_and_is_read_once(
    host: Host, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nf.run(add.bind(1), workflow_id="sum")
    settle(host)
    place = folder / "runs" / "sum"
    status = json.loads((place / "status.json").read_text())
    status["status"]["status"] = "RUNNING"  # as if the owner had died before it wrote down the end
    (place / "status.json").write_text(json.dumps(status))
    ghost = {"host": "gone", "boot_id": "", "pid": 1, "pid_start": "", "kernel_id": "x", "claim": "y"}
    (place / "owner.json").write_text(json.dumps(ghost))
    os.utime(place / "owner.json", (1, 1))
    listing, reads = Listing(), []
    real = inspect.read
    monkeypatch.setattr("nbflow.engine.listing.read", lambda *a: reads.append(a) or real(*a))
    for _ in range(3):
        assert by_id(listing.rows(host))["sum"].status is WorkflowStatus.SUCCESSFUL
    assert len(reads) == 1


def test_a_run_that_nobody_has_touched_is_not_summed_up_again(host: Host, folder: Path) -> None:
    nf.run(add.bind(1), workflow_id="rests")
    nf.run(add.bind(2), workflow_id="goes on")
    until(lambda: not host.runners, "the last states to be written")
    for run in (folder / "runs").iterdir():
        os.utime(run, (1e9, 1e9))  # else it may change once more within the same tick of the clock
    before = {row.workflow_id: row for row in nf.list_runs()}
    nf.run(add.bind(2), workflow_id="goes on")
    after = {row.workflow_id: row for row in nf.list_runs()}
    assert after["rests"] is before["rests"]
    assert after["goes on"] is not before["goes on"]
    nf.delete("rests")
    assert [row.workflow_id for row in nf.list_runs()] == ["goes on"]


def test_a_damaged_run_is_listed_with_its_trouble(host: Host, folder: Path) -> None:
    nf.run(add.bind(1), workflow_id="good")
    start_question("bad").detach()
    place = folder / "runs" / "bad"
    settle(host)
    segment = next(place.glob("j-*.jsonl"))
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[2] = b"x" * (len(lines[2]) - 1) + b"\n"
    segment.write_bytes(b"".join(lines))
    (place / "status.json").unlink()
    rows = by_id(nf.list_runs())
    assert rows["good"].status is WorkflowStatus.SUCCESSFUL
    assert "damaged" in rows["bad"].trouble


def test_a_run_that_has_just_ended_is_listed_as_ended() -> None:
    for i in range(20):
        nf.run(add.bind(i), workflow_id=f"sum-{i}")
        row = by_id(nf.list_runs())[f"sum-{i}"]
        assert row.status is WorkflowStatus.SUCCESSFUL and (row.done, row.total) == (1, 1) and not row.live


def test_runs_in_memory_are_listed_too() -> None:
    nf.shutdown()
    nf.init(storage=MemoryStorage())
    nf.run(add.bind(1), workflow_id="sum")
    assert [(row.workflow_id, str(row.status)) for row in nf.list_runs()] == [("sum", "SUCCESSFUL")]


def test_ten_thousand_runs_are_listed_in_a_second(host: Host, folder: Path) -> None:
    nf.run(add.bind(1), workflow_id="sum")
    settle(host)
    status = json.loads((folder / "runs" / "sum" / "status.json").read_text())
    for i in range(10_000):
        place = folder / "runs" / f"run-{i}"
        place.mkdir()
        status["workflow_id"] = f"run-{i}"
        (place / "status.json").write_text(json.dumps(status))
    nf.list_runs()
    began = time.process_time()
    assert len(nf.list_runs()) == 10_001
    assert time.process_time() - began < 1.0
    shutil.rmtree(folder / "runs")
