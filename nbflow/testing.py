"""What helps to test workflows: answers that stand ready."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .engine import answers as _ready
from .storage.memory import MemoryStorage

__all__ = ["MemoryStorage", "answers"]


@contextmanager
def answers(given: Mapping[str, Any] | None = None, **named: Any) -> Iterator[None]:
    """Answer questions unattended inside a ``with`` block.

    Keys are the ids or titles of questions (``"*"`` for any), values an option, or a dict with ``option`` and the
    fields of the form. Outside Python, ``NBFLOW_ANSWERS`` holds the same as JSON.

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
