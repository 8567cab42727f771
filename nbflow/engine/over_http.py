"""An endpoint for a run that waits for events of HTTP: started by itself, and one line says where it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .listeners import HTTPListener

if TYPE_CHECKING:
    from .runner import Runner


def is_over_http(kind: Any) -> bool:
    """Tell whether a listener's events come over HTTP."""
    return isinstance(kind, type) and issubclass(kind, HTTPListener)


async def open_for(runner: Runner) -> None:
    """Start an endpoint if none runs. What keeps it from starting keeps the run from nothing but its HTTP events."""
    start = runner.host.on_http
    if start is None or runner.host.link_to is not None:
        return
    try:
        said = await asyncio.to_thread(start)
    except Exception as error:
        runner.notice(f"No HTTP endpoint could be started: {error}. nbflow.serve() starts one.")
        return
    if said:
        # in the context of the run, so that the line lands under its cell
        runner.context.copy().run(runner.host.tell, said)


async def open_if_wanted(runner: Runner) -> None:
    """Start an endpoint if a listener in the code at hand takes events over HTTP."""
    if any(is_over_http(task.function) for task in runner.book.live.values()):
        await open_for(runner)
