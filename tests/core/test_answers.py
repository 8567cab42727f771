"""An event ends a question only when it is an answer to it, whenever it comes and wherever it comes from."""

from __future__ import annotations

import pytest

from nbflow.core import records as r
from nbflow.core.answers import decide
from nbflow.core.commands import Acknowledge, CloseWait, FinishRun, KeepWait

from .runs import event, started, statuses

PROMPT = {"kind": "button", "title": "Publish?", "options": ["yes", "no"], "fields": None, "require_comment": False}


def said(event_id: str, what: object) -> r.EventReceived:
    return r.EventReceived(event_id, "k", {"c": "json", "v": what}, 5.0, "ann", "api")


@pytest.mark.parametrize("wrong", ["maybe", 7, None, {"option": "maybe"}, {"option": "yes", "values": {"x": 1}}])
def test_what_is_no_answer_leaves_the_question_open(wrong: object) -> None:
    state, _ = started(event("w"))
    state.handle(r.WaitOpened(0, 1, 3.0, "k", prompt=PROMPT))
    assert state.handle(said("e1", wrong)) == [Acknowledge("e1", "rejected")]
    assert statuses(state) == "waiting"
    assert state.handle(said("e2", "yes")) == [CloseWait(0, 1), Acknowledge("e2", "delivered", 0), FinishRun()]
    assert state.nodes[0].value is not None
    assert state.nodes[0].value["v"]["option"] == "yes"


def test_an_early_answer_that_does_not_fit_is_refused_and_the_next_one_counts() -> None:
    state, _ = started(event("w"))
    assert state.handle(said("e1", "maybe")) == [Acknowledge("e1", "queued")]
    assert state.handle(said("e2", "no")) == [Acknowledge("e2", "queued")]
    opened = state.handle(r.WaitOpened(0, 1, 6.0, "k", prompt=PROMPT))
    assert opened == [Acknowledge("e1", "rejected"), Acknowledge("e2", "delivered", 0), FinishRun()]
    assert state.inbox.waiting() == []


def test_an_early_answer_that_does_not_fit_leaves_the_question_open() -> None:
    state, _ = started(event("w"))
    state.handle(said("e1", "maybe"))
    opened = state.handle(r.WaitOpened(0, 1, 6.0, "k", prompt=PROMPT))
    assert opened == [Acknowledge("e1", "rejected"), KeepWait(0, 1)]


def test_a_pickled_payload_is_no_answer() -> None:
    state, _ = started(event("w"))
    state.handle(r.WaitOpened(0, 1, 3.0, "k", prompt=PROMPT))
    pickled = r.EventReceived("e1", "k", {"c": "p5", "b64": "gARLAS4="}, 5.0)
    assert state.handle(pickled) == [Acknowledge("e1", "rejected")]


def test_a_decision_names_who_when_and_where_from() -> None:
    decision, reason = decide(PROMPT, {"option": "no", "comment": "too early"}, "ann", 5.0, "api")
    assert reason == ""
    assert decision == {
        "option": "no", "values": {}, "comment": "too early", "by": "ann", "at": 5.0, "source": "api",
    }  # fmt: skip
