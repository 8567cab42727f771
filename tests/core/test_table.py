"""Each pair of the tables does what it says; any other pair raises and changes nothing."""

from __future__ import annotations

import pytest

from nbflow.core import records as r
from nbflow.core.state import RunState
from nbflow.core.status import NodeStatus, WorkflowStatus
from nbflow.core.table import NODE_RECORDS, RUN_RECORDS, RUN_TRANSITIONS, TRANSITIONS
from nbflow.errors import InvalidTransition

from .runs import ERROR, V, check, created, done, dump, event, graph, started, task

N = NodeStatus
W = WorkflowStatus

RECORDS: dict[type[r.Record], r.Record] = {
    record_type: record
    for record in (
        r.TaskStarted(0, 1, 3.0),
        done(0),
        r.TaskGrew(0, 0),
        r.TaskAttemptFailed(0, 1, ERROR, 9.0),
        r.TaskFailed(0, ERROR),
        r.RetryDue(0, 2),
        r.WaitOpened(0, 1, 3.0, "k", 9.0, V),
        r.Notified(0, 1, 4.0),
        r.ListenerFired(0, 1, V, 4.0),
        r.ListenerCommitted(0, 5.0),
        r.WaitExpired(0, 1, 9.0),
        r.NodesCalled(0),
        r.CallAgain(0),
        r.CallStopped(0, 9.0),
        r.CallsForgotten(0, (1,)),
        r.RunCreated("run", "run", 1.0),
        r.RunOpened(2.0),
        r.GraphCommitted(0),
        r.NodesReset((0,)),
        r.NodesRecoded("c", (0,)),
        r.RunForked("fork", "run", 9.0),
        r.RunStarted(3.0),
        r.RunSucceeded(9.0),
        r.RunFailed(9.0, 0),
        r.RunCanceled(9.0),
        r.RunDetached(9.0),
    )
    for record_type in (type(record),)
}
"""One record of each type, all about node 0."""


def node_in(status: NodeStatus) -> RunState:
    """Return a run whose node 0 has come to a state by legal records, with a continuation lying ready for it."""
    waits = (N.WAITING, N.COMMITTING)
    state, _ = started(event("a") if status in waits else task("a"), task("b", 0))
    steps: dict[NodeStatus, list[r.Record]] = {
        N.PENDING: [r.RunDetached(3.0)],
        N.RUNNING: [RECORDS[r.TaskStarted]],
        N.WAITING: [RECORDS[r.WaitOpened]],
        N.COMMITTING: [RECORDS[r.WaitOpened], RECORDS[r.ListenerFired]],
        N.RETRYING: [RECORDS[r.TaskAttemptFailed]],
        N.GROWN: [r.NodesAdded((task("c"),), 0), RECORDS[r.TaskGrew]],
        N.DONE: [done(0)],
        N.RESTORED: [done(0), r.RunOpened(4.0), r.RunStarted(5.0)],
        N.FAILED: [RECORDS[r.TaskFailed]],
        N.CANCELED: [RECORDS[r.RunCanceled]],
    }
    state.handle_all(steps.get(status, []))
    if status is N.SKIPPED:
        state.set_status(0, N.SKIPPED)  # nothing legal skips a node that nothing precedes
    if state.nodes[0].wait is None:
        state.nodes[0].wait = r.WaitOpened(0, 1, 3.0)  # so that the record of a wait reaches the table
    state.handle(r.NodesAdded((task("g"),), 0))
    assert state.nodes[0].status is status
    return state


