"""One handler at work: where it runs, what it asks of the engine, and that nothing of it counts once it is over."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import random
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...core import machine as m
from ...core import records as r
from ...dag.calling import calling
from ...dag.task import Task
from ...errors import StorageError, WorkflowNotFoundError
from ...executors.outcome import presentable
from ...machine.context import Context, EventInfo, RunInfo
from ...machine.definition import Handler, Workflow
from ...machine.store import Store
from ...storage import values
from ..events import Receipt, deliver, leave
from ..streams import speaking
from .children import Children
from .threads import threads

if TYPE_CHECKING:
    from ..runner import Runner

_MAKERS: dict[str, Callable[[Any], Any]] = {
    "now": lambda runner: runner.now(),
    "random": lambda _: random.random(),
    "uuid4": lambda _: uuid.uuid4().hex,
}


class Ready:
    """A value that is there and is awaited all the same, so that one way of writing does for all."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, Any]:
        return self._value
        yield  # what makes this a generator

    def __reduce__(self) -> Any:
        raise TypeError("this is a promise of a value: in an async handler write 'await ctx.store.get(...)'")

    def __repr__(self) -> str:
        return "<a value of the store: await it>"


class Raw:
    """A value that the storage could not take yet."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Act:
    """One run of one handler. Its methods may be called from the handler's thread, or on the engine's loop."""

    def __init__(
        self, runner: Runner, node: int, workflow: Workflow, handler: Handler, number: int, children: Children,
        again: bool,
    ) -> None:  # fmt: skip
        self.runner, self.node, self.number = runner, node, number
        self.workflow, self.handler, self.children = workflow, handler, children
        self.machine: m.Machine = runner.state.parts[node]
        self.calls: list[str] = []
        self.over = False
        self.timed_out = False
        self.sleeping = 0
        self.task: asyncio.Task[Any] | None = None
        self.store = Store(self.machine.store, self, self.hand_over, runner.workflow_id)
        self._thread: concurrent.futures.Future[Any] | None = None
        self._asked: set[concurrent.futures.Future[Any]] = set()
        self._places: Counter[str] = Counter()
        self._noted = {note.what: note.value for note in self.machine.noted if note.number == number}
        self._before = len(self._noted) + self._calls_before() if again else 0

    # ---- running ----

    def begin(self, info: RunInfo, event: EventInfo | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Start the handler; ``task`` is its end."""
        context = Context(self.workflow, self.store, info, event, self, self._logger())
        inside = speaking(self.runner, self.node, self.number)
        inside.run(calling.set, self.call)
        function = self.handler.function
        if self.handler.is_async:
            self.task = self.runner.loop.create_task(_body(function, context, args, kwargs), context=inside)
        else:
            self._thread = threads().submit(inside.run, function, context, *args, **kwargs)
            self.task = self.runner.loop.create_task(_ended(self._thread))

    def stop(self) -> None:
        """Let nothing that the handler still does count, and stop it where that can be done. Idempotent."""
        self.over = True
        if self.task is not None:
            self.task.cancel()
        if self._thread is not None:
            threads().stop(self._thread)
        for asked in [*self._asked]:
            asked.cancel()

    def hand_over(self, value: Any) -> Any:
        """Return a value as the handler takes it: to be awaited on the loop, as it is in a thread."""
        return Ready(value) if self.runner.host.engine.inside else value

    def _deliver(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        if self.over:
            raise concurrent.futures.CancelledError(f"handler {self.handler.name!r} is over")
        if self.runner.host.engine.inside:
            return work()
        asked = asyncio.run_coroutine_threadsafe(work(), self.runner.loop)
        self._asked.add(asked)
        try:
            return asked.result()
        finally:
            self._asked.discard(asked)

    def _place(self, what: str) -> int:
        self._places[what] += 1
        return self._places[what]

    # ---- the store ----

    def encode(self, key: str, value: Any) -> Any:
        """Return the stored form of a value; what the storage cannot take now is stored when the handler ends."""
        try:
            return values.encode(value, self.runner.blobs)
        except StorageError:
            return Raw(value)

    def decode(self, stored: Any) -> Any:
        """Return a new copy of a stored value."""
        return stored.value if isinstance(stored, Raw) else values.decode(stored, self.runner.blobs)

    # ---- what must not differ in a repetition ----

    def noted(self, what: str, read: Callable[[Any], Any]) -> Any:
        """Return what this handler saw at this place before, or see it now and keep it."""
        place = f"{what}:{self._place(what)}"
        return self._deliver(lambda: self._read(place, read, _MAKERS[what](self.runner)))

    async def _read(self, place: str, read: Callable[[Any], Any], fresh: Any) -> Any:
        return read(await self._note(place, fresh))

    async def _note(self, place: str, fresh: Any) -> Any:
        if place not in self._noted:
            self._noted[place] = fresh
            await self.runner.commit(m.Noted(self.node, self.number, place, fresh))
        return self._noted[place]

    def sleep(self, seconds: float) -> Any:
        """Sleep until a moment that is noted."""
        place = f"sleep:{self._place('sleep')}"
        return self._deliver(lambda: self._sleep(place, seconds))

    async def _sleep(self, place: str, seconds: float) -> None:
        until = await self._note(place, self.runner.now() + seconds)
        over = asyncio.Event()
        timer = self.runner.host.clock.call_at(until, over.set)
        self.sleeping += 1
        try:
            await over.wait()
        finally:
            self.sleeping -= 1
            timer.cancel()

    # ---- tasks ----

    def call(self, task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make the call of a task, once: a repetition of the handler gets the value that it had."""
        times = self._place(f"task {task.name}")
        node_id = f"{self.number}.{task.name}" + (f"#{times}" if times > 1 else "")
        return self._deliver(lambda: self._call(node_id, task, args, kwargs))

    async def _call(self, node_id: str, task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        state = self.runner.state
        index = state.index.get(node_id, -1)
        if index >= 0 and not state.nodes[index].status.finished and not state.nodes[index].status.active:
            # it never ended well: the code and the arguments of now are the ones that count
            await self.runner.commit(r.CallsForgotten(self.node, (index,)))
        self.calls.append(node_id)
        return await self.runner.drivers.call(self.node, node_id, task, args, kwargs)

    def _calls_before(self) -> int:
        prefix = f"{self.number}."
        return sum(node_id.startswith(prefix) for node_id in self.runner.state.index)

    # ---- other runs ----

    def send(self, workflow_id: str, event_name: str, payload: Any) -> Any:
        """Send an event to another run, once."""
        state, place = self.runner.state, self._place("send")
        event_id = f"{state.workflow_id}/{state.created}/{self.number}.{place}"
        return self._deliver(lambda: self._send(workflow_id, event_name, payload, event_id))

    async def _send(self, workflow_id: str, event_name: str, payload: Any, event_id: str) -> Receipt:
        host, by = self.runner.host, self.runner.workflow_id
        live = host.runners.get(workflow_id)
        if live is not None and not live.closed:
            return await deliver(host, live, event_name, payload, event_id, by, "run")
        try:
            return await asyncio.to_thread(leave, host.storage, workflow_id, event_name, payload, event_id, by, "run")
        except WorkflowNotFoundError as error:
            return Receipt("closed", str(error), event_id)

    def child(
        self, workflow: Any, workflow_id: str, workflow_input: Any, timeout: float | None, step: str,
        wait: float | None, result: bool,
    ) -> Any:  # fmt: skip
        """Start a run of another workflow, once; with ``result`` wait for its end and return its value."""
        place = f"child:{self._place('child')}"

        async def work() -> Any:
            known = place in self._noted
            await self.children.begin(
                self, place, known, workflow, workflow_id, workflow_input, timeout, step, watch=not result
            )
            if not result:
                return workflow_id
            outcome = await asyncio.wait_for(self.children.outcome(workflow_id), wait)
            self.runner.write(m.ChildEnded(self.node, workflow_id, self.runner.now()))
            return outcome.unwrap()

        return self._deliver(work)

    def note_child(self, place: str, record: m.ChildBegan) -> Coroutine[Any, Any, None]:
        """Keep that a child was begun here, together with the record of it."""
        self._noted[place] = record.child
        return self.runner.commit(record, m.Noted(self.node, self.number, place, record.child))

    # ---- words ----

    def _logger(self) -> logging.LoggerAdapter[Any]:
        logger = logging.getLogger(f"nbflow.workflow.{self.workflow.workflow_type}")
        about = {"workflow_id": self.runner.workflow_id, "handler": self.handler.name}
        return _Logger(logger, about, lambda: sum(self._places.values()) < self._before)


class _Logger(logging.LoggerAdapter[logging.Logger]):
    """Logs with the id of the run in front, but not what a repetition says again."""

    def __init__(self, logger: logging.Logger, about: dict[str, Any], repeats: Callable[[], bool]) -> None:
        super().__init__(logger, about)
        self._repeats = repeats

    def isEnabledFor(self, level: int) -> bool:
        return not self._repeats() and self.logger.isEnabledFor(level)

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        return f"[{(self.extra or {})['workflow_id']}] {msg}", {**kwargs, "extra": {**(self.extra or {})}}


async def _body(function: Any, context: Context, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return await function(context, *args, **kwargs)
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        raise presentable(error) from error.__cause__


async def _ended(thread: concurrent.futures.Future[Any]) -> Any:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell(_: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    thread.add_done_callback(tell)
    await ended.wait()
    return thread.result()
