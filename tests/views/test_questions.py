"""Questions: open, answered, paused and closed, and what each tells a front end."""

from __future__ import annotations

from nbflow.core import records as r
from nbflow.views.questions import Question, question_of
from nbflow.views.snapshot import Snapshot

from .runs import ERROR, Play, event, task, value


def asked(play: Play) -> Question:
    found = question_of(play.state, play.at("ask"))
    assert found is not None
    return found


def play_with_question(deadline: float | None = None) -> Play:
    play = Play(event("ask"), task("after", 0))
    play.ask("ask", deadline)
    return play


def test_an_open_question_has_all_that_a_form_needs() -> None:
    play = play_with_question(deadline=1_700_000_600.0)
    message = asked(play).to_message()
    assert message["state"] == "open"
    assert (message["subject"], message["body"]) == ("Release churn model v12?", "AUC **0.871**")
    assert message["options"] == [
        {"value": "approve", "label": "Approve", "kind": "approve"},
        {"value": "reject", "label": "Reject", "kind": "reject"},
    ]
    assert (message["due"], message["fallback"], message["assigned"]) == (1_700_000_600.0, "Reject", ["ml-leads"])


def test_an_answer_says_who_and_when_and_drops_the_form() -> None:
    play = play_with_question()
    play.answer("ask", "reject", by="bo")
    message = asked(play).to_message()
    assert (message["state"], message["answer"], message["by"], message["at"]) == ("done", "reject", "bo", play.now)
    assert message["positive"] is False
    assert "schema" not in message and "show" not in message


def test_time_answers_with_the_fallback() -> None:
    play = play_with_question(deadline=1_700_000_600.0)
    play.take(r.WaitExpired(0, 1, 1_700_000_600.0))
    question = asked(play)
    assert (question.state, question.answer, question.source) == ("done", "reject", "timeout")


def test_a_question_of_a_run_that_nobody_runs_is_paused_and_opens_again() -> None:
    play = play_with_question()
    play.take(r.RunDetached(play.now))
    assert asked(play).state == "paused"
    play.reopen()
    assert asked(play).state == "open"


def test_a_question_of_a_canceled_run_or_past_its_time_is_closed() -> None:
    play = play_with_question()
    play.take(r.RunCanceled(play.now))
    assert asked(play).state == "closed"
    late = play_with_question()
    late.take(r.TaskFailed(0, ERROR, late.now, late.now))
    assert asked(late).state == "closed"


def test_a_node_that_asks_nobody_has_no_question() -> None:
    play = Play(event("pay"), task("after", 0))
    play.wait("pay")
    assert question_of(play.state, 0) is None
    assert question_of(play.state, 1) is None


def test_open_questions_come_first_and_the_oldest_before_the_others() -> None:
    play = Play(*[event(f"ask_{i}") for i in range(3)], value("all", 0, 1, 2))
    for i in range(3):
        play.ask(i, title=f"Q{i}")
        play.now += 1
    play.answer(0)
    assert [question.title for question in Snapshot.of(play.state, play.now).questions] == ["Q1", "Q2", "Q0"]


def test_a_question_asked_again_has_another_name() -> None:
    play = play_with_question()
    first = asked(play).question_id
    play.take(r.TaskFailed(0, ERROR, play.now, play.now))
    play.take(r.RunFailed(play.now, 0))
    play.reopen()
    play.ask("ask")
    assert asked(play).question_id != first
