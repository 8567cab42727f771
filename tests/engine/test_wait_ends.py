"""How a wait ends without its event: by hand, by its deadline, with a default, or with its failure as its value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.engine import wait_ends
from nbflow.errors import (
    RunIsLive,
    TaskTimeout,
    WaitCanceled,
    WorkflowError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
)
from tests.engine.tools import VirtualClock, finish, script, until


class Never(nf.EventListener):
    """A source from which nothing comes; it takes every argument, also one called default."""

    async def poll_for_event(self, *args: Any, **kwargs: Any) -> None:
        import asyncio

        assert "nbflow:default" not in kwargs
        await asyncio.sleep(60)


class Broken(nf.EventListener):
    """A source that breaks, in its poll or in its commit."""

    async def poll_for_event(self, point: str) -> int:
        if point == "poll":
            raise OSError("broken poll")
        return 7

    async def event_checkpointed(self, event: int) -> None:
        raise OSError("broken commit")


def waiting(dag: Any, workflow_id: str = "w", count: int = 1) -> nf.Run:
    run = nf.run_async(dag, workflow_id=workflow_id)
    until(lambda: run.state.counts["waiting"] == count)
    return run


# ---- by hand ----


@pytest.mark.parametrize("listener", ["go", Never])
def test_a_wait_that_is_canceled_fails_and_is_waited_for_anew_when_the_run_goes_on(listener: Any) -> None:
    run = waiting(nf.wait_for_event(listener).options(task_id="wait"))
    run.cancel_wait("wait", by="ann")
    with pytest.raises(WorkflowExecutionError, match=r"'wait' of run 'w' .* canceled by ann") as failed:
        run.result(20)
    assert isinstance(failed.value.__cause__, WaitCanceled)
    again = nf.resume_async("w")
    until(lambda: again.state.counts["waiting"])
    again.cancel()


@pytest.mark.parametrize("default", [None, 5, {"a": [1]}, (1, 2)])
def test_a_wait_that_is_canceled_has_its_default(default: Any) -> None:
    run = waiting(
        [nf.wait_for_event("go").options(default=default), nf.wait_for_event(Never, 1).options(default=1)], count=2
    )
    run.cancel_wait("wait_for_go", by="ann")
    run.cancel_wait("Never")
    assert run.result(20) == [default, 1]
    assert "canceled by ann" in run.story("wait_for_go")[-1]


def test_a_question_is_canceled_by_its_title_and_decides_as_at_its_deadline() -> None:
    ask = nf.wait_for_event(nf.ButtonListener, "Publish?", timeout=3600, on_timeout="reject")
    run = waiting(ask)
    run.cancel_wait("Publish?")
    assert run.result(20) == "reject"


def test_only_an_open_wait_can_be_canceled() -> None:
    run = waiting([nf.wait_for_event("go"), nf.sleep(60), nf.task(lambda: 1, name="one").bind()], count=2)
    for name in ("one", "nothing"):
        with pytest.raises(ValueError, match=r"no open wait '\w+'; open now: 'wait_for_go', 'sleep'"):
            run.cancel_wait(name)
    run.cancel_wait("sleep")
    run.send("go", 1)
    assert run.result(20) == [1, None, 1]


def test_a_wait_in_a_run_that_nobody_runs_is_not_open() -> None:
    waiting(nf.wait_for_event("go")).detach()
    with pytest.raises(WorkflowError, match=r"resume_async\('w'\) first"):
        nf.get_run("w").cancel_wait("wait_for_go")
    with pytest.raises(WorkflowNotFoundError):
        nf.Run(nf.api.default_host(), "nothing").cancel_wait("x")


def test_another_process_can_end_a_wait_of_a_live_run(folder: Path) -> None:
    run = waiting(nf.wait_for_event("go").options(default="nobody"))
    code = """
    import sys, nbflow as nf
    nf.init(storage=sys.argv[1])
    try: nf.get_run("w").cancel_wait("other")
    except ValueError as error: print(error)
    nf.get_run("w").cancel_wait("wait_for_go", by="bo")
    """
    assert "open now: 'wait_for_go'" in finish(script(code, folder))
    assert run.result(20) == "nobody"
    assert "canceled by bo" in run.story("wait_for_go")[-1]


def test_a_process_that_does_not_answer_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
    import sys, time, nbflow as nf
    from nbflow.engine import keeper
    nf.init(storage=sys.argv[1])
    keeper.Keeper._deliver = lambda *_: None
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
    while not run.state.counts["waiting"]: time.sleep(0.01)
    print("HERE", flush=True); sys.stdin.read()
    """
    other = script(code, folder)
    assert other.stdout is not None and "HERE" in other.stdout.readline()
    monkeypatch.setattr(wait_ends, "PATIENCE", 0.2)
    with pytest.raises(RunIsLive, match="did not answer"):
        nf.get_run("w").cancel_wait("wait_for_go")
    other.kill()
    other.communicate()


