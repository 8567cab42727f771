"""The story of a node tells all that happened to it, in words, from the records alone."""

from __future__ import annotations

import pytest

from nbflow.core import records as r
from nbflow.core.story import rows, story
from nbflow.core.tell import tell

from .runs import ERROR, arrived, created, done, event, graph, task
from .test_table import RECORDS

HISTORY: list[r.Record] = [
    *created(),
    *graph(task("a"), event("w", 0)),
    r.RunStarted(2.0),
    r.TaskAttemptFailed(0, 1, ERROR, 5.0, 3.0, 4.0),
    r.NodesAdded((task("a"),), 0),
    r.TaskGrew(0, 0, 5.0, 6.0, 2),
    done(2, started=7.0, ended=8.0),
    r.WaitOpened(1, 1, 8.5, "k"),
    arrived("e1"),
]


def test_the_story_of_a_task_says_each_attempt_and_where_it_led() -> None:
    assert story(HISTORY, "a") == [
        "#6 the graph was set -> pending",
        "#7 the run got its turn -> queued",
        "#8 attempt 1 failed with OSError: no such file; another follows -> retrying",
        "#10 attempt 2 returned a continuation -> grown",
        "#11 attempt 1 succeeded -> done",
    ]


def test_the_story_of_a_wait_ends_with_its_event_and_knows_the_moments() -> None:
    told = rows(HISTORY, "w")
    assert [(row.at, row.what, row.status.value) for row in told[1:]] == [
        (8.0, "attempt 1 succeeded", "queued"),
        (8.5, "wait 1 opened for 'k'", "waiting"),
        (5.0, "event 'e1' for 'k' came in", "done"),
    ]


def test_the_story_of_a_grown_node_begins_when_it_was_grown() -> None:
    assert [row.what for row in rows(HISTORY, "a_1")] == ["attempt 2 returned a continuation", "attempt 1 succeeded"]


def test_the_story_names_the_node_with_which_the_run_failed() -> None:
    broke: list[r.Record] = [r.TaskFailed(0, ERROR, 3.0, 4.0), r.RunFailed(9.0, 0)]
    told = story(
        [*created(), *graph(task("a"), event("w")), r.RunStarted(2.0), r.WaitOpened(1, 1, 2.5, "k"), *broke], "w"
    )
    assert told[-1] == "#10 the run failed at 'a' -> pending"


def test_the_story_goes_on_to_the_record_that_cannot_happen() -> None:
    told = story([*HISTORY, done(0)], "w")
    assert "this cannot happen: TaskSucceeded" in told[-1]


def test_a_node_that_the_run_never_had_has_no_story() -> None:
    assert rows(HISTORY, "nobody") == []
    with pytest.raises(ValueError, match="no node 'nobody'"):
        story(HISTORY, "nobody")


@pytest.mark.parametrize("record_type", r.RECORDS.values(), ids=lambda cls: cls.tag)
def test_every_record_has_its_words(record_type: type[r.Record]) -> None:
    known = {type(record): record for record in [*RECORDS.values(), *HISTORY]}
    assert len(tell(known[record_type])) > 5
