"""What a person is asked by a machine that waits: made from signatures, answered by any door, closed by the first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.engine import events
from nbflow.testing import answers
from nbflow.views.questions import OPEN, question_of
from tests.engine.machines.tools import waiting
from tests.engine.tools import finish, kill_at, script, until


def approval() -> nf.Workflow:
    workflow = nf.Workflow("Approval")

    @workflow.start()
    async def start(ctx: Any) -> Any:
        return ctx.next.wait_for_event(timeout=3600, on_timeout=late)

    @workflow.event()
    async def approve(ctx: Any, amount: int, note: str = "") -> Any:
        """Let it pass."""
        return ctx.next.complete((amount, note, ctx.event.by, ctx.event.source))

    @workflow.event()
    async def reject(ctx: Any) -> Any:
        return ctx.next.complete("rejected")

    @workflow.step()
    async def late(ctx: Any) -> Any:
        return ctx.next.complete("late")

    return workflow


def test_each_event_is_a_question_with_the_fields_of_its_handler() -> None:
    run = waiting(nf.start_workflow(approval()))
    state = run.state
    first, second = [question for i in range(len(state.nodes)) if (question := question_of(state, i)) is not None]
    assert (first.title, first.message, first.options, first.kind) == ("Approve", "Let it pass.", ("approve",), "form")
    assert first.fields is not None and [*first.fields["properties"]] == ["amount", "note"]
    assert (second.title, second.options, second.kind, second.fields) == ("Reject", ("reject",), "button", None)
    assert first.state == second.state == OPEN and first.fallback == "late" and first.deadline is not None
    assert run.questions == ["approve", "reject"]
    run.terminate()


def test_an_answer_is_checked_and_then_handled_as_the_event() -> None:
    run = waiting(nf.start_workflow(approval()))
    refused = run.answer("approve", amount="much")
    assert refused.status == "rejected" and "amount" in refused.reason
    assert run.answer("Approve", amount=3, note="fine", by="ann").status == "delivered"
    assert run.result() == (3, "fine", "ann", "api")
    assert run.answer("approve", amount=3).status in ("closed", "rejected")


def test_an_answer_that_stands_ready_is_given() -> None:
    with answers(approve={"option": "approve", "amount": 7}):
        assert nf.start_workflow(approval()).result(20) == (7, "", "", "answers")
    with answers({"Reject": "reject"}):
        assert nf.start_workflow(approval()).result(20) == "rejected"


def test_another_process_answers_a_run_of_this_one(folder: Path) -> None:
    run = waiting(nf.start_workflow(approval(), workflow_id="w"))
    code = """
    import sys, nbflow as nf
    nf.init(storage=sys.argv[1])
    print("receipt", nf.get_run("w").answer("reject").status)
    """
    assert "receipt queued" in finish(script(code, folder))
    assert run.result(20) == "rejected"


OWNER = """
import sys, time, nbflow as nf
nf.init(storage=sys.argv[1])
workflow = nf.Workflow("Asked")
@workflow.start()
async def start(ctx): return ctx.next.wait_for_event()
@workflow.event()
async def go(ctx, n: int): return ctx.next.complete(n)
run = nf.start_workflow(workflow, workflow_id="w").settle()
print("HERE", flush=True)
time.sleep(60)
"""


@pytest.mark.crash
def test_an_answer_to_a_run_that_nobody_runs_is_taken_when_it_goes_on(folder: Path, host: Any) -> None:
    kill_at(script(OWNER, folder), "HERE")
    run = nf.get_run("w")
    assert run.questions == ["go"], "the question stands there still"
    assert events.leave(host.storage, "w", "go@1", {"values": {"n": "many"}}, None, "").status == "rejected"
    assert run.answer("go", n=5).status == "queued"
    assert nf.resume("w") == 5


def test_an_answer_that_was_set_aside_is_mended_like_any_event() -> None:
    workflow = nf.Workflow("Stock", on_error="set_aside")

    @workflow.start()
    async def start(ctx: Any) -> Any:
        return ctx.next.wait_for_event()

    @workflow.event()
    async def take(ctx: Any, quantity: int) -> Any:
        if quantity > 100:
            raise ValueError("we have only 100")
        return ctx.next.complete(quantity)

    run = waiting(nf.start_workflow(workflow))
    run.answer("take", quantity=500)
    [aside] = until(lambda: run.set_aside)
    assert "we have only 100" in aside.error
    run.edit_event(aside.id, {"quantity": 5})
    assert run.result() == 5
