"""A wait is ended once, by whatever comes first; it survives a restart with its deadline and its question."""

from __future__ import annotations

from nbflow.core import records as r
from nbflow.core.commands import Acknowledge, CloseWait, CommitEvent, FailRun, FinishRun, KeepWait, OpenWait, StopTask

from .runs import ERROR, V, again, arrived, check, done, event, graph, started, statuses, task

FALLBACK = {"c": "json", "v": "fallback"}


def test_a_wait_is_opened_kept_and_ended_by_its_event() -> None:
    state, commands = started(event("w"))
    assert commands == [OpenWait(0)]
    assert state.handle(r.WaitOpened(0, 1, 3.0, "k", 9.0, FALLBACK)) == [KeepWait(0, 1)]
    assert state.handle(arrived("e1")) == [CloseWait(0, 1), Acknowledge("e1", "delivered", 0), FinishRun()]
    assert (state.nodes[0].value, state.nodes[0].ended, state.waiting) == (V, 5.0, {})


def test_whoever_is_second_of_event_and_deadline_changes_nothing() -> None:
    state, _ = started(event("w"))
    state.handle_all([r.WaitOpened(0, 1, 3.0, "k", 9.0, FALLBACK), arrived("e1")])
    assert state.handle(r.WaitExpired(0, 1, 9.0)) == []
    assert state.nodes[0].value == V
    state, _ = started(event("w"))
    state.handle(r.WaitOpened(0, 1, 3.0, "k", 9.0, FALLBACK))
    assert state.handle(r.WaitExpired(0, 1, 9.0)) == [CloseWait(0, 1), FinishRun()]
    assert state.handle(arrived("e1")) == [Acknowledge("e1", "queued")]
    assert state.nodes[0].value == FALLBACK


def test_a_timer_of_an_earlier_wait_of_the_node_is_dropped() -> None:
    state, _ = started(event("w"))
    state.handle_all([r.WaitOpened(0, 1, 3.0, "k", 9.0), r.TaskFailed(0, ERROR), r.RunFailed(9.5, 0)])
    assert again(state) == [OpenWait(0)], "a wait that failed is asked anew"
    state.handle(r.WaitOpened(0, 2, 12.0, "k", 20.0, FALLBACK))
    assert state.handle(r.WaitExpired(0, 1, 13.0)) == []
    assert statuses(state) == "waiting"


def test_a_deadline_without_a_fallback_fails_the_node() -> None:
    state, _ = started(event("w"), task("b", 0))
    state.handle(r.WaitOpened(0, 1, 3.0, "k", 9.0))
    assert state.handle(r.TaskFailed(0, ERROR)) == [CloseWait(0, 1), FailRun(0)]
    assert statuses(state) == "failed skipped"
    check(state)


def test_a_listener_is_told_after_its_event_is_durable_and_its_timer_is_gone_before() -> None:
    state, _ = started(event("w"))
    assert state.handle(r.WaitOpened(0, 1, 3.0, "", 9.0, FALLBACK)) == [KeepWait(0, 1)]
    assert state.handle(r.ListenerFired(0, 1, V, 4.0)) == [CloseWait(0, 1), CommitEvent(0)]
    assert state.handle(r.WaitExpired(0, 1, 9.0)) == []
    assert state.handle(r.ListenerCommitted(0, 6.0)) == [FinishRun()]
    assert state.nodes[0].value == V


def test_an_event_of_a_listener_that_was_durable_before_a_crash_is_committed_not_polled_for_again() -> None:
    state, _ = started(event("w"))
    state.handle_all([r.WaitOpened(0, 1, 3.0), r.ListenerFired(0, 1, V, 4.0)])
    assert again(state) == [CommitEvent(0)]
    assert state.handle(r.ListenerCommitted(0, 12.0)) == [FinishRun()]


def test_a_commit_that_is_reported_twice_counts_once() -> None:
    state, _ = started(event("w"))
    state.handle_all([r.WaitOpened(0, 1, 3.0), r.ListenerFired(0, 1, V, 4.0), r.ListenerCommitted(0, 5.0)])
    assert state.handle(r.ListenerCommitted(0, 6.0)) == []


def test_a_source_that_could_not_be_told_is_told_when_the_run_goes_on() -> None:
    state, _ = started(event("w"))
    state.handle_all([r.WaitOpened(0, 1, 3.0), r.ListenerFired(0, 1, V, 4.0), r.TaskFailed(0, ERROR)])
    state.handle(r.RunFailed(9.0, 0))
    assert again(state) == [CommitEvent(0)]


def test_an_open_wait_survives_a_restart_with_all_it_had() -> None:
    state, _ = started(event("w"))
    asked = r.WaitOpened(0, 4, 3.0, "k", 9.0, FALLBACK, {"title": "Publish?"})
    state.handle(asked)
    assert again(state) == [KeepWait(0, 4)]
    assert state.nodes[0].wait == asked and state.tokens == 4
    check(state)


def test_a_wait_that_was_being_opened_when_the_run_was_let_go_is_opened_later() -> None:
    state, _ = started(event("w"))
    assert state.handle(r.RunDetached(3.0)) == [StopTask(0)]
    assert state.handle(r.WaitOpened(0, 1, 4.0, "k")) == []
    assert again(state) == [OpenWait(0)]
    assert state.tokens == 1, "its number is never used again"


def test_a_changed_question_is_asked_anew_and_an_unchanged_one_stays_open() -> None:
    state, _ = started(event("w"))
    state.handle(r.WaitOpened(0, 1, 3.0, "k"))
    assert again(state, *graph(event("w"))) == [KeepWait(0, 1)]
    asked_otherwise = event("w").at(())
    changed = type(asked_otherwise)("w", asked_otherwise.kind, (), "e", [["Publish now?"]])
    assert again(state, *graph(changed)) == [OpenWait(0)]


def test_a_wait_below_a_lost_value_is_kept_after_that_is_there_again() -> None:
    state, _ = started(task("a"), event("w", 0))
    state.handle_all([done(0, None), r.WaitOpened(1, 1, 3.0, "k"), r.RunDetached(4.0), arrived("e1")])
    again(state)
    commands = state.handle(done(0, None))
    assert KeepWait(1, 1) in commands and CloseWait(1, 1) in commands
    assert statuses(state) == "done done"
    check(state)


def test_a_commit_of_the_owner_before_is_made_once_more_by_the_next() -> None:
    state, _ = started(event("w"))
    state.handle_all([r.WaitOpened(0, 1, 3.0), r.ListenerFired(0, 1, V, 4.0), r.RunOpened(5.0)])
    assert state.handle(r.ListenerCommitted(0, 6.0)) == []
    assert state.handle(r.RunStarted(7.0)) == [CommitEvent(0)]


def test_events_that_come_while_the_end_is_written_down_are_taken_by_nobody() -> None:
    for end in (r.RunSucceeded(6.0, ("e1",)), r.RunCanceled(6.0, "", ("e1",))):
        state, _ = started(event("w"))
        state.handle_all([r.WaitOpened(0, 1, 3.0, "k"), arrived("e1", "x"), arrived("e2", "y")])
        state.handle_all([arrived("e3"), end])
        assert state.undelivered == ("e1", "e2")
