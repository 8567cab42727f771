"""Time in a state machine: a timer belongs to one wait, and without one a wait is for ever."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import TaskTimeout, WorkflowExecutionError, WorkflowTimeout
from tests.engine.machines.tools import waiting
from tests.engine.tools import Gate, VirtualClock, until

HOUR = timedelta(hours=1)


def approval(**wait: Any) -> nf.Workflow:
    """Return a workflow that waits as it is told and asks again after each remark."""
    workflow = nf.Workflow("approval")

    @workflow.start()
    async def start(ctx: Any) -> Any:
        return ctx.next.wait_for_event(**wait)

    @workflow.event()
    async def remark(ctx: Any) -> Any:
        return ctx.next.wait_for_event(**wait)

    @workflow.event()
    async def approve(ctx: Any) -> Any:
        return ctx.next.complete("approved")

    @workflow.step()
    async def auto_approve(ctx: Any) -> Any:
        return ctx.next.complete("auto-approved")

    return workflow


@pytest.mark.parametrize("spelling", ["timeout_step_name", "on_timeout", "timeout_step"])
def test_G21_the_step_runs_when_nothing_came_in_time(clock: VirtualClock, spelling: str) -> None:
    run = waiting(nf.start_workflow(approval(timeout=24 * HOUR, **{spelling: "auto_approve"})))
    assert clock.next == 24 * 3600
    clock.advance(24 * 3600)
    assert run.result() == "auto-approved"


def test_G22_an_event_before_the_time_is_up_is_handled_and_the_step_does_not_run(clock: VirtualClock) -> None:
    run = waiting(nf.start_workflow(approval(timeout=HOUR, on_timeout="auto_approve")))
    clock.advance(3599)
    run.send("approve")
    assert run.result() == "approved"


def test_G23_the_timer_of_a_wait_that_is_over_does_nothing(clock: VirtualClock) -> None:
    run = waiting(nf.start_workflow(approval(timeout=HOUR, on_timeout="auto_approve")))
    for _ in range(5):
        clock.advance(1800)
        run.send("remark")
        waiting(run)
    assert run.describe().until == clock.time() + 3600
    assert run.describe().state == "wait"
    clock.advance(3600)
    assert run.result() == "auto-approved"


def test_G23_the_timer_that_fires_while_a_handler_runs_does_nothing(clock: VirtualClock) -> None:
    slow, gate = nf.Workflow("slow"), Gate()

    @slow.start()
    async def start(ctx: Any) -> Any:
        return ctx.next.wait_for_event(timeout=10, on_timeout=late)

    @slow.event()
    def work(ctx: Any) -> Any:
        gate.wait()
        return ctx.next.wait_for_event()

    @slow.event()
    async def stop(ctx: Any) -> Any:
        return ctx.next.complete("stopped")

    @slow.step()
    async def late(ctx: Any) -> Any:
        return ctx.next.complete("late")

    run = waiting(nf.start_workflow(slow))
    run.send("work")
    gate.reached()
    clock.advance(100)
    gate.open.set()
    waiting(run)
    run.send("stop")
    assert run.result() == "stopped"


def refuses(error: type[Exception], match: str, **wait: Any) -> None:
    with pytest.raises(WorkflowExecutionError, match=match) as failed:
        nf.start_workflow(approval(**wait)).result()
    assert isinstance(failed.value.__cause__, error)


def test_G24_a_timeout_needs_its_step() -> None:
    refuses(ValueError, "needs the step that runs then", timeout=HOUR)


def test_G25_a_step_needs_its_timeout() -> None:
    refuses(ValueError, "needs a timeout", timeout_step_name="auto_approve")


def test_G26_the_step_must_be_there() -> None:
    refuses(ValueError, "has no step 'nope'; there are: 'auto_approve'", timeout=HOUR, on_timeout="nope")
    refuses(ValueError, "has no step 'approve'", timeout=HOUR, on_timeout="approve")


def test_G27_a_wait_without_a_timeout_is_for_ever(clock: VirtualClock) -> None:
    run = waiting(nf.start_workflow(approval()))
    assert clock.next is None
    clock.advance(10 * 365 * 24 * 3600)
    assert run.describe().state == "wait"
    run.send("approve")
    assert run.result() == "approved"


def test_G28_a_timeout_of_nothing_is_over_at_once_unless_an_event_is_there(clock: VirtualClock) -> None:
    assert nf.start_workflow(approval(timeout=timedelta(0), on_timeout="auto_approve")).result() == "auto-approved"
    early, gate = nf.Workflow("early"), Gate()

    @early.start()
    def start(ctx: Any) -> Any:
        gate.wait()
        return ctx.next.wait(timedelta(0), late)

    @early.event()
    async def approve(ctx: Any) -> Any:
        return ctx.next.complete("approved")

    @early.step()
    async def late(ctx: Any) -> Any:
        return ctx.next.complete("late")

    run = nf.start_workflow(early)
    gate.reached()
    run.send("approve")
    gate.open.set()
    assert run.result() == "approved"


def test_G29_the_time_of_a_run_is_enforced_and_a_resumed_run_has_it_again(clock: VirtualClock) -> None:
    run = waiting(nf.start_workflow(approval(), workflow_id="w", timeout=HOUR))
    clock.advance(3600)
    with pytest.raises(WorkflowExecutionError) as failed:
        run.result()
    assert isinstance(failed.value.__cause__, WorkflowTimeout) and isinstance(failed.value.__cause__, TimeoutError)
    until(lambda: run.status == "FAILED" and "w" not in run._host.runners)
    assert run.describe().status == "TIMED_OUT"
    again = waiting(run.resume())
    assert again.describe().deadline == clock.time() + 3600
    again.send("approve")
    assert again.result() == "approved"


def test_G29_the_time_of_a_run_ends_a_handler_too(clock: VirtualClock) -> None:
    stuck, began = nf.Workflow("stuck"), Gate()

    @stuck.start()
    async def start(ctx: Any) -> Any:
        began.arrived.release()
        await asyncio.Event().wait()

    run = nf.start_workflow(stuck, timeout=5)
    began.reached()
    clock.advance(5)
    with pytest.raises(WorkflowExecutionError, match="was not over within 5 seconds"):
        run.result()


@pytest.mark.parametrize("plain", [False, True])
def test_G42_a_handler_has_a_time_limit_when_it_is_given_one(clock: VirtualClock, plain: bool) -> None:
    slow, gate = nf.Workflow("limited"), Gate()

    def blocks(ctx: Any) -> Any:
        gate.wait()

    async def sleeps(ctx: Any) -> Any:
        gate.arrived.release()
        await asyncio.Event().wait()

    slow.start(timeout=timedelta(seconds=3))(blocks if plain else sleeps)
    run = nf.start_workflow(slow)
    gate.reached()
    clock.advance(3)
    with pytest.raises(WorkflowExecutionError, match="ran longer than 3 seconds") as failed:
        run.result()
    assert isinstance(failed.value.__cause__, TaskTimeout)
    gate.open.set()


def test_sleeping_as_a_choice_keeps_events_for_the_next_wait(clock: VirtualClock) -> None:
    nap = nf.Workflow("nap")

    @nap.start()
    async def start(ctx: Any) -> Any:
        return ctx.next.sleep(timedelta(hours=8), wake, mood="rested")

    @nap.step()
    async def wake(ctx: Any, mood: str) -> Any:
        ctx.store.put("mood", mood)
        return ctx.next.wait_for_event()

    @nap.event()
    async def ring(ctx: Any) -> Any:
        return ctx.next.complete(await ctx.store.get("mood"))

    run = nf.start_workflow(nap)
    until(lambda: run.describe().state == "sleep")
    assert run.send("ring").status == "queued"
    assert run.describe().then == "wake" and run.describe().inbox == 1
    clock.advance(8 * 3600)
    assert run.result() == "rested"
