"""What a flow is made of, and what is refused where it is written."""

from __future__ import annotations

import cloudpickle
import pytest

from nbflow.core.executions import TaskState
from nbflow.errors import GraphError
from nbflow.rules import BashOperator, Flow, MeetAll, Operator, PythonOperator, TaskAction, TaskStatus
from nbflow.rules.decide import outlook

from .play import Player


def test_rules_are_numbered_and_told_in_words() -> None:
    with Flow("f") as flow:
        a = Operator("a")
        b = Operator("b", every=60)
        b.action_on_event_received(TaskAction.START, ["x", "y"], once=True, scope="namespace")
        b.action_on_condition("RESTART", MeetAll(["p", "q"]))
        b.start_after([a, "a"])
    flow.finish_on_event_received("halt")
    assert flow.rules() == [
        "FINISH on 'halt'",
        "b: START on any of 'x' in the namespace, 'y' in the namespace, once",
        "b: RESTART on all of 'p', 'q'",
        "b: START on a is SUCCESS",
    ]
    assert [rule.id for rule in flow.all_rules()] == ["/1", "b/1", "b/2", "b/3"]
    assert a.starts_at_once and not b.starts_at_once
    assert repr(flow) == "<flow 'f': a, b>"


def test_a_flow_survives_a_pickle_with_its_functions() -> None:
    factor = 3
    with Flow("f") as flow:
        PythonOperator("a", lambda x: factor * x, op_args=[2]).action_on_event_received(TaskAction.STOP, "x")
    again = cloudpickle.loads(cloudpickle.dumps(flow))
    assert again["a"].python_callable(2) == 6 and again.rules() == flow.rules()


def test_a_broken_block_leaves_the_flow_as_it_was() -> None:
    flow = Flow("f")
    with flow:
        Operator("a")
    with pytest.raises(ZeroDivisionError), flow:
        Operator("b")
        raise ZeroDivisionError
    assert list(flow.tasks) == ["a"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda flow: Operator("a#1", flow=flow), "without '#' and '/'"),
        (lambda flow: Operator("", flow=flow), "has a name"),
        (lambda flow: PythonOperator("a", 3, flow=flow), "needs a function, not 3"),
        (lambda flow: BashOperator("a", " ", flow=flow), "needs a command"),
        (lambda flow: Operator("a", flow=flow).action_on_event_received("RUN", "x"), "START, STOP or RESTART"),
        (lambda flow: Flow("a", max_rounds=0), "max_rounds"),
        (lambda flow: Flow("a/b"), "without '/'"),
        (lambda flow: flow.check(), "has no task"),
    ],
)
def test_what_means_nothing_is_refused(make: object, words: str) -> None:
    with pytest.raises(GraphError, match=words):
        make(Flow("f"))  # type: ignore[operator]


def test_a_rule_on_a_task_that_is_not_there_is_refused_before_the_run() -> None:
    with Flow("f") as flow:
        Operator("a").start_after("b")
    with pytest.raises(GraphError, match=r"needs a task 'b', which flow 'f' does not have; it has a"):
        flow.check()


def test_a_run_is_over_when_nothing_can_happen_any_more() -> None:
    with Flow("f") as flow:
        _, second, third = Operator("first"), Operator("second"), Operator("third")
        second.action_on_event_received(TaskAction.START, "go")
        third.start_after(second)
    player = Player(flow)
    player.go()
    player.end("first#1")
    player.pump()
    assert outlook(flow, player.known) == ("waits", ["second", "third"])
    player.send("go")
    player.pump()
    player.end("second#1")
    player.pump()
    player.end("third#1")
    player.pump()
    assert outlook(flow, player.known) == ("done", [])
    flow.stay_open = True
    assert outlook(flow, player.known)[0] == "waits"


def test_a_task_behind_one_that_was_stopped_does_not_keep_the_run_going() -> None:
    with Flow("f") as flow:
        first, second = Operator("first"), Operator("second")
        first.action_on_event_received(TaskAction.STOP, "halt")
        second.start_after(first)
    player = Player(flow)
    player.go()
    player.send("halt")
    player.pump()
    assert player.known.tasks["first"].status is TaskStatus.STOPPED
    assert outlook(flow, player.known) == ("done", [])


def test_a_failure_fails_the_run_even_when_another_task_waits_for_an_event() -> None:
    with Flow("f") as flow:
        Operator("sender")
        Operator("receiver").action_on_event_received(TaskAction.START, "sent")
    player = Player(flow)
    player.go()
    player.end("sender#1", failed=True)
    player.pump()
    assert outlook(flow, player.known) == ("failed", ["sender"])
    player.restart()
    player.go()
    assert player.running() == ["sender#1"], "what failed is tried again"


def test_finish_stops_what_runs_and_starts_nothing_more() -> None:
    with Flow("f", stay_open=True) as flow:
        Operator("serve").action_on_event_received(TaskAction.RESTART, "model")
    flow.finish_on_event_received("halt")
    player = Player(flow)
    player.go()
    player.send("halt")
    player.send("model")
    player.pump()
    assert player.started() == ["serve#1"] and player.running() == []
    assert outlook(flow, player.known) == ("done", [])


def test_a_task_that_a_flow_got_later_starts_when_what_it_waits_for_is_done() -> None:
    with Flow("f", stay_open=True) as flow:
        Operator("first")
    player = Player(flow)
    player.go()
    player.end("first#1")
    player.pump()
    with flow:
        Operator("first")
        Operator("second").start_after("first")
    player.known.tasks["second"] = TaskState(flow["second"].to_json())
    player.restart()
    player.known.tasks["second"] = TaskState(flow["second"].to_json())
    player.go()
    assert player.running() == ["second#1"]
