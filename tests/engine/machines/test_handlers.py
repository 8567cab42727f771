"""What a handler has in its hand, also when it runs a second time after a failure."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import WorkflowExecutionError
from tests.engine.machines.tools import collector, waiting
from tests.engine.tools import until


def twice(body: Any, workflow_id: str = "w") -> Any:
    """Run a handler that fails at its end the first time, and resume it; return its value."""
    machine, ended = nf.Workflow("twice"), []

    @machine.start()
    async def start(ctx: Any) -> Any:
        value = await body(ctx)
        ended.append(1)
        if len(ended) == 1:
            raise OSError("the first time")
        return ctx.next.complete(value)

    run = nf.start_workflow(machine, workflow_id=workflow_id)
    with pytest.raises(WorkflowExecutionError, match="the first time"):
        run.result()
    until(lambda: workflow_id not in run._host.runners)
    return run.resume().result()


def test_a_repetition_sees_the_same_and_logs_only_what_is_new(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    @nf.task
    async def work() -> int:
        seen.append("worked")
        return 1

    async def body(ctx: Any) -> Any:
        ctx.logger.info("before")
        seen.append((await ctx.now(), await ctx.random(), await ctx.uuid4(), await ctx.random(), await work()))
        ctx.logger.info("after")
        return len(seen)

    with caplog.at_level(logging.INFO, logger="nbflow.workflow.twice"):
        assert twice(body) == 3
    worked, first, second = seen
    assert worked == "worked" and first == second and first[1] != first[3]
    assert caplog.messages.count("[w] before") == 1 and caplog.messages.count("[w] after") == 2


def test_an_event_to_another_run_is_sent_once() -> None:
    other = waiting(nf.start_workflow(collector(), workflow_id="other"))
    receipts = []

    async def body(ctx: Any) -> Any:
        receipts.append(await ctx.send("other", "add", 1))
        receipts.append(await ctx.send("nobody", "add", 1))
        return True

    assert twice(body)
    assert [receipt.status for receipt in receipts] == ["delivered", "closed", "duplicate", "closed"]
    other.send("stop")
    assert other.result() == [1]


def test_a_task_that_calls_a_task_calls_a_function() -> None:
    @nf.task
    def inner(x: int) -> int:
        return x + 1

    @nf.task
    def outer(x: int) -> int:
        return inner(inner(x))

    async def body(ctx: Any) -> Any:
        return await outer(1)

    assert twice(body) == 3
    assert [
        node.node_id for node in nf.get_run("w").state.nodes if "outer" in node.node_id or "inner" in node.node_id
    ] == ["1.outer"]


def test_what_was_not_awaited_is_not_stored_by_mistake() -> None:
    machine = nf.Workflow("forgot")

    @machine.start()
    async def start(ctx: Any) -> Any:
        ctx.store.put("a", 1)
        assert "await it" in repr(ctx.store.get("a"))
        ctx.store.put("b", ctx.store.get("a"))

    with pytest.raises(WorkflowExecutionError, match=r"await ctx\.store\.get"):
        nf.start_workflow(machine).result()


def test_a_value_in_the_store_is_a_copy() -> None:
    machine = nf.Workflow("copies")

    @machine.start()
    def start(ctx: Any) -> Any:
        kept = [1]
        ctx.store.put("list", kept)
        kept.append(2)
        ctx.store.get("list").append(3)
        return ctx.next.step(look)

    @machine.step()
    def look(ctx: Any) -> Any:
        return ctx.next.complete(
            (ctx.store.get("list"), ctx.store.get("none", "default"), len(ctx.store), [*ctx.store])
        )

    assert nf.start_workflow(machine).result() == ([1], "default", 1, ["list"])


def test_a_handler_knows_its_run_and_its_event() -> None:
    machine = nf.Workflow("knows")

    @machine.start()
    async def start(ctx: Any) -> Any:
        assert ctx.event is None and (ctx.run.why, ctx.run.number, ctx.run.parent_id) == ("start", 1, "")
        return ctx.next.wait_for_event()

    @machine.event("the.event")
    async def handle(ctx: Any) -> Any:
        return ctx.next.complete((ctx.run.id, ctx.run.workflow_type, ctx.event.id, ctx.event.name, ctx.event.by))

    run = nf.start_workflow(machine, workflow_id="w")
    run.send("the.event", id="e1", by="ann")
    assert run.result() == ("w", "knows", "e1", "the.event", "ann")


def test_what_a_handler_prints_is_in_the_log_of_its_run() -> None:
    machine = nf.Workflow("printing")

    @machine.start()
    def start(ctx: Any) -> Any:
        print("hello from the handler")
        return ctx.next.complete()

    run = nf.start_workflow(machine)
    run.result()
    until(lambda: run.workflow_id not in run._host.runners)
    assert "hello from the handler" in run.logs("printing")
