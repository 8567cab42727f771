"""Outside a run a continuation is executed at once, so a task that uses it can be called directly."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import GraphError


@nf.task
def add(a: int, b: int) -> int:
    return a + b


@nf.task
def fail() -> None:
    raise ValueError("no")


@nf.task
async def later(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1


def test_graphs_are_executed_with_their_containers_and_shared_nodes() -> None:
    shared = add.bind(1, 2)
    assert nf.continuation(add.bind(shared, shared)) == 6
    assert nf.continuation({"a": shared, "b": [later.bind(shared)]}) == {"a": 3, "b": [4]}
    assert nf.continuation([nf.put(b"x"), 5, {shared}]) == [b"x", 5, {3}]


def test_a_long_tail_recursion_needs_no_stack() -> None:
    @nf.task
    def down(n: int) -> Any:
        return n if n == 0 else nf.continuation(down.bind(n - 1)) if n > 10**9 else down.bind(n - 1)

    assert nf.continuation(down.bind(5000)) == 0


def test_inside_a_running_loop_an_async_task_is_finished_too() -> None:
    async def cell() -> int:
        return nf.continuation(later.bind(1))

    assert asyncio.run(cell()) == 2


def test_exceptions_are_caught_where_the_task_asks_for_it() -> None:
    with pytest.raises(ValueError, match="no"):
        nf.continuation(fail.bind())
    value, error = nf.continuation(fail.options(catch_exceptions=True).bind())
    assert (value, str(error)) == (None, "no")
    outer = nf.task(lambda: nf.continuation(fail.bind()), name="outer", catch_exceptions=True)
    pair, kept = nf.continuation([outer.bind(), add.options(catch_exceptions=True).bind(1, 1)])
    assert (str(pair[1]), kept) == ("no", (2, None))


def test_what_waits_needs_a_run() -> None:
    with pytest.raises(GraphError, match=r"nbflow.run\(dag\)"):
        nf.continuation(nf.sleep(1))
    with pytest.raises(TypeError, match="Input should be a DAG"):
        nf.continuation(5)
