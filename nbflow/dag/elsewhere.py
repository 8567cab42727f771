"""What calls a body in another process: light to import, since every worker does."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from .continuation import in_task


@dataclass(frozen=True, slots=True)
class Place:
    """Where a body belongs: the URL and the durability of its storage, its run, and the node that it is the body of.

    ``namespace`` is that of its flow, the usual one for any other task; ``signed`` says that its storage signs.
    """

    storage: str
    durability: str
    run: str
    task: str
    namespace: str = "default"
    signed: bool = False
    options: dict[str, Any] | None = field(default=None, repr=False)
    """How to come to an object store, as ``nbflow.init`` was told: for the processes of tasks, and in no file."""


place: ContextVar[Place | None] = ContextVar("nbflow_place", default=None)
"""Where the body that runs here belongs, in another process than the engine's; None anywhere else."""


def call_elsewhere(
    function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], where: Place | None = None
) -> Any:
    """Call a function as the body of a task; a coroutine is finished here."""
    token, before = in_task.set(True), place.set(where)
    try:
        value = function(*args, **kwargs)
        return asyncio.run(_awaited(value)) if inspect.isawaitable(value) else value
    finally:
        place.reset(before)
        in_task.reset(token)


async def _awaited(value: Any) -> Any:
    return await value
