"""Ray Workflows, rows C001 to C020: init, limits and the queue."""

from __future__ import annotations

import queue
from collections.abc import Callable
from pathlib import Path

import pytest

import nbflow as nf
from nbflow import home
from nbflow.errors import RunIsLive, WorkflowCancellationError, WorkflowExecutionError, WorkflowStillActiveError
from nbflow.handle import Run
from tests.engine.tools import Gate, finish, kill_at, script, until


def restart(folder: Path, **settings: object) -> None:
    """Begin anew on the same folder with other settings."""
    nf.shutdown()
    nf.init(storage=str(folder), **settings)  # type: ignore[arg-type]


def statuses() -> dict[str, str]:
    return {workflow_id: str(status) for workflow_id, status in nf.list_all()}


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def start(folder: Path, gate: Gate) -> Callable[[str], Run]:
    """Start a run that stays at the gate; two may run and two may wait."""
    restart(folder, max_running_workflows=2, max_pending_workflows=2)

    @nf.task
    def stay(name: str) -> str:
        gate.wait()
        return name

    return lambda name: nf.run_async(stay.bind(name), workflow_id=name)


def test_C001_init_takes_only_keyword_arguments() -> None:
    with pytest.raises(TypeError):
        nf.init(1, 2)  # type: ignore[misc]


@pytest.mark.parametrize("name", ["max_running_workflows", "max_pending_workflows"])
def test_C002_limits_are_integers(name: str) -> None:
    nf.shutdown()
    with pytest.raises(TypeError, match=name):
        nf.init(**{name: 1.7})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -2])
def test_C003_at_least_one_run_may_run(value: int) -> None:
    nf.shutdown()
    with pytest.raises(ValueError, match="max_running_workflows"):
        nf.init(max_running_workflows=value)


def test_C004_a_negative_queue_is_refused() -> None:
    nf.shutdown()
    with pytest.raises(ValueError, match="max_pending_workflows"):
        nf.init(max_pending_workflows=-2)


def test_C005_zero_pending_means_no_queue(folder: Path, gate: Gate) -> None:
    restart(folder, max_running_workflows=1, max_pending_workflows=0)

    @nf.task
    def stay() -> None:
        gate.wait()

    first = nf.run_async(stay.bind())
    with pytest.raises(queue.Full):
        nf.run_async(stay.bind())
    gate.open.set()
    first.result(10)


def test_C006_init_again_with_the_same_limits_does_nothing(folder: Path) -> None:
    restart(folder, max_running_workflows=2, max_pending_workflows=2)
    before = home.default_host()
    nf.init(max_running_workflows=2, max_pending_workflows=2)
    nf.init()
    assert home.default_host() is before
    assert (before.limits.running, before.limits.pending) == (2, 2)


def test_C007_init_again_with_other_limits_is_refused(folder: Path) -> None:
    restart(folder, max_running_workflows=2)
    with pytest.raises(ValueError, match="max_running_workflows"):
        nf.init(max_running_workflows=3)


def test_C008_C009_C010_without_init_it_works_and_says_where_it_keeps_things(tmp_path: Path) -> None:
    out = finish(script(
        """
        import os, sys
        sys.path.insert(0, os.getcwd()); os.chdir(sys.argv[1])
        import nbflow as nf
        print(nf.list_all(), nf.run(nf.task(lambda: 7, name="seven").bind()), len(nf.list_all()))
        nf.shutdown()
        """, tmp_path,
    ))  # fmt: skip
    assert "[] 7 1" in out
    assert ".nbflow" in out
    assert (tmp_path / ".nbflow").is_dir()


def test_C011_C012_C013_two_run_two_wait_and_the_fifth_is_refused(start: Callable[[str], Run], gate: Gate) -> None:
    runs = [start(name) for name in "abcd"]
    gate.reached(2)
    assert statuses() == {"a": "RUNNING", "b": "RUNNING", "c": "PENDING", "d": "PENDING"}
    assert dict(nf.list_all("PENDING")).keys() == {"c", "d"}
    with pytest.raises(queue.Full, match="Workflow queue has been full"):
        start("e")
    gate.open.set()
    assert [run.result(10) for run in runs] == list("abcd")
    assert start("e").result(10) == "e"


