"""What the tests of state machines share."""

from __future__ import annotations

from typing import Any

import nbflow as nf
from tests.engine.tools import LONG


def waiting(run: nf.Run) -> nf.Run:
    """Wait until a machine waits for an event and has none left; return its run."""
    found = run.settle(LONG).describe()
    assert (found.state, found.handler, found.inbox) == ("wait", "", 0), found
    return run


def collector(name: str = "collector", **options: Any) -> nf.Workflow:
    """Return a workflow that keeps what its events bring, in order, until ``stop``."""
    workflow = nf.Workflow(name, **options)

    @workflow.start()
    async def begin(ctx: Any) -> Any:
        ctx.store.put("seen", [])
        return ctx.next.wait_for_event()

    @workflow.event()
    async def add(ctx: Any, item: Any = None) -> Any:
        ctx.store.put("seen", [*await ctx.store.get("seen"), item])
        return ctx.next.wait_for_event()

    @workflow.event()
    async def stop(ctx: Any) -> Any:
        return ctx.next.complete(await ctx.store.get("seen"))

    return workflow
