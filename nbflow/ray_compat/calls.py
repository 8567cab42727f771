"""Where calls of ``.remote()`` run: in threads, not durable, some at a time; one that waits gives its place away."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import inspect
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..dag.continuation import in_task
from ..dag.eager import execute
from ..dag.growth import growth

Future = concurrent.futures.Future[Any]


class Calls:
    """Runs calls in daemon threads, at most ``most`` at a time, not counting those that wait ``aside``."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.running = 0
        self._line: deque[tuple[Future, Callable[[], Any]]] = deque()
        self._lock = threading.Lock()
        self._mine = threading.local()

    def submit(self, call: Callable[[], Any]) -> Future:
        """Start a call, or queue it; it finds the caller's context, and is outside any task."""
        context = contextvars.copy_context()
        context.run(in_task.set, False)
        future: Future = concurrent.futures.Future()
        with self._lock:
            self._line.append((future, lambda: context.run(call)))
        self._pump()
        return future

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Give the place of the call that runs in this thread to others, while it waits for one of them."""
        if not getattr(self._mine, "calls", False):
            yield
            return
        with self._lock:
            self.running -= 1
        self._pump()
        try:
            yield
        finally:
            with self._lock:
                self.running += 1

    def _pump(self) -> None:
        with self._lock:
            if not self._line or self.running >= self.most:
                return
            self.running += 1
        threading.Thread(target=self._work, name="nbflow-remote", daemon=True).start()

    def _work(self) -> None:
        self._mine.calls = True
        while True:
            with self._lock:
                if not self._line or self.running > self.most:
                    self.running -= 1
                    break
                future, call = self._line.popleft()
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)
            del future, call
        self._pump()


calls = Calls(min(32, (os.cpu_count() or 1) + 4))
"""The calls of this process."""


def called(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the value of a function here and now: a coroutine is finished, a returned graph executed."""
    value = function(*args, **kwargs)
    if inspect.isawaitable(value):
        value = asyncio.run(_awaited(value))
    graph = growth(value)
    return value if graph is None else execute(graph)


async def _awaited(value: Any) -> Any:
    return await value
