"""Readiness, values, failure and cancellation spread as they should: records in, commands out."""

from __future__ import annotations

from nbflow.core import records as r
from nbflow.core.commands import (
    CatchFailure,
    CloseWait,
    CommitEvent,
    DropValue,
    FailRun,
    FinishRun,
    KeepWait,
    OpenWait,
    StartTask,
    StopTask,
    WrapCaught,
)
from nbflow.core.graph import Code
from nbflow.core.status import NodeStatus, WorkflowStatus

from .runs import ERROR, V, again, check, done, event, graph, grew, started, statuses, task, value

N = NodeStatus


def test_a_node_starts_when_the_last_of_its_inputs_is_there() -> None:
    state, commands = started(task("a"), task("b"), task("c", 0, 1))
    assert commands == [StartTask(0, 1), StartTask(1, 1)]
    assert state.handle(done(0)) == []
    assert state.handle(done(1)) == [StartTask(2, 1)]
    assert state.handle(done(2)) == [DropValue(1), DropValue(0), FinishRun()]


def test_a_shared_node_runs_once_and_is_dropped_after_its_last_use() -> None:
    state, _ = started(task("a"), task("b", 0), task("c", 0, 0, 1))
    assert state.handle(done(0)) == [StartTask(1, 1)]
    assert state.handle(done(1)) == [StartTask(2, 1)]
    assert state.handle(done(2)) == [DropValue(1), DropValue(0), FinishRun()]


def test_what_the_output_does_not_need_is_not_run() -> None:
    state, commands = started(task("a"), task("b"), output=1)
    assert commands == [StartTask(1, 1)]
    assert state.handle(done(1)) == [FinishRun()]
    assert statuses(state) == "pending done"


def test_a_container_holds_its_parts_as_long_as_it_is_needed() -> None:
    state, _ = started(task("a"), value("v", 0), task("b", 1))
    assert state.handle(done(0)) == [StartTask(2, 1)]
    assert state.handle(done(2)) == [DropValue(1), DropValue(0), FinishRun()]


def test_a_container_as_the_output_finishes_the_run_once() -> None:
    state, commands = started(value("v"))
    assert commands == [FinishRun()]
    state, _ = started(task("a"), value("v", 0))
    assert state.handle(done(0)) == [FinishRun()]


def test_a_container_as_the_output_finishes_the_run_once_after_a_restart() -> None:
    state, _ = started(task("a"), value("v", 0))
    state.handle(done(0))
    assert again(state) == [FinishRun()]
    check(state)


def test_a_failure_skips_what_depends_on_it_and_fails_the_run_while_siblings_go_on() -> None:
    state, _ = started(task("a"), task("b"), task("c", 0), task("d", 1, 2))
    state.handle(r.TaskStarted(1, 1, 3.0))
    assert state.handle(r.TaskFailed(0, ERROR)) == [FailRun(0)]
    assert statuses(state) == "failed running skipped skipped"
    assert state.handle(r.RunFailed(9.0, 0)) == []
    assert state.handle(done(1)) == []
    assert again(state) == [StartTask(0, 1)]
    assert statuses(state) == "queued restored pending pending"


def test_the_first_failure_is_the_one_that_the_run_tells() -> None:
    state, _ = started(task("a"), task("b"), task("c", 0, 1))
    state.handle_all([r.TaskFailed(0, ERROR), r.TaskFailed(1, ERROR), r.RunFailed(9.0, 0)])
    assert state.handle(r.RunFailed(9.5, 1)) == []
    assert (state.failed, state.ended) == (0, 9.0)


def test_cancel_stops_everything_and_later_results_change_nothing() -> None:
    state, _ = started(task("a"), event("w"), task("c", 0, 1))
    state.handle(r.WaitOpened(1, 1, 3.0, "k"))
    assert state.handle(r.RunCanceled(9.0)) == [StopTask(0), CloseWait(1, 1)]
    assert state.handle(done(0)) == [DropValue(0)], "nobody needs what the body brought"
    assert statuses(state) == "canceled canceled canceled"
    assert state.waiting == {}


