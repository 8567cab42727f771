"""When conditions are met, what they remember, and what they still wait for."""

from __future__ import annotations

import pytest

from nbflow.errors import GraphError
from nbflow.rules import Condition, Context, Count, Event, MeetAll, MeetAny, SingleEvent, TaskStatus, TaskStatusMet
from nbflow.rules.conditions import listens
from nbflow.rules.decide import Heard


def met(condition: Condition, keys: str, context: Context | None = None) -> str:
    """Return the keys, one letter each, in capitals where they met the condition."""
    context = context or Context()
    said = ""
    for key in keys:
        event = Heard(key, scopes=("run", "flow", "namespace"))
        said += key.upper() if listens(condition, event) and condition.is_met(event, context) else key
    return said


@pytest.mark.parametrize(
    ("condition", "history"),
    [
        (SingleEvent("a"), "AbA"),
        (SingleEvent("[ab]"), "ABc"),
        (MeetAny(["a", "b"]), "ABcA"),
        (MeetAll(["a", "b"]), "aaBbbAab"[:6]),
        (MeetAll(["a", "b"], sticky=True), "aBABc"),
        (Count(2, "a"), "aAbaA"),
        (Count(2, ["a", "b"]), "aBaB"),
        (Count(2, "a", sticky=True), "aAA"),
        (Count(2, MeetAll(["a", "b"])), "abaB"),
        (MeetAll([MeetAny(["a", "b"]), "c"]), "abCcA"),
        (MeetAll([Count(2, "a"), "b"]), "baAaab"[:3]),
        (MeetAny([MeetAll(["a", "b"]), "c"]), "aCBa"),
    ],
    ids=str,
)
def test_a_condition_is_met_by_the_event_that_completes_it_and_armed_anew(condition: Condition, history: str) -> None:
    assert met(condition, history.lower()) == history


def test_two_conditions_inside_one_remember_for_themselves() -> None:
    context = Context()
    both = MeetAll([Count(2, "a"), Count(3, "a")])
    assert met(both, "aaaaaa", context) == "aaAaaA"
    assert both.missing(Context()) == ["2 more of 'a'", "3 more of 'a'"]


def test_what_is_missing_is_told_in_words() -> None:
    context = Context()
    condition = MeetAll([SingleEvent("a", scope="namespace", sender="train*"), Count(2, "b"), MeetAny(["c", "d"])])
    met(condition, "b", context)
    assert condition.missing(context) == ["'a' in the namespace from 'train*'", "1 more of 'b'", "'c' or 'd'"]
    assert str(condition) == "all of 'a' in the namespace from 'train*', every 2 of 'b', any of 'c', 'd'"


def test_an_event_counts_by_scope_and_sender() -> None:
    condition = SingleEvent("a", scope="flow", sender="t[12]*")
    heard = {"sender": "t1#3", "scopes": ("flow", "namespace")}
    assert listens(condition, Heard("a", **heard))  # type: ignore[arg-type]
    assert not listens(condition, Heard("a", sender="u", scopes=("flow",)))
    assert not listens(condition, Heard("a", sender="t1", scopes=("namespace",)))


def test_states_of_tasks_are_met_when_all_hold_at_once() -> None:
    condition = TaskStatusMet({"a": TaskStatus.SUCCESS, "b": "FAILED"})
    half = Context(statuses={"a": TaskStatus.SUCCESS, "b": TaskStatus.RUNNING})
    whole = Context(statuses={"a": TaskStatus.SUCCESS, "b": TaskStatus.FAILED})
    event = Heard("[task_status].a", task="a", status=TaskStatus.SUCCESS)
    assert listens(condition, event)
    assert not listens(condition, Heard("[task_status].a", task="a", status=TaskStatus.FAILED))
    assert not condition.is_met(event, half) and condition.is_met(event, whole)
    assert condition.missing(half) == ["b to be FAILED (it is RUNNING)"]


def test_a_remembered_value_changes_only_by_update() -> None:
    values: dict[str, object] = {}
    state = Context(values).get_state("seen")
    state.update([1])
    state.value().append(2)
    assert state.value() == [1]
    state.clear()
    assert values == {}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SingleEvent(""), "key of an event"),
        (lambda: SingleEvent("a", scope="world"), "scope must be one of 'run', 'flow', 'namespace'"),
        (lambda: MeetAll([]), "at least one condition"),
        (lambda: MeetAny([3]), "an event's key or a Condition, not 3"),  # type: ignore[list-item]
        (lambda: Count(0, "a"), "whole number from 1, not 0"),
        (lambda: TaskStatusMet({}), "at least one task"),
        (lambda: TaskStatusMet({3: "SUCCESS"}), "named by its operator or its name"),
    ],
)
def test_what_is_no_condition_is_refused_where_it_is_written(make: object, words: str) -> None:
    with pytest.raises(GraphError, match=words):
        make()  # type: ignore[operator]


def test_a_condition_without_is_met_says_what_to_write() -> None:
    with pytest.raises(NotImplementedError, match="Condition has to say when it is met"):
        Condition(["a"]).is_met(Event("a"), Context())
