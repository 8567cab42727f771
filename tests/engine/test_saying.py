"""What a run says of itself in the log: every step of every task, and nothing unless somebody asks."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import WorkflowCancellationError, WorkflowExecutionError
from tests.engine.tools import until


def steps(caplog: pytest.LogCaptureFixture, node_id: str) -> list[str]:
    found = [record for record in caplog.records if getattr(record, "node_id", None) == node_id]
    return [record.getMessage().split("]")[0].removeprefix("Task status [") for record in found]


def actions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.action for record in caplog.records if record.levelno == logging.INFO]  # type: ignore[attr-defined]


def test_nothing_is_said_unasked(caplog: pytest.LogCaptureFixture) -> None:
    nf.run(nf.task(lambda: 1, name="one").bind())
    assert not actions(caplog)


def test_retries_failures_and_the_end_are_said_with_their_facts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nbflow")
    bad = nf.task(lambda: 1 // 0, name="bad", retry_exceptions=True, max_retries=1)
    with pytest.raises(WorkflowExecutionError):
        nf.run(bad.bind(), workflow_id="w")
    until(lambda: "run_failed" in actions(caplog))
    assert steps(caplog, "bad") == ["RUNNING", "RETRYING", "RUNNING", "FAILED"]
    assert actions(caplog)[:3] == ["run_created", "run_started", "task_running"]
    assert {record.workflow_id for record in caplog.records if record.levelno == logging.INFO} == {"w"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("early", [True, False])
def test_a_wait_is_said_to_wait_and_then_to_be_done(caplog: pytest.LogCaptureFixture, early: bool) -> None:
    caplog.set_level(logging.INFO, "nbflow")
    hold = nf.wait_for_event("first")
    run = nf.run_async(
        nf.task(lambda a, b: b, name="second").bind(hold, nf.wait_for_event("go", timeout=60)), workflow_id="w"
    )
    until(lambda: steps(caplog, "wait_for_go") == ["WAITING"])
    if early:
        run.send("first")
    run.send("go", 1)
    if not early:
        run.send("first")
    assert run.result(20) == 1
    assert steps(caplog, "wait_for_go") == steps(caplog, "wait_for_first") == ["WAITING", "SUCCESSFUL"]


def test_an_event_that_came_before_its_wait_ends_it_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nbflow")
    late = nf.task(lambda x: nf.continuation(nf.wait_for_event("go")), name="late")
    run = nf.run_async(late.bind(nf.wait_for_event("first")))
    run.send("go", 5)
    run.send("first")
    assert run.result(20) == 5
    assert steps(caplog, "wait_for_go") == ["WAITING", "SUCCESSFUL"]


def test_timers_and_listeners_are_said_too(caplog: pytest.LogCaptureFixture) -> None:
    class Five(nf.EventListener):
        async def poll_for_event(self) -> Any:
            return 5

    caplog.set_level(logging.INFO, "nbflow")
    assert nf.run([nf.sleep(0), nf.wait_for_event(Five)]) == [None, 5]
    assert steps(caplog, "sleep") == steps(caplog, "Five") == ["WAITING", "SUCCESSFUL"]


def test_a_run_that_is_canceled_or_let_go_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nbflow")
    canceled, let_go = (nf.run_async(nf.wait_for_event("go"), workflow_id=name) for name in ("c", "l"))
    canceled.cancel()
    with pytest.raises(WorkflowCancellationError):
        canceled.result(20)
    let_go.detach()
    assert {"run_canceled", "run_let_go"} <= set(actions(caplog))
