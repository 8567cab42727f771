"""Events wait in order for the waits of their key, and each counts once."""

from __future__ import annotations

from nbflow.core import records as r
from nbflow.core.commands import Acknowledge, CloseWait, FinishRun, KeepWait
from nbflow.core.inbox import Inbox

from .runs import V, again, arrived, check, done, event, started, statuses, task


def test_redelivered_event_is_counted_once() -> None:
    state, _ = started(event("a"), event("b"), task("c", 0, 1))
    state.handle_all([r.WaitOpened(0, 1, 3.0, "k"), r.WaitOpened(1, 2, 3.0, "k")])
    assert Acknowledge("e1", "delivered", 0) in state.handle(arrived("e1"))
    assert state.handle(arrived("e1")) == [Acknowledge("e1", "duplicate")]
    assert statuses(state) == "done waiting pending"


def test_an_event_that_nobody_waits_for_is_kept_and_ends_the_wait_that_comes() -> None:
    state, _ = started(event("a"))
    assert state.handle(arrived("e1")) == [Acknowledge("e1", "queued")]
    assert state.handle(r.WaitOpened(0, 1, 3.0, "k")) == [Acknowledge("e1", "delivered", 0), FinishRun()]
    assert state.nodes[0].value == V and len(state.inbox) == 0


def test_events_of_a_key_go_to_its_waits_in_order_of_arrival() -> None:
    state, _ = started(event("a"), event("b"), task("c", 0, 1))
    state.handle_all([arrived("e1", payload={"v": 1}), arrived("e2", payload={"v": 2})])
    state.handle_all([r.WaitOpened(1, 1, 3.0, "k"), r.WaitOpened(0, 2, 3.0, "k")])
    assert (state.nodes[1].value, state.nodes[0].value) == ({"v": 1}, {"v": 2})


def test_an_event_of_another_key_ends_nothing() -> None:
    state, _ = started(event("a"))
    state.handle(r.WaitOpened(0, 1, 3.0, "k"))
    assert state.handle(arrived("e1", key="other")) == [Acknowledge("e1", "queued")]
    assert statuses(state) == "waiting"


def test_a_run_that_has_ended_takes_no_event() -> None:
    state, _ = started(task("a"))
    state.handle_all([done(0), r.RunSucceeded(9.0)])
    assert state.handle(arrived("e1")) == [Acknowledge("e1", "closed")]
    assert len(state.inbox) == 0


def test_an_event_for_a_wait_that_was_put_aside_ends_it_when_the_run_goes_on() -> None:
    state, _ = started(event("a"), task("b", 0))
    state.handle_all([r.WaitOpened(0, 1, 3.0, "k"), r.RunDetached(4.0)])
    assert state.handle(arrived("e1")) == [Acknowledge("e1", "queued")]
    commands = again(state)
    assert commands[:3] == [KeepWait(0, 1), CloseWait(0, 1), Acknowledge("e1", "delivered", 0)]
    assert statuses(state) == "done queued"
    check(state)


def test_after_a_restart_the_oldest_wait_still_takes_the_first_event() -> None:
    state, _ = started(event("a"), event("b"), task("c", 0, 1))
    state.handle_all([r.WaitOpened(1, 1, 3.0, "k"), r.WaitOpened(0, 2, 3.0, "k"), r.RunOpened(4.0)])
    state.handle(arrived("e1"))
    state.handle(r.RunStarted(5.0))
    assert statuses(state) == "waiting done pending"
    check(state)


def test_inbox_gives_back_the_oldest_event_of_a_key_and_lists_what_is_left() -> None:
    inbox = Inbox()
    events = [arrived("e1"), arrived("e2", "other"), arrived("e3")]
    for one in events:
        assert inbox.accept(one) and not inbox.accept(one)
        inbox.keep(one)
    assert inbox.take("k") is events[0] and inbox.take("nobody") is None
    assert inbox.waiting() == events[1:] and len(inbox) == 2
    assert inbox.knows("e1") and not inbox.knows("e4")
