"""Who may start on an executor now: the bodies of all runs stand in one line, and each that runs holds its slots."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from ..executors.base import Executor


class Lane:
    """One executor and the line before it: the bodies of all runs hold at most ``slots`` slots at a time."""

    def __init__(self, executor: Executor, slots: int, loop: asyncio.AbstractEventLoop) -> None:
        self.executor = executor
        self.slots = slots
        self.running = 0
        self.told: set[str] = set()
        """The resources of which it was said that the executor does not know them."""
        self._line: deque[tuple[int, Callable[[Slot], bool]]] = deque()
        self._loop = loop

    def join(self, start: Callable[[Slot], bool], wide: int = 1) -> None:
        """Stand in line for so many slots, of which all count as one place.

        ``start`` is called when they are free, and returns False when it does not want them any more. Who wants more
        slots than there are gets all of them, alone. Nobody is overtaken, so a wide body waits no longer than the
        bodies before it take.
        """
        self._line.append((min(wide, self.slots), start))
        self._pump()

    def _pump(self) -> None:
        while self._line and self.running + self._line[0][0] <= self.slots:
            wide, start = self._line.popleft()
            self.running += wide
            if not start(Slot(self, wide)):
                self.running -= wide

    def _leave(self, wide: int) -> None:
        self.running -= wide
        if self._line:
            self._loop.call_soon(self._pump)  # not at once: a line of inline bodies would be a recursion


class Slot:
    """The right of one body to be on its executor."""

    __slots__ = ("_lane", "_wide")

    def __init__(self, lane: Lane, wide: int = 1) -> None:
        self._lane: Lane | None = lane
        self._wide = wide

    @property
    def lane(self) -> Lane:
        """The lane. Only while the slot is held."""
        assert self._lane is not None
        return self._lane

    def leave(self) -> None:
        """Give the place to the next in line. Idempotent."""
        lane, self._lane = self._lane, None
        if lane is not None:
            lane._leave(self._wide)
