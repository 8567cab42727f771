"""The inline executor: a body runs inside ``submit``, and its future is done when that returns."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any

from nbflow.executors.outcome import settle


class InlineExecutor:
    """Run bodies on the caller's thread, one after another: for tests, tiny bodies and debuggers."""

    name = "inline"
    same_process = True
    workers = 1

    def __init__(self) -> None:
        self._closed = False

    def submit(self, body: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Run a body and return its future, which is done.

        Raises KeyboardInterrupt when the person at the keyboard stops the main thread: that stop is meant for
        the caller, too.
        """
        if self._closed:
            raise RuntimeError("the inline executor is closed")
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()
        settle(future, body, args, kwargs)
        if _was_interrupted(future):
            raise KeyboardInterrupt
        try:
            return future
        finally:
            del future, body, args, kwargs  # see settle()

    def stop(self, future: concurrent.futures.Future[Any]) -> bool:
        """Tell whether the body is over: it always is, but for a caller in another thread."""
        return future.done()

    def close(self) -> None:
        """Take no more bodies. Idempotent."""
        self._closed = True


def _was_interrupted(future: concurrent.futures.Future[Any]) -> bool:
    cause = getattr(future.exception(), "__cause__", None)
    return isinstance(cause, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()
