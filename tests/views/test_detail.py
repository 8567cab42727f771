"""The details of one drawn node."""

from __future__ import annotations

from nbflow.core import records as r
from nbflow.views.detail import attempts_of, detail_of
from nbflow.views.picture import Picture

from .runs import ERROR, Play, json_value, task, value


def test_a_node_shows_its_value_or_its_error() -> None:
    play = Play(task("a"), task("b", 0))
    play.done("a", value=[1, 2])
    play.fail("b")
    first, second = (detail_of(play.state, drawn) for drawn in Picture.of(play.state).nodes)
    assert first["value"] == "[1, 2]" and "error" not in first
    assert second["error"]["type"] == "ValueError" and "value" not in second
    assert second["facts"] == {"Node": "b", "Needs": "a"}


def test_a_stack_shows_a_letter_for_each_member_and_the_first_five_failures() -> None:
    play = Play(*[task(f"f_{i}", code="f", group="g") for i in range(10)], value("all", *range(10)))
    play.done(0)
    for i in range(2, 9):
        play.take(r.TaskFailed(i, ERROR, play.now, play.now))
    detail = detail_of(play.state, Picture.of(play.state).nodes[0])
    assert detail["cells"] == "sqfffffffq"
    assert [failure["label"] for failure in detail["failures"]] == ["f_2", "f_3", "f_4", "f_5", "f_6"]


def test_the_attempts_of_a_node_are_those_that_ended() -> None:
    records = [
        r.TaskAttemptFailed(0, 1, ERROR, 9.0, 1.0, 2.0),
        r.TaskSucceeded(1, json_value(1), 1.0, 2.0),
        r.TaskSucceeded(0, json_value(1), 3.0, 4.0, 2),
    ]
    attempts = attempts_of(records, 0)
    assert [(attempt["attempt"], "error" in attempt) for attempt in attempts] == [(1, True), (2, False)]
