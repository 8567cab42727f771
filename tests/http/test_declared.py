"""Which keys a run declares."""

from __future__ import annotations

from typing import Any

import pytest

from nbflow.core import records as r
from nbflow.core.graph import Code, NodeKind, NodeSpec
from nbflow.core.state import RunState
from nbflow.http.declared import Declared, declared, may_grow

PLAIN, GROWS = "def f(): return 1", "def f(): return nf.continuation(g.bind())"
YES, TAKEN, NO = Declared.YES, Declared.TAKEN, Declared.NO


def a_run(*waits: Any, source: str = PLAIN) -> RunState:
    """Return a run of a task and of waits with these calls behind it."""
    state = RunState()
    nodes = [NodeSpec("f", NodeKind.TASK, (), "f")]
    nodes += [NodeSpec(f"w{n}", NodeKind.EVENT, (0,), "w", call) for n, call in enumerate(waits)]
    nodes += [NodeSpec("end", NodeKind.VALUE, tuple(range(len(nodes))), "", [[{"r": 0}]])]
    state.handle_all([
        r.RunCreated("run", "run", 1.0, {}, {}), r.RunOpened(1.0),
        r.CodeAdded(Code("f", "f", source=source)), r.CodeAdded(Code("w", "w", source="class W: ...")),
        r.NodesAdded(nodes), r.GraphCommitted(len(nodes) - 1), r.RunStarted(1.0),
    ])  # fmt: skip
    return state


@pytest.mark.parametrize(
    ("call", "keys", "others"),
    [
        ([["go"]], ["go"], ["went"]),
        ([[], {"event_key": "go"}], ["go"], ["event_key"]),
        ([[], {"key": "go"}], ["go"], ["key"]),
        (None, ["w0"], ["w1", ""]),
        ([[]], ["w0"], ["go"]),
        ([[{"r": 0}]], ["any", "w0"], []),
        ([[], {"event_key": {"v": {"c": "p5", "b64": "not to be loaded"}}}], ["any"], []),
        ([[5, "go"]], ["w0"], ["go"]),
    ],
)
def test_the_arguments_of_a_wait_tell_its_key_before_it_opens(call: Any, keys: list[str], others: list[str]) -> None:
    state = a_run(call)
    assert [declared(state, key) for key in keys] == [YES] * len(keys)
    assert [declared(state, key) for key in others] == [NO] * len(others)


def test_a_wait_that_is_open_tells_its_key_and_one_that_has_its_event_too() -> None:
    state = a_run([[{"r": 0}]])
    state.handle(r.TaskSucceeded(0, {"c": "json", "v": "go"}, 1.0, 2.0, 1))
    assert declared(state, "any") is YES
    state.handle(r.WaitOpened(1, 1, 2.0, "go"))
    assert declared(state, "go") is YES and declared(state, "any") is NO
    state.handle(r.EventReceived("e", "go", {"c": "json", "v": 1}, 3.0))
    assert declared(state, "go") is TAKEN and declared(state, "any") is NO


@pytest.mark.parametrize(
    ("source", "grows"), [(PLAIN, False), (GROWS, True), ("", True), (f"{PLAIN}\n# ... cut here", True)]
)
def test_a_run_whose_tasks_may_grow_it_may_declare_any_key(source: str, grows: bool) -> None:
    state = a_run([["go"]], source=source)
    assert may_grow(state) is grows
    assert (declared(state, "any") is YES) is grows
    state.handle(r.TaskSucceeded(0, {"c": "json", "v": 1}, 1.0, 2.0, 1))
    assert not may_grow(state) and declared(state, "any") is NO