@pytest.mark.parametrize("record_type", NODE_RECORDS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("status", list(N))
def test_a_node_goes_where_the_table_says_or_stays_as_it_was(
    status: NodeStatus, record_type: type[r.NodeRecord]
) -> None:
    state = node_in(status)
    before = dump(state)
    pair = (status, record_type)
    if pair not in TRANSITIONS:
        with pytest.raises(InvalidTransition, match=rf"{record_type.__name__}.*node 'a' of run 'run'.*{status}"):
            state.handle(RECORDS[record_type])
        assert dump(state) == before
        return
    state.handle(RECORDS[record_type])
    expected = TRANSITIONS[pair]
    if expected is None:
        before["staged"].pop(0 if record_type is r.TaskGrew else -9, None)
        before["tokens"] = max(before["tokens"], 1 if record_type is r.WaitOpened else 0)
        assert dump(state) == before
    elif expected is N.RETRYING and not state.live:
        assert state.nodes[0].status is N.PENDING, "it is tried again when the run goes on"
    else:
        assert state.nodes[0].status is expected


def run_in(status: WorkflowStatus | None) -> RunState:
    """Return a run that has come to a state by legal records, with a graph lying ready."""
    state = RunState()
    if status is None:
        return state
    state.handle_all([*created(), *graph(task("a"))])
    steps: dict[WorkflowStatus, list[r.Record]] = {
        W.RUNNING: [],
        W.SUCCESSFUL: [done(0), RECORDS[r.RunSucceeded]],
        W.FAILED: [RECORDS[r.TaskFailed], RECORDS[r.RunFailed]],
        W.RESUMABLE: [RECORDS[r.RunDetached]],
        W.CANCELED: [RECORDS[r.RunCanceled]],
    }
    if status in steps:
        state.handle_all([RECORDS[r.RunStarted], *steps[status]])
    state.handle(r.NodesAdded((task("a"),)))
    assert state.status is status
    return state


@pytest.mark.parametrize("record_type", RUN_RECORDS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("status", [None, *W])
def test_a_run_goes_where_the_table_says_or_stays_as_it_was(
    status: WorkflowStatus | None, record_type: type[r.Record]
) -> None:
    state = run_in(status)
    if status is None:
        state.handle(r.NodesAdded((task("a"),)))
        if record_type in (r.NodesReset, r.NodesRecoded):
            return  # a run without nodes refuses every index before its status is asked
    before = dump(state)
    pair = (status, record_type)
    if pair not in RUN_TRANSITIONS:
        with pytest.raises(InvalidTransition, match=rf"{record_type.__name__} cannot happen to run"):
            state.handle(RECORDS[record_type])
        assert dump(state) == before
        return
    state.handle(RECORDS[record_type])
    expected = RUN_TRANSITIONS[pair]
    if expected is None:
        before["staged"] = {} if record_type is r.RunOpened else before["staged"]
        assert dump(state) == before
    else:
        assert state.status is expected
        check(state)


@pytest.mark.parametrize(
    "record",
    [
        done(7),
        done(-1),
        r.ListenerFired(7, 1, V, 4.0),
        r.ListenerFired(-1, 1, V, 4.0),
        r.WaitExpired(7, 1, 4.0),
        r.RetryDue(-1, 1),
        r.TaskFailed(7, ERROR),
        r.TaskGrew(0, 1),
        r.TaskGrew(0, -1),
    ],
    ids=str,
)
def test_a_record_of_no_node_or_no_output_raises_and_changes_nothing(record: r.Record) -> None:
    state, _ = started(task("a"))
    state.handle(r.NodesAdded((task("g"),), 0))
    before = dump(state)
    with pytest.raises(InvalidTransition):
        state.handle(record)
    assert dump(state) == before


@pytest.mark.parametrize(
    "record", [r.GraphCommitted(1), r.GraphCommitted(-1), r.NodesReset((0, 5)), r.NodesReset((-1,))]
)
def test_an_impossible_graph_or_reset_raises_and_changes_nothing(record: r.Record) -> None:
    state = RunState()
    state.handle_all([*created(), *graph(task("a")), r.NodesAdded((task("a"),))])
    before = dump(state)
    with pytest.raises(InvalidTransition):
        state.handle(record)
    assert dump(state) == before


def test_an_illegal_wait_does_not_use_up_its_token() -> None:
    state, _ = started(task("a"))
    state.handle(r.TaskStarted(0, 1, 3.0))
    with pytest.raises(InvalidTransition):
        state.handle(r.WaitOpened(0, 9, 3.0))
    assert state.tokens == 0


def test_the_message_tells_what_happened_to_the_node_lately() -> None:
    state, _ = started(task("a"))
    state.handle(r.TaskAttemptFailed(0, 1, ERROR, 5.0))
    state.handle(done(0, attempt=2))
    with pytest.raises(InvalidTransition, match=r"lately: attempt 1 failed with OSError.*, attempt 2 succeeded"):
        state.handle(done(0, attempt=2))
