"""Who may start on an executor now: the bodies of all runs stand in one line, and each that runs holds its slots."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from ..executors.base import Executor

AHEAD = 128
"""So many bodies at most are handed to an executor's own queue while all its slots are taken."""
FORESIGHT = 0.004
"""Seconds of work that are handed over at most, as fast as bodies have ended lately. Bodies that take longer than that
each wait here, and are shown as waiting; without this a thread would wait for the loop after each tiny body."""


class Lane:
    """One executor and the line before it: the bodies of all runs hold at most ``slots`` slots at a time.

    An executor that says ``queues`` gets tiny bodies ahead of time, as many as it ends in a few milliseconds.
    """

    def __init__(self, executor: Executor, slots: int, loop: asyncio.AbstractEventLoop) -> None:
        self.executor = executor
        self.slots = slots
        self.running = 0
        self.told: set[str] = set()
        """The resources of which it was said that the executor does not know them."""
        self.stands = False
        """True once it was said that bodies wait here for other runs, and nobody can make room for those."""
        self.sees = True
        """False when its workers have turned out not to see the files of the storage."""
        self._line: deque[tuple[int, bool, Callable[[Slot], bool]]] = deque()
        self._loop = loop
        self._pumping = False
        self._wide = 0
        self._queues = getattr(executor, "queues", False)
        self._ahead = 0
        self._ended = 0
        self._since = loop.time()

    def join(self, start: Callable[[Slot], bool], wide: int = 1, ahead: bool = False) -> None:
        """Stand in line for so many slots, of which all count as one place.

        ``start`` is called when they are free, and returns False when it does not want them any more. Who wants more
        slots than there are gets all of them, alone. Nobody is overtaken, so a wide body waits no longer than the
        bodies before it take. With ``ahead`` it may be handed over some milliseconds before a slot is free.
        """
        self._line.append((min(wide, self.slots), ahead, start))
        if len(self._line) == 1:  # else who leaves lets the next ones in
            self._pump()

    def _pump(self) -> None:
        self.slots = getattr(self.executor, "workers", None) or self.slots  # a cluster grows and shrinks
        more = self._foresee() if self._queues else 0
        while self._line:
            wide, ahead, start = self._line[0]
            # a wide body is alone on its slots, so nothing is handed over beside it
            room = self.slots + (more if ahead and wide == 1 and not self._wide else 0)
            if self.running and self.running + wide > room:
                break
            self._line.popleft()
            self._take(wide, 1)
            if not start(Slot(self, wide, self.running > self.slots)):
                self._take(wide, -1)

    def _take(self, wide: int, sign: int) -> None:
        self.running += sign * wide
        if wide > 1:
            self._wide += sign

    def _foresee(self) -> int:
        """Return how many bodies may be handed over ahead of time."""
        now = self._loop.time()
        if now - self._since > FORESIGHT / 2:
            self._ahead = min(AHEAD, int(self._ended * FORESIGHT / (now - self._since)))
            self._ended, self._since = 0, now
        return self._ahead

    def _leave(self, wide: int, at_once: bool) -> None:
        self._take(wide, -1)
        self._ended += 1
        if self._line and not self._pumping:
            self._pumping = True
            if at_once and self._queues:  # the next one gets the place, and the memory, of the one that has just left
                self._pump_and_rest()
            else:
                self._loop.call_soon(self._pump_later)  # not at once: a line of inline bodies would be a recursion

    def _pump_and_rest(self) -> None:
        try:
            self._pump()  # who leaves meanwhile is seen here, and must not pump too
        finally:
            self._pumping = False

    def _pump_later(self) -> None:
        self._pumping = False
        self._pump()


class Slot:
    """The right of one body to be on its executor."""

    __slots__ = ("_lane", "_wide", "early")

    def __init__(self, lane: Lane, wide: int = 1, early: bool = False) -> None:
        self._lane: Lane | None = lane
        self._wide = wide
        self.early = early
        """True when the body is handed over before there is room for it."""

    @property
    def held(self) -> bool:
        """True until the slot is left."""
        return self._lane is not None

    @property
    def lane(self) -> Lane:
        """The lane. Only while the slot is held."""
        assert self._lane is not None
        return self._lane

    def leave(self, *, at_once: bool = False) -> None:
        """Give the place to the next in line: in the next turn of the loop, or ``at_once``. Idempotent.

        Not at once where a body is stopped: the next one may be of the same run, and stopped next.
        """
        lane, self._lane = self._lane, None
        if lane is not None:
            lane._leave(self._wide, at_once)