def test_C014_a_refused_id_leaves_nothing_behind(start: Callable[[str], Run], gate: Gate) -> None:
    runs = [start(name) for name in "abcd"]
    with pytest.raises(queue.Full):
        start("e")
    assert "e" not in statuses()
    gate.open.set()
    for run in runs:
        run.result(10)
    assert nf.run(nf.task(lambda: 100, name="other").bind(), workflow_id="e") == 100


def test_C015_C016_a_pending_run_does_not_start_and_its_output_waits(start: Callable[[str], Run], gate: Gate) -> None:
    runs = [start(name) for name in "abc"]
    gate.reached(2)
    assert not gate.arrived.acquire(blocking=False)
    with pytest.raises(TimeoutError):
        runs[2].result(0.05)
    later = nf.get_output_async("c")
    assert nf.get_status("c") == "PENDING"
    gate.open.set()
    assert later.result(10) == "c"


def test_C017_C018_what_a_pending_run_says_and_refuses(start: Callable[[str], Run], gate: Gate) -> None:
    runs = [start(name) for name in "abc"]
    gate.reached(2)
    found = nf.get_metadata("c")
    assert (found["status"], found["user_metadata"], found["stats"]) == ("PENDING", {}, {})
    with pytest.raises(RuntimeError, match="already running or pending"):
        start("c")
    with pytest.raises(RunIsLive, match="already running or pending"):
        nf.resume_async("c")
    with pytest.raises(WorkflowStillActiveError):
        nf.delete("c")
    gate.open.set()
    for run in runs:
        run.result(10)


def test_C019_cancel_of_a_pending_run_is_immediate(start: Callable[[str], Run], gate: Gate) -> None:
    runs = [start(name) for name in "abcd"]
    gate.reached(2)
    nf.cancel("c")
    assert nf.get_status("c") == "CANCELED"
    with pytest.raises(WorkflowCancellationError):
        runs[2].result(1)
    gate.open.set()
    assert runs[3].result(10) == "d"
    assert nf.get_status("c") == "CANCELED"


QUEUED = """
import sys, time, os
import nbflow as nf
nf.init(storage=sys.argv[1], max_running_workflows=2, max_pending_workflows=2)
@nf.task
def stay(name, path):
    while not os.path.exists(path):
        time.sleep(0.01)
    return name
for name in "abcd":
    nf.run_async(stay.bind(name, sys.argv[2]), workflow_id=name)
while nf.get_status("b") != "RUNNING":
    time.sleep(0.01)
print("READY", flush=True)
time.sleep(60)
"""


@pytest.mark.crash
def test_C020_after_a_crash_resume_all_gives_the_turns_as_they_were(folder: Path, tmp_path: Path) -> None:
    signal = tmp_path / "go"
    kill_at(script(QUEUED, folder, signal), "READY")
    restart(folder, max_running_workflows=2, max_pending_workflows=2)
    assert set(statuses().values()) == {"RESUMABLE"}
    runs = dict(nf.resume_all())
    assert list(runs) == list("abcd")
    until(lambda: statuses() == {"a": "RUNNING", "b": "RUNNING", "c": "PENDING", "d": "PENDING"})
    signal.touch()
    assert [run.result(10) for run in runs.values()] == list("abcd")
    assert nf.run(nf.task(lambda: 1, name="one").bind(), workflow_id="new") == 1


def test_a_failed_run_whose_other_bodies_still_run_does_not_hold_up_the_queue(folder: Path, gate: Gate) -> None:
    restart(folder, max_running_workflows=1)

    @nf.task
    def stay() -> None:
        gate.wait()

    @nf.task
    def fail() -> None:
        gate.reached()
        raise ValueError

    failing = nf.run_async(nf.task(lambda *_: None, name="join").bind(stay.bind(), fail.bind()))
    following = nf.run_async(nf.task(lambda: 5, name="five").bind())
    with pytest.raises(WorkflowExecutionError):
        failing.result(10)
    assert following.result(10) == 5
    gate.open.set()


def test_runs_one_after_the_other_never_find_the_queue_full(folder: Path) -> None:
    restart(folder, durability="lazy", max_running_workflows=1, max_pending_workflows=0)
    five = nf.task(lambda: 5, name="five")
    assert [nf.run(five.bind()) for _ in range(20)] == [5] * 20
