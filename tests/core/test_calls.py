"""Calls of a driver: they start, end, stop and start again, and what becomes of them is told to the driver alone."""

from __future__ import annotations

import pytest

from nbflow.core import commands as c
from nbflow.core import records as r
from nbflow.core.commands import Command
from nbflow.core.graph import FORGOTTEN, NodeKind, NodeSpec
from nbflow.core.state import RunState
from nbflow.core.status import NodeStatus, WorkflowStatus
from nbflow.core.table import TRANSITIONS
from nbflow.errors import InvalidTransition

from .runs import ERROR, again, arrived, check, done, dump, event, grew, settled, started, statuses, task

N = NodeStatus


def driver() -> tuple[RunState, list[Command]]:
    """Return a run whose graph is one driver, which was just started."""
    return started(NodeSpec("machine", NodeKind.DRIVER, (), "c"))


def call(state: RunState, *specs: NodeSpec) -> list[Command]:
    """Let the driver call nodes."""
    return state.handle_all([r.NodesAdded(specs, 0), r.NodesCalled(0)])


def test_a_driver_is_started_like_a_body_and_its_end_is_that_of_the_run() -> None:
    state, commands = driver()
    assert commands == [c.StartTask(0, 1)]
    assert state.driver == 0
    assert c.FinishRun() in state.handle(done(0))


def test_a_call_starts_at_once_and_its_end_is_told_to_the_driver() -> None:
    state, _ = driver()
    assert call(state, task("a")) == [c.StartTask(1, 1)]
    assert state.handle(done(1)) == [c.CallEnded(0, 1)]
    assert state.nodes[1].uses == 1, "its value stays until the driver has seen it"
    assert state.status is WorkflowStatus.RUNNING
    check(state)


def test_a_failed_call_leaves_the_run_alone() -> None:
    state, _ = driver()
    call(state, task("a"))
    assert state.handle(r.TaskFailed(1, ERROR)) == [c.CallEnded(0, 1)]
    assert state.live


def test_a_call_that_grew_ends_with_its_continuation() -> None:
    state, _ = driver()
    call(state, task("a"))
    assert grew(state, 1, task("b"), task("c", 0)) == [c.StartTask(2, 1)]
    state.handle(done(2))
    assert c.CallEnded(0, 1) in state.handle(done(3))
    assert state.nodes[1].status is N.DONE


def test_a_failure_below_a_call_fails_the_call_and_stops_what_else_is_below() -> None:
    state, _ = driver()
    call(state, task("a"))
    grew(state, 1, task("b"), task("c"), task("d", 0, 1))
    commands = state.handle(r.TaskFailed(2, ERROR))
    assert commands == [c.StopTask(3), c.CallEnded(0, 1)]
    assert state.nodes[1].status is N.FAILED and state.nodes[1].error == ERROR
    assert state.live


def test_a_stopped_call_is_stopped_with_all_that_it_has_grown() -> None:
    state, _ = driver()
    call(state, task("a"), event("e"), task("b"))
    grew(state, 1, task("below"))
    state.handle(r.WaitOpened(2, 1, 3.0, "k"))
    assert state.handle(r.CallStopped(1, 4.0)) == [c.StopTask(4), c.CallEnded(0, 1)]
    assert state.handle(r.CallStopped(2, 4.0)) == [c.CloseWait(2, 1), c.CallEnded(0, 2)]
    assert state.handle(r.CallStopped(3, 4.0)) == [c.StopTask(3), c.CallEnded(0, 3)]
    assert state.handle(r.CallStopped(3, 5.0)) == [], "twice is once"
    assert state.handle(done(3)) == [c.DropValue(3)], "a late result changes nothing"
    assert statuses(state) == "queued canceled canceled canceled skipped"


@pytest.mark.parametrize("end", [r.TaskFailed(1, ERROR), r.CallStopped(1, 4.0)])
def test_a_call_that_is_over_starts_again_with_a_fresh_budget(end: r.Record) -> None:
    state, _ = driver()
    call(state, task("a"))
    state.handle(r.TaskAttemptFailed(1, 1, ERROR, 9.0))
    state.handle(end)
    assert state.handle(r.CallAgain(1)) == [c.StartTask(1, 1)]
    assert state.handle(done(1)) == [c.CallEnded(0, 1)]
    assert state.handle(r.CallAgain(1)) == [], "what has its value keeps it"