# ---- by its deadline ----


@pytest.mark.parametrize("listener", ["go", Never])
def test_every_wait_may_have_a_deadline_and_a_default(listener: Any, clock: VirtualClock) -> None:
    run = waiting(nf.wait_for_event(listener).options(timeout=60, default=["nobody"]))
    clock.advance(59)
    assert run.state.counts["waiting"]
    clock.advance(1)
    assert run.result(20) == ["nobody"]
    run = waiting(nf.wait_for_event(listener).options(timeout=60), "other")
    clock.advance(60)
    with pytest.raises(WorkflowExecutionError) as failed:
        run.result(20)
    assert isinstance(failed.value.__cause__, TaskTimeout)


def test_a_default_may_be_the_value_of_a_node_and_is_kept_as_it_was(clock: VirtualClock) -> None:
    given = [1]
    made = nf.task(lambda: "made", name="made")
    waits = [
        nf.wait_for_event(Never, 1, k=2).options(timeout=5, default=made.bind()),
        nf.wait_for_event("go").options(timeout=5, default=given),
    ]
    given.append(2)
    run = waiting(waits, count=2)
    clock.advance(5)
    assert run.result(20) == ["made", [1]]


def test_a_question_has_options_in_place_of_a_default() -> None:
    ask = nf.wait_for_event(nf.ButtonListener, "Publish?").options(timeout=5, default="approve")
    with pytest.raises(WorkflowExecutionError, match="on_timeout="):
        nf.run(ask)


# ---- with its failure as its value ----


def test_a_wait_that_catches_gives_a_pair(clock: VirtualClock) -> None:
    def caught(listener: Any, *args: Any, **options: Any) -> Any:
        return nf.wait_for_event(listener, *args).options(catch_exceptions=True, **options)

    waits = [
        caught("came"),
        caught("late", timeout=5),
        caught(Broken, "poll"),
        caught("late", timeout=5, default="nobody"),
        caught("gone", task_id="gone"),
        caught(nf.ButtonListener, "Ask?"),
        caught(nf.FormListener, "Wrong?", task_id="wrong"),
    ]
    run = nf.run_async(waits, workflow_id="w")
    until(lambda: run.state.counts["waiting"] == 5)
    run.send("came", 1)
    run.cancel_wait("gone")
    run.answer("Ask?", "approve", by="ann")
    clock.advance(5)
    came, late, broken, default, gone, asked, wrong = run.result(20)
    assert came == (1, None) and default == ("nobody", None)
    assert asked[0].by == "ann" and asked[1] is None
    for (value, error), kind in zip(
        (late, broken, gone, wrong), (TaskTimeout, OSError, WaitCanceled, (ValueError, TypeError)), strict=True
    ):
        assert value is None and isinstance(error, kind)
    assert nf.get_output("w")[0] == (1, None)


def test_an_event_that_is_durable_is_not_given_up_because_its_source_cannot_be_told() -> None:
    with pytest.raises(WorkflowExecutionError, match="broken commit"):
        nf.run(nf.wait_for_event(Broken, "commit").options(catch_exceptions=True))
