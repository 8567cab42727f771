"""A budget of retries and the waits between them; attempts survive a restart, a durable failure starts afresh."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.core import records as r
from nbflow.core.commands import FailRun, StartRetry, StartTask, StopTask
from nbflow.core.retry import RetryPolicy
from nbflow.core.status import NodeStatus

from .runs import ERROR, again, check, done, started, statuses, task


@pytest.mark.parametrize(
    ("max_retries", "failures", "allowed"), [(0, 1, False), (3, 3, True), (3, 4, False), (-1, 9999, True)]
)
def test_retries_are_counted_not_attempts_and_minus_one_is_for_ever(
    max_retries: int, failures: int, allowed: bool
) -> None:
    assert RetryPolicy(max_retries).allows(failures) is allowed


def test_the_delay_grows_to_its_limit_and_jitter_only_shortens_it() -> None:
    policy = RetryPolicy(backoff=1.0, factor=2.0, max_backoff=5.0, jitter=0.5)
    assert [policy.delay(n, 0.0) for n in (1, 2, 3, 4, 5000)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert policy.delay(1, 0.999) == pytest.approx(0.5, abs=0.01)
    assert RetryPolicy().delay(1, 0.5) == 0.0


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True), st.floats(0, 1))
def test_a_delay_is_never_negative_nor_above_the_limit(failures: int, chance: float, jitter: float) -> None:
    assert 0.0 <= RetryPolicy(backoff=0.1, jitter=jitter, max_backoff=30.0).delay(failures, chance) <= 30.0


def test_a_failed_attempt_is_tried_again_when_it_is_due() -> None:
    state, commands = started(task("a"))
    assert commands == [StartTask(0, 1)]
    assert state.handle(r.TaskAttemptFailed(0, 1, ERROR, 5.0)) == [StartRetry(0, 2, 5.0)]
    assert state.handle(r.RetryDue(0, 2)) == [StartTask(0, 2)]
    assert state.handle(r.TaskFailed(0, ERROR, attempt=2)) == [FailRun(0)]


def test_a_stale_timer_of_an_earlier_attempt_starts_nothing() -> None:
    state, _ = started(task("a"))
    state.handle_all([r.TaskAttemptFailed(0, 1, ERROR, 5.0), r.RetryDue(0, 2), r.TaskAttemptFailed(0, 2, ERROR, 6.0)])
    assert state.handle(r.RetryDue(0, 2)) == []
    assert state.nodes[0].status is NodeStatus.RETRYING


def test_the_budget_and_the_moment_of_the_next_attempt_survive_a_crash() -> None:
    state, _ = started(task("a"))
    state.handle(r.TaskAttemptFailed(0, 2, ERROR, 5.0))
    assert again(state) == [StartRetry(0, 3, 5.0)]


def test_a_body_that_was_cut_off_by_a_crash_uses_up_no_attempt() -> None:
    state, _ = started(task("a"))
    state.handle_all([r.TaskAttemptFailed(0, 1, ERROR, 5.0), r.RetryDue(0, 2), r.TaskStarted(0, 2, 6.0)])
    assert again(state) == [StartTask(0, 2)]


def test_a_journaled_start_is_an_attempt_whose_end_is_unknown() -> None:
    state, _ = started(task("a", code="once"))
    state.handle(r.TaskStarted(0, 1, 6.0))
    assert again(state) == [StartTask(0, 2)]


def test_a_new_run_gives_a_failed_node_its_whole_budget() -> None:
    state, _ = started(task("a"))
    state.handle_all([r.TaskFailed(0, ERROR, attempt=4), r.RunFailed(9.0, 0)])
    assert again(state) == [StartTask(0, 1)]


def test_a_retry_that_waited_when_another_node_failed_goes_on_later() -> None:
    state, _ = started(task("a"), task("b"), task("c", 0, 1))
    state.handle_all([r.TaskAttemptFailed(0, 1, ERROR, 5.0), r.TaskFailed(1, ERROR)])
    assert state.handle(r.RunFailed(9.0, 1)) == [StopTask(0)]
    assert statuses(state) == "pending failed skipped"
    assert again(state) == [StartRetry(0, 2, 5.0), StartTask(1, 1)]


def test_an_attempt_that_fails_after_the_run_did_waits_for_the_next_start() -> None:
    state, _ = started(task("a"), task("b"), task("c", 0, 1))
    state.handle_all([r.TaskStarted(0, 1, 3.0), r.TaskFailed(1, ERROR), r.RunFailed(9.0, 1)])
    assert state.handle(r.TaskAttemptFailed(0, 1, ERROR, 5.0)) == []
    assert statuses(state) == "pending failed skipped"


def test_a_retry_of_a_node_whose_input_was_lost_keeps_its_moment() -> None:
    state, _ = started(task("a"), task("b", 0))
    state.handle_all([done(0, None), r.TaskAttemptFailed(1, 1, ERROR, 5.0)])
    assert again(state) == [StartTask(0, 1)]
    assert state.handle(done(0, None)) == [StartRetry(1, 2, 5.0)]
    check(state)


def test_the_moment_of_a_retry_is_forgotten_when_the_attempt_has_ended() -> None:
    state, _ = started(task("a"))
    state.handle_all([r.TaskAttemptFailed(0, 1, ERROR, 5.0), done(0, attempt=2)])
    assert state.nodes[0].retry_at == 0.0
