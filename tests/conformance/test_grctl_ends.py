"""How a state machine ends, goes wrong and goes on: failures, cancellation, ids that were used, and two owners."""

from __future__ import annotations

import asyncio
import random
import threading
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

import nbflow as nf
from nbflow.engine.host import Host
from nbflow.errors import (
    NextDirectiveMissingError,
    RunIsLive,
    StoreKeyNotFoundError,
    WorkflowCancellationError,
    WorkflowError,
    WorkflowExecutionError,
    WorkflowFailed,
    WorkflowNotFoundError,
    WorkflowStillActiveError,
)
from tests.engine.machines.tools import collector, waiting
from tests.engine.tools import Gate, until


def fragile(broken: dict[str, bool], **options: Any) -> nf.Workflow:
    """Return a workflow whose handler raises while it is broken."""
    workflow = nf.Workflow("fragile", **options)

    @workflow.start()
    async def start(ctx: Any) -> Any:
        return ctx.next.wait_for_event()

    @workflow.event()
    async def work(ctx: Any, item: str) -> Any:
        ctx.store.put("last", item)
        if broken["now"]:
            raise ValueError("boom!")
        return ctx.next.wait_for_event()

    @workflow.event()
    async def stop(ctx: Any) -> Any:
        return ctx.next.complete(await ctx.store.get("last", "nothing"))

    return workflow


def test_G19_a_handler_that_raises_fails_the_run_and_resumed_it_handles_the_same_event() -> None:
    broken = {"now": True}
    run = waiting(nf.start_workflow(fragile(broken), workflow_id="w"))
    run.send("work", "a")
    with pytest.raises(WorkflowExecutionError) as failed:
        run.result()
    assert isinstance(failed.value.__cause__, ValueError) and "boom!" in str(failed.value)
    until(lambda: "w" not in run._host.runners)
    assert run.describe().stored == (), "what the handler had stored does not count"
    run.send("stop")
    broken["now"] = False
    assert run.resume().result() == "a"


def test_G19_an_event_may_be_set_aside_instead_and_the_machine_waits_again() -> None:
    broken = {"now": True}
    run = waiting(nf.start_workflow(fragile(broken, on_error="set_aside")))
    run.send("work", "a", id="first")
    run.send("work", "b", id="second")
    until(lambda: len(run.set_aside) == 2)
    assert waiting(run).describe().stored == ()
    assert [(each.id, each.event, each.payload, each.error) for each in run.set_aside] == [
        ("first", "work", "a", "ValueError: boom!"),
        ("second", "work", "b", "ValueError: boom!"),
    ]
    broken["now"] = False
    run.discard_event("second", by="ann")
    run.retry_event("first", by="ann")
    waiting(run)
    assert run.set_aside == []
    with pytest.raises(ValueError, match="no event 'second' set aside"):
        run.retry_event("second")
    run.send("stop")
    assert run.result() == "a"


def test_G19_the_event_of_a_failed_run_can_be_changed_or_discarded_before_it_is_resumed() -> None:
    broken = {"now": True}
    for act, expected in (("edit", "better"), ("discard", "nothing")):
        broken["now"] = True
        run = waiting(nf.start_workflow(fragile(broken), workflow_id=act))
        run.send("work", "a", id="event")
        with pytest.raises(WorkflowExecutionError):
            run.result()
        broken["now"] = False
        if act == "edit":
            with pytest.raises(ValueError, match="needs a string"):
                run.edit_event("event", 3)
            run.edit_event("event", "better")
        else:
            run.discard_event("event")
        again = waiting(run.resume())
        again.send("stop")
        assert again.result() == expected


def test_G20_a_handler_that_says_nothing_fails_the_run_with_the_remedy() -> None:
    silent = nf.Workflow("silent")

    @silent.start()
    async def start(ctx: Any) -> None:
        ctx.next.wait_for_event()

    with pytest.raises(WorkflowExecutionError, match=r"returned nothing.*return ctx\.next") as failed:
        nf.start_workflow(silent).result()
    assert isinstance(failed.value.__cause__, NextDirectiveMissingError)


def test_G30_a_send_after_the_end_is_told_that_it_is_closed() -> None:
    run = waiting(nf.start_workflow(collector(), workflow_id="w"))
    run.send("stop")
    run.result()
    assert run.send("add", 1).status == "closed"
    until(lambda: "w" not in run._host.runners)
    closed = nf.send("w", "add", 1)
    assert closed.status == "closed" and "SUCCESSFUL" in closed.reason


