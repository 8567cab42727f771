"""How the bodies of tasks run: where, with what arguments, for how long, and what becomes of their results."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import random
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.commands import StartTask
from ..core.records import TaskAttemptFailed, TaskFailed, TaskStarted
from ..dag.elsewhere import call_elsewhere
from ..dag.growth import growth
from ..errors import StorageError, TaskTimeout
from ..storage import values
from .context import place_of
from .failure import describe
from .lanes import Lane, Slot
from .resources import submitter
from .streams import speaking

if TYPE_CHECKING:
    from ..dag.task import Task
    from .runner import Runner

_QUICK = (type(None), bool, int, float)


@dataclass(slots=True)
class Body:
    """One attempt that is under way."""

    node: int
    attempt: int
    started: float
    name: str
    slot: Slot | None = None
    timer: asyncio.TimerHandle | None = None
    stop: Callable[[], bool] | None = None
    end: Any = None  # done when what runs has really ended, wanted or not
    timed_out: float = 0.0

    def leave_slot(self) -> None:
        """Make room for the next body on its executor. Idempotent."""
        if self.slot is not None:
            self.slot.leave()


@dataclass(frozen=True, slots=True)
class Returned:
    """What a body gave: its value, and the stored form when that was made beside the body."""

    value: Any
    stored: dict[str, Any] | None = None


class Bodies:
    """The bodies of one run."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.running: dict[int, Body] = {}
        self._waiting: dict[int, StartTask] = {}
        self._idle: asyncio.Event | None = None

    # ---- start ----

    def start(self, command: StartTask) -> None:
        """Start a body, or queue it for its executor."""
        try:
            task = self.runner.task_of(command.node)
            lane = self._lane(task)
        except Exception as error:
            self._failed(Body(command.node, command.attempt, self.runner.now(), "?"), error)
            return
        if lane is None:
            self._launch(command, task, None)
            return
        self._waiting[command.node] = command
        lane.join(lambda slot: self._take_slot(command, slot), task.settings.slots)

    def _lane(self, task: Task[Any, Any]) -> Lane | None:
        if task.settings.executor is None and task.is_async:
            return None
        return self.runner.lane(task.settings.executor)

    def _take_slot(self, command: StartTask, slot: Slot) -> bool:
        if self._waiting.get(command.node) is not command:
            return False
        del self._waiting[command.node]
        self._launch(command, self.runner.task_of(command.node), slot)
        return True

    def _launch(self, command: StartTask, task: Task[Any, Any], slot: Slot | None) -> None:
        body = Body(command.node, command.attempt, self.runner.now(), task.name, slot)
        self.running[command.node] = body
        started = TaskStarted(body.node, body.attempt, body.started)
        if task.settings.mark_start:
            self.runner.write(started, then=lambda: self._enter(body, task))
            return
        self.runner.apply_volatile(started)
        self._enter(body, task)

    def _enter(self, body: Body, task: Task[Any, Any]) -> None:
        memory = self.runner.memory
        if not memory.ready(body.node):
            self.runner.spawn(self._load(body, task))
            return
        try:
            args, kwargs = memory.arguments(body.node)
        except Exception as error:
            self._failed(body, error)
            return
        self._call(body, task, args, kwargs)

    async def _load(self, body: Body, task: Task[Any, Any]) -> None:
        try:
            args, kwargs = await self.runner.memory.load(body.node, self.runner.memory.arguments)
        except Exception as error:
            self._failed(body, error)
            return
        self._call(body, task, args, kwargs)

    def _call(self, body: Body, task: Task[Any, Any], args: list[Any], kwargs: dict[str, Any]) -> None:
        if self.running.get(body.node) is not body:
            return  # it was stopped while its arguments were loaded
        context = speaking(self.runner, body.node, body.attempt)
        limit = task.settings.timeout
        if limit is not None:
            body.timer = self.runner.loop.call_later(limit, self._time_out, body, limit)
        if body.slot is None:
            self._call_async(body, task, args, kwargs, context)
        else:
            self._call_in(body.slot.lane, body, task, args, kwargs, context)

    def _call_async(
        self, body: Body, task: Task[Any, Any], args: list[Any], kwargs: dict[str, Any], context: Context
    ) -> None:
        if task.settings.loop == "notebook" or (
            task.settings.loop is None and self.runner.host.notebook_loop_by_default
        ):
            future = self.runner.host.on_notebook_loop(task.function, args, kwargs, context)
            body.stop, body.end = future.cancel, future
            future.add_done_callback(lambda done: self.runner.host.engine.post(lambda: self._finished(body, done)))
            return
        self._await(body, task.function, args, kwargs, context)

    def _await(
        self, body: Body, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], context: Context
    ) -> None:
        running = self.runner.loop.create_task(self._run_async(body, function, args, kwargs), context=context)
        body.stop, body.end = running.cancel, running

    async def _run_async(
        self, body: Body, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        try:
            value = await function(*args, **kwargs)
        except asyncio.CancelledError as error:
            if self.running.get(body.node) is body:
                self._failed(body, self._cause(body, error))
        except BaseException as error:
            self._failed(body, error)
        else:
            self._succeeded(body, Returned(value))

    def _call_in(
        self, lane: Lane, body: Body, task: Task[Any, Any], args: list[Any], kwargs: dict[str, Any], context: Context
    ) -> None:
        function, executor, submit = task.function, lane.executor, submitter(self.runner, lane, task)
        if executor.same_process:
            keep = task.settings.checkpoint is not False and not task.settings.catch_exceptions
            future = submit(context.run, _run_and_encode, self.runner.blobs, keep, function, args, kwargs)
        else:
            place = place_of(self.runner, body.node)
            future = context.run(submit, call_elsewhere, function, args, kwargs, place)
        body.stop, body.end = lambda: executor.stop(future), future
        if future.done():
            self._finished(body, future)
        else:
            future.add_done_callback(lambda done: self.runner.host.engine.post(lambda: self._finished(body, done)))

    # ---- stop ----

    def stop(self, index: int) -> None:
        """Stop the body of a node; its result is not wanted any more."""
        self._waiting.pop(index, None)
        body = self.running.pop(index, None)
        if body is None:
            return
        if body.timer is not None:
            body.timer.cancel()
        if body.stop is None:
            body.leave_slot()
        elif not body.stop():
            body.leave_slot()  # an abandoned thread must not take the place of bodies that are wanted
            self.runner.notice(
                f"{body.name!r} runs in a thread, which nobody can stop: it is abandoned, and its result is ignored."
            )

    def stop_all(self) -> None:
        """Stop every body of the run."""
        for index in [*self._waiting, *self.running]:
            self.stop(index)

    def halt(self, index: int) -> None:
        """Do not start a queued body; one that runs may finish."""
        self._waiting.pop(index, None)

    def _time_out(self, body: Body, limit: float) -> None:
        if self.running.get(body.node) is not body:
            return
        body.timed_out = limit
        stopped = body.stop() if body.stop is not None else True
        if not stopped:
            self._failed(body, self._timeout(body, "It runs in a thread, which nobody can stop: it is abandoned. Use "
                                                   "executor='process' to have it killed."))  # fmt: skip

    def _timeout(self, body: Body, more: str) -> TaskTimeout:
        return TaskTimeout(
            f"Task {body.name!r} of run {self.runner.workflow_id!r} ran longer than {body.timed_out:g} seconds. {more}"
        )

    def _cause(self, body: Body, error: BaseException) -> BaseException:
        """Return why a body ended: its own error, or that its time was up."""
        return self._timeout(body, "It was stopped.") if body.timed_out else error

    # ---- end ----

    def _finished(self, body: Body, future: concurrent.futures.Future[Any]) -> None:
        if self.running.get(body.node) is not body:
            body.leave_slot()
            return
        if future.cancelled():
            self._failed(body, self._cause(body, asyncio.CancelledError()))
            return
        error = future.exception()
        if error is not None:
            self._failed(body, self._cause(body, error))
            return
        value = future.result()
        returned = value if isinstance(value, Returned) else Returned(value)
        if inspect.isawaitable(returned.value):
            body.leave_slot()
            self._await(body, _awaited, [returned.value], {}, speaking(self.runner, body.node, body.attempt))
            return
        self._succeeded(body, returned)

    def _leave(self, body: Body) -> bool:
        """Take a body out; False when it was stopped and its result must not count."""
        body.leave_slot()
        if body.timer is not None:
            body.timer.cancel()
        if self.running.get(body.node) is not body:
            return False
        del self.running[body.node]
        self.runner.progress.pop(body.node, None)
        if not self.running and self._idle is not None:
            self._idle.set()
        return True

    def _succeeded(self, body: Body, returned: Returned) -> None:
        if not self._leave(body):
            return
        value, stored = returned.value, returned.stored
        graph = growth(value) if type(value) not in _QUICK else None
        ended = self.runner.now()
        if graph is not None:
            self.runner.grow(body.node, graph, body.started, ended, body.attempt)
            return
        options = self.runner.state.options(body.node)
        if options.catch_exceptions:
            value, stored = (value, None), None
        if options.checkpoint is False:
            self.runner.finish_node(body.node, value, None, body.started, ended, body.attempt)
        elif stored is not None:
            self.runner.finish_node(body.node, value, stored, body.started, ended, body.attempt)
        elif type(value) in _QUICK or (type(value) is str and len(value) < 4096):
            stored = values.encode(value, self.runner.blobs)
            self.runner.finish_node(body.node, value, stored, body.started, ended, body.attempt)
        else:
            self.running[body.node] = body  # until its value is stored: nobody may close the run before
            self.runner.spawn(self._encode(body, value, ended))

    async def _encode(self, body: Body, value: Any, ended: float) -> None:
        try:
            stored = await self.runner.trouble.store(value)
        except Exception as error:
            self._failed(body, error)
            return
        if self._leave(body):
            self.runner.finish_node(body.node, value, stored, body.started, ended, body.attempt)

    def _failed(self, body: Body, error: BaseException) -> None:
        self._leave(body)
        runner = self.runner
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


def _run_and_encode(
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


async def _awaited(value: Any) -> Any:
    return await value
