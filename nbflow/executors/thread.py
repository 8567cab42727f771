"""The thread executor: daemon threads that never hinder the interpreter's exit."""

from __future__ import annotations

import concurrent.futures
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

from nbflow.executors.outcome import Future, settle

_Item = tuple[Future, Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class ThreadExecutor:
    """Run bodies in threads of this process, which are started when needed and leave when idle.

    A running body cannot be stopped: ``stop`` abandons it, and the executor may then have one thread more, so
    that no capacity is lost. ``on_leave`` is called in each thread that ends while the interpreter lives.
    """

    same_process = True
    queues = True

    def __init__(
        self,
        threads: int | None = None,
        *,
        name: str = "thread",
        idle_seconds: float = 60.0,
        on_leave: Callable[[], None] | None = None,
    ) -> None:
        if threads is not None and threads < 1:
            raise ValueError(f"an executor needs at least 1 thread, not {threads}")
        self.name = name
        self.workers = threads or min(32, (os.cpu_count() or 1) + 4)
        self._idle_seconds = idle_seconds
        self._on_leave = on_leave
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._load = 0  # bodies queued or running
        self._running: set[Future] = set()
        self._starts: dict[Future, Callable[[], None]] = {}
        self._abandoned: set[Future] = set()
        self._closed = False

    def submit(self, body: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Queue a body for the next free thread. Raises RuntimeError after ``close``."""
        future: Future = concurrent.futures.Future()
        with self._lock:
            if self._closed:
                raise RuntimeError(f"the {self.name} executor is closed")
            # Inside the lock: a body queued behind the stop signs of close() would never be run or cancelled.
            self._queue.put((future, body, args, kwargs))
            self._load += 1
            grow = self._reserve_thread()
        if grow:
            try:
                self._start_thread()
            except RuntimeError:
                future.cancel()  # who is told that it was not taken must not see it run later
                raise
        return future

    def when_started(self, future: concurrent.futures.Future[Any], then: Callable[[], None]) -> None:
        """Call ``then`` when the body of a future has started, in some thread, and never if it does not."""
        with self._lock:
            if not future.running() and not future.done():
                self._starts[future] = then
                return
        then()

    def stop(self, future: concurrent.futures.Future[Any]) -> bool:
        """Cancel a body that has not started; abandon one that runs, and return False."""
        if future.cancel() or future.done():
            return True
        self.spare(future)
        return future.done()

    def spare(self, future: concurrent.futures.Future[Any]) -> None:
        """Have one thread more while the body of a future runs: it is abandoned, or waits for other bodies."""
        with self._lock:
            if future not in self._running:
                return
            self._abandoned.add(future)
            grow = self._reserve_thread()
        if grow:
            self._start_thread()

    def close(self) -> None:
        """Cancel queued bodies and abandon running ones. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            queued = self._drain()
            for _ in range(self._threads):
                self._queue.put(None)
        for future in queued:
            future.cancel()
            future.set_running_or_notify_cancel()  # no thread will: who waits for several futures is told here

    def _drain(self) -> list[Future]:
        queued: list[Future] = []
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return queued
            if item:
                queued.append(item[0])

    def _reserve_thread(self) -> bool:
        """Count one more thread in, if a body has to wait and the size allows it. The lock is held."""
        if self._load <= self._threads or self._threads >= self.workers + len(self._abandoned):
            return False
        self._threads += 1
        return True

    def _start_thread(self) -> None:
        try:
            threading.Thread(target=self._serve, name=f"nbflow-{self.name}", daemon=True).start()
        except RuntimeError:  # no more threads, or the interpreter is shutting down
            with self._lock:
                self._threads -= 1
                if self._threads:
                    return
            raise

    def _serve(self) -> None:
        while True:
            try:
                item = self._queue.get(timeout=self._idle_seconds)
            except queue.Empty:
                if self._may_leave():
                    break
                continue
            if item is None:
                break
            stays = self._run(*item)
            del item  # an idle thread must not keep the arguments of its last body alive
            if not stays:
                break
        if self._on_leave:
            self._on_leave()

    def _run(self, future: Future, body: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Run one body; return whether its thread stays."""
        with self._lock:
            # In one step, so that stop() finds each running body in the set.
            starts = future.set_running_or_notify_cancel()
            if starts:
                self._running.add(future)
            then = self._starts.pop(future, None)
        if starts and then is not None:
            then()
        then = None  # see settle()
        if starts:
            settle(future, body, args, kwargs)
        with self._lock:
            self._load -= 1
            self._running.discard(future)
            self._abandoned.discard(future)
            stays = self._threads <= self.workers + len(self._abandoned)
            if not stays:
                self._threads -= 1
        del future, body, args, kwargs  # see settle()
        return stays

    def _may_leave(self) -> bool:
        with self._lock:
            # A body may have been queued after the wait timed out, counting on this thread.
            if self._load >= self._threads:
                return False
            self._threads -= 1
            return True