def test_whichever_of_cancel_and_success_is_durable_first_stands() -> None:
    state, _ = started(task("a"))
    state.handle_all([done(0), r.RunCanceled(9.0), r.RunSucceeded(9.1), r.RunDetached(9.2), r.RunStarted(9.3)])
    assert state.status is WorkflowStatus.CANCELED
    state, _ = started(task("a"))
    state.handle_all([done(0), r.RunSucceeded(9.0), r.RunCanceled(9.1), r.RunDetached(9.2)])
    assert (state.status, state.ended) == (WorkflowStatus.SUCCESSFUL, 9.0)


def test_a_failed_run_that_is_let_go_stays_failed() -> None:
    state, _ = started(task("a"))
    state.handle_all([r.TaskFailed(0, ERROR), r.RunFailed(9.0, 0), r.RunDetached(9.1)])
    assert state.status is WorkflowStatus.FAILED


def test_cancel_while_committing_closes_the_case_for_good() -> None:
    state, _ = started(event("w"))
    state.handle(r.WaitOpened(0, 1, 3.0))
    assert state.handle(r.ListenerFired(0, 1, V, 4.0)) == [CloseWait(0, 1), CommitEvent(0)]
    state.handle(r.RunCanceled(5.0))
    assert state.handle(r.ListenerCommitted(0, 6.0)) == []
    assert statuses(state) == "canceled"


def test_waits_that_were_open_when_the_run_failed_are_open_again_when_it_goes_on() -> None:
    state, _ = started(event("w"), task("b"), task("c", 0, 1))
    state.handle_all([r.WaitOpened(0, 1, 3.0, "k", 99.0, V), r.TaskFailed(1, ERROR)])
    assert state.handle(r.RunFailed(5.0, 1)) == [CloseWait(0, 1)]
    assert again(state) == [KeepWait(0, 1), StartTask(1, 1)]
    assert state.nodes[0].wait == r.WaitOpened(0, 1, 3.0, "k", 99.0, V)


def test_a_commit_that_is_under_way_when_the_run_fails_still_counts() -> None:
    state, _ = started(event("w"), task("b"), task("c", 0, 1))
    state.handle_all([r.WaitOpened(0, 1, 3.0), r.ListenerFired(0, 1, V, 4.0), r.TaskFailed(1, ERROR)])
    assert state.handle(r.RunFailed(5.0, 1)) == []
    assert state.handle(r.ListenerCommitted(0, 6.0)) == []
    assert again(state) == [StartTask(1, 1)]


def test_a_value_that_was_in_memory_only_is_made_again_if_it_is_needed() -> None:
    state, _ = started(task("a"), task("b", 0), task("c", 0, 1))
    state.handle_all([done(0, None), done(1)])
    assert again(state) == [StartTask(0, 1)]
    assert statuses(state) == "queued restored pending"


def test_a_value_that_was_in_memory_only_and_is_not_needed_any_more_stays_done() -> None:
    state, _ = started(task("a"), task("b", 0), task("c", 1))
    state.handle_all([done(0, None), done(1)])
    assert again(state) == [StartTask(2, 1)]
    assert statuses(state) == "restored restored queued"


def test_a_container_of_lost_parts_waits_for_them_once_more() -> None:
    state, _ = started(task("a"), value("v", 0), task("b", 1))
    state.handle(done(0, None))
    assert again(state) == [StartTask(0, 1)]
    assert state.handle(done(0, None)) == [StartTask(2, 1)]
    check(state)


def test_a_node_that_catches_makes_its_own_value_of_its_continuation() -> None:
    state, _ = started(task("a", code="catch"))
    assert grew(state, 0, task("b")) == [StartTask(1, 1)]
    assert state.handle(done(1, None)) == [WrapCaught(0, 1)], "the value is not dropped before it is wrapped"
    assert state.handle(done(0)) == [DropValue(1), FinishRun()]
    check(state)


def test_a_continuation_whose_wrapping_was_lost_in_a_crash_is_wrapped_again() -> None:
    state, _ = started(task("a", code="catch"))
    grew(state, 0, task("b"))
    state.handle(done(1))
    assert again(state) == [WrapCaught(0, 1)]
    check(state)


