"""What a view shows of a flow."""

from __future__ import annotations

import json

import pytest

from nbflow.core.records import RunCanceled
from nbflow.core.rules import FlowDefined, RulesEvaluated
from nbflow.core.state import RunState
from nbflow.rules import Flow, MeetAll, Operator, TaskAction, TaskStatus
from nbflow.views.flow import flow_view, why
from nbflow.views.flow_scene import scene_of_flow
from tests.rules.play import Player


def player() -> Player:
    """Return a run in which one task has failed, one waits for it, and one for two events."""
    with Flow("f", stay_open=True) as flow:
        Operator("first")
        Operator("after").start_after("first")
        join = Operator("join", every=60)
        join.action_on_condition(TaskAction.START, MeetAll(["left", "right"]))
        Operator("mend").action_on_task_status(TaskAction.START, {"join": TaskStatus.FAILED})
    flow.finish_on_event_received("halt")
    found = Player(flow)
    found.go()
    return found


def task(state: RunState, name: str) -> dict[str, object]:
    view = flow_view(state)
    assert view is not None
    return dict(next(each for each in view["tasks"] if each["name"] == name))


def test_a_view_is_json_and_has_tasks_edges_and_what_came() -> None:
    played = player()
    played.send("left")
    played.pump()
    view = flow_view(played.state)
    assert view is not None and json.loads(json.dumps(view)) == view
    assert [(each["name"], each["status"], each["seq"]) for each in view["tasks"]] == [
        ("first", "QUEUED", 1), ("after", "INIT", 0), ("join", "INIT", 0), ("mend", "INIT", 0),
    ]  # fmt: skip
    assert [(each["from"], each["to"], each["key"], each["status"]) for each in view["edges"]] == [
        ("first", "after", "", "SUCCESS"), ("", "join", "'left'", ""), ("", "join", "'right'", ""),
        ("join", "mend", "", "FAILED"),
    ]  # fmt: skip
    assert view["events"][0]["key"] == "left" and view["events"][0]["did"] == ""
    (rule,) = task(played.state, "join")["rules"]  # type: ignore[misc]
    assert (rule["missing"], rule["fired"]) == ("'right'", 0)  # type: ignore[index]
    assert [rule["says"] for rule in view["ends"]] == ["FINISH on 'halt'"]
    assert task(played.state, "join")["schedule"] == "every 60 s"


def test_a_task_behind_a_failed_one_is_shown_so() -> None:
    played = player()
    played.end("first#1", failed=True)
    played.pump()
    assert task(played.state, "after")["status"] == "UPSTREAM_FAILED"
    assert why(played.state, "after")[0] == "after has never started; a task that it waits for has failed"


def test_the_task_that_sent_a_key_is_seen() -> None:
    played = player()
    event = {"src": "stream", "key": "left", "ns": "default", "off": 1, "id": "s1", "by": "run/first#1"}
    played.put(RulesEvaluated(0, event, [["join/1", "not met", "'right'"]], [], {}, 5.0))
    view = flow_view(played.state)
    assert view is not None
    assert [each["from"] for each in view["edges"] if each["key"] == "'left'"] == ["first"]
    assert "event 'left' from run/first#1 (offset 1): join/1 not met: 'right'" in why(played.state, "join")


def test_why_names_the_rule_that_is_broken_and_what_it_keeps() -> None:
    played = player()
    event = {"src": "stream", "key": "left", "ns": "default", "off": 1, "id": "s1"}
    played.put(RulesEvaluated(0, event, [["join/1", "broken", "TypeError: no"]], [], {}, 5.0))
    assert why(played.state, "join")[2] == (
        "rule join/1: START on all of 'left', 'right': has not acted; it is broken and keeps 1 event"
    )


def test_what_is_no_flow_has_no_view() -> None:
    assert flow_view(RunState()) is None
    with pytest.raises(ValueError, match="is no flow"):
        why(RunState(), "a")
    with pytest.raises(ValueError, match=r"no task 'x'; it has first, after, join, mend"):
        why(player().state, "x")


def test_a_task_that_is_gone_is_not_shown() -> None:
    played = player()
    tasks = [spec for spec in played.flow.to_json() if spec["name"] != "mend"]
    played.put(FlowDefined(0, tasks, {}, 6.0))
    view = flow_view(played.state)
    assert view is not None and [each["name"] for each in view["tasks"]] == ["first", "after", "join"]


def test_when_a_run_is_canceled_nothing_of_it_waits_any_more() -> None:
    played = player()
    played.send("left")
    played.pump()
    played.state.handle(RunCanceled(9.0))
    scene = scene_of_flow(played.state)
    assert {station.label: station.row.code for station in scene.stations} == {
        "first": "x", "after": "x", "join": "x", "mend": "x", "left": "s", "right": "x",
    }  # fmt: skip
