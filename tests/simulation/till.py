"""A state machine for the simulation: it takes payments, rests, is late, and gives back what it took."""

from __future__ import annotations

from typing import Any

import nbflow as nf

till = nf.Workflow("Till")
PATIENCE = 4.0
"""Seconds after which it does something while nobody pays."""


async def charge_body(item: str) -> int:
    """Do what must not be repeated once it is recorded."""
    from tests.simulation import bodies

    return await bodies.charge(item)


charge = nf.task(charge_body, name="charge", retry_exceptions=True, max_retries=-1)


@till.start()
async def begin(ctx: Any, total: int) -> Any:
    """Begin with nothing."""
    ctx.store.put("total", total)
    ctx.store.put("seen", [])
    return wait(ctx)


@till.event()
async def pay(ctx: Any, item: str) -> Any:
    """Take a payment."""
    points = await charge(item)
    seen = [*await ctx.store.get("seen"), item]
    ctx.store.put("seen", seen)
    if len(seen) == await ctx.store.get("total"):
        return ctx.next.complete(seen)
    if points % 3 == 0:
        return ctx.next.sleep(1.5, rest, points=points)
    return ctx.next.step(rest, points=points) if points % 3 == 1 else wait(ctx)


@till.step()
async def rest(ctx: Any, points: int) -> Any:
    """Note the points of a payment."""
    ctx.store.put("points", points)
    return wait(ctx)


@till.step()
async def late(ctx: Any) -> Any:
    """Note that nobody came in time."""
    from tests.simulation import bodies

    bodies.on_stage().rang(await ctx.store.get("due"))
    return wait(ctx)


def wait(ctx: Any) -> Any:
    """Wait for the next payment."""
    from tests.simulation import bodies

    ctx.store.put("due", bodies.on_stage().world.scheduler.now + PATIENCE)
    return ctx.next.wait_for_event(timeout=PATIENCE, timeout_step_name="late")