def test_G31_an_unknown_id_is_said_to_be_unknown() -> None:
    with pytest.raises(WorkflowNotFoundError, match="No such workflow 'nobody'"):
        nf.get_run("nobody")
    with pytest.raises(WorkflowNotFoundError):
        nf.send("nobody", "add")


def test_G32_canceling_what_is_over_says_so() -> None:
    run = waiting(nf.start_workflow(collector(), workflow_id="w"))
    run.send("stop")
    run.result()
    for act in (run.cancel, run.terminate):
        with pytest.raises(WorkflowError, match="is SUCCESSFUL already"):
            act()


def test_G33_cancel_while_waiting_is_at_once() -> None:
    run = waiting(nf.start_workflow(collector()))
    run.cancel()
    assert run.status == "CANCELED"
    with pytest.raises(WorkflowCancellationError):
        run.result()


@pytest.fixture
def busy() -> Any:
    """Give a run whose handler waits at a gate."""
    workflow, gate = nf.Workflow("busy"), Gate()

    @workflow.start()
    def start(ctx: Any) -> Any:
        gate.wait()
        ctx.store.put("finished", True)
        return ctx.next.wait_for_event()

    @workflow.event()
    async def never(ctx: Any) -> Any:
        return ctx.next.wait_for_event()

    run = nf.start_workflow(workflow, workflow_id="busy")
    gate.reached()
    yield run, gate
    gate.open.set()


def test_G34_cancel_lets_the_handler_end_first(busy: Any) -> None:
    run, gate = busy
    run.cancel()
    assert run.status == "RUNNING"
    gate.open.set()
    with pytest.raises(WorkflowCancellationError):
        run.result()
    assert run.describe().stored == ("finished",)


def test_G34_a_cancel_that_comes_just_as_a_handler_has_ended_is_not_lost(busy: Any, host: Host) -> None:
    run, gate = busy
    live = host.runners["busy"]

    def look(runner: Any) -> None:
        if runner.state.parts[0].next["do"] == "wait" and not asked:  # what the handler chose has just been taken
            asked.append(runner.cancel("a person"))

    asked: list[Any] = []
    host.engine.loop.call_soon_threadsafe(live.observers.append, look)
    gate.open.set()
    with pytest.raises(WorkflowCancellationError):
        run.result(10)
    assert asked


def test_G34_a_second_cancel_is_at_once_and_so_is_terminate(busy: Any) -> None:
    run, _ = busy
    run.cancel()
    run.cancel()
    assert run.status == "CANCELED"
    assert run.describe().stored == ()


def test_G34_terminate_does_not_wait(busy: Any) -> None:
    run, _ = busy
    run.terminate()
    assert run.status == "CANCELED"


def test_G34_a_wish_to_cancel_survives_the_owner(busy: Any) -> None:
    run, gate = busy
    run.cancel()
    run._host.engine.call(run._host.runners["busy"].committer.drained)
    run.detach()
    gate.open.set()
    with pytest.raises(WorkflowCancellationError):
        nf.resume("busy")


def test_G35_any_command_in_any_state_leaves_a_run_that_can_be_read() -> None:
    chance = random.Random(35)
    for number in range(40):
        run = nf.start_workflow(collector(), workflow_id=f"any-{number}")
        acts = [run.cancel, run.terminate, run.detach, run.resume, run.describe]
        acts += [partial(run.send, key, None) for key in ("add", "stop", "nope")]
        for _ in range(chance.randrange(1, 5)):
            try:
                chance.choice(acts)()
            except WorkflowError:
                continue
        assert run.status in ("RUNNING", "SUCCESSFUL", "CANCELED", "RESUMABLE", "FAILED")
        assert run.history() and str(run.describe())
        if not run.status.ended and run.status != "RESUMABLE":
            with suppress(WorkflowError):  # it may just have been canceled
                run.terminate()


def test_G38_an_id_whose_run_is_over_begins_anew_with_nothing_left() -> None:
    def order(item: int) -> Any:
        run = nf.start_workflow(collector(), workflow_id="order")
        run.send("add", item)
        run.send("stop")
        return run.result()

    assert [order(1), order(2), order(3)] == [[1], [2], [3]]
    assert len([line for line in nf.get_run("order").history() if line.kind == "created"]) == 1


