"""An asyncio loop of the simulation: what it calls it calls in order, and between two calls others have their turns."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import weakref
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from tests.storage.disk_model import Killed

from .threads import Pool, Scheduler

if TYPE_CHECKING:
    from .world import Process


class Task(asyncio.Task[Any]):
    """A task whose place in a set follows from its number, and not from where it lies in the memory."""

    numbers = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        Task.numbers += 1
        self._number = Task.numbers
        self._log_destroy_pending = False
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class Loop(asyncio.AbstractEventLoop):
    """The part of a loop that the engine uses."""

    def __init__(self, scheduler: Scheduler, process: Process) -> None:
        self.scheduler = scheduler
        self.process = process
        self.ready: deque[asyncio.Handle] = deque()
        self.pool = Pool(scheduler, process, "worker", scheduler.random.choice((1, 2, 6)))
        self.haste = scheduler.random.choice((0.0, 0.5, 0.9, 0.98))
        """How often it makes its next call before anybody else has a turn."""
        self._timers: list[asyncio.TimerHandle] = []
        self._tasks: weakref.WeakSet[Task] = weakref.WeakSet()
        self.readers: dict[Any, Callable[[], Any]] = {}

    def main(self) -> None:
        """Make one call after another for as long as the process lives."""
        while not self.process.dead:
            self._ring()
            if not self.ready:
                self.scheduler.wait(lambda: self.ready, self._timers[0]._when if self._timers else None)
                continue
            handle = self.ready.popleft()
            if not handle._cancelled:
                handle._run()
            if self.scheduler.random.random() >= self.haste:
                self.scheduler.pause()

    def _ring(self) -> None:
        while self._timers and (self._timers[0]._cancelled or self._timers[0]._when <= self.scheduler.now):
            timer = heapq.heappop(self._timers)
            if not timer._cancelled:
                self.ready.append(timer)

    # ---- what the engine and asyncio call ----

    def time(self) -> float:
        return self.scheduler.now

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if not self.process.dead:
            self.ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, timer)
        return timer

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, timer: asyncio.TimerHandle) -> None:
        pass

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], *, name: Any = None, context: Any = None) -> Any:
        task = Task(coro, loop=self, name=name, context=context)
        self._tasks.add(task)
        return task

    def forget(self) -> None:
        """Close what a dead process leaves: unlike a real one, it would be heard of when the memory is cleared."""
        enter(self)
        for task in [*self._tasks]:
            for _ in range(9):  # whatever it awaits while it ends it has to give up, too
                try:
                    task.get_coro().close()  # type: ignore[union-attr]
                    break
                except (Exception, Killed):
                    continue
        self.ready.clear()
        self._timers.clear()
        enter(None)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        return asyncio.wrap_future((executor or self.pool).submit(func, *args), loop=self)

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:
        self.readers[fd] = callback

    def remove_reader(self, fd: Any) -> bool:
        return self.readers.pop(fd, None) is not None

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.process.dead

    def is_closed(self) -> bool:
        return self.process.dead

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.process.dead:
            self.process.world.complain(f"the loop says: {context}", context.get("exception"))


def enter(loop: Loop | None) -> None:
    """Let asyncio take this loop for the one that runs."""
    events._set_running_loop(loop)
