"""A state machine is started in a cell or by a client that is awaited, and the handle is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import WorkflowCancellationError, WorkflowChangedError, WorkflowNotFoundError
from nbflow.machine import Client
from nbflow.testing import MemoryStorage


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    nf.shutdown()
    nf.init(storage=MemoryStorage())
    yield
    nf.shutdown()


def adder() -> nf.Workflow:
    workflow = nf.Workflow("Sum")

    @workflow.start()
    async def start(ctx: Any, a: int, b: int = 1) -> Any:
        ctx.store.put("a", a)
        return ctx.next.wait_for_event() if b < 0 else ctx.next.complete(a + b)

    @workflow.event()
    async def finish(ctx: Any) -> Any:
        return ctx.next.complete(await ctx.store.get("a"))

    return workflow


@pytest.mark.parametrize(
    "call",
    [
        lambda w: nf.start_workflow(w, workflow_id="s", workflow_input={"a": 1, "b": 2}),
        lambda w: nf.start_workflow("Sum", id="s", input={"a": 1, "b": 2}),
        lambda w: nf.start_workflow(workflow_type="Sum", workflow_id="s", workflow_input={"a": 1, "b": 2}),
        lambda w: nf.start_workflow(type=w, id="s", input={"a": 1, "b": 2}),
    ],
)
def test_all_spellings_start_the_same_run(call: Any) -> None:
    run = call(adder())
    assert run.workflow_id == "s" and isinstance(run, nf.Run)
    assert run.result() == 3
    assert nf.get_output("s") == 3


def test_a_client_is_awaited() -> None:
    adder()

    async def main() -> Any:
        client = Client()
        run = await client.start_workflow(type="Sum", id="c", input={"a": 1, "b": -1})
        run.settle()
        assert (await client.describe("c")).waits_for == ("finish",)
        receipt = await (await client.get_workflow_handle("c")).send("finish")
        assert receipt
        assert await run == 1
        assert await client.run_workflow("Sum", input={"a": 4}) == 5
        history = await client.get_history("c")
        with pytest.raises(WorkflowNotFoundError):
            await client.get_workflow_handle("nobody")
        return [line.kind for line in history]

    kinds = asyncio.run(main())
    assert kinds[0] == "created" and kinds[-1] == "succeeded" and kinds.count("hdone") == 2


def test_metadata_belongs_to_the_run() -> None:
    nf.start_workflow(adder(), workflow_id="m", workflow_input={"a": 1}, metadata={"team": "sales"}).result()
    assert nf.get_metadata("m")["user_metadata"] == {"team": "sales"}
    with pytest.raises(ValueError, match="metadata must be a dict"):
        nf.start_workflow(adder(), workflow_input={"a": 1}, metadata=3)  # type: ignore[arg-type]


def test_settle_gives_up_when_a_handler_takes_long() -> None:
    slow = nf.Workflow("Slow")

    @slow.start()
    async def start(ctx: Any) -> Any:
        await asyncio.Event().wait()

    run = nf.start_workflow(slow)
    with pytest.raises(TimeoutError, match=r"still at work after 0\.05 seconds"):
        run.settle(0.05)
    run.terminate()


def doubler(factor: int) -> nf.Workflow:
    workflow = nf.Workflow("Double")

    @workflow.start()
    async def start(ctx: Any, number: int) -> Any:
        return ctx.next.complete(factor * number)

    return workflow


def test_a_run_that_is_kept_is_begun_anew_or_refused_when_its_code_or_input_has_changed() -> None:
    def start(factor: int, number: int, **more: Any) -> Any:
        found = nf.start_workflow(
            doubler(factor), workflow_id="d", workflow_input={"number": number}, existing="return", **more
        )
        return found.result(20)

    assert start(2, 5) == 10
    assert start(2, 5, on_change="error") == 10
    assert start(3, 5) == 10
    for factor, number in ((3, 5), (2, 6)):
        with pytest.raises(WorkflowChangedError):
            start(factor, number, on_change="error")
    assert nf.get_output("d") == 10
    assert start(3, 6, on_change="rerun") == 18
    assert start(3, 6, on_change="error") == 18
    with pytest.raises(ValueError, match="on_change='never'"):
        start(3, 6, on_change="never")


def test_a_canceled_run_is_kept_whatever_has_changed() -> None:
    first = nf.start_workflow(adder(), workflow_id="s", workflow_input={"a": 1, "b": -1})
    first.cancel()
    with pytest.raises(WorkflowCancellationError):
        first.result(20)  # its handler may be at work still
    run = nf.start_workflow(
        adder(), workflow_id="s", workflow_input={"a": 2, "b": -1}, existing="return", on_change="rerun"
    )
    assert run.status == "CANCELED"
