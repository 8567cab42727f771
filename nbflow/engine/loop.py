"""The engine's own asyncio loop, in a daemon thread of the kernel's process, made on first use.

On the kernel's loop a run would stand still while a cell computes; on its own loop it goes on.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def end_of(future: concurrent.futures.Future[Any]) -> asyncio.Future[None]:
    """Return a future of the running loop that is done when another one is.

    Giving it up leaves the other one alone; ``asyncio.wrap_future`` would cancel it.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def resolve() -> None:
        if not done.done():
            done.set_result(None)

    def wake(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed before the future was done
            loop.call_soon_threadsafe(resolve)

    future.add_done_callback(wake)
    return done


class EngineLoop:
    """A loop in a thread. ``call`` and ``start`` may be used from any thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._calls: deque[Callable[[], None]] = deque()
        self._waking = False
        ready = threading.Event()
        # an empty context: the thread must not look like a child of the cell that happened to start it
        run = contextvars.Context().run
        self.thread = threading.Thread(target=run, args=(self._main, ready), name="nbflow-engine", daemon=True)
        self.thread.start()
        ready.wait()

    def _main(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(ready.set)
        self.loop.run_forever()

    @property
    def inside(self) -> bool:
        """True on the loop's own thread."""
        return threading.get_ident() == self.thread.ident

    def start(self, coroutine: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> concurrent.futures.Future[T]:
        """Start a coroutine function on the loop and return its future. Raises RuntimeError after ``close``."""
        if not self.thread.is_alive():
            raise RuntimeError(
                "This engine is not there any more: nbflow.shutdown() closed it, or this process is a fork. "
                "nbflow.get_run(workflow_id) gives a handle that works."
            )
        return asyncio.run_coroutine_threadsafe(coroutine(*args), self.loop)

    def call(self, coroutine: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Run a coroutine function on the loop and return its result. Raises RuntimeError on the loop's own thread."""
        self.refuse_inside()
        return self.start(coroutine, *args).result()

    def refuse_inside(self) -> None:
        """Raise RuntimeError on the loop's own thread, which must not wait for itself."""
        if self.inside:
            raise RuntimeError(
                "A blocking call inside an async task would stop the engine: await the async form instead, or "
                "'await asyncio.to_thread(...)' where there is none."
            )

    def post(self, call: Callable[[], None]) -> None:
        """Make a call on the loop soon; many posts from other threads cost one wake-up."""
        self._calls.append(call)
        if not self._waking:
            self._waking = True
            try:
                self.loop.call_soon_threadsafe(self._drain)
            except RuntimeError:
                pass  # closed: a body that nobody could stop has ended

    def _drain(self) -> None:
        # the flag falls before the queue is emptied: a post that comes now either is seen here or wakes the loop again
        self._waking = False
        calls = self._calls
        try:
            for _ in range(len(calls)):  # what comes meanwhile has woken the loop: it may have no end
                calls.popleft()()
        except BaseException:  # asyncio tells it; the others must not wait for the next post
            self.loop.call_soon(self._drain)
            raise

    def close(self) -> None:
        """Cancel what still runs on the loop, stop it, and wait for its thread. Idempotent."""
        if not self.thread.is_alive():
            return
        self.refuse_inside()
        self.call(self._cancel_all)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        if not self.thread.is_alive():
            self.loop.close()

    async def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)
