"""What all clusters share, without one: who closes, stops or asks while it is being connected to is answered."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest

from nbflow.errors import SystemFailure
from nbflow.executors.cluster import Call, ClusterExecutor
from nbflow.executors.kept import Handle

SECONDS = 20.0


class Slow(ClusterExecutor):
    """A cluster that is connected to when the test says so, and whose bodies end when the test says so."""

    name = "slow"
    realm = "slow"
    where = "the slow cluster"

    def __init__(self) -> None:
        super().__init__(lambda kind, content: self.heard.append((kind, content)))
        self.heard: list[Any] = []
        self.connecting, self.go, self.disconnected = threading.Event(), threading.Event(), threading.Event()
        self.sent: list[Call] = []
        self.arrived = threading.Semaphore(0)

    def _connect(self) -> None:
        self.connecting.set()
        assert self.go.wait(SECONDS)

    def _disconnect(self) -> None:
        self.disconnected.set()

    def _send(self, call: Call, payload: bytes) -> None:
        self.sent.append(call)
        self.arrived.release()

    def _give_up(self, call: Call) -> bool:
        return not call.started

    def _put(self, value: Any) -> Handle:
        return Handle(value)

    def _get(self, handle: Handle) -> Any:
        raise LookupError("gone")

    def begin(self) -> Call:
        """Wait for a call and let its body start."""
        assert self.arrived.acquire(timeout=SECONDS)
        self._hear(self.sent[-1].id, pickle.dumps(("started", None)))
        return self.sent[-1]


def test_a_close_while_it_connects_ends_all_calls_and_leaves_no_connection() -> None:
    executor = Slow()
    future = executor.submit(print)
    assert executor.connecting.wait(SECONDS)
    executor.close()
    assert future.cancelled()
    executor.go.set()
    assert executor.disconnected.wait(SECONDS)
    assert not executor.sent
    with pytest.raises(RuntimeError, match="slow executor is closed"):
        executor.submit(print)


def test_a_body_that_was_stopped_before_it_was_sent_never_is() -> None:
    executor = Slow()
    first, second = executor.submit(print), executor.submit(print)
    assert executor.connecting.wait(SECONDS)
    assert executor.stop(first) and first.cancelled()
    executor.go.set()
    executor.begin().end("second")
    assert second.result(SECONDS) == "second"
    assert len(executor.sent) == 1
    executor.close()
    assert executor.disconnected.is_set()


def test_who_asks_when_a_body_starts_is_told_whenever_it_asks_and_not_when_it_never_does() -> None:
    executor = Slow()
    executor.go.set()
    future, told = executor.submit(print), threading.Event()
    executor.when_started(future, told.set)
    assert not told.is_set()
    call = executor.begin()
    assert told.is_set()
    late = threading.Event()
    executor.when_started(future, late.set)
    assert late.is_set()
    assert not executor.stop(future), "it runs, and this cluster cannot stop it"
    call.end()
    assert executor.stop(future)
    executor.close()


def test_what_a_body_says_is_heard_until_it_ends() -> None:
    executor = Slow()
    executor.go.set()
    executor.submit(print)
    call = executor.begin()
    executor._hear(call.id, pickle.dumps(("stdout", "a\n")))
    executor._hear(call.id, b"no pickle")
    call.end()
    executor._hear(call.id, pickle.dumps(("stdout", "b\n")))
    assert executor.heard == [("stdout", "a\n")]
    executor.close()


def test_a_body_that_cannot_be_pickled_is_an_error_of_its_own() -> None:
    executor = Slow()
    executor.go.set()
    error = executor.submit(print, threading.Lock()).exception(SECONDS)
    assert error is not None and "argument 1 cannot be pickled" in str(error)
    executor.close()


def test_a_value_that_is_lost_is_marked_and_said() -> None:
    executor = Slow()
    executor.go.set()
    handle = executor.put(1)
    with pytest.raises(SystemFailure, match="the slow cluster kept is lost"):
        executor.fetch(handle)
    assert handle.lost
    executor.close()
