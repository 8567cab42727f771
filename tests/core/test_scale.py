"""Deep recursions and large graphs take time in proportion to their size, and a finished link takes little memory."""

from __future__ import annotations

import gc
import sys
import tracemalloc

from nbflow.core import records as r
from nbflow.core.commands import FinishRun, StartTask
from nbflow.core.graph import NodeSpec
from nbflow.core.state import RunState

from .runs import done, started, task

ARGUMENTS = 2000
"""Characters of arguments of each link."""


def recursion(depth: int) -> RunState:
    """Return a run in which each link returned one more."""
    state, _ = started(task("f"))
    for link in range(depth):
        state.handle(r.NodesAdded((task("f", call=[[f"{link}".ljust(ARGUMENTS)]]),), link))
        state.handle(r.TaskGrew(link, 0, 1.0 + link, 2.0 + link))
    return state


def calls(depth: int) -> int:
    """Count the calls of Python functions that a recursion and its end take."""
    count = 0

    def tick(_frame: object, what: str, _arg: object) -> None:
        nonlocal count
        count += what == "call"

    sys.setprofile(tick)
    try:
        recursion(depth).handle(done(depth))
    finally:
        sys.setprofile(None)
    return count


def test_a_recursion_of_ten_thousand_links_ends_in_every_link() -> None:
    state = recursion(10_000)
    assert state.handle(done(10_000)) == [FinishRun()]
    assert {state.resolve(link) for link in range(10_001)} == {10_000}
    state.handle(r.RunOpened(3.0))
    assert state.handle(r.RunStarted(4.0)) == [FinishRun()]


def test_a_failure_at_the_bottom_of_a_recursion_reaches_the_top_and_is_run_again() -> None:
    state = recursion(10_000)
    state.handle_all([r.TaskFailed(10_000, {}), r.RunFailed(9.0, 10_000), r.RunOpened(10.0)])
    assert state.handle(r.RunStarted(11.0)) == [StartTask(10_000, 1)]
    assert state.handle(done(10_000)) == [FinishRun()]


def test_a_link_of_a_recursion_takes_as_many_steps_however_deep_it_lies() -> None:
    few, many = calls(500), calls(5000)
    assert many / few < 12


def test_a_finished_link_holds_neither_its_arguments_nor_lists() -> None:
    def held(depth: int) -> int:
        gc.collect()
        tracemalloc.start()
        state = recursion(depth)
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(state.nodes) == depth + 1
        return size

    per_link = (held(6000) - held(1000)) / 5000
    assert per_link < min(1000, ARGUMENTS), f"{per_link:.0f} bytes a link"


def test_a_long_chain_restarts_without_deep_calls() -> None:
    size = 20_000
    specs: tuple[NodeSpec, ...] = tuple(task(f"n{i}", *([i - 1] if i else [])) for i in range(size))
    state, commands = started(*specs)
    for index in range(size - 1):
        assert commands[0] == StartTask(index, 1)
        commands = state.handle(done(index, None))
    state.handle(r.RunOpened(3.0))
    assert state.handle(r.RunStarted(4.0)) == [StartTask(0, 1)], "nothing was stored: all of it is made again"
    state.handle(r.RunFailed(5.0, 0))
