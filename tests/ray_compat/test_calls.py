"""Calls of ``.remote()``: how many run at once, and that those that wait for others never block them."""

from __future__ import annotations

import threading
from contextvars import ContextVar

from nbflow.dag.continuation import in_task
from nbflow.ray_compat.calls import Calls, called
from tests.engine.tools import LONG, Gate, until


def test_no_more_calls_run_at_once_than_may() -> None:
    calls, gate = Calls(3), Gate()
    futures = [calls.submit(gate.wait) for _ in range(10)]
    gate.reached(3)
    assert not gate.arrived.acquire(blocking=False)
    gate.open.set()
    for future in futures:
        assert future.result(LONG) is None
    until(lambda: calls.running == 0)


def test_a_call_that_waits_gives_its_place_to_the_one_it_waits_for() -> None:
    calls = Calls(1)

    def down(n: int) -> int:
        if n == 0:
            return 0
        inner = calls.submit(lambda: down(n - 1))
        with calls.aside():
            return 1 + inner.result(LONG)

    assert calls.submit(lambda: down(30)).result(LONG) == 30
    until(lambda: calls.running == 0)


def test_who_is_no_call_has_no_place_to_give() -> None:
    calls = Calls(1)
    with calls.aside():
        assert calls.running == 0


def test_a_call_that_fails_leaves_its_place_to_the_next() -> None:
    calls = Calls(1)
    bad = calls.submit(lambda: 1 // 0)
    good = calls.submit(lambda: 5)
    assert isinstance(bad.exception(LONG), ZeroDivisionError)
    assert good.result(LONG) == 5


def test_a_call_has_the_context_of_its_caller_and_is_outside_any_task() -> None:
    where: ContextVar[str] = ContextVar("where")
    where.set("here")
    token = in_task.set(True)
    try:
        found = Calls(1).submit(lambda: (where.get(), in_task.get(), threading.current_thread().daemon))
        assert found.result(LONG) == ("here", False, True)
    finally:
        in_task.reset(token)


def test_a_coroutine_is_finished_and_a_graph_executed() -> None:
    import nbflow as nf

    async def five() -> int:
        return 5

    add = nf.task(lambda a, b: a + b, name="add")
    assert called(five, (), {}) == 5
    assert called(lambda x: nf.continuation(add.bind(x, 1)), (2,), {}) == 3
    assert called(lambda: [add.bind(1, 1)], (), {}) == [2]
