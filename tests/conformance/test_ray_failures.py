"""Ray Workflows, rows C076 to C098: options, retries, and exceptions that are caught."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import CheckpointError, SystemFailure, WorkflowExecutionError
from tests.engine.tools import Counter, Gate


@nf.task
def plain() -> int:
    return 1


def failing(path: Path, *, times: int, crashes: int = 0) -> Any:
    """Return a body that dies ``crashes`` times, then raises up to ``times`` failures in all, then returns."""
    calls = Counter(path / "calls")

    def body() -> int:
        n = calls.add()
        if n <= crashes:
            os.kill(os.getpid(), signal.SIGKILL)
        if n <= times:
            raise ValueError(f"failure {n}")
        return n

    return body


def test_C076_an_unknown_option_is_refused_with_the_list_of_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"nonsense.*task_id.*checkpoint"):
        plain.options(nonsense=1)
    with pytest.raises(ValueError, match="num_cpus"):
        nf.task(num_cpus=2)(lambda: 1)


def test_C077_options_go_on_functions() -> None:
    with pytest.raises(TypeError, match="goes on a function"):
        nf.task(5)  # type: ignore[call-overload]


@pytest.mark.parametrize("bad", [5, "x", {"a": object()}, {"a": float("nan")}, [1]])
def test_C079_metadata_is_a_json_dict(bad: Any) -> None:
    with pytest.raises(ValueError, match="metadata"):
        plain.options(metadata=bad)
    with pytest.raises(ValueError, match="metadata"):
        nf.run(plain.bind(), metadata=bad)
    assert nf.list_all() == []


def test_C080_retry_exceptions_takes_classes_and_survives_a_restart(tmp_path: Path, folder: Path) -> None:
    body = failing(tmp_path, times=2)
    picky = nf.task(body, name="body", retry_exceptions=(KeyError, OSError), max_retries=5)
    with pytest.raises(WorkflowExecutionError):
        nf.run(picky.bind(), workflow_id="w")
    assert nf.run(nf.task(body, name="body", retry_exceptions=[ValueError]).bind(), workflow_id="v") == 3
    (tmp_path / "calls").unlink()
    with pytest.raises(WorkflowExecutionError):
        nf.run(nf.task(body, name="body", retry_exceptions=ValueError, max_retries=1).bind(), workflow_id="x")
    nf.shutdown()
    nf.init(storage=str(folder))
    assert nf.resume("x") == 3
    with pytest.raises(ValueError, match="exception classes"):
        plain.options(retry_exceptions=["ValueError"])


def test_C082_an_exception_is_not_retried_unless_asked(tmp_path: Path) -> None:
    with pytest.raises(WorkflowExecutionError, match="failure 1"):
        nf.run(nf.task(failing(tmp_path, times=1)).bind())


def test_C082_a_dead_process_is_retried_three_times(tmp_path: Path) -> None:
    body = nf.task(failing(tmp_path, times=9, crashes=9), executor="process")
    with pytest.raises(WorkflowExecutionError) as failed:
        nf.run(body.bind())
    assert isinstance(failed.value.__cause__, SystemFailure)
    assert Counter(tmp_path / "calls").count() == 4


def test_C083_max_retries_counts_retries(tmp_path: Path) -> None:
    ten = nf.task(failing(tmp_path, times=10), max_retries=10, retry_exceptions=True)
    assert nf.run(ten.bind()) == 11
    (tmp_path / "calls").unlink()
    eleven = nf.task(failing(tmp_path, times=11), max_retries=10, retry_exceptions=True)
    with pytest.raises(WorkflowExecutionError, match="failure 11"):
        nf.run(eleven.bind())


def test_C084_crashes_are_retried_even_when_exceptions_are_not(tmp_path: Path) -> None:
    body = nf.task(failing(tmp_path, times=4, crashes=4), max_retries=4, executor="process")
    assert nf.run(body.bind()) == 5


def test_C085_crashes_and_exceptions_share_one_budget(tmp_path: Path) -> None:
    body = failing(tmp_path, times=4, crashes=2)
    mixed = nf.task(body, executor="process", retry_exceptions=True)
    assert nf.run(mixed.options(max_retries=4).bind()) == 5
    (tmp_path / "calls").unlink()
    with pytest.raises(WorkflowExecutionError, match="failure 4"):
        nf.run(mixed.options(max_retries=3).bind())
    (tmp_path / "calls").unlink()
    with pytest.raises(WorkflowExecutionError, match="failure 3"):
        nf.run(mixed.options(max_retries=9, retry_exceptions=False).bind())


@pytest.mark.parametrize("bad", [-2, 1.5, True, "3"])
def test_C086_a_senseless_number_of_retries_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="max_retries"):
        plain.options(max_retries=bad)


def test_C087_minus_one_retries_for_ever(tmp_path: Path) -> None:
    body = nf.task(failing(tmp_path, times=30), max_retries=-1, retry_exceptions=True)
    assert nf.run(body.bind()) == 31


def test_C088_retries_can_wait_longer_each_time(tmp_path: Path, clock: Any) -> None:
    from tests.engine.tools import until

    calls = Counter(tmp_path / "calls")

    @nf.task(retry_exceptions=True, max_retries=3, backoff=10, factor=3)
    def body() -> int:
        if calls.add() < 4:
            raise OSError
        return 1

    run = nf.run_async(body.bind())
    for wait in (10, 30, 90):
        assert until(lambda: clock.next) == wait
        clock.advance(wait - 1)
        assert clock.next == 1
        clock.advance(1)
    assert run.result(10) == 1


def test_C089_caught_exceptions_are_values(tmp_path: Path) -> None:
    assert nf.run(plain.options(catch_exceptions=True).bind()) == (1, None)
    body = nf.task(failing(tmp_path, times=9), catch_exceptions=True, max_retries=2, retry_exceptions=True)
    value, error = nf.run(body.bind())
    assert (value, str(error)) == (None, "failure 3")


class Odd(Exception):
    """An exception that cannot be made again from its args."""

    def __init__(self, code: int, where: str) -> None:
        super().__init__(f"{code} at {where}")
        self.code = code


def test_C090_a_caught_exception_keeps_its_type() -> None:
    @nf.task
    def odd() -> None:
        raise Odd(7, "here")

    caught = nf.task(lambda: nf.continuation(odd.bind()), name="outer", catch_exceptions=True)
    for dag in (odd.options(catch_exceptions=True).bind(), caught.bind()):
        _, error = nf.run(dag, workflow_id="w")
        nf.delete("w")
        assert isinstance(error, Odd)
        assert (error.code, str(error)) == (7, "7 at here")


@nf.task
def fail() -> None:
    raise ValueError("deep")


@nf.task
def link(depth: int) -> Any:
    return nf.continuation(link.bind(depth - 1) if depth else fail.bind())


@nf.task
def side() -> Any:
    return nf.continuation(plain_of.bind(fail.bind()))


@nf.task
def plain_of(x: Any) -> Any:
    return x


@pytest.mark.parametrize("dag", [link.bind(0), link.bind(5), side.bind()], ids=["1", "6", "not the output"])
def test_C091_a_catch_reaches_through_all_links_of_a_continuation(dag: Any) -> None:
    value, error = nf.run(dag.options(catch_exceptions=True))
    assert value is None
    assert isinstance(error, ValueError)


def test_C091_the_nearest_catch_takes_the_failure_and_a_success_is_wrapped_once() -> None:
    inner = link.options(catch_exceptions=True)
    outer = nf.task(lambda: nf.continuation(inner.bind(2)), name="outer", catch_exceptions=True)
    (value, error), none = nf.run(outer.bind())
    assert (value, str(error), none) == (None, "deep", None)


def test_C092_a_crash_is_caught_too_as_a_system_failure(tmp_path: Path) -> None:
    body = failing(tmp_path, times=9, crashes=9)
    value, error = nf.run(nf.task(body, executor="process", max_retries=1, catch_exceptions=True).bind())
    assert value is None
    assert isinstance(error, SystemFailure)


def test_C093_a_caught_failure_is_a_result_like_any_other(tmp_path: Path, folder: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task(catch_exceptions=True)
    def risky() -> None:
        calls.add()
        raise ValueError("kept")

    nf.run(risky.bind(), workflow_id="w")
    nf.shutdown()
    nf.init(storage=str(folder))
    assert str(nf.get_output("w")[1]) == "kept"
    assert str(nf.resume("w")[1]) == "kept"
    assert calls.count() == 1


def test_C094_C095_a_failure_says_what_failed_and_carries_the_users_exception(folder: Path) -> None:
    with pytest.raises(WorkflowExecutionError, match="'fail' of run 'w' failed: ValueError: deep") as failed:
        nf.run(fail.bind(), workflow_id="w")
    assert failed.value.workflow_id == "w"
    assert isinstance(failed.value.__cause__, ValueError)
    assert "in fail" in "".join(failed.value.__cause__.__notes__)
    assert nf.get_status("w") == "FAILED"
    nf.shutdown()
    nf.init(storage=str(folder))
    with pytest.raises(WorkflowExecutionError) as again:
        nf.get_output("w")
    assert isinstance(again.value.__cause__, ValueError)


def test_C096_siblings_of_a_failed_task_finish_and_are_kept(tmp_path: Path) -> None:
    gate, calls = Gate(), Counter(tmp_path / "calls")

    @nf.task
    def sibling() -> bytes:
        calls.add()
        gate.wait()
        return bytes(100_000)

    @nf.task
    async def async_sibling() -> bytes:
        import asyncio

        while not gate.open.is_set():
            await asyncio.sleep(0.005)
        return bytes(100_000)

    @nf.task
    def bad() -> None:
        gate.reached()
        raise ValueError

    run = nf.run_async([sibling.bind(), async_sibling.bind(), bad.bind()], workflow_id="w")
    with pytest.raises(WorkflowExecutionError):
        run.result(10)
    assert nf.get_status("w") == "FAILED"
    gate.open.set()
    assert len(nf.get_output("w", task_id="sibling")) == len(nf.get_output("w", task_id="async_sibling")) == 100_000
    good = nf.task(lambda: 2, name="bad")
    assert len(nf.run([sibling.bind(), async_sibling.bind(), good.bind()], workflow_id="w")) == 3
    assert calls.count() == 1


def test_C097_a_value_that_cannot_be_stored_fails_its_task() -> None:
    lock = nf.task(lambda: threading.Lock(), name="lock", retry_exceptions=True)
    with pytest.raises(WorkflowExecutionError) as failed:
        nf.run(lock.bind(), workflow_id="w")
    assert isinstance(failed.value.__cause__, CheckpointError)
    assert nf.get_status("w") == "FAILED"


def test_C098_an_argument_that_cannot_be_stored_is_refused_and_no_run_exists() -> None:
    with pytest.raises(CheckpointError, match="cannot be stored"):
        nf.run(plain_of.bind(threading.Lock()), workflow_id="w")
    assert nf.list_all() == []
