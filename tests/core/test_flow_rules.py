"""What a flow knows: its records, and what they may not do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nbflow.core import records as r
from nbflow.core.codec import decode, encode
from nbflow.core.commands import StartTask
from nbflow.core.executions import KEEP, TaskStatus
from nbflow.core.graph import NodeKind, NodeSpec
from nbflow.core.rules import FlowDefined, FlowState, RulesEvaluated, announced, flow_of
from nbflow.core.state import RunState
from nbflow.errors import InvalidTransition

from .runs import ERROR, again, arrived, done, dump, started, task

TASKS: list[dict[str, Any]] = [{"name": "a", "kind": "task", "rules": []}, {"name": "b", "kind": "task", "rules": []}]


def flow() -> RunState:
    """Return a run of a flow that has begun."""
    state, _ = started(NodeSpec("flow", NodeKind.DRIVER, (), "c"))
    state.handle(FlowDefined(0, TASKS, {"default": 3}, 3.0))
    return state


def look(event: dict[str, Any], *actions: list[Any], verdicts: Any = (), states: Any = None) -> RulesEvaluated:
    return RulesEvaluated(0, {"key": "k", **event}, [*map(list, verdicts)], [*actions], states or {}, 4.0)


def start(state: RunState, seq: int = 1) -> FlowState:
    """Let an execution of a be decided and begun."""
    state.handle(look({"src": "time", "task": "a", "due": float(seq)}, ["start", "a", seq, "why"]))
    state.handle_all([r.NodesAdded((task(f"a#{seq}"),), 0), r.NodesCalled(0)])
    found = flow_of(state)
    assert found is not None
    return found


def test_records_go_to_json_and_back() -> None:
    for record in (
        FlowDefined(0, TASKS, {"default": 1}, 3.0),
        look(
            {"src": "run", "id": "e"},
            ["stop", "a", 1, "a/1"],
            verdicts=[("a/1", "fired", "")],
            states={"a/1": {"n": {}}},
        ),
    ):
        assert decode(json.loads(encode(record))) == record


def test_an_event_of_the_inbox_is_taken_by_the_record_and_counts_once() -> None:
    state = flow()
    state.handle(arrived("e1"))
    record = look({"src": "run", "id": "e1"}, ["start", "a", 1, "a/1"], verdicts=[["a/1", "fired", ""]])
    state.handle(record)
    found = flow_of(state)
    assert found is not None and len(state.inbox) == 0 and found.fired == {"a/1": 1}
    state.handle(record)
    assert found.fired == {"a/1": 1} and found.evaluations == 1


def test_an_offset_counts_once() -> None:
    state = flow()
    record = look({"src": "stream", "ns": "default", "off": 3}, verdicts=[["a/1", "fired", ""]])
    state.handle(record)
    state.handle(record)
    state.handle(look({"src": "stream", "ns": "default", "off": 2}, verdicts=[["a/1", "fired", ""]]))
    found = flow_of(state)
    assert found is not None and found.fired == {"a/1": 1} and found.offsets == {"default": 4}


def test_the_end_of_an_execution_is_announced_until_the_rules_have_looked() -> None:
    state = flow()
    found = start(state)
    (running,) = announced(state, found)
    assert running["status"] == "RUNNING"
    state.handle(look(running))
    assert announced(state, found) == []
    state.handle(r.TaskFailed(1, ERROR, 4.0, 5.0))
    (ended,) = announced(state, found)
    assert (ended["status"], ended["ended"]) == ("FAILED", 5.0)
    state.handle(look(ended))
    assert announced(state, found) == [] and found.tasks["a"].broken
    state.handle(look({"src": "resume", "tasks": []}, ["again", "a", 1, ""]))
    assert found.tasks["a"].status is TaskStatus.RUNNING and not found.tasks["a"].broken


def test_a_failure_is_taken_care_of_by_a_rule_that_fires_on_it() -> None:
    state = flow()
    found = start(state)
    state.handle(r.TaskFailed(1, ERROR))
    state.handle(look(announced(state, found)[0], verdicts=[["b/1", "fired", ""]]))
    assert found.tasks["a"].status is TaskStatus.FAILED and not found.tasks["a"].broken


def test_an_execution_that_is_stopped_before_its_call_was_made_has_stopped() -> None:
    state = flow()
    state.handle(look({"src": "time", "task": "a", "due": 1.0}, ["start", "a", 1, ""]))
    state.handle(look({"src": "time", "task": "b", "due": 1.0}, ["stop", "a", 1, ""]))
    found = flow_of(state)
    assert found is not None and [each["status"] for each in announced(state, found)] == ["STOPPED"]


def test_finish_stops_all() -> None:
    state = flow()
    found = start(state)
    state.handle(look({"src": "time", "task": "b", "due": 2.0}, ["finish", "", 0, ""]))
    assert found.tasks["a"].status is TaskStatus.STOPPING and found.finish is not None


def test_a_flow_that_is_defined_anew_keeps_what_its_tasks_have_done_and_stops_those_that_are_gone() -> None:
    state = flow()
    found = start(state)
    state.handle(FlowDefined(0, [TASKS[1], {"name": "c", "kind": "task", "rules": []}], {"default": 9, "x": 1}, 9.0))
    assert found.tasks["a"].gone and found.tasks["a"].status is TaskStatus.STOPPING
    assert not found.tasks["c"].gone and found.began == 3.0
    assert found.offsets == {"default": 3, "x": 1}, "it reads on where it was"


def test_a_rule_that_says_something_else_now_forgets_what_the_other_one_remembered() -> None:
    state = flow()
    rules = [{"id": "a/1", "says": "START on all of x, y"}, {"id": "a/2", "says": "STOP on z"}]
    state.handle(FlowDefined(0, [{**TASKS[0], "rules": rules}], {}, 4.0))
    fired = [["a/1", "fired", ""], ["a/2", "fired", ""]]
    state.handle(look({"src": "time", "task": "a", "due": 1.0}, verdicts=fired, states={"a/1": {"met": 1}, "a/2": {}}))
    mended = [{"id": "a/1", "says": "START on x"}, rules[1]]
    state.handle(FlowDefined(0, [{**TASKS[0], "rules": mended}], {}, 5.0))
    found = flow_of(state)
    assert found is not None and found.states == {} and found.fired == {"a/2": 1}


def test_after_a_death_the_driver_starts_again_and_the_flow_knows_what_it_knew() -> None:
    state = flow()
    found = start(state)
    state.handle(done(1))
    assert again(state) == [StartTask(0, 1)]
    assert [each["status"] for each in announced(state, found)] == ["SUCCESS"]


def test_only_the_last_executions_are_remembered() -> None:
    state = flow()
    for seq in range(1, KEEP + 20):
        found = start(state, seq)
        state.handle(done(len(state.nodes) - 1))
        state.handle(look(announced(state, found)[-1]))
    assert len(found.tasks["a"].executions) <= KEEP + 1 and found.tasks["a"].seq == KEEP + 19
    assert len(found.recent) == KEEP


@pytest.mark.parametrize("node", [1, 7, -1])
def test_a_record_of_no_driver_is_refused_and_changes_nothing(node: int) -> None:
    state = flow()
    start(state)
    before = dump(state)
    for record in (FlowDefined(node, [], {}, 1.0), RulesEvaluated(node, {"src": "begin", "key": "k"}, [], [], {}, 1.0)):
        with pytest.raises(InvalidTransition, match="has no driver"):
            state.handle(record)
    assert dump(state) == before


def test_another_front_keeps_its_own() -> None:
    state, _ = started(NodeSpec("machine", NodeKind.DRIVER, (), "c"))
    state.parts[0] = "what a machine knows"
    with pytest.raises(InvalidTransition, match="is no flow"):
        state.handle(FlowDefined(0, [], {}, 1.0))
    assert flow_of(state) is None


def test_running_a_flow_again_forgets_what_it_did() -> None:
    state = flow()
    start(state)
    state.handle_all([r.RunOpened(5.0), r.NodesReset((0,))])
    assert flow_of(state) is None


def test_the_story_of_a_flow_tells_what_its_rules_did() -> None:
    assert "the flow was given 2 tasks" in story_line(FlowDefined(0, TASKS, {}, 3.0))
    assert story_line(look({"src": "begin"}, ["start", "a", 1, ""], ["finish", "", 0, ""])) == (
        "the rules looked at 'k': start a#1, finish"
    )
    assert story_line(look({"src": "begin"})) == "the rules looked at 'k': nothing to do"


def story_line(record: r.Record) -> str:
    from nbflow.core.tell import tell

    return tell(record)
