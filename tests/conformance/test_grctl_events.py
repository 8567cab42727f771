"""What grctl promises of events, and what becomes of them here: kept, in order, once, and refused at the door."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

import nbflow as nf
from nbflow.machine import Client
from tests.engine.machines.tools import collector, waiting
from tests.engine.tools import Gate, until


def test_G1_a_start_that_returns_wait_waits_and_the_journal_says_for_what() -> None:
    run = waiting(nf.start_workflow(collector()))
    assert run.describe().waits_for == ("add", "stop")
    assert any("waits for an event" in str(line) for line in run.history())
    assert "waits for add, stop" in str(run.describe())


def test_G2_an_event_to_a_waiting_run_is_handled_within_milliseconds() -> None:
    echo = nf.Workflow("echo")
    handled = threading.Event()

    @echo.start()
    async def start(ctx: Any) -> Any:
        return ctx.next.wait_for_event()

    @echo.event()
    async def ping(ctx: Any) -> Any:
        handled.set()
        return ctx.next.wait_for_event()

    run = waiting(nf.start_workflow(echo))
    took = []
    for _ in range(20):
        handled.clear()
        began = time.perf_counter()
        run.send("ping")
        assert handled.wait(10)
        took.append(time.perf_counter() - began)
    assert sorted(took)[10] < 0.1, "a few milliseconds on a quiet machine; grctl takes 56"


def test_G3_an_event_that_comes_while_a_handler_runs_is_handled_after_it() -> None:
    busy, gate = nf.Workflow("busy"), Gate()

    @busy.start()
    def start(ctx: Any) -> Any:
        gate.wait()
        return ctx.next.wait_for_event()

    @busy.event()
    async def finish(ctx: Any) -> Any:
        return ctx.next.complete("handled")

    run = nf.start_workflow(busy)
    gate.reached()
    assert run.send("finish").status == "queued"
    gate.open.set()
    assert run.result() == "handled"


def test_G4_an_event_before_the_first_wait_is_not_lost() -> None:
    run = nf.start_workflow(collector(), workflow_id="early")
    receipts = [run.send("add", 1), run.send("stop")]
    assert all(receipts)
    assert run.result() == [1]


def test_G5_events_are_handled_in_the_order_of_their_receipts() -> None:
    run = nf.start_workflow(collector())
    for number in range(50):
        assert run.send("add", number)
    run.send("stop")
    assert run.result() == list(range(50))


def test_G5_sends_issued_at_once_are_handled_in_the_order_of_the_journal() -> None:
    run = waiting(nf.start_workflow(collector()))

    def send(number: int) -> None:
        run.send("add", number, id=f"event {number}")

    threads = [threading.Thread(target=send, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.send("stop")
    seen = run.result()
    journal = [wire["id"] for wire in run._host.storage.read_run(run.workflow_id) if wire["t"] == "event"]
    assert [f"event {number}" for number in seen] == journal[:20]
    assert sorted(seen) == list(range(20))


def test_G6_each_wait_takes_one_event() -> None:
    steps, order = [], nf.Workflow("order")

    def handler(name: str) -> Any:
        async def body(ctx: Any) -> Any:
            steps.append(name)
            return ctx.next.step("mid") if name == "a" else ctx.next.complete(steps)

        body.__name__ = body.__qualname__ = name
        return body

    @order.start()
    async def start(ctx: Any) -> Any:
        steps.append("start")
        return ctx.next.wait_for_event()

    @order.step()
    async def mid(ctx: Any) -> Any:
        steps.append("mid")
        return ctx.next.wait_for_event()

    order.event()(handler("a"))
    order.event()(handler("b"))
    run = nf.start_workflow(order)
    run.send("a")
    run.send("b")
    assert run.result() == ["start", "a", "mid", "b"]


def test_G7_a_handler_that_waits_again_loops() -> None:
    run = waiting(nf.start_workflow(collector()))
    for number in range(3):
        run.send("add", number)
        waiting(run)
    run.send("stop")
    assert run.result() == [0, 1, 2]


def test_G8_an_event_with_a_name_of_its_own_is_known_by_that_only() -> None:
    order = nf.Workflow("named")

    @order.start()
    async def start(ctx: Any) -> Any:
        return ctx.next.wait_for_event()

    @order.event(name="order.rejected")
    async def handle_rejection(ctx: Any) -> Any:
        return ctx.next.complete("rejected")

    run = waiting(nf.start_workflow(order))
    refused = run.send("handle_rejection")
    assert refused.status == "rejected" and "'order.rejected'" in refused.reason
    assert run.send("order.rejected")
    assert run.result() == "rejected"


def test_G9_unknown_event_is_refused_and_the_run_keeps_waiting() -> None:
    run = waiting(nf.start_workflow(collector()))
    before = len(run.history())
    refused = run.send("nope", {"any": "thing"})
    assert not refused
    assert refused.status == "rejected"
    assert "UnknownEvent" in refused.reason and "'add', 'stop'" in refused.reason
    assert len(run.history()) == before, "it never touched the run"
    run.send("add", 1)
    run.send("stop")
    assert run.result() == [1]


def test_G9_an_unknown_name_is_refused_before_the_machine_has_begun() -> None:
    for _ in range(20):
        run = nf.start_workflow(collector(), workflow_id="w")
        assert run.send("nope").status == "rejected"
        run.send("stop")
        assert run.result() == []


def test_G9_an_unknown_name_is_refused_from_another_process_too(host: Any) -> None:
    from nbflow.engine import events

    run = waiting(nf.start_workflow(collector(), workflow_id="w"))
    refused = events.leave(host.storage, "w", "nope", None, None, "")
    assert refused.status == "rejected" and "UnknownEvent" in refused.reason
    run.send("stop")
    assert run.result() == []


def test_G10_a_step_is_not_addressed_from_outside() -> None:
    order = nf.Workflow("steps")

    @order.start()
    async def start(ctx: Any) -> Any:
        return ctx.next.wait_for_event()

    @order.step()
    async def secret(ctx: Any) -> Any:
        return ctx.next.complete("reached")

    @order.event()
    async def go(ctx: Any) -> Any:
        return ctx.next.complete("went")

    run = waiting(nf.start_workflow(order))
    assert run.send("secret").status == "rejected"
    assert run.send("start").status == "rejected"
    with pytest.raises(ValueError, match="is a name of 'steps' already, of its step"):
        order.event(name="secret")(go)
    run.send("go")
    assert run.result() == "went"


def test_G36_a_press_that_is_repeated_counts_once() -> None:
    run = waiting(nf.start_workflow(collector()))
    assert run.send("add", 1, id="press").status == "delivered"
    assert run.send("add", 1, id="press").status == "duplicate"
    run.send("stop")
    assert run.result() == [1]


def test_G36_of_two_people_who_answer_one_question_the_second_is_told_so() -> None:
    order, gate = nf.Workflow("buttons"), Gate()

    @order.start()
    async def start(ctx: Any) -> Any:
        return ctx.next.wait_for_event()

    @order.event()
    def approve(ctx: Any) -> Any:
        gate.wait()
        return ctx.next.wait_for_event()

    @order.event()
    async def reject(ctx: Any) -> Any:
        return ctx.next.complete("rejected")

    run = waiting(nf.start_workflow(order))
    first, second = (key for key in _keys(run))
    assert run.send(first, {}).status == "delivered"
    assert run.send(first, {}).status == "closed"
    assert run.send(second, {}).status == "closed"
    gate.reached()
    assert run.questions == [], "no button while a handler is at it"
    gate.open.set()
    waiting(run)
    assert run.questions == ["approve", "reject"]
    assert run.answer("reject").status == "delivered"
    assert run.result() == "rejected"


def _keys(run: nf.Run) -> list[str]:
    return [node.wait.key for node in run.state.nodes if node.wait is not None]


def test_G37_what_nobody_took_is_listed_when_the_run_ends() -> None:
    order, gate = nf.Workflow("left"), Gate()

    @order.start()
    def start(ctx: Any) -> Any:
        gate.wait()
        return ctx.next.complete("done")

    @order.event()
    async def late(ctx: Any, text: str) -> Any:
        return ctx.next.wait_for_event()

    run = nf.start_workflow(order, workflow_id="w")
    gate.reached()
    run.send("late", "too late", id="e1")
    gate.open.set()
    assert run.result() == "done"
    assert nf.get_metadata("w")["undelivered"] == ["e1"]
    assert [row["payload"] for row in run.machine()["undelivered"]] == ["'too late'"]


def test_G47_an_event_at_the_moment_of_the_wait_is_never_missed() -> None:
    """The inbox is looked at after every record, so no schedule loses a wake-up; here is a real one."""
    for _ in range(60):
        run = nf.start_workflow(collector(), workflow_id="racing")
        run.send("add", 1)
        run.send("stop")
        assert run.result(10) == [1]


def test_the_seed_runs_as_it_stands() -> None:
    from datetime import timedelta

    from nbflow import Workflow
    from nbflow.machine import Context, Directive

    order = Workflow(workflow_type="ProcessOrder")

    @order.start()
    async def start(ctx: Context, order_id: str) -> Directive:
        ctx.store.put("order_id", order_id)
        return ctx.next.wait_for_event(timeout=timedelta(hours=24), timeout_step_name="auto_approve")

    @order.event()
    async def approve(ctx: Context) -> Directive:
        ctx.store.put("status", "approved")
        return ctx.next.step(fulfill)

    @order.event()
    async def update_quantity(ctx: Context, item_id: str, qty: int) -> Directive:
        ctx.store.put(f"qty_{item_id}", qty)
        return ctx.next.wait_for_event()

    @order.step()
    async def fulfill(ctx: Context) -> Directive:
        return ctx.next.complete(await ctx.store.get("order_id"))

    @order.step()
    async def auto_approve(ctx: Context) -> Directive:
        ctx.logger.info("No approval received, auto-approving")
        return ctx.next.complete("auto-approved")

    async def main() -> Any:
        client = Client()
        handle = await client.start_workflow(
            workflow_type="ProcessOrder", workflow_id="order-abc", workflow_input={"order_id": "abc"}
        )
        await handle.send("update_quantity", payload={"item_id": "apples", "qty": 3})
        receipt = await handle.send("approve")
        assert receipt.status in ("delivered", "queued")
        return await handle

    assert asyncio.run(main()) == "abc"
    until(lambda: nf.get_status("order-abc") == "SUCCESSFUL")