def test_G38_what_becomes_of_a_used_id_can_be_said() -> None:
    run = nf.start_workflow(collector(), workflow_id="order")
    run.send("add", 1)
    run.send("stop")
    run.result()
    until(lambda: "order" not in run._host.runners)
    assert nf.start_workflow(collector(), workflow_id="order", existing="return").result() == [1]
    with pytest.raises(WorkflowStillActiveError, match="is there already"):
        nf.start_workflow(collector(), workflow_id="order", existing="error")
    fresh = waiting(nf.start_workflow(collector(), workflow_id="order", existing="restart"))
    fresh.send("add", 2)
    waiting(fresh)
    fresh.detach()
    again = nf.start_workflow(collector(), workflow_id="order")
    again.send("stop")
    assert again.result() == [2], "one that is not over goes on"
    with pytest.raises(ValueError, match="existing is one of"):
        nf.start_workflow(collector(), existing="whatever")


def test_G39_an_id_that_is_under_way_is_refused() -> None:
    run = waiting(nf.start_workflow(collector(), workflow_id="order"))
    with pytest.raises(RunIsLive, match="already running"):
        nf.start_workflow(collector(), workflow_id="order")
    run.send("stop")
    assert run.result() == []


@pytest.mark.parametrize("odd", ["a.b", "a b", "a/b", "a*b", "é", "..", "日本", "a" * 255])
def test_G44_any_text_names_a_run(odd: str) -> None:
    run = nf.start_workflow(collector(), workflow_id=odd)
    assert nf.send(odd, "stop")
    assert run.result() == []
    assert nf.get_status(odd) == "SUCCESSFUL"


def test_G44_no_text_at_all_names_none() -> None:
    with pytest.raises(ValueError, match="1 to 255 characters"):
        nf.start_workflow(collector(), workflow_id="")


def test_G45_a_late_handle_has_the_result_and_the_history() -> None:
    run = nf.start_workflow(collector(), workflow_id="w")
    run.send("add", 5)
    run.send("stop")
    run.result()
    until(lambda: "w" not in run._host.runners)
    late = nf.get_run("w")
    assert late.result() == [5]
    assert late.describe().state == "complete"
    assert late.history()[-1].what == "the run succeeded"


def test_a_handler_may_fail_the_run_and_that_is_its_end() -> None:
    unhappy = nf.Workflow("unhappy")

    @unhappy.start()
    async def start(ctx: Any, how: str) -> Any:
        return ctx.next.fail({"text": "out of stock", "error": OSError("no disk")}[how])

    for how, kind, said in (("text", WorkflowFailed, "out of stock"), ("error", OSError, "no disk")):
        with pytest.raises(WorkflowExecutionError, match=said) as failed:
            nf.start_workflow(unhappy, workflow_id="w", workflow_input=how).result()
        assert isinstance(failed.value.__cause__, kind)
    assert nf.get_run("w").describe().state == "fail"


def test_what_the_store_does_not_have_is_a_key_error_with_what_it_has() -> None:
    empty = nf.Workflow("empty")

    @empty.start()
    def start(ctx: Any) -> Any:
        ctx.store.put("there", 1)
        assert "there" in ctx.store and ctx.store.keys() == ["there"]
        ctx.store.delete("there")
        assert "there" not in ctx.store
        return ctx.next.complete(ctx.store.get("missing"))

    with pytest.raises(WorkflowExecutionError, match="has no 'missing'; it has nothing") as failed:
        nf.start_workflow(empty).result()
    assert isinstance(failed.value.__cause__, StoreKeyNotFoundError) and isinstance(failed.value.__cause__, KeyError)


@pytest.mark.parametrize("odd", [SystemExit(3), KeyboardInterrupt(), StopIteration(1), asyncio.CancelledError()])
@pytest.mark.parametrize("plain", [False, True])
def test_whatever_a_handler_raises_fails_its_run_and_nothing_else(odd: BaseException, plain: bool) -> None:
    wild = nf.Workflow("wild")

    def body(ctx: Any) -> Any:
        raise odd

    async def coroutine(ctx: Any) -> Any:
        raise odd

    wild.start()(body if plain else coroutine)
    with pytest.raises(WorkflowExecutionError):
        nf.start_workflow(wild).result(20)
    assert nf.run(nf.task(lambda: 1, name="still").bind()) == 1
    assert threading.main_thread().is_alive()
