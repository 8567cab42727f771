"""The time of day and the timers of the engine, behind one seam that tests replace."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol

SLICE = 30.0
"""Seconds between looks at the wall clock: a laptop that slept, or a clock that was set, is noticed within them."""


class Timer:
    """One call that will be made; ``cancel`` forgets it. Idempotent."""

    __slots__ = ("call", "when")

    def __init__(self, when: float, call: Callable[[], None]) -> None:
        self.when = when
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Do not make the call."""
        self.call = None


class Clock(Protocol):
    """Where the engine gets the time from. ``call_at`` is for the engine's loop thread only."""

    def time(self) -> float:
        """Return UTC seconds."""

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        """Make a call at or after a moment, never before."""


class Agenda:
    """Timers in order of their moments."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()

    def add(self, timer: Timer) -> None:
        """Take a timer in."""
        heapq.heappush(self._heap, (timer.when, next(self._count), timer))

    def next(self) -> float | None:
        """Return the moment of the next live timer."""
        while self._heap and self._heap[0][2].call is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> list[Timer]:
        """Remove and return the timers whose moment has come."""
        found = []
        while (moment := self.next()) is not None and moment <= now:
            found.append(heapq.heappop(self._heap)[2])
        return found


class SystemClock:
    """The wall clock; one loop timer serves all, so ten thousand waits cost one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._agenda = Agenda()
        self._armed: asyncio.TimerHandle | None = None
        self._armed_for = 0.0

    def time(self) -> float:
        """Return UTC seconds."""
        return time.time()

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        """Make a call on the loop at or after a moment."""
        timer = Timer(when, call)
        self._agenda.add(timer)
        if self._armed is None or when < self._armed_for:
            self._arm()
        return timer

    def _arm(self) -> None:
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None
        moment = self._agenda.next()
        if moment is not None:
            delay = min(max(moment - self.time(), 0.0), SLICE)
            self._armed_for = moment
            self._armed = self._loop.call_later(delay, self._ring)

    def _ring(self) -> None:
        self._armed = None
        for timer in self._agenda.due(self.time()):
            if timer.call is not None:
                self._loop.call_soon(timer.call)
        self._arm()
