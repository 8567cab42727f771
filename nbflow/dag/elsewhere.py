"""What calls a body in another process: light to import, since every worker does."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from .continuation import in_task


def call_elsewhere(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Call a function as the body of a task; a coroutine is finished here."""
    token = in_task.set(True)
    try:
        value = function(*args, **kwargs)
        return asyncio.run(_awaited(value)) if inspect.isawaitable(value) else value
    finally:
        in_task.reset(token)


async def _awaited(value: Any) -> Any:
    return await value
