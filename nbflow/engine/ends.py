"""What becomes of the bodies of tasks that have ended: a value is stored, a continuation grows, an error is told."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.graph import Json
from ..core.records import TaskAttemptFailed, TaskFailed, TaskSucceeded
from ..dag.growth import growth
from ..errors import StorageError, SystemFailure, TaskTimeout
from ..executors.kept import Handle, Kept
from ..executors.outcome import presentable
from ..storage import values
from ..storage.shared import Unseen
from .failure import describe
from .lanes import Slot
from .remote import Made

if TYPE_CHECKING:
    from .parcels import Parcel
    from .runner import Runner

AT_ONCE = 2 << 20
"""Bytes of a value up to which the loop stores it itself while no other body runs: a thread would take as long to hear
of it and to tell."""

_QUICK = (type(None), bool, int, float)
_RAW = (bytes, bytearray, str)


@dataclass(slots=True)
class Body:
    """One attempt that is under way."""

    node: int
    attempt: int
    started: float
    name: str
    slot: Slot | None = None
    parcel: Parcel | None = None
    timer: asyncio.TimerHandle | None = None
    stop: Callable[[], bool] | None = None
    end: Any = None  # done when what runs has really ended, wanted or not
    timed_out: float = 0.0

    def leave_slot(self) -> None:
        """Make room for the next body on its executor. Idempotent."""
        if self.slot is not None:
            self.slot.leave()


@dataclass(slots=True)
class Returned:
    """What a body gave: its value, and the stored form when that was made beside the body."""

    value: Any
    stored: dict[str, Any] | None = None


class Ends:
    """The ends of the bodies of one run. ``running`` holds those that are under way, by node."""

    def __init__(self, runner: Runner, running: dict[int, Body]) -> None:
        self.runner = runner
        self.running = running
        self._idle: asyncio.Event | None = None

    def timeout(self, body: Body, more: str) -> TaskTimeout:
        """Return the error of a body whose time was up."""
        return TaskTimeout(
            f"Task {body.name!r} of run {self.runner.workflow_id!r} ran longer than {body.timed_out:g} seconds. {more}"
        )

    def unknown(self, body: Body) -> SystemFailure:
        """Return the error of a body whose start is journaled and its end is not, and that may not start once more."""
        run = self.runner.workflow_id
        return SystemFailure(
            f"Task {body.name!r} of run {run!r} had begun when its process ended, and nobody knows what it has done. "
            f"Its max_retries do not let it start again: see to it yourself, then nbflow.resume({run!r}) starts it."
        )

    def cause(self, body: Body, error: BaseException) -> BaseException:
        """Return why a body ended: its own error, or that its time was up."""
        return self.timeout(body, "It was stopped.") if body.timed_out else error

    def finished(
        self, body: Body, future: concurrent.futures.Future[Any], then_await: Callable[[Body, Any], None]
    ) -> None:
        """Take the end of a body on an executor; ``then_await`` goes on with one that returned an awaitable."""
        if self.running.get(body.node) is not body:
            body.leave_slot()
            return
        try:
            error = future.exception()
        except concurrent.futures.CancelledError:
            error = presentable(asyncio.CancelledError())
        if error is not None:
            if isinstance(error, Unseen) and body.parcel is not None:
                body.parcel.was_not_seen()
            self.failed(body, self.cause(body, error))
            return
        value = future.result()
        if isinstance(value, (Made, Kept)):
            self._arrived(body, value)
            return
        returned = value if isinstance(value, Returned) else Returned(value)
        if type(returned.value) not in _QUICK and inspect.isawaitable(returned.value):
            body.leave_slot()
            then_await(body, returned.value)
            return
        self.succeeded(body, returned.value, returned.stored)

    def _leave(self, body: Body) -> bool:
        """Take a body out; False when it was stopped and its result must not count."""
        if body.slot is not None:
            body.slot.leave(at_once=True)
        if body.timer is not None:
            body.timer.cancel()
        if self.running.get(body.node) is not body:
            return False
        del self.running[body.node]
        body.stop = body.end = None  # a cycle with its future, which would keep the value
        if self.runner.progress:
            self.runner.progress.pop(body.node, None)
        if not self.running and self._idle is not None:
            self._idle.set()
        return True

    def succeeded(self, body: Body, value: Any, stored: Json | None = None) -> None:
        """Write what a body gave, once it is stored; ``stored`` is there when that was done beside the body."""
        if not self._leave(body):
            return
        try:
            self._take(body, value, stored)
        except Exception as error:  # some values raise when they are looked at
            self.failed(body, error)

    def _take(self, body: Body, value: Any, stored: Json | None) -> None:
        graph = growth(value) if type(value) not in _QUICK else None
        ended = self.runner.now()
        if graph is not None:
            self.runner.results.leave(body.node)
            self.runner.grow(body.node, graph, body.started, ended, body.attempt)
            return
        state = self.runner.state
        options = state.codes[state.nodes[body.node].spec.code].options
        if options.catch_exceptions:
            value, stored = (value, None), None
        if options.checkpoint is False:
            self._finish(body, value, None, ended)
        elif stored is not None:
            self._finish(body, value, stored, ended)
        else:
            self._store(body, value, ended)

    def _store(self, body: Body, value: Any, ended: float) -> None:
        """Store a value that is here: at once where that is quick, else beside the loop."""
        try:
            stored = values.encode_small(value)
            if stored is None and self._is_quick(value):
                stored = values.encode(value, self.runner.blobs)
        except StorageError:
            stored = None  # no fault of the body: there, the engine is patient
        if stored is not None:
            self._finish(body, value, stored, ended)
        else:
            self.running[body.node] = body  # until its value is stored: nobody may close the run before
            self.runner.spawn(self._encode(body, value, ended))

    def _is_quick(self, value: Any) -> bool:
        """Tell whether nothing is won by storing a large value in a thread."""
        if self.running or not self.runner.committer.quick:
            return False
        kind = type(value)
        if kind in _RAW:
            return len(value) < AT_ONCE
        array = kind.__module__ == "numpy" and kind.__name__ == "ndarray"
        return array and value.nbytes < AT_ONCE and not value.dtype.hasobject

    def _arrived(self, body: Body, found: Made | Kept) -> None:
        """Take what a body gave whose value is not here: it was stored beside the body, or its parts have come."""
        made: Made = found.head if isinstance(found, Kept) else found
        handle = found.handle if isinstance(found, Kept) else None
        if made.stored is not None and made.parts is not None:
            self.runner.spawn(self._store_parts(body, made.stored, made.parts, handle))
        elif self._leave(body):
            self._settle(body, made.stored, handle, self.runner.now())

    async def _store_parts(
        self, body: Body, stored: Json, parts: tuple[Json, list[Any]], handle: Handle | None
    ) -> None:
        ended = self.runner.now()
        try:
            stored = await self.runner.trouble.store_parts(stored, *parts)
        except Exception as error:
            if self.running.get(body.node) is body:
                self.failed(body, error)
            return
        if self._leave(body):
            self._settle(body, stored, handle, ended)

    def _settle(self, body: Body, stored: Json | None, handle: Handle | None, ended: float) -> None:
        runner = self.runner
        runner.results.keep(body.node, stored)
        if stored is not None and "blob" in stored:
            runner.memory.was_stored_here(body.node)
        if handle is not None and body.parcel is not None:
            runner.memory.hold(body.node, body.parcel.executor, handle)
        runner.write(TaskSucceeded(body.node, stored, body.started, ended, body.attempt))

    async def _encode(self, body: Body, value: Any, ended: float) -> None:
        try:
            stored = await self.runner.trouble.store(value)
        except Exception as error:
            if self.running.get(body.node) is body:
                self.failed(body, error)
            return
        if self._leave(body):
            self._finish(body, value, stored, ended)

    def _finish(self, body: Body, value: Any, stored: Json | None, ended: float) -> None:
        self.runner.results.keep(body.node, stored)
        self.runner.finish_node(body.node, value, stored, body.started, ended, body.attempt)

    def failed(self, body: Body, error: BaseException) -> None:
        """Write that a body failed, or that it will be tried again."""
        self._leave(body)
        runner = self.runner
        runner.results.leave(body.node)
        if runner.closed:
            return
        ended = runner.now()
        report = describe(error, runner.blobs)
        try:
            task = runner.task_of(body.node)
        except Exception:
            runner.write(TaskFailed(body.node, report, body.started, ended, body.attempt))
            return
        policy = task.settings.retry
        blameless = getattr(error, "blameless", False)
        retryable = report["kind"] == "system" or (
            report["kind"] != "checkpoint" and isinstance(error, task.retry_classes)
        )
        if retryable and (blameless or policy.allows(body.attempt)):
            delay = policy.delay(body.attempt, random.random())
            attempt = body.attempt - 1 if blameless else body.attempt
            runner.write(TaskAttemptFailed(body.node, attempt, report, ended + delay, body.started, ended))
        elif task.settings.catch_exceptions:
            runner.spawn(self._caught(body, error, ended))
        else:
            runner.write(TaskFailed(body.node, report, body.started, ended, body.attempt))

    async def _caught(self, body: Body, error: BaseException, ended: float) -> None:
        await self.runner.catching.finish(body.node, error, body.started, ended, body.attempt)

    async def drained(self) -> None:
        """Return when no body runs."""
        while self.running:
            self._idle = asyncio.Event()
            await self._idle.wait()


def run_and_encode(
    blobs: Any, keep: bool, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
) -> Returned:
    """Run a plain function in a thread of this process; make the stored form there too, off the loop."""
    value = function(*args, **kwargs)
    if not keep or type(value) in _QUICK or inspect.isawaitable(value) or growth(value) is not None:
        return Returned(value)
    try:
        return Returned(value, values.encode(value, blobs))
    except StorageError:
        return Returned(value)  # no fault of the body: the engine stores the value when it can
