"""Where the bodies of tasks run: in threads of the simulated process, which cannot be stopped, as real ones."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nbflow.errors import SystemFailure
from nbflow.executors.outcome import settle

if TYPE_CHECKING:
    from .world import Process


class BodyExecutor:
    """An executor of threads."""

    name = "simulated"
    same_process = True

    def __init__(self, process: Process) -> None:
        self.process = process
        self.workers = process.world.random.choice((1, 2, 4))

    def submit(self, body: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Start a body in a thread."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                settle(future, self._perhaps, (body, *args), kwargs)

        self.process.thread("body", run)
        return future

    def _perhaps(self, body: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a body; now and then the place where it runs dies, before it or when it was done."""
        world = self.process.world
        dies = world.random.random() if world.error_rate else 1.0
        if dies < 0.02:
            raise SystemFailure("it died before")
        value = body(*args, **kwargs)
        if dies < 0.04:
            raise SystemFailure("it died after")
        return value

    def stop(self, future: concurrent.futures.Future[Any]) -> bool:
        """Cancel a body that has not started; abandon one that runs."""
        return future.cancel() or future.done()

    def close(self) -> None:
        """Give the place up."""