def test_after_a_death_finished_calls_keep_their_values_and_the_others_wait_for_the_driver() -> None:
    state, _ = driver()
    call(state, task("a"), task("b"), task("c"))
    grew(state, 3, task("below"))
    state.handle(done(1))
    assert again(state) == [c.StartTask(0, 1), c.StartTask(4, 1)], "a continuation goes on by itself"
    assert statuses(state) == "queued restored pending grown queued"
    assert state.handle(r.CallAgain(2)) == [c.StartTask(2, 1)]
    assert state.handle(done(2)) == [c.CallEnded(0, 2)]
    assert c.CallEnded(0, 3) in state.handle(done(4))


def test_forgotten_calls_leave_the_state_and_their_names_are_free() -> None:
    state, _ = driver()
    call(state, task("a"), task("b"))
    grew(state, 1, task("below"))
    state.handle(done(3))
    state.handle(r.CallsForgotten(0, (1, 2)))
    assert [node.owner for node in state.nodes] == [-1, FORGOTTEN, 0, FORGOTTEN], "what runs stays"
    assert "a" not in state.index and "b" in state.index
    call(state, task("a"))
    assert state.index["a"] == 4
    check(state)


def test_calls_that_become_durable_after_the_run_was_let_go_are_taken_and_wait() -> None:
    state, _ = driver()
    state.handle(r.RunDetached(4.0))
    assert call(state, task("a")) == []
    assert again(state) == [c.StartTask(0, 1)]
    assert state.handle(r.CallAgain(1)) == [c.StartTask(1, 1)]


def test_the_same_records_give_the_same_nodes_whatever_only_memory_knew() -> None:
    live, _ = driver()
    records = [
        r.NodesAdded((task("a"),), 0), r.NodesCalled(0), r.RunDetached(4.0), r.NodesAdded((task("b"),), 0),
        r.NodesCalled(0), done(1),
    ]  # fmt: skip
    live.handle(r.TaskStarted(0, 1, 2.0))
    live.handle_all(records)
    folded, _ = driver()
    folded.handle_all(records)
    assert settled(again_quietly(live)) == settled(again_quietly(folded))


def again_quietly(state: RunState) -> RunState:
    again(state)
    return state


def test_an_event_that_no_node_waits_for_is_told_to_the_driver_and_stays_until_a_record_takes_it() -> None:
    state, _ = driver()
    assert state.handle(arrived("1")) == [c.Acknowledge("1", "queued"), c.EventKept("1")]
    state.handle(arrived("2", "other"))
    state.handle(arrived("3"))
    taken = state.inbox.take_id("1")
    assert taken is not None and taken.event_id == "1"
    assert [each.event_id for each in state.inbox.waiting()] == ["2", "3"]
    assert state.inbox.take_id("1") is None
    assert state.inbox.take("k") is not None and state.inbox.take("k") is None


def test_running_the_driver_again_forgets_its_calls() -> None:
    state, _ = driver()
    call(state, task("a"))
    state.parts[0] = "what the front knew"
    state.handle_all([r.RunOpened(5.0), r.NodesReset((0,))])
    assert state.nodes[1].owner == FORGOTTEN and state.parts == {}


@pytest.mark.parametrize("record", [r.CallAgain(0), r.CallStopped(0, 3.0), r.NodesCalled(1), r.CallsForgotten(1, ())])
def test_what_is_no_call_and_no_driver_is_refused_and_nothing_changes(record: r.Record) -> None:
    state, _ = driver()
    call(state, task("a"))
    before = dump(state)
    with pytest.raises(InvalidTransition):
        state.handle(record)
    assert dump(state) == before


@pytest.mark.parametrize("kind", [r.CallAgain, r.CallStopped])
def test_the_table_knows_every_state_of_a_call(kind: type[r.NodeRecord]) -> None:
    assert {status for status, record in TRANSITIONS if record is kind} == set(N)
