"""A clock that stands still until it is told to go on: for tests and tutorials with a wait of a day in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from ..core.status import NodeStatus
from .clock import Agenda, Clock, Timer

if TYPE_CHECKING:
    from .host import Host
    from .runner import Runner

PATIENCE = 10.0
"""Seconds that ``advance`` waits for bodies that take long, before it goes on all the same."""
LOOK = 0.002
"""Seconds between two looks at whether all is quiet."""
_BUSY = (NodeStatus.QUEUED, NodeStatus.COMMITTING)


class VirtualClock:
    """The time of the runs of one host. ``time`` and ``advance`` may be called from any thread but the engine's.

    >>> import nbflow as nf
    >>> from nbflow.testing import virtual_clock
    >>> with virtual_clock() as clock:
    ...     run = nf.run_async(nf.sleep(3600))
    ...     clock.advance(3600)
    ...     run.done()
    True
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._now = round(host.clock.time(), 3)  # as the engine's moments are: a day from now is a day from now
        self._agenda = Agenda()

    def __repr__(self) -> str:
        return f"<virtual clock at {self._now:.3f}>"

    def time(self) -> float:
        """Return UTC seconds."""
        return self._now

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        """Make a call at a moment, when ``advance`` has come to it."""
        timer = Timer(when, call)
        self._agenda.add(timer)
        if when <= self._now:
            self._host.engine.loop.call_soon(self._ring)
        return timer

    def advance(self, duration: timedelta | float) -> None:
        """Let time pass, a timedelta or seconds: from timer to timer, after each until the runs are at rest."""
        seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
        if seconds < 0:
            raise ValueError(f"time goes on and never back, so not by {duration!r}")
        self._host.engine.call(self._advance, round(self._now + seconds, 3))

    async def _advance(self, end: float) -> None:
        await self._quiet()
        while (moment := self._agenda.next()) is not None and moment <= end:
            self._now = max(self._now, moment)
            self._ring()
            await self._quiet()
        self._now = max(self._now, end)
        self._ring()
        await self._quiet()

    def _ring(self) -> None:
        for timer in self._agenda.due(self._now):
            if timer.call is not None:
                timer.call()

    async def _quiet(self) -> None:
        """Return when nothing is under way but waiting, twice in a row: what one thing begins is seen at the second."""
        deadline, calm = self._host.engine.loop.time() + PATIENCE, 0
        while calm < 3 and self._host.engine.loop.time() < deadline:
            busy = self._host.opening or any(map(_busy, self._host.runners.values()))
            calm = 0 if busy else calm + 1
            await asyncio.sleep(LOOK)

    def give_over(self, clock: Clock) -> None:
        """Hand what is still to come to another clock."""
        while (moment := self._agenda.next()) is not None:
            for timer in self._agenda.due(moment):
                if timer.call is not None:
                    clock.call_at(timer.when, timer.call)


def _busy(runner: Runner) -> bool:
    if runner.closed:
        return False
    driver = runner.drivers.driver
    begins = driver is None and runner.state.driver >= 0 and runner.state.live
    at_it = begins or (driver is not None and not getattr(driver, "resting", True))
    ending = runner.state.status is not None and runner.state.status.ended
    return bool(at_it or ending or runner.bodies.running or runner.pending or _queued(runner))


def _queued(runner: Runner) -> bool:
    return any(runner.state.counts[status] for status in _BUSY)
