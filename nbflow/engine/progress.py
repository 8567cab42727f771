"""How far a task is, said by its body: ``progress`` and ``track``. Light: each process of a body imports it."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

from ..executors import worker
from .voice import Pace, current

T = TypeVar("T")

_pace = Pace()  # of the one body in a process of its own
pace: ContextVar[Pace | None] = ContextVar("nbflow_pace", default=None)
"""The pace of a body that shares its process with others, on a cluster."""


def progress(done: float, total: float) -> None:
    """Say from inside a task how far it is: its bar shows ``done`` of ``total``.

    It may be called in every turn of a loop, in threads, coroutines and other processes: views are told some ten
    times a second, and when nobody watches it costs next to nothing. Outside a task it does nothing. It is not
    kept: a task that runs again begins at nothing.

    >>> import nbflow as nf
    >>> @nf.task
    ... def count(files):
    ...     for i, file in enumerate(files, 1):
    ...         nf.progress(i, len(files))
    ...     return i
    >>> nf.run(count.bind(["a.csv", "b.csv"]))
    2
    """
    parts = _whole(done, total)
    if parts is None:
        return
    voice = current.get()
    if voice is not None:
        voice.progress(*parts)
    elif (pace.get() or _pace).lets(*parts):
        worker.tell("progress", parts)


def track(iterable: Iterable[T], total: int | None = None) -> Iterator[T]:
    """Go through an iterable inside a task and let its bar move; outside a task, just go through it.

    ``total`` is its length, for one that does not know it; without any there is no bar.

    >>> import nbflow as nf
    >>> @nf.task
    ... def add(numbers):
    ...     return sum(nf.track(numbers))
    >>> nf.run(add.bind([1, 2, 3]))
    6
    """
    if total is None:
        total = operator.length_hint(iterable)
    done = 0
    progress(done, total)
    for item in iterable:
        yield item
        done += 1
        progress(done, total)


def _whole(done: Any, total: Any) -> tuple[int, int] | None:
    """Return the two as whole numbers, fractions in percent; None when there is nothing to show."""
    try:
        parts = operator.index(done), operator.index(total)
    except TypeError:
        share = float(done) / float(total) if total else math.nan
        if not math.isfinite(share):
            return None
        parts = round(100 * share), 100
    done, total = parts
    return (min(max(done, 0), total), total) if total > 0 else None
