"""The process executor: each body alone in a process, so that a death or a stop hits exactly one."""

from __future__ import annotations

import atexit
import concurrent.futures
import contextvars
import logging
import os
import pickle
import threading
import weakref
from collections.abc import Callable
from typing import Any, cast

from nbflow.errors import SystemFailure
from nbflow.executors import guard, wire
from nbflow.executors.base import show as show
from nbflow.executors.child import Child, ChildDied, here
from nbflow.executors.outcome import title
from nbflow.executors.thread import ThreadExecutor

_STARTS = 3
_CLOSE_SECONDS = 10.0

_log = logging.getLogger(__name__)


class ProcessExecutor:
    """Run bodies in processes of this computer, one body in each at a time, with functions by cloudpickle.

    A process starts when it is needed (some 0.1 s), serves one body after another, and leaves after
    ``idle_seconds`` or when the import path, working folder or environment of this process has changed. It
    sees modules as they were when it imported them. It dies with this process, whatever ends that, and so do the
    programs that its bodies have started (not those that left its process group).

    A body whose process dies gets SystemFailure: it may have run partly. What it prints reaches ``on_message``
    line by line as ("stdout" or "stderr", text), and so does what it says with ``worker.tell``; the call is
    made in the context of ``submit``, in another thread. By default text is printed here.
    """

    name = "process"
    same_process = False

    def __init__(
        self,
        processes: int | None = None,
        *,
        idle_seconds: float = 60.0,
        on_message: Callable[[str, Any], None] = show,
    ) -> None:
        self.on_message = on_message
        self.workers = processes or usable_cpus()
        # One thread for each process: it starts the process, waits for it and buries it, and nobody else does.
        self._threads = ThreadExecutor(
            self.workers, name="process", idle_seconds=idle_seconds, on_leave=self._drop_child
        )
        self._own = threading.local()
        self._changed = threading.Condition()
        self._calls: weakref.WeakKeyDictionary[concurrent.futures.Future[Any], _Call] = weakref.WeakKeyDictionary()
        self._running: set[_Call] = set()
        self._processes = 0
        self._closed = False
        self._pid = os.getpid()
        _executors.add(self)

    def submit(self, body: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Queue a body for the next free process. It is pickled in another thread, and only then."""
        call = _Call(body, args, kwargs)
        future = self._threads.submit(self._carry, call)
        with self._changed:
            self._calls[future] = call
        return future

    def stop(self, future: concurrent.futures.Future[Any]) -> bool:
        """Cancel a body that has not started, or kill the process of one that runs and all that it started."""
        if future.cancel() or future.done():
            return True
        with self._changed:
            call = self._calls.get(future)
            if call:
                call.stop()
        return call is not None

    def close(self) -> None:
        """Kill the running bodies, cancel the queued ones, and wait until every process is gone. Idempotent."""
        if os.getpid() != self._pid:
            return  # a fork of the owner, at its exit: the processes are not ours
        with self._changed:
            self._closed = True
            for call in self._running:
                call.stop()
        self._threads.close()
        with self._changed:
            self._changed.wait_for(lambda: not self._processes, _CLOSE_SECONDS)

    def _carry(self, call: _Call) -> Any:
        """Run one body in the process of this thread, and in another one if that dies before the body starts."""
        how = ""
        try:
            for _ in range(_STARTS):
                try:
                    return wire.decode_reply(self._ask_child(call))
                except ChildDied as death:
                    how = f"its process {death.pid} {death.how}"
                    if call.stopped:
                        raise SystemFailure(
                            f"{call.title!r} was stopped: its process {death.pid} was killed."
                        ) from None
                    if death.started:
                        raise SystemFailure(f"{call.title!r} gave no result: {how}. It may have run partly.") from None
            raise SystemFailure(f"{call.title!r} could not be started {_STARTS} times: {how}.")
        finally:
            call.release()

    def _ask_child(self, call: _Call) -> wire.Reply:
        payload = [wire.encode_call(call.body, call.args, call.kwargs)]
        child = self._child()
        self._attach(call, child)
        try:
            return child.call(payload.pop(), call.listener(self.on_message))
        except BaseException:
            # Dead, or with half an answer in the pipe: it can serve no other body.
            child.kill()
            self._drop_child()
            raise
        finally:
            self._detach(call)

    def _attach(self, call: _Call, child: Child) -> None:
        """Tie a call to its process, so that a stop or a close finds it from here on."""
        with self._changed:
            if call.stopped or self._closed:
                raise SystemFailure(f"{call.title!r} was stopped before it started.")
            call.child = child
            self._running.add(call)

    def _detach(self, call: _Call) -> None:
        """Untie a call: from here on a stop must not hit the process, which serves another body."""
        with self._changed:
            call.child = None
            self._running.discard(call)

    def _child(self) -> Child:
        """Return the process of this thread, in this place, alive as far as one knows."""
        child: Child | None = getattr(self._own, "child", None)
        place = here()
        if child and child.place == place:
            return child
        self._drop_child()
        with self._changed:
            # Counted before it starts, so that close() cannot miss it.
            if self._closed:
                raise SystemFailure("The process executor was closed.")
            self._processes += 1
        try:
            self._own.child = Child(place)
        except OSError as error:
            self._forget_child()
            raise SystemFailure(f"The system could not start a process ({error}).") from error
        return cast(Child, self._own.child)

    def _drop_child(self) -> None:
        """Let the process of this thread leave, if there is one."""
        child: Child | None = getattr(self._own, "child", None)
        if child:
            child.leave()
            self._forget_child()

    def _forget_child(self) -> None:
        self._own.child = None
        with self._changed:
            self._processes -= 1
            self._changed.notify_all()


class _Call:
    """One body on its way, and the process that runs it now. The executor's lock guards it."""

    def __init__(self, body: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.body, self.args, self.kwargs = body, args, kwargs
        self.title = title(body, args)
        self.context = contextvars.copy_context()
        self.stopped = False
        self.child: Child | None = None

    def stop(self) -> None:
        """Kill the process that runs the call, or keep it from being given to one."""
        self.stopped = True
        if self.child:
            self.child.kill()

    def release(self) -> None:
        """Let go of what the body needed: whoever keeps the future must not keep that."""
        self.body, self.args, self.kwargs = _over, (), {}

    def listener(self, on_message: Callable[[str, Any], None]) -> Callable[[wire.Bytes], None]:
        """Return ``on_message`` for messages as they come, in the caller's context; its failures fail no body."""

        def listen(message: wire.Bytes) -> None:
            try:
                self.context.run(on_message, *pickle.loads(message))
            except Exception:
                _log.exception("What %r said could not be shown", self.title)

        return listen


def _over() -> None:
    """Stand in for a body that is over."""


def usable_cpus() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_executors: weakref.WeakSet[ProcessExecutor] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for executor in list(_executors):
        executor.close()
    guard.guard.close()
