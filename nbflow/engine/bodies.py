"""How the bodies of tasks run: where, with what arguments, and for how long. What becomes of them is in ends.py."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.commands import StartTask
from ..core.records import TaskStarted
from ..core.remade import message_of
from ..errors import SystemFailure
from ..executors.base import Executor
from ..executors.outcome import end_fork, presentable
from .ends import Body, Ends, run_and_encode
from .lanes import Lane, Slot
from .parcels import Parcel
from .resources import submitter
from .showing import Showing
from .streams import speaking

if TYPE_CHECKING:
    from ..dag.task import Task
    from .runner import Runner


SLICE = 64
"""Bodies that start in one turn of the loop. The next ones start in the next turn, beside the ends of these: of ten
thousand tiny ones only some are in memory at a time, which saves a third of their cost, and the loop stays at hand."""

GRACE = 10.0
"""Seconds that a body has to leave when it was stopped because its time was up: a coroutine may refuse to."""


class Bodies:
    """The bodies of one run."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.running: dict[int, Body] = {}
        self._waiting: dict[int, StartTask] = {}
        self._line: deque[StartTask] = deque()
        self._room = SLICE
        self._is_async: dict[Task[Any, Any], bool] = {}
        self._many = False
        self._showing = Showing(runner, self.running)
        self.ends = Ends(runner, self.running)

    # ---- start ----

    def turn(self) -> None:
        """Begin a new turn of the loop, in which a slice of bodies may start at once."""
        self._room = 0 if self._line else SLICE

    def start(self, command: StartTask) -> None:
        """Start a body in this turn of the loop or in a later one, or queue it for its executor."""
        if self._room:
            self._room -= 1
            self._start(command)
            return
        if not self._line:
            self.runner.loop.call_soon(self._start_more)
        self._waiting[command.node] = command
        self._line.append(command)

    def _start_more(self) -> None:
        self._many = True
        for _ in range(min(SLICE, len(self._line))):
            command = self._line.popleft()
            if self._waiting.get(command.node) is command:
                del self._waiting[command.node]
                self._start(command)
        self._many = False
        if self._line:
            self.runner.loop.call_soon(self._start_more)

    def _start(self, command: StartTask) -> None:
        try:
            task = self.runner.task_of(command.node)
            lane = self._lane(task)
        except Exception as error:
            self.ends.failed(Body(command.node, command.attempt, self.runner.now(), "?"), error)
            return
        if task.settings.mark_start and not task.settings.retry.allows(command.attempt - 1):
            body = Body(command.node, command.attempt - 1, self.runner.now(), task.name)
            self.ends.failed(body, self.ends.unknown(body))
            return
        if task.settings.cache:
            self._waiting[command.node] = command
            self.runner.spawn(self._start_unless_made(command, task, lane))
        else:
            self._start_in(lane, command, task)

    async def _start_unless_made(self, command: StartTask, task: Task[Any, Any], lane: Lane | None) -> None:
        """Start a body unless the cache has its result."""
        found = await self.runner.results.take(command.node, command.attempt)
        if self._waiting.get(command.node) is not command:
            self.runner.results.leave(command.node)  # stopped meanwhile: others shall not wait for what it would make
            return
        del self._waiting[command.node]
        if not found:
            self._start_in(lane, command, task)

    def _start_in(self, lane: Lane | None, command: StartTask, task: Task[Any, Any]) -> None:
        if lane is None:
            self._launch(command, task, None)
            return
        self._waiting[command.node] = command
        # a deadline counts from the start, and what is marked as started has started: neither may wait elsewhere
        ahead = task.settings.timeout is None and not task.settings.mark_start
        lane.join(partial(self._take_slot, command), task.settings.slots, ahead)

    def _lane(self, task: Task[Any, Any]) -> Lane | None:
        name = task.settings.executor
        if name is None:
            is_async = self._is_async.get(task)
            if is_async is None:  # asked once for each function: it takes longer than to call a tiny one
                is_async = self._is_async[task] = task.is_async
            if is_async:
                return None
        return self.runner.lane(name)

    def _take_slot(self, command: StartTask, slot: Slot) -> bool:
        if self._waiting.get(command.node) is not command:
            return False
        del self._waiting[command.node]
        self._launch(command, self.runner.task_of(command.node), slot)
        return True

    def _launch(self, command: StartTask, task: Task[Any, Any], slot: Slot | None) -> None:
        body = Body(command.node, command.attempt, self.runner.now(), task.name, slot)
        self.running[command.node] = body
        if task.settings.mark_start:
            started = TaskStarted(body.node, body.attempt, body.started)
            self.runner.write(started, then=partial(self._enter, body, task))
            return
        if self._many or (slot is not None and slot.early):
            self._showing.later(body)
        else:
            self.runner.apply_volatile(TaskStarted(body.node, body.attempt, body.started))
        self._enter(body, task)

    def _enter(self, body: Body, task: Task[Any, Any]) -> None:
        if self.running.get(body.node) is not body:
            return  # it was stopped while its start was written down
        if body.slot is not None and not body.slot.lane.executor.same_process:
            body.parcel = Parcel(self.runner, body.slot.lane)
        elif (at_hand := self.runner.memory.at_hand(body.node)) is not None:
            self._call(body, task, at_hand, {})
            return
        source = body.parcel or self.runner.memory
        if not source.ready(body.node):
            self.runner.spawn(self._load(body, task))
            return
        try:
            args, kwargs = source.arguments(body.node)
        except Exception as error:
            self.ends.failed(body, error)
            return
        self._call(body, task, args, kwargs)

    async def _load(self, body: Body, task: Task[Any, Any]) -> None:
        try:
            source = body.parcel or self.runner.memory
            args, kwargs = await source.load(body.node, source.arguments)
        except Exception as error:
            self.ends.failed(body, error)
            return
        self._call(body, task, args, kwargs)

    def _call(self, body: Body, task: Task[Any, Any], args: list[Any], kwargs: dict[str, Any]) -> None:
        if self.running.get(body.node) is not body:
            return  # it was stopped while its arguments were loaded
        context = speaking(self.runner, body.node, body.attempt)
        limit = task.settings.timeout
        if limit is not None and not (body.parcel and body.parcel.may_queue):
            self._limit(body, limit)
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
            future.add_done_callback(partial(self._has_ended, body))
            return
        self._await(body, task.function, args, kwargs, context)

    def _await(
        self, body: Body, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], context: Context
    ) -> None:
        # not loop.create_task, which asks four things first whose answers are known here
        running = asyncio.Task(self._run_async(body, function, args, kwargs), loop=self.runner.loop, context=context)
        body.stop, body.end = running.cancel, running

    async def _run_async(
        self, body: Body, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        pid = os.getpid()
        try:
            value = await function(*args, **kwargs)
        except BaseException as error:
            end_fork(pid, error)
            if self.running.get(body.node) is body:  # else it was stopped, and this is how it left
                self.ends.failed(body, self.ends.cause(body, presentable(error)))
        else:
            end_fork(pid)
            self.ends.succeeded(body, value)

    def _call_in(
        self, lane: Lane, body: Body, task: Task[Any, Any], args: list[Any], kwargs: dict[str, Any], context: Context
    ) -> None:
        executor = lane.executor
        try:
            if body.parcel is not None:
                future = body.parcel.submit(task, body.node, args, kwargs, context)
            else:
                keep = task.settings.checkpoint is not False and not task.settings.catch_exceptions
                submit = submitter(self.runner, lane, task)
                future = submit(context.run, run_and_encode, self.runner.blobs, keep, task.function, args, kwargs)
        except Exception as error:
            self.ends.failed(body, _not_taken(executor, body, error))
            return
        body.stop, body.end = partial(executor.stop, future), future
        limit = task.settings.timeout
        if limit is not None and body.parcel and body.parcel.may_queue:
            begin = partial(self._limit, body, limit)
            executor.when_started(future, partial(self.runner.host.engine.post, begin))  # type: ignore[attr-defined]
        if future.done():
            self._finished(body, future)
        else:
            future.add_done_callback(partial(self._has_ended, body))

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
            where = _where(body)
            body.leave_slot()  # an abandoned thread must not take the place of bodies that are wanted
            self.runner.notice(
                f"{body.name!r} runs in {where}, which nobody can stop: it is abandoned, and its result is ignored."
            )

    def stop_all(self) -> None:
        """Stop every body of the run."""
        for index in [*self._waiting, *self.running]:
            self.stop(index)

    def give_way(self, index: int, attempt: int) -> None:
        """Let others have the place of a body that waits for them: else those that it waits for might never start."""
        body = self.running.get(index)
        if body is None or body.attempt != attempt or body.slot is None or not body.slot.held:
            return
        lane = body.slot.lane
        spare = getattr(lane.executor, "spare", None)
        if spare is not None and body.end is not None:
            spare(body.end)
            body.leave_slot()
        elif lane.running >= lane.slots and not lane.stands:
            lane.stands = True
            self.runner.notice(
                f"{body.name!r} waits for another run and keeps its place on {lane.executor.name!r}, which has no "
                "other one free: when all wait so, none goes on. executor='thread' makes room for what they wait for, "
                "and an async task that awaits a run needs none."
            )

    def halt(self, index: int) -> None:
        """Do not start a queued body; one that runs may finish."""
        if self._waiting.pop(index, None) is not None:
            self.runner.results.leave(index)

    def _limit(self, body: Body, limit: float) -> None:
        """Begin to count the time of a body."""
        if self.running.get(body.node) is body and body.timer is None:
            body.timer = self.runner.loop.call_later(limit, self._time_out, body, limit)

    def _time_out(self, body: Body, limit: float) -> None:
        if self.running.get(body.node) is not body:
            return
        body.timed_out = limit
        if body.stop is None or body.stop():
            stubborn = f"It was stopped, and had not ended {GRACE:g} seconds later"
            body.timer = self.runner.loop.call_later(GRACE, self._abandon, body, stubborn)
        else:
            self._abandon(body, f"It runs in {_where(body)}, which nobody can stop")

    def _abandon(self, body: Body, why: str) -> None:
        if self.running.get(body.node) is body:
            more = f"{why}: it is abandoned. Use executor='process' to have it killed."
            self.ends.failed(body, self.ends.timeout(body, more))

    # ---- end ----

    def _has_ended(self, body: Body, future: Any) -> None:
        """Hear in any thread that what ran for a body is done."""
        self.runner.host.engine.post(partial(self._finished, body, future))

    def _finished(self, body: Body, future: Any) -> None:
        try:
            self.ends.finished(body, future, self._await_more)
        except Exception as error:  # some values raise when they are looked at
            self.ends.failed(body, error)

    def _await_more(self, body: Body, awaitable: Any) -> None:
        self._await(body, _awaited, [awaitable], {}, speaking(self.runner, body.node, body.attempt))

    async def drained(self) -> None:
        """Return when no body runs."""
        await self.ends.drained()


def _not_taken(executor: Executor, body: Body, error: Exception) -> SystemFailure:
    """Return the failure of a body that its executor did not take."""
    why = f"{type(error).__name__}: {message_of(error)}"
    failure = SystemFailure(f"The executor {executor.name!r} did not take {body.name!r}: {why}")
    failure.__cause__ = error
    return failure


def _where(body: Body) -> str:
    """Return where a body runs that cannot be stopped."""
    executor = body.slot.lane.executor if body.slot is not None and body.slot.held else None
    return str(getattr(executor, "thread", "a thread"))


async def _awaited(value: Any) -> Any:
    return await value
