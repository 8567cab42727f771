"""A state machine as data: where it is, where it has been, what waits and what was put aside."""

from __future__ import annotations

import json

import pytest

from nbflow.core import machine as m
from nbflow.core import records as r
from nbflow.core.state import RunState
from nbflow.views.machine import describe, machine_view
from tests.core.runs import V, started, task
from tests.core.test_machine import BOOM, FORM, machine, sent, waits

FORMED = {**FORM, "moves": [["begin", "wait"], ["wait", "late"], ["approve", "ship"]]}


def moves(state: RunState) -> dict[tuple[str, str], int]:
    return {(start, end): times for start, end, times in machine_view(state)["moves"]}


def test_a_machine_that_waits_says_for_what_until_when_and_then() -> None:
    state = machine(*waits(until=99.0), form=FORMED)
    found = describe(state)
    assert (found.state, found.waits_for, found.until, found.then) == ("wait", ("approve", "note"), 99.0, "late")
    assert str(found) == "order: RUNNING, waits for approve, note, then late"
    view = machine_view(state)
    assert view["now"] == "wait" and ["begin", "start", 1] in view["states"] and ["wait", "wait", 0] in view["states"]


def test_ways_that_were_gone_are_counted_and_those_that_the_code_names_are_there() -> None:
    state = machine(*waits(until=9.0), sent("1"), m.HandlerBegan(0, 2, "note", m.EVENT, 6.0, "1"), form=FORMED)
    state.handle(m.HandlerDone(0, 2, 7.0, {"do": "wait", "until": 8.0, "name": "late"}))
    state.handle(m.HandlerBegan(0, 3, "late", m.TIMEOUT, 9.0))
    state.handle(m.HandlerDone(0, 3, 9.5, {"do": "complete", "value": V}))
    assert moves(state) == {
        ("begin", "wait"): 1, ("wait", "late"): 1, ("approve", "ship"): 0, ("wait", "approve"): 0,
        ("wait", "note"): 1, ("note", "wait"): 1, ("late", "complete"): 1,
    }  # fmt: skip
    assert machine_view(state)["now"] == "complete"


def test_events_stand_where_they_are() -> None:
    state = machine(m.HandlerBegan(0, 1, "begin", m.START, 3.0), sent("1"), sent("2"), form=FORMED)
    view = machine_view(state)
    assert view["now"] == "begin" and [row["id"] for row in view["inbox"]] == ["1", "2"]
    state.handle(m.EventSetAside(0, "1", 6.0, BOOM))
    view = machine_view(state)
    assert [(row["event"], row["why"]) for row in view["aside"]] == [("note", "ValueError: boom")]
    assert [row["id"] for row in view["inbox"]] == ["2"]
    state.handle(r.RunCanceled(7.0, "", ("2",)))
    assert [row["id"] for row in machine_view(state)["undelivered"]] == ["2"]
    assert json.dumps(machine_view(state))


def test_a_run_whose_time_was_up_says_so() -> None:
    state = machine(*waits(), m.MachineLate(0, 9.0), r.TaskFailed(0, BOOM), r.RunFailed(9.0, 0))
    assert describe(state).status == "TIMED_OUT"


def test_a_machine_that_has_not_begun_is_described_and_another_run_is_not() -> None:
    state = RunState()
    state.handle_all(
        [r.RunCreated("run", "order", 1.0), r.NodesAdded((task("a"),)), r.GraphCommitted(0), r.RunStarted(2.0)]
    )
    state.driver = 0
    assert describe(state).state == "start" and machine_view(state)["states"][0][0] == "start"
    graph, _ = started(task("a"))
    with pytest.raises(ValueError, match="is no state machine"):
        describe(graph)
