"""What an executor promises to the engine: run one body somewhere, and be able to stop it."""

from __future__ import annotations

import concurrent.futures
import sys
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Executor(Protocol):
    """A place where the bodies of tasks run.

    ``submit`` never blocks (but inline, where the body is the call). The future's exception is what the body
    raised, or SystemFailure when the place died under it; it is always an ``Exception``, never SystemExit,
    StopIteration or a CancelledError of the body's own, so an event loop that awaits it stays whole.

    ``same_process`` says whether bodies share memory with the engine: if not, the engine passes only picklable
    things, and calls ``submit`` itself in the task's context (``context.run(executor.submit, body)``), since a
    context cannot travel. Where bodies share memory the engine submits ``context.run``.

    Every body that SystemFailure reaches had started, and may have run partly. A body that had not started when
    a process died is started again in a new one, and its caller sees nothing of it.

    An executor may say in ``workers`` how many bodies it runs at once. One that knows resources, such as "GPU", has
    ``submit_with(resources, body, *args, **kwargs)``, which gets what the task asked for and is else as ``submit``.

    One whose workers keep values says ``keeps_values``. Where a body returns ``Keep(head, value)``, the value stays and
    the future ends with ``Kept(head, handle)``; ``submit_holding(handles, resources, body, ...)`` starts one in whose
    arguments ``Held(i)`` is the value of ``handles[i]``. ``put(value)`` returns a handle and ``fetch(handle)`` a value,
    both block; handles are good for every executor of the same ``realm``. Letting go of a handle lets go of the value;
    ``handle.lost`` says that the value is there no more.

    One that may start a body later than it was given has ``when_started(future, then)``: time limits count from there,
    and until then the body is shown as queued. One that says ``queues`` has it, and gets tiny bodies ahead of time.

    One that can take a body more while another one waits, for a run that needs a place here, has ``spare(future)``,
    which is called with the future of the one that waits. Idempotent.

    >>> from nbflow.executors import Executor, resolve
    >>> isinstance(resolve("thread"), Executor)
    True
    """

    name: str
    same_process: bool

    def submit(self, body: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Start a body, or queue it, and return its future. Raises RuntimeError after ``close``."""

    def stop(self, future: concurrent.futures.Future[Any]) -> bool:
        """Stop a body; return True when it really stops, False when it can only be abandoned. Idempotent.

        The future of a body that had not started is cancelled; that of a body that ran and was stopped ends
        with SystemFailure, soon after. An abandoned body goes on, and its future ends when it does.
        """

    def close(self) -> None:
        """Give the place up: queued bodies are cancelled, running ones stopped or abandoned. Idempotent."""


def show(kind: str, value: Any) -> None:
    """Write what a body printed to the stream of the same name here; leave other messages alone."""
    if kind in ("stdout", "stderr"):
        getattr(sys, kind).write(value)
