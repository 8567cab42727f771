"""Who was told of a question is remembered as long as the question stands, and moves nothing."""

from __future__ import annotations

import pytest

from nbflow.core import records as r
from nbflow.core.status import NodeStatus
from nbflow.core.tell import tell
from nbflow.errors import InvalidTransition

from .runs import V, event, started, task

OPENED = r.WaitOpened(0, 1, 3.0, "k", prompt={"options": ["go"]}, notify=V)


def test_who_was_told_is_remembered_once_and_nothing_moves() -> None:
    state, _ = started(event("a"), task("b", 0))
    state.handle(OPENED)
    assert state.nodes[0].told == ()
    for target in (0, 2, 0):
        assert state.handle(r.Notified(0, 1, 4.0, target)) == []
    assert state.nodes[0].told == (0, 2)
    assert state.nodes[0].status is NodeStatus.WAITING


def test_it_is_remembered_by_the_next_owner() -> None:
    state, _ = started(event("a"), task("b", 0))
    state.handle_all([OPENED, r.Notified(0, 1, 4.0), r.RunOpened(5.0), r.RunStarted(6.0)])
    assert state.nodes[0].told == (0,)


def test_word_of_an_earlier_question_does_not_count_for_a_later_one() -> None:
    state, _ = started(event("a"), task("b", 0))
    state.handle(OPENED)
    state.handle(r.Notified(0, 7, 4.0))
    assert state.nodes[0].told == ()
    state.handle_all([r.Notified(0, 1, 4.0), r.RunOpened(5.0), r.NodesReset((0,)), r.RunStarted(6.0)])
    state.handle(r.WaitOpened(0, 2, 7.0, "k", prompt={"options": ["go"]}, notify=V))
    assert state.nodes[0].told == ()


def test_word_that_comes_late_is_harmless_and_of_no_node_is_not() -> None:
    state, _ = started(event("a"), task("b", 0))
    state.handle_all([OPENED, r.EventReceived("e", "k", {"c": "json", "v": "go"}, 4.0), r.RunCanceled(5.0)])
    assert state.handle(r.Notified(0, 1, 6.0)) == []
    with pytest.raises(InvalidTransition):
        state.handle(r.Notified(9, 1, 6.0))


def test_a_story_tells_that_it_was_sent_or_could_not_be() -> None:
    assert tell(r.Notified(0, 3, 4.0)) == "notification 1 of wait 3 was sent"
    assert tell(r.Notified(0, 3, 4.0, 1, "OSError")) == "notification 2 of wait 3 could not be sent: OSError"
