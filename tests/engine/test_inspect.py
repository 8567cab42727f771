"""How far a run is, in one call: live, ended, dead, and at no cost that grows with more than its size."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import WorkflowExecutionError
from tests.engine.tools import Gate, kill_at, script, until


def test_progress_of_a_live_run_has_every_task_and_what_it_says_itself() -> None:
    gate = Gate()

    @nf.task
    def first() -> int:
        return 1

    @nf.task(task_id="loop")
    def second(x: int) -> int:
        for _ in nf.track(range(4)):
            gate.wait()
        return x

    @nf.task
    def third(x: int) -> int:
        return x

    before = time.time()
    run = nf.run_async(third.bind(second.bind(first.bind())), workflow_id="w")
    gate.reached()
    found = nf.get_progress("w")
    assert (found["status"], found["done"], found["total"]) == ("RUNNING", 1, 3)
    assert {name: task["status"] for name, task in found["tasks"].items()} == {
        "first": "done", "loop": "running", "third": "pending",
    }  # fmt: skip
    assert found["tasks"]["loop"]["progress"] == (0, 4)
    assert before - 1 <= found["tasks"]["first"]["start_time"] <= found["tasks"]["first"]["end_time"] <= time.time() + 1
    assert found["tasks"]["third"] == {"status": "pending", "attempts": 0}
    gate.open.set()
    assert run.result(20) == 1
    found = nf.get_progress("w")
    assert (found["status"], found["done"]) == ("SUCCESSFUL", 3)
    assert "progress" not in found["tasks"]["loop"]


def test_progress_of_a_failed_run_names_the_error_and_counts_attempts() -> None:
    bad = nf.task(lambda: 1 // 0, name="bad", retry_exceptions=True, max_retries=2)
    late = nf.task(lambda x: x, name="late")
    with pytest.raises(WorkflowExecutionError):
        nf.run(late.bind([bad.bind(), nf.put(5)]), workflow_id="w")
    found = nf.get_progress("w")
    assert (found["status"], found["done"], found["total"]) == ("FAILED", 0, 2)
    assert found["tasks"]["bad"]["status"] == "failed"
    assert found["tasks"]["bad"]["attempts"] == 3
    assert found["tasks"]["bad"]["error"].startswith("ZeroDivisionError: ")
    assert "end_time" in found["tasks"]["bad"]


def test_progress_of_a_run_that_grows_counts_what_has_grown() -> None:
    @nf.task
    def down(n: int) -> Any:
        return nf.continuation(down.bind(n - 1)) if n else 0

    nf.run(down.bind(3), workflow_id="w")
    found = nf.get_progress("w")
    assert (found["done"], [*found["tasks"]]) == (4, ["down", "down_1", "down_2", "down_3"])


@pytest.mark.crash
def test_progress_of_a_dead_run_can_be_seen_from_elsewhere(folder: Path) -> None:
    code = """
    import sys, time, nbflow as nf
    nf.init(storage=sys.argv[1])
    @nf.task
    def first(): return 1
    @nf.task
    def second(x):
        print("HERE", flush=True); time.sleep(60)
    nf.run(second.bind(first.bind()), workflow_id="w")
    """
    kill_at(script(code, folder), "HERE")
    found = nf.get_progress("w")
    assert (found["status"], found["done"], found["total"]) == ("RESUMABLE", 1, 2)
    assert found["tasks"]["first"]["status"] in ("done", "restored")


def test_progress_may_be_asked_for_inside_a_task() -> None:
    look = nf.task(lambda: nf.get_progress("w")["tasks"]["look"]["status"], name="look")
    assert nf.run(look.bind(), workflow_id="w") == "running"


def test_progress_of_an_unknown_run_is_an_error() -> None:
    with pytest.raises(ValueError, match="No such workflow_id 'nothing'"):
        nf.get_progress("nothing")
    with pytest.raises(TypeError):
        nf.get_progress(5)  # type: ignore[arg-type]


def test_progress_of_ten_thousand_tasks_costs_little() -> None:
    @nf.task
    async def one(i: int) -> int:
        return i

    run = nf.run_async([one.map(range(10_000)), nf.wait_for_event("go")], workflow_id="w")
    until(lambda: nf.get_progress("w")["done"] == 10_000)
    times = []
    for _ in range(3):
        began = time.process_time()
        nf.get_progress("w")
        times.append(time.process_time() - began)
    assert min(times) < 0.2
    run.send("go")
    run.result(20)


def test_a_node_that_is_not_there_is_answered_with_the_one_that_may_have_been_meant() -> None:
    flow = nf.Flow("nightly")

    @flow.task
    def report() -> int:
        return 10

    flow.run(workflow_id="w")
    run = nf.get_run("w")
    meant = r"'report' in workflow 'w'; did you mean 'report#1'\? nbflow.get_run\('w'\).to_dataframe\(\) lists them"
    for look in (run.diff, run.logs, run.story):
        with pytest.raises(ValueError, match=f"No such node {meant}"):
            look("report")
    for ask in (nf.get_output, nf.get_metadata):
        with pytest.raises(ValueError, match=f"No such task_id {meant}"):
            ask("w", task_id="report")
