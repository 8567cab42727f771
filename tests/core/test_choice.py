"""An any_of is decided once, by what is first; nothing is stopped that somebody else needs, and no event is lost."""

from __future__ import annotations

from nbflow.core import records as r
from nbflow.core.commands import (
    Acknowledge,
    CallEnded,
    CloseWait,
    CommitEvent,
    DropValue,
    FailRun,
    FinishRun,
    OpenWait,
    StartTask,
    StopTask,
)
from nbflow.core.graph import NodeKind, NodeSpec

from .runs import ERROR, V, again, arrived, check, done, event, first, graph, grew, started, statuses, task, value

FALLBACK = {"c": "json", "v": "fallback"}


def test_the_first_part_that_is_done_decides_and_the_others_are_stopped() -> None:
    state, commands = started(event("w"), task("a"), event("s"), first("any", 0, 1, 2))
    assert commands == [OpenWait(0), StartTask(1, 1), OpenWait(2)]
    state.handle_all([r.WaitOpened(0, 1, 3.0, "k"), r.WaitOpened(2, 2, 3.0, "", 9.0, FALLBACK)])
    assert state.handle(r.WaitExpired(2, 2, 9.0)) == [CloseWait(2, 2), StopTask(1), CloseWait(0, 1), FinishRun()]
    assert statuses(state) == "canceled canceled done done"
    assert (state.nodes[3].chosen, state.nodes[3].ended, state.waiting) == (2, 9.0, {})
    check(state)


def test_an_event_for_a_wait_that_was_put_aside_is_kept_for_the_next_one_of_its_key() -> None:
    state, _ = started(event("w"), task("a"), first("any", 0, 1), event("again", 2))
    state.handle_all([r.WaitOpened(0, 1, 3.0, "k"), done(1)])
    assert state.handle(arrived("e1")) == [Acknowledge("e1", "queued")]
    assert Acknowledge("e1", "delivered", 3) in state.handle(r.WaitOpened(3, 2, 6.0, "k"))


def test_a_result_that_comes_too_late_changes_nothing() -> None:
    state, _ = started(task("a"), task("b"), first("any", 0, 1))
    state.handle(done(1))
    assert state.handle(done(0)) == [DropValue(0)]
    assert state.handle(r.TaskFailed(0, ERROR)) == []
    assert statuses(state) == "canceled done done"


def test_an_event_that_a_listener_brought_decides_before_its_source_is_told() -> None:
    state, _ = started(event("w"), event("s"), first("any", 0, 1), task("use", 2))
    state.handle_all([r.WaitOpened(0, 1, 3.0), r.WaitOpened(1, 2, 3.0)])
    assert state.handle(r.ListenerFired(0, 1, V, 4.0)) == [CloseWait(0, 1), CommitEvent(0), CloseWait(1, 2)]
    assert state.handle(r.ListenerFired(1, 2, V, 4.0)) == [], "nobody takes it, so its source keeps it"
    assert statuses(state) == "committing canceled pending pending"
    assert again(state) == [CommitEvent(0)], "what was first stays so after a crash"
    assert state.handle(r.ListenerCommitted(0, 12.0)) == [StartTask(3, 1)]
    check(state)


def test_what_somebody_else_needs_too_goes_on() -> None:
    state, _ = started(task("slow"), task("quick"), first("any", 0, 1), task("both", 0, 2))
    assert state.handle(done(1)) == []
    assert statuses(state) == "queued done done pending"
    assert state.handle(done(0)) == [StartTask(3, 1)]
    check(state)


def test_what_only_a_loser_needed_is_put_aside_with_it() -> None:
    state, _ = started(
        task("load"), task("shared"), task("train", 0, 1), task("quick"), first("any", 2, 3), task("c", 1, 4)
    )
    assert state.handle(done(3)) == [StopTask(0)]
    assert statuses(state) == "canceled queued canceled done done pending"
    check(state)
    assert state.handle(done(1)) == [StartTask(5, 1)]


def test_a_loser_that_grew_is_stopped_with_all_it_grew() -> None:
    state, _ = started(task("f"), task("quick"), first("any", 0, 1))
    grew(state, 0, task("x"), task("y", 0))
    assert state.handle(done(1)) == [StopTask(3), FinishRun()]
    assert statuses(state) == "canceled done done skipped skipped"
    check(state)


