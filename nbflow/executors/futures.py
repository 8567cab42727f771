"""Any ``concurrent.futures`` executor of the user's, as a place where bodies run."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any

from nbflow.errors import SystemFailure
from nbflow.executors import wire
from nbflow.executors.outcome import Future, presentable, settle


class FuturesExecutor:
    """Run bodies in a ``concurrent.futures`` executor that somebody else owns and closes.

    ``same_process`` is guessed: true for threads. Elsewhere calls and results go by cloudpickle, so functions of
    a notebook work in a plain ProcessPoolExecutor too, and nbflow must be importable there; a call is pickled
    inside ``submit``. When such a pool breaks, every body in it gets SystemFailure: the pool does not say whose
    process died; ``renew`` returns the pool that takes its place. A running body cannot be stopped.
    """

    def __init__(
        self, executor: concurrent.futures.Executor, *, same_process: bool | None = None, name: str = "",
        renew: Callable[[], concurrent.futures.Executor] | None = None,
    ) -> None:  # fmt: skip
        self.name = name or type(executor).__name__
        self.same_process = _is_thread_pool(executor) if same_process is None else same_process
        self.workers: int | None = getattr(executor, "_max_workers", None)  # all the known pools have it
        self._executor = executor
        self._renew = renew

    def submit(self, body: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Hand a body to the user's executor; when it takes no more, the future has SystemFailure."""
        try:
            try:
                inner = self._start(body, args, kwargs)
            except concurrent.futures.BrokenExecutor:
                if self._renew is None:
                    raise
                self._executor = self._renew()
                inner = self._start(body, args, kwargs)
        except Exception as error:
            return _failed(self._as_failure(error) if isinstance(error, RuntimeError) else error)
        outer = _Outer(inner)
        inner.add_done_callback(lambda _: self._pass_on(outer))
        return outer

    def stop(self, future: concurrent.futures.Future[Any]) -> bool:
        """Cancel a body that has not started; one that runs goes on, and the answer is False."""
        return future.cancel() or future.done()

    def close(self) -> None:
        """Do nothing: the executor is its owner's to close."""

    def _start(self, body: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Future:
        if self.same_process:
            return self._executor.submit(body, *args, **kwargs)
        return self._executor.submit(wire.answer, wire.encode_call(body, args, kwargs))

    def _pass_on(self, outer: _Outer) -> None:
        if outer.inner.cancelled():
            outer.follow_cancel()
            return
        error = outer.inner.exception()
        if isinstance(error, concurrent.futures.BrokenExecutor):
            outer.set_exception(self._as_failure(error))
        elif error:
            outer.set_exception(presentable(error))
        elif self.same_process:
            outer.set_result(outer.inner.result())
        else:
            settle(outer, wire.decode_reply, (outer.inner.result(),), {})

    def _as_failure(self, error: Exception) -> SystemFailure:
        failure = SystemFailure(
            f"The {self.name} that was given as executor does not work any more: {error} "
            "Give nbflow.init() another one, after nbflow.shutdown(); executor='process' replaces what dies by itself."
        )
        failure.__cause__ = error
        return failure


class _Outer(Future):
    """The future that the engine sees: a cancel of it cancels the one of the user's executor."""

    def __init__(self, inner: Future) -> None:
        super().__init__()
        self.inner = inner

    def running(self) -> bool:
        return self.inner.running()

    def cancel(self) -> bool:
        return self.inner.cancel()

    def follow_cancel(self) -> None:
        super().cancel()
        self.set_running_or_notify_cancel()


def _failed(error: Exception) -> Future:
    future: Future = concurrent.futures.Future()
    future.set_exception(error)
    return future


def _is_thread_pool(executor: concurrent.futures.Executor) -> bool:
    # Since Python 3.14 a pool of interpreters is a thread pool by class, and shares no memory.
    isolated = getattr(concurrent.futures, "InterpreterPoolExecutor", ())
    return isinstance(executor, concurrent.futures.ThreadPoolExecutor) and not isinstance(executor, isolated)
