"""The context in which the bodies of a run find themselves: the caller's, so that what they print lands in its cell."""

from __future__ import annotations

import contextvars

from ..dag.continuation import in_task


def task_context() -> contextvars.Context:
    """Return a copy of the caller's context, marked as that of a task."""
    context = contextvars.copy_context()
    context.run(in_task.set, True)
    return context