def test_one_inside_another_is_put_aside_with_its_parts() -> None:
    state, _ = started(task("a"), task("b"), first("inner", 0, 1), task("c"), first("outer", 2, 3))
    assert set(state.handle(done(3))) == {StopTask(0), StopTask(1), FinishRun()}
    assert statuses(state) == "canceled canceled canceled done done"
    state, _ = started(task("a"), task("b"), first("inner", 0, 1), task("c"), first("outer", 2, 3))
    state.handle(done(1))
    assert (statuses(state), state.nodes[4].chosen) == ("canceled done done canceled done", 2)


def test_of_several_that_are_done_the_first_in_the_list_is_chosen() -> None:
    state, _ = started(task("a"), value("deep", 0), value("deeper", 1), first("any", 2, 1))
    state.handle(done(0))
    assert state.nodes[3].chosen == 2


def test_two_events_that_came_before_are_not_both_used_up() -> None:
    state, _ = started(event("x"), event("y"), first("any", 0, 1))
    state.handle_all([r.WaitOpened(0, 1, 3.0, "kx"), r.WaitOpened(1, 2, 3.0, "ky"), r.RunDetached(4.0)])
    state.handle_all([arrived("e1", "ky"), arrived("e2", "kx")])
    again(state)
    assert state.nodes[2].chosen == 1
    assert [event.event_id for event in state.inbox.waiting()] == ["e2"]


def test_a_part_that_fails_first_fails_it_and_one_that_is_done_meanwhile_decides_when_the_run_goes_on() -> None:
    state, _ = started(task("a"), task("b"), first("any", 0, 1))
    assert state.handle(r.TaskFailed(0, ERROR)) == [FailRun(0)]
    assert statuses(state) == "failed queued skipped"
    state.handle_all([r.RunFailed(5.0, 0), done(1)])
    assert again(state) == [FinishRun()]
    assert statuses(state) == "canceled restored done"
    check(state)


def test_a_failure_that_is_caught_below_a_part_seals_what_was_put_aside_there_too() -> None:
    state, _ = started(task("f", code="catch"))
    grew(state, 0, task("x"), task("y"), first("any", 0, 1), task("z"), task("join", 2, 3))
    state.handle(done(2))
    state.handle(r.TaskFailed(4, ERROR))
    state.handle(r.TaskSucceeded(0, V, caught=True))
    assert statuses(state) == "done canceled done done failed skipped"
    check(state)


def test_a_decided_one_needs_only_what_was_chosen_when_the_run_goes_on() -> None:
    state, _ = started(task("a"), task("b"), first("any", 0, 1), task("use", 2))
    state.handle_all([done(0, None), r.RunDetached(5.0)])
    assert again(state) == [StartTask(0, 1)], "the value was in memory only: the same part is run again"
    assert state.handle(done(0)) == [StartTask(3, 1)]
    check(state)


def test_running_the_chosen_part_again_decides_anew_and_another_one_does_not() -> None:
    state, _ = started(task("a"), task("b"), first("any", 0, 1), task("use", 2))
    state.handle_all([done(0), done(3), r.RunSucceeded(9.0)])
    assert again(state, r.NodesReset((1,))) == [FinishRun()]
    assert again(state, r.NodesReset((0,))) == [StartTask(0, 1), StartTask(1, 1)]
    state.handle(done(1))
    assert state.nodes[2].chosen == 1
    check(state)


def test_a_graph_without_the_chosen_part_decides_anew_and_one_with_more_parts_does_not() -> None:
    state, _ = started(task("a"), task("b"), first("any", 0, 1), task("use", 2))
    state.handle_all([done(1), r.RunDetached(5.0)])
    assert again(state, *graph(task("a"), task("b"), task("c"), first("any", 0, 1, 2), task("use", 3))) == [
        StartTask(3, 1)
    ]
    assert again(state, *graph(task("a"), first("any", 0), task("use", 1))) == [StartTask(0, 1)]
    assert statuses(state).split()[0] == "queued"
    check(state)


def test_a_driver_is_told_when_its_call_that_grew_a_choice_is_done() -> None:
    state, _ = started(NodeSpec("machine", NodeKind.DRIVER, (), "c"))
    state.handle_all([r.NodesAdded((task("call"),), 0), r.NodesCalled(0)])
    grew(state, 1, task("a"), task("b"), first("any", 0, 1))
    assert state.handle(done(3)) == [StopTask(2), CallEnded(0, 1)]


def test_a_canceled_run_cancels_it() -> None:
    state, _ = started(task("a"), task("b"), first("any", 0, 1))
    state.handle(r.RunCanceled(5.0))
    assert statuses(state) == "canceled canceled canceled"
