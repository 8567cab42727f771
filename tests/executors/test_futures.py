"""The user's own pools: threads share memory, others get their calls by cloudpickle, and none is closed by us."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import loky
import pytest

from nbflow.errors import CheckpointError, SystemFailure, TaskError
from nbflow.executors.futures import FuturesExecutor

SECONDS = 20.0


def processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[FuturesExecutor]:
    with processes() as pool:
        yield FuturesExecutor(pool)


@pytest.fixture
def one_thread() -> Iterator[FuturesExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield FuturesExecutor(pool)


def test_a_thread_pool_shares_memory_and_is_left_open(one_thread: FuturesExecutor) -> None:
    assert one_thread.same_process
    assert one_thread.name == "ThreadPoolExecutor"
    assert one_thread.workers == 1
    value = object()
    assert one_thread.submit(lambda: value).result(SECONDS) is value
    one_thread.close()
    assert one_thread.submit(lambda: value).result(SECONDS) is value


def test_a_queued_body_is_cancelled_and_a_running_one_goes_on(one_thread: FuturesExecutor) -> None:
    runs, go = threading.Event(), threading.Event()
    running = one_thread.submit(lambda: (runs.set(), go.wait(SECONDS)))
    queued = one_thread.submit(print)
    assert runs.wait(SECONDS)
    assert running.running()
    assert not one_thread.stop(running)
    assert one_thread.stop(queued)
    assert queued.cancelled()
    with pytest.raises(CancelledError):
        queued.result(0)
    go.set()
    assert running.result(SECONDS) == (None, True)
    assert one_thread.stop(running)


def test_what_a_loop_cannot_await_is_wrapped(one_thread: FuturesExecutor) -> None:
    assert isinstance(one_thread.submit(exec, "raise SystemExit(2)").exception(SECONDS), TaskError)
    assert isinstance(one_thread.submit(next, iter(())).exception(SECONDS), RuntimeError)


def test_a_closure_runs_in_a_plain_process_pool(elsewhere: FuturesExecutor) -> None:
    factor = 6
    assert not elsewhere.same_process
    assert elsewhere.submit(lambda x: (x * factor, os.getpid() == os.getppid()), 7).result(SECONDS) == (42, False)


def test_errors_of_a_plain_process_pool_are_those_of_our_own(elsewhere: FuturesExecutor) -> None:
    assert isinstance(elsewhere.submit(lambda: 1 / 0).exception(SECONDS), ZeroDivisionError)
    assert isinstance(elsewhere.submit(threading.Lock).exception(SECONDS), CheckpointError)
    assert isinstance(elsewhere.submit(print, threading.Lock()).exception(SECONDS), TaskError)


@pytest.mark.crash
@pytest.mark.parametrize("kind", [processes, lambda: loky.ProcessPoolExecutor(1)], ids=["stdlib", "loky"])
def test_a_broken_pool_is_a_system_failure_now_and_later(kind: type) -> None:
    pool = kind()
    executor = FuturesExecutor(pool)
    error = executor.submit(lambda: os.kill(os.getpid(), signal.SIGKILL)).exception(SECONDS)
    assert isinstance(error, SystemFailure)
    assert error.__cause__ is not None
    assert isinstance(executor.submit(print).exception(SECONDS), SystemFailure)
    pool.shutdown()


def test_a_pool_that_its_owner_closed_is_a_system_failure() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    error = FuturesExecutor(pool).submit(print).exception(0)
    assert isinstance(error, SystemFailure)
    assert "ThreadPoolExecutor" in str(error)
