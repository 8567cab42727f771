"""How the bodies of tasks run: where, with what arguments, and for how long. What becomes of them is in ends.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ..core.commands import StartTask
from ..core.records import TaskStarted
from ..dag.elsewhere import call_elsewhere
from .context import place_of
from .ends import Body, Ends, Returned, run_and_encode
from .lanes import Lane, Slot
from .resources import submitter
from .streams import speaking

if TYPE_CHECKING:
    from ..dag.task import Task
    from .runner import Runner


class Bodies:
    """The bodies of one run."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.running: dict[int, Body] = {}
        self._waiting: dict[int, StartTask] = {}
        self.ends = Ends(runner, self.running)

    # ---- start ----

    def start(self, command: StartTask) -> None:
        """Start a body, or queue it for its executor."""
        try:
            task = self.runner.task_of(command.node)
            lane = self._lane(task)
        except Exception as error:
            self.ends.failed(Body(command.node, command.attempt, self.runner.now(), "?"), error)
            return
        if task.settings.cache:
            self._waiting[command.node] = command
            self.runner.spawn(self._start_unless_made(command, task, lane))
        else:
            self._start_in(lane, command, task)

    async def _start_unless_made(self, command: StartTask, task: Task[Any, Any], lane: Lane | None) -> None:
        """Start a body unless the cache has its result."""
        found = await self.runner.results.take(command.node, command.attempt)
        if self._waiting.get(command.node) is command:
            del self._waiting[command.node]
            if not found:
                self._start_in(lane, command, task)

    def _start_in(self, lane: Lane | None, command: StartTask, task: Task[Any, Any]) -> None:
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
            self.ends.failed(body, error)
            return
        self._call(body, task, args, kwargs)

    async def _load(self, body: Body, task: Task[Any, Any]) -> None:
        try:
            args, kwargs = await self.runner.memory.load(body.node, self.runner.memory.arguments)
        except Exception as error:
            self.ends.failed(body, error)
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
                self.ends.failed(body, self.ends.cause(body, error))
        except BaseException as error:
            self.ends.failed(body, error)
        else:
            self.ends.succeeded(body, Returned(value))

    def _call_in(
        self, lane: Lane, body: Body, task: Task[Any, Any], args: list[Any], kwargs: dict[str, Any], context: Context
    ) -> None:
        function, executor, submit = task.function, lane.executor, submitter(self.runner, lane, task)
        if executor.same_process:
            keep = task.settings.checkpoint is not False and not task.settings.catch_exceptions
            future = submit(context.run, run_and_encode, self.runner.blobs, keep, function, args, kwargs)
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
        self.runner.results.leave(index)
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
        if self._waiting.pop(index, None) is not None:
            self.runner.results.leave(index)

    def _time_out(self, body: Body, limit: float) -> None:
        if self.running.get(body.node) is not body:
            return
        body.timed_out = limit
        stopped = body.stop() if body.stop is not None else True
        if not stopped:
            abandoned = (
                "It runs in a thread, which nobody can stop: it is abandoned. Use executor='process' to have it killed."
            )
            self.ends.failed(body, self.ends.timeout(body, abandoned))

    # ---- end ----

    def _finished(self, body: Body, future: Any) -> None:
        self.ends.finished(body, future, self._await_more)

    def _await_more(self, body: Body, awaitable: Any) -> None:
        self._await(body, _awaited, [awaitable], {}, speaking(self.runner, body.node, body.attempt))

    async def drained(self) -> None:
        """Return when no body runs."""
        await self.ends.drained()


async def _awaited(value: Any) -> Any:
    return await value
