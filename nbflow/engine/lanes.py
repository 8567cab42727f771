"""Who may start on an executor now: the bodies of all runs stand in one line, and each that runs holds a slot."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from ..executors.base import Executor


class Lane:
    """One executor and the line before it: at most ``slots`` bodies run at a time, whichever run they belong to."""

    def __init__(self, executor: Executor, slots: int, loop: asyncio.AbstractEventLoop) -> None:
        self.executor = executor
        self.slots = slots
        self.running = 0
        self._line: deque[Callable[[Slot], bool]] = deque()
        self._loop = loop

    def join(self, start: Callable[[Slot], bool]) -> None:
        """Stand in line; ``start`` is called with a slot, and returns False when it does not want it any more."""
        self._line.append(start)
        self._pump()

    def _pump(self) -> None:
        while self._line and self.running < self.slots:
            self.running += 1
            if not self._line.popleft()(Slot(self)):
                self.running -= 1

    def _leave(self) -> None:
        self.running -= 1
        if self._line:
            self._loop.call_soon(self._pump)  # not at once: a line of inline bodies would be a recursion


class Slot:
    """The right of one body to be on its executor."""

    __slots__ = ("_lane",)

    def __init__(self, lane: Lane) -> None:
        self._lane: Lane | None = lane

    @property
    def executor(self) -> Executor:
        """The executor of the lane. Only while the slot is held."""
        assert self._lane is not None
        return self._lane.executor

    def leave(self) -> None:
        """Give the slot to the next in line. Idempotent."""
        lane, self._lane = self._lane, None
        if lane is not None:
            lane._leave()
