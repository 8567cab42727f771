"""Virtual time goes from timer to timer, and waits for what each of them begins."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

import nbflow as nf
from nbflow.testing import virtual_clock


def ticking(turns: int) -> nf.Workflow:
    workflow = nf.Workflow("ticking")

    @workflow.start()
    async def start(ctx: Any) -> Any:
        ctx.store.put("n", 0)
        return ctx.next.sleep(timedelta(hours=1), tick)

    @workflow.step()
    def tick(ctx: Any) -> Any:
        n = ctx.store.get("n") + 1
        ctx.store.put("n", n)
        ctx.sleep(timedelta(minutes=30))
        return ctx.next.complete((n, ctx.now())) if n == turns else ctx.next.sleep(1800, tick)

    return workflow


def test_a_day_passes_at_once_and_everything_in_it_happens_at_its_time() -> None:
    began = time.monotonic()
    with virtual_clock() as clock:
        first = clock.time()
        run = nf.start_workflow(ticking(20))
        clock.advance(timedelta(hours=10))
        assert run.describe().stored == ("n",) and not run.done()
        clock.advance(timedelta(days=1))
        n, at = run.result()
    assert n == 20 and abs(at.timestamp() - (first + 20.5 * 3600)) < 0.01
    assert time.monotonic() - began < 15


def test_waits_and_sleeps_of_graphs_go_by_it_too() -> None:
    with virtual_clock() as clock:
        join = nf.task(lambda *parts: parts, name="join")
        run = nf.run_async(join.bind(nf.sleep(3600), nf.wait_for_event("never", timeout=7200, default="late")))
        clock.advance(7200)
        assert run.result(10) == (None, "late")


def test_what_is_left_goes_by_the_real_time() -> None:
    with virtual_clock() as clock:
        run = nf.run_async(nf.sleep(0.2))
        clock.advance(0.1)
        assert not run.done()
    assert run.result(10) is None


def test_time_does_not_go_back() -> None:
    with virtual_clock() as clock, pytest.raises(ValueError, match="never back"):
        clock.advance(-1)
