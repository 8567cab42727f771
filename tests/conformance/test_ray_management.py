"""Ray Workflows, rows C138 to C164: statuses, lists, cancel, delete and metadata."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import (
    WorkflowCancellationError,
    WorkflowError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
    WorkflowNotResumableError,
    WorkflowStillActiveError,
)
from tests.engine.tools import Counter, kill_at, script, until


@nf.task
def one() -> int:
    return 1


@nf.task
def bad() -> int:
    raise ValueError


def fails(workflow_id: str) -> None:
    with pytest.raises(WorkflowExecutionError):
        nf.run(bad.bind(), workflow_id=workflow_id)


def waits(workflow_id: str) -> Any:
    return nf.run_async(nf.wait_for_event("go"), workflow_id=workflow_id)


def test_C138_the_status_of_an_unknown_run() -> None:
    with pytest.raises(WorkflowNotFoundError):
        nf.get_status("nothing")


@pytest.mark.parametrize("call", [nf.get_status, nf.cancel, nf.delete, nf.resume, nf.get_output])
def test_C139_an_id_is_a_string(call: Any) -> None:
    with pytest.raises(TypeError, match="workflow_id has to be a string type"):
        call(5)


def test_C140_a_status_is_equal_to_its_name() -> None:
    nf.run(one.bind(), workflow_id="w")
    assert nf.get_status("w") == "SUCCESSFUL" == nf.WorkflowStatus.SUCCESSFUL


def test_C141_C142_listing_and_its_filter() -> None:
    assert nf.list_all() == []
    nf.run(one.bind(), workflow_id="good")
    fails("bad")
    run = waits("live")
    until(lambda: run.status == "RUNNING")
    everything = {("good", "SUCCESSFUL"), ("bad", "FAILED"), ("live", "RUNNING")}
    assert set(nf.list_all()) == everything
    assert nf.list_all("FAILED") == nf.list_all(nf.WorkflowStatus.FAILED) == [("bad", "FAILED")]
    assert {name for name, _ in nf.list_all({"FAILED", nf.WorkflowStatus.RUNNING})} == {"bad", "live"}
    assert nf.list_all(set()) == []
    for wrong in (["FAILED"], 1, {1}):
        with pytest.raises(TypeError):
            nf.list_all(wrong)  # type: ignore[arg-type]
    for wrong in ("bogus", "NONE", {"FAILED", "bogus"}):
        with pytest.raises(ValueError, match="no status"):
            nf.list_all(wrong)  # type: ignore[arg-type]


def test_C143_C144_C146_a_hundred_runs_at_once_half_of_which_fail(tmp_path: Path) -> None:
    mended = Counter(tmp_path / "mended")

    @nf.task
    async def gather(i: int, _: Any) -> int:
        if i % 2 and not mended.count():
            raise ValueError(i)
        return i

    event = nf.wait_for_event("go")
    runs = [nf.run_async(gather.bind(i, event), workflow_id=str(i)) for i in range(100)]
    until(lambda: len(nf.list_all("RUNNING")) == 100)
    for run in runs:
        run.send("go")
    until(lambda: (len(nf.list_all("SUCCESSFUL")), len(nf.list_all("FAILED"))) == (50, 50))
    assert len(nf.list_all({"SUCCESSFUL", "FAILED"})) == 100
    mended.add()
    first = nf.resume_async("1")
    assert first.result(10) == 1
    assert nf.get_status("1") == "SUCCESSFUL"
    nf.cancel("3")
    resumed = dict(nf.resume_all(include_failed=True))
    assert len(resumed) == 48
    assert sorted(run.result(20) for run in resumed.values()) == list(range(5, 100, 2))


def test_C145_cancel_is_quick_final_and_kills_the_process(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    @nf.task(executor="process")
    def stay(path: str) -> None:
        with open(path + ".part", "w") as file:
            file.write(str(os.getpid()))
        os.rename(path + ".part", path)
        time.sleep(60)

    run = nf.run_async(stay.bind(str(pid_file)), workflow_id="w")
    until(pid_file.exists)
    began = time.monotonic()
    nf.cancel("w")
    assert time.monotonic() - began < 1
    assert nf.get_status("w") == "CANCELED"
    with pytest.raises(WorkflowCancellationError):
        run.result(10)
    until(lambda: not _runs(int(pid_file.read_text())), "the process to be gone")


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_C147_a_run_that_waits_for_an_event_is_canceled_at_once() -> None:
    run = waits("w")
    until(lambda: run.status == "RUNNING")
    began = time.monotonic()
    run.cancel()
    assert (run.status, time.monotonic() - began < 1) == ("CANCELED", True)


def test_C148_an_unknown_run_cannot_be_canceled() -> None:
    with pytest.raises(WorkflowNotFoundError):
        nf.cancel("nothing")
    assert nf.list_all() == []


def test_C149_a_finished_run_stays_as_it_is() -> None:
    nf.run(one.bind(), workflow_id="w")
    with pytest.raises(WorkflowError, match="SUCCESSFUL already"):
        nf.cancel("w")
    assert (nf.get_status("w"), nf.get_output("w")) == ("SUCCESSFUL", 1)


def test_C150_a_canceled_run_is_not_resumed() -> None:
    waits("w").cancel()
    with pytest.raises(WorkflowNotResumableError, match="canceled"):
        nf.resume("w")
    with pytest.raises(WorkflowError, match="CANCELED already"):
        nf.cancel("w")


@pytest.mark.parametrize("when", ["successful", "failed", "canceled", "let go"])
def test_C151_a_deleted_run_is_gone(when: str, folder: Path) -> None:
    if when == "successful":
        nf.run(one.bind(), workflow_id="w")
    elif when == "failed":
        fails("w")
    elif when == "canceled":
        waits("w").cancel()
    else:
        waits("w").detach()
    nf.delete("w")
    assert nf.list_all() == []
    with pytest.raises(ValueError, match="No such workflow"):
        nf.get_output("w")
    with pytest.raises(WorkflowNotFoundError):
        nf.delete("w")
    assert nf.run(nf.task(lambda: "123", name="new").bind(), workflow_id="w") == "123"


def test_C152_an_unknown_run_cannot_be_deleted() -> None:
    with pytest.raises(WorkflowNotFoundError):
        nf.delete("nothing")


def test_C153_a_live_run_cannot_be_deleted() -> None:
    run = waits("w")
    with pytest.raises(WorkflowStillActiveError, match="cancel"):
        nf.delete("w")
    run.send("go", 5)
    assert run.result(10) == 5


@pytest.mark.crash
def test_C154_a_crashed_run_is_resumable_wherever_one_looks(folder: Path) -> None:
    code = """
    import sys, time, nbflow as nf
    nf.init(storage=sys.argv[1])
    @nf.task
    def stay():
        print("HERE", flush=True); time.sleep(60)
    nf.run(stay.bind(), workflow_id="w")
    """
    kill_at(script(code, folder), "HERE")
    assert nf.get_status("w") == "RESUMABLE"
    assert nf.list_all() == [("w", "RESUMABLE")]
    assert nf.get_metadata("w")["status"] == "RESUMABLE"


def test_C157_metadata_of_the_user() -> None:
    nf.run(one.options(metadata={"t": 1}).bind(), workflow_id="w", metadata={"w": [1, {"x": None}]})
    nf.run(one.bind(), workflow_id="v")
    assert nf.get_metadata("w")["user_metadata"] == {"w": [1, {"x": None}]}
    assert nf.get_metadata("w", "one")["user_metadata"] == {"t": 1}
    assert nf.get_metadata("v")["user_metadata"] == nf.get_metadata("v", "one")["user_metadata"] == {}


def test_C158_C159_what_is_recorded_of_a_run_and_of_a_task() -> None:
    @nf.task(max_retries=7, retry_exceptions=True)
    def after(x: int, y: int) -> int:
        return x

    nf.run(after.bind(one.bind(), one.bind()), workflow_id="w")
    found = nf.get_metadata("w")
    assert found["status"] == "SUCCESSFUL"
    assert found["stats"].keys() == {"start_time", "end_time"}
    task = nf.get_metadata("w", "after")
    assert (task["task_id"], task["workflow_refs"]) == ("after", ["one", "one_1"])
    assert task["stats"].keys() == {"start_time", "end_time"}
    expected = {"max_retries": 7, "retry_exceptions": True, "catch_exceptions": False, "checkpoint": True}
    assert expected.items() <= task["task_options"].items()
    assert task["task_options"]["task_type"] == "FUNCTION"


def test_C160_times_enclose_what_took_time() -> None:
    nap = nf.task(lambda: time.sleep(0.2), name="nap")
    outer = nf.task(lambda: nf.continuation(nap.bind()), name="outer")
    nf.run(outer.bind(), workflow_id="w")
    run, first, inner = (nf.get_metadata("w", name)["stats"] for name in (None, "outer", "nap"))
    assert inner["end_time"] - inner["start_time"] >= 0.199
    assert run["end_time"] - run["start_time"] >= 0.199
    assert inner["start_time"] >= first["start_time"]
    assert first["end_time"] >= inner["end_time"] - 0.001


def test_C161_a_live_or_canceled_run_has_begun_and_not_ended() -> None:
    run = waits("w")
    until(lambda: run.status == "RUNNING")
    assert nf.get_metadata("w")["stats"].keys() == {"start_time"}
    run.cancel()
    found = nf.get_metadata("w")
    assert (found["status"], found["stats"].keys()) == ("CANCELED", {"start_time"})


def test_C162_C163_a_failed_run_has_ended_and_resuming_gives_it_new_times(tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task
    def body() -> int:
        if calls.add() == 1:
            raise ValueError
        return 1

    with pytest.raises(WorkflowExecutionError):
        nf.run(body.bind(), workflow_id="w")
    failed, task = nf.get_metadata("w"), nf.get_metadata("w", "body")
    assert (failed["status"], failed["stats"].keys()) == ("FAILED", {"start_time", "end_time"})
    assert task["stats"].keys() == {"start_time"}
    time.sleep(0.01)
    nf.resume("w")
    found = nf.get_metadata("w")
    assert found["status"] == "SUCCESSFUL"
    assert all(found["stats"][name] > failed["stats"][name] for name in ("start_time", "end_time"))


def test_C164_what_is_unknown_is_named() -> None:
    with pytest.raises(ValueError, match="No such workflow_id 'simple1'"):
        nf.get_metadata("simple1")
    nf.run(one.bind(), workflow_id="simple")
    with pytest.raises(ValueError, match="No such task_id 'x' in workflow 'simple'"):
        nf.get_metadata("simple", "x")
