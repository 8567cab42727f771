"""The context in which the bodies of a run find themselves: the caller's, so that what they print lands in its cell."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING

from ..dag.calling import calling
from ..dag.continuation import in_task
from ..dag.elsewhere import Place

if TYPE_CHECKING:
    from .runner import Runner


def task_context() -> contextvars.Context:
    """Return a copy of the caller's context, marked as that of a task."""
    context = contextvars.copy_context()
    context.run(in_task.set, True)
    context.run(calling.set, None)
    return context


def place_of(runner: Runner, node: int) -> Place:
    """Return what a body in another process needs to know of where it belongs."""
    storage = runner.host.storage
    durability, node_id = getattr(storage, "durability", "group"), runner.state.nodes[node].node_id
    signed = bool(getattr(storage, "signed", False))
    options = getattr(storage, "options", None)
    return Place(storage.url, durability, runner.workflow_id, node_id, runner.drivers.namespace, signed, options)
