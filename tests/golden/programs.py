"""The workflows of the golden folders: what makes their runs, and what goes on with them."""

from __future__ import annotations

import operator
from typing import Any

import nbflow as nf
from nbflow import api
from nbflow.engine import condensing
from nbflow.errors import WorkflowExecutionError
from nbflow.rules import Flow, NotificationClient, PythonOperator, TaskAction
from tests.engine.tools import until

TEXT = "a large value " * 2_000
KEY = "6e626620" * 8
"""The key that the signed folder was signed with; it protects nothing."""


@nf.task
def orders(shop: str) -> dict[str, list[int]]:
    """Return JSON."""
    return {shop: [12, 30, 7]}


@nf.task
def shops(*found: dict[str, list[int]]) -> set[str]:
    """Return what is no JSON, and print a line."""
    print("all shops are here")
    return {shop for each in found for shop in each}


@nf.task
def report(names: set[str]) -> bytes:
    """Return what is large."""
    return (TEXT + ", ".join(sorted(names))).encode()


def done() -> Any:
    return report.bind(shops.bind(orders.options(task_id="north").bind("north"), orders.bind("south")))


divide = nf.task(operator.truediv, name="divide", max_retries=1, backoff=0.0)
"""Fails with no line of this file in its traceback, which would name the folder of whoever makes the archive."""


def failed(y: int = 0) -> Any:
    return divide.bind(6, y)


@nf.task
def together(event: int, decision: Any, form: Any, slept: Any) -> list[Any]:
    return [event, decision.option, form["amount"], slept]


def waiting() -> Any:
    form = nf.wait_for_event(nf.FormListener, "How much?", {"amount": float})
    button = nf.wait_for_event(nf.ButtonListener, "Close the books?", options=["approve", "reject"])
    return together.bind(nf.wait_for_event("go"), button, form, nf.sleep(20.0))


@nf.task
def grow(n: int) -> Any:
    return nf.continuation(grow.bind(n - 1)) if n else "grown"


def grown() -> Any:
    return grow.bind(3)


sums = nf.Workflow("GoldenSums")


@sums.start()
async def begin(ctx: Any, first: int) -> Any:
    ctx.store.put("sum", first)
    return ctx.next.wait_for_event()


@sums.event()
async def add(ctx: Any, number: int) -> Any:
    ctx.store.put("sum", await ctx.store.get("sum") + number)
    return ctx.next.wait_for_event()


@sums.event()
async def stop(ctx: Any) -> Any:
    return ctx.next.complete(await ctx.store.get("sum"))


async def count(event: Any) -> Any:
    return event.value


def flow() -> Flow:
    with Flow("golden-flow", namespace="golden", stay_open=True) as found:
        counted = PythonOperator("count", count)
        counted.action_on_event_received(TaskAction.START, "batch", scope="run")
        PythonOperator("after", count).start_after(counted)
    return found


def make() -> None:
    """Make one run of every kind in the storage of the default host, and let go of those that wait."""
    nf.run(done(), workflow_id="done", metadata={"by": "ann"})
    try:
        nf.run(failed(), workflow_id="failed/über 1")
    except WorkflowExecutionError:
        pass
    run = nf.run_async(waiting(), workflow_id="waiting")
    until(lambda: run.state.counts["waiting"] == 4)
    run.send("go", 7, "e1")
    nf.run(grown(), workflow_id="grown")
    canceled = nf.run_async(nf.wait_for_event("never"), workflow_id="canceled")
    until(lambda: canceled.state.counts["waiting"])
    canceled.cancel()
    machine = nf.start_workflow(sums, workflow_id="machine", workflow_input={"first": 1})
    for number in range(10):
        machine.send("add", {"number": number}, f"add-{number}")
    machine.settle()
    condensed = nf.start_workflow(sums, workflow_id="condensed", workflow_input={"first": 1})
    for number in range(40):
        condensed.send("add", {"number": 1}, f"add-{number}")
    condensed.settle()
    host = api.default_host()
    condensing.KEPT = 5
    host.engine.call(condensing.condense, host.runners["condensed"])
    flowing = flow().run_async("flow")
    flowing.send("batch", 5, "b1")
    until(lambda: [task for task in flowing.state.nodes if task.status.finished])
    with NotificationClient("golden") as client:
        for number in range(5):
            client.send_event("price", {"EUR": number}, id=f"p{number}")
