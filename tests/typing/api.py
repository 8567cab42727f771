"""What type checkers make of the public API: read by mypy and by pyright in tests/typing/test_typing.py, never run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, assert_type

import pandas as pd

import nbflow as nf
from nbflow import errors, otel
from nbflow.machine import Context, Directive
from nbflow.rules import BashOperator, NotificationClient, PythonOperator, TaskAction
from nbflow.testing import MemoryStorage, VirtualClock, answers, virtual_clock

# ---- tasks and graphs ----


@nf.task
def load(path: str, limit: int = 10) -> list[int]:
    return [len(path)] * limit


@nf.task(max_retries=2, retry_exceptions=[OSError], executor="process")
def total(numbers: list[int]) -> int:
    return sum(numbers)


@nf.task
async def fetch(url: str) -> bytes:
    return url.encode()


assert_type(load("a.csv"), list[int])
assert_type(total([1]), int)
assert_type(load.bind("a.csv"), nf.Node[list[int]])
assert_type(total.bind(load.bind("a.csv")), nf.Node[int])
assert_type(total.options(timeout=3.0).bind([1]), nf.Node[int])
assert_type(total.bind([1]).options(task_id="sum"), nf.Node[int])
assert_type(total.name, str)
assert_type(nf.put({"a": 1}), nf.Node[dict[str, int]])
assert_type(nf.sleep(3.0), nf.Node[None])
assert_type(nf.wait_for_event("key"), nf.Node[Any])
assert_type(nf.wait_for_event(nf.ButtonListener, "Publish?"), nf.Node[Any])
lambda_task: Callable[[int], int] = nf.task(lambda number: number + 1)

load(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
load("a.csv", "ten")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

for item in nf.track([1, 2, 3]):
    assert_type(item, int)
nf.progress(1, 3)

# ---- running and looking ----

run = nf.run_async(total.bind([1]), workflow_id="sum", metadata={"by": "ann"}, on_change="rerun")
assert_type(run, nf.Run)
assert_type(run.status, nf.WorkflowStatus)
assert_type(run.workflow_id, str)
assert_type(run.questions, list[str])
assert_type(run.story("total"), list[str])
assert_type(run.logs("total"), str)
assert_type(run.to_dataframe(), pd.DataFrame)
assert_type(run.send("key", {"a": 1}, id="one"), nf.Receipt)
assert_type(run.answer("publish", "approve", comment="fine"), nf.Receipt)
assert_type(run.done(), bool)
assert_type(run.resume(), nf.Run)
assert_type(nf.get_run("sum"), nf.Run)
assert_type(nf.resume_async("sum"), nf.Run)
assert_type(nf.resume_all(), list[tuple[str, nf.Run]])
assert_type(nf.list_all("RUNNING"), list[tuple[str, nf.WorkflowStatus]])
assert_type(nf.get_status("sum"), nf.WorkflowStatus)
assert_type(nf.get_metadata("sum"), dict[str, Any])
assert_type(nf.get_progress("sum"), dict[str, Any])
assert_type(nf.send("sum", "key"), nf.Receipt)
assert_type(nf.wait([run], num_returns=1, timeout=3), tuple[list[nf.Run], list[nf.Run]])
assert_type(nf.doctor().ok, bool)
nf.init(storage=MemoryStorage(), max_running_workflows=2)
nf.shutdown()
nf.run(total.bind([1]), workflow_id=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def in_a_cell() -> None:
    assert_type(await run, Any)
    assert_type(await nf.get_output_async("sum"), Any)
    assert_type(await fetch("http://127.0.0.1"), bytes)


# ---- state machines ----

order = nf.Workflow("Order")


@order.start()
async def start(ctx: Context, order_id: str) -> Directive:
    ctx.store.put("order_id", order_id)
    return ctx.next.wait_for_event(timeout=timedelta(hours=1), timeout_step_name="approve")


@order.event()
def approve(ctx: Context, by: str = "?") -> Directive:
    return ctx.next.complete(f"by {by}")


assert_type(approve.__name__, str)
assert_type(nf.start_workflow(workflow_type="Order", workflow_id="order-1"), nf.Run)

# ---- flows ----

with nf.Flow("stream") as flow:
    train = PythonOperator("train", python_callable=print)
    after = BashOperator("after", bash_command="true")
    train.action_on_event_received(action=TaskAction.START, event_key="batch")
    after.start_after(train)
assert_type(flow.run_async(workflow_id="stream-1"), nf.Run)
assert_type(flow.rules(), list[str])
NotificationClient("flights").send_event("batch", {"week": 1})

# ---- events, tests, errors ----


class Poll(nf.EventListener):
    async def poll_for_event(self, topic: str) -> nf.Event:
        return nf.Event("id-1", topic)


nf.wait_for_event(Poll, "orders")

with answers(publish="approve"), virtual_clock() as clock:
    assert_type(clock, VirtualClock)

try:
    nf.run(total.bind([1]))
except errors.WorkflowChangedError as error:
    assert_type(error.workflow_id, str)
    assert_type(error.nodes, list[str])

otel.instrument()
