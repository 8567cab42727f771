"""What helps to test workflows: answers that stand ready, and a clock that makes a day a moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .engine import answers as _ready
from .engine.virtual import VirtualClock
from .home import default_host
from .storage.memory import MemoryStorage

__all__ = ["MemoryStorage", "VirtualClock", "answers", "virtual_clock"]


@contextmanager
def answers(given: Mapping[str, Any] | None = None, **named: Any) -> Iterator[None]:
    """Answer questions unattended inside a ``with`` block.

    Keys are the ids or titles of questions (``"*"`` for any), values an option, or a dict with ``option``, the
    fields of the form, and ``comment``. Outside Python, ``NBFLOW_ANSWERS`` holds the same as JSON.

    >>> import nbflow as nf
    >>> from nbflow.testing import answers
    >>> with answers(publish="approve"):
    ...     nf.run(nf.wait_for_event(nf.ButtonListener, "Publish?")).option
    'approve'
    """
    _ready.push({**(given or {}), **named})
    try:
        yield
    finally:
        _ready.pop()


@contextmanager
def virtual_clock() -> Iterator[VirtualClock]:
    """Let the time of all runs stand still inside a ``with`` block; ``advance`` lets it pass.

    Timeouts, deadlines and sleeps of runs are all that it moves: bodies of tasks take the time they take. When the
    block is left, what is still to come goes by the real time again.

    >>> from datetime import timedelta
    >>> import nbflow as nf
    >>> from nbflow.testing import virtual_clock
    >>> with virtual_clock() as clock:
    ...     run = nf.run_async(nf.wait_for_event("never", timeout=24 * 3600, default="nobody came"))
    ...     clock.advance(timedelta(hours=24))
    ...     run.result()
    'nobody came'
    """
    host = default_host()
    real, clock = host.clock, VirtualClock(host)
    host.clock = clock
    try:
        yield clock
    finally:
        host.clock = real
        host.engine.post(lambda: clock.give_over(real))