def test_a_wrapping_lost_together_with_the_value_begins_with_the_value() -> None:
    state, _ = started(task("a", code="catch"))
    grew(state, 0, task("b"))
    state.handle(done(1, None))
    assert again(state) == [StartTask(1, 1)]
    assert state.handle(done(1, None)) == [WrapCaught(0, 1)]


def test_a_wrapping_is_asked_for_again_only_where_it_is_needed() -> None:
    state, _ = started(task("a", code="catch"), task("b"), task("c", 0, 1))
    grew(state, 0, task("x"))
    state.handle(done(3))
    assert again(state, *graph(task("b"))) == [StartTask(1, 1)]
    assert state.handle(done(1)) == [FinishRun()]


def test_a_failure_below_a_node_that_catches_is_caught_once() -> None:
    state, _ = started(task("a", code="catch"), task("z", 0))
    grew(state, 0, task("x"), task("y"), event("w"), task("o", 0, 1, 2))
    state.handle(r.WaitOpened(4, 1, 3.0, "k"))
    assert state.handle(r.TaskFailed(2, ERROR)) == [CatchFailure(0, 2)]
    assert state.handle(r.TaskFailed(3, ERROR)) == [], "the answer to the first is not durable yet"
    assert state.handle(done(0, caught=True)) == [CloseWait(4, 1), StartTask(1, 1)]
    assert statuses(state) == "done queued failed failed skipped skipped"
    check(state)


def test_a_caught_failure_lets_go_what_its_siblings_would_have_used() -> None:
    state, _ = started(task("a", code="catch"))
    grew(state, 0, task("x"), task("y"), task("o", 0, 1))
    state.handle_all([done(1), r.TaskFailed(2, ERROR)])
    assert state.handle(done(0, caught=True)) == [DropValue(1), FinishRun()]
    check(state)


def test_a_failure_that_was_to_be_caught_is_caught_after_a_crash_not_run_again() -> None:
    state, _ = started(task("a", code="catch"))
    grew(state, 0, task("x"), task("o", 0))
    state.handle(r.TaskFailed(1, ERROR))
    assert again(state) == [CatchFailure(0, 1)]
    assert state.handle(done(0, caught=True)) == [FinishRun()]
    check(state)


def test_a_caught_failure_stays_as_it_was_after_a_restart() -> None:
    state, _ = started(task("a", code="catch"), task("b", 0))
    grew(state, 0, task("x"), task("o", 0))
    state.handle_all([r.TaskFailed(2, ERROR), done(0, caught=True)])
    assert again(state) == [StartTask(1, 1)]
    assert statuses(state) == "restored queued failed skipped"


def test_a_node_that_stopped_catching_takes_the_value_that_waited_to_be_wrapped() -> None:
    state, _ = started(task("a", code="catch"))
    grew(state, 0, task("b"))
    state.handle(done(1))
    plain = Code("catch", "catching")
    assert again(state, r.CodeAdded(plain), *graph(task("a", code="catch"))) == [FinishRun()]
    assert state.resolve(0) == 1


def test_late_growth_of_a_failed_run_waits_for_the_next_start() -> None:
    state, _ = started(task("a"), task("b"), task("c", 0, 1))
    state.handle_all([r.TaskStarted(0, 1, 3.0), r.TaskFailed(1, ERROR), r.RunFailed(5.0, 1)])
    assert grew(state, 0, task("g")) == []
    assert again(state) == [StartTask(1, 1), StartTask(3, 1)]


def test_a_wait_starts_with_what_it_waits_for_being_worked_out() -> None:
    _, commands = started(event("w"))
    assert commands == [OpenWait(0)]


def test_a_failure_that_could_not_be_stored_as_a_value_is_tried_again_with_the_next_start() -> None:
    state, _ = started(task("a", code="catch"))
    grew(state, 0, task("x"))
    state.handle(r.TaskFailed(1, ERROR))
    assert state.handle(r.TaskFailed(0, ERROR)) == [FailRun(0)]
    state.handle(r.RunFailed(9.0, 0))
    assert again(state) == [StartTask(1, 1)]
    assert state.handle(r.TaskFailed(1, ERROR)) == [CatchFailure(0, 1)]
