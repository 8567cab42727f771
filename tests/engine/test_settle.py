"""``run.settle()`` returns when only an event, a person or the clock can move a graph, and not before."""

from __future__ import annotations

import asyncio

import pytest

import nbflow as nf
from nbflow.engine.keeper import Keeper
from nbflow.engine.runner import Runner
from tests.engine.tools import Gate


def test_a_question_is_open_when_settle_returns() -> None:
    work = nf.task(lambda x: x, name="work")
    dag = work.bind(nf.wait_for_event(nf.ButtonListener, "Go on?", show=work.bind(1)))
    run = nf.run_async(dag).settle()
    assert run.questions == ["go_on"]
    assert run.answer("go_on", "approve").status == "delivered"
    assert run.settle().status == "SUCCESSFUL"


def test_it_does_not_return_while_a_task_works() -> None:
    gate = Gate()
    slow = nf.task(gate.wait, name="slow")
    run = nf.run_async(nf.task(lambda *_: 1, name="both").bind(slow.bind(), nf.wait_for_event("go")))
    gate.reached()
    with pytest.raises(TimeoutError, match="still at work"):
        run.settle(timeout=0.05)
    gate.open.set()
    assert run.settle().state.counts["waiting"] == 1
    run.send("go")
    assert run.result() == 1


def test_it_does_not_return_between_the_last_value_and_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    collect, gate = Keeper.collect, Gate()

    async def slowly(self: Keeper, runner: Runner) -> None:
        await asyncio.to_thread(gate.wait)
        await collect(self, runner)

    monkeypatch.setattr(Keeper, "collect", slowly)
    run = nf.run_async(nf.task(lambda: 1, name="one").bind())
    gate.reached()
    with pytest.raises(TimeoutError, match="still at work"):
        run.settle(timeout=0.05)
    gate.open.set()
    assert run.settle().status == "SUCCESSFUL"
