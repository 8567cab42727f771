"""How often a view is told: at once when nothing was told lately, else what came together, so many times a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Json = dict[str, Any]


class Handle(Protocol):
    """What ``call_later`` returns: asyncio's, or a thread's."""

    def cancel(self) -> object:
        """Take the call back."""


CallLater = Callable[[float, Callable[[], None]], Handle]


@dataclass(slots=True)
class Changes:
    """What a view has to take over; None, or no rows, where nothing changed."""

    topo: Json | None = None
    st: str | None = None
    rows: dict[str, list[Any]] = field(default_factory=dict)
    run: Json | None = None
    asks: list[Json] | None = None
    panels: list[Json] | None = None

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Changes:
        """Return the changes of a message that has any of topo, st, rows, run, asks and panels."""
        return cls(
            message.get("topo"),
            message.get("st"),
            dict(message.get("rows") or {}),
            message.get("run"),
            message.get("asks"),
            message.get("panels"),
        )

    def add(self, newer: Changes) -> None:
        """Take over newer changes. A new topology brings all rows with it: those before it mean other nodes."""
        if newer.topo is not None:
            self.topo, self.rows = newer.topo, newer.rows
        else:
            self.rows = self.rows | newer.rows
        self.st = self.st if newer.st is None else newer.st
        self.run = self.run if newer.run is None else newer.run
        self.asks = self.asks if newer.asks is None else newer.asks
        self.panels = self.panels if newer.panels is None else newer.panels

    @property
    def last(self) -> bool:
        """True when the run has ended: there may be no later change that would carry this one along."""
        return self.run is not None and self.run.get("t1") is not None


class Pace:
    """Gathers changes and hands them on, in order, one at a time; use it from any thread.

    The leading edge goes at once, in the thread that calls ``put``. What comes within the pause after it is merged and
    goes by ``call_later``, a thread's timer by default; never by the loop of the notebook, which a busy cell holds up.
    """

    def __init__(
        self,
        push: Callable[[Changes], None],
        pause: Callable[[], float],
        call_later: CallLater | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._push, self._pause, self._clock = push, pause, clock
        self._call_later = call_later or _in_a_thread
        self._lock = threading.Lock()
        self._pushing = threading.Lock()
        self._waiting: Changes | None = None
        self._handle: Handle | None = None
        self._next = 0.0

    def put(self, changes: Changes) -> None:
        """Take changes over, and hand them on when it is time."""
        with self._lock:
            if self._waiting is None:
                self._waiting = changes
            else:
                self._waiting.add(changes)
            left = self._next - self._clock()
            if left > 0 and not self._waiting.last:
                if self._handle is None:
                    self._handle = self._call_later(left, self.flush)
                return
        self.flush()

    def flush(self) -> None:
        """Hand on what waits, now."""
        with self._pushing:  # of two threads the second must not overtake the first
            with self._lock:
                handle, self._handle = self._handle, None
                changes, self._waiting = self._waiting, None
                self._next = self._clock() + self._pause()
            if handle is not None:
                handle.cancel()
            if changes is not None:
                self._push(changes)

    def stop(self) -> None:
        """Drop what waits."""
        with self._lock:
            handle, self._handle, self._waiting = self._handle, None, None
        if handle is not None:
            handle.cancel()


def _in_a_thread(delay: float, call: Callable[[], None]) -> Handle:
    timer = threading.Timer(delay, call)
    timer.daemon = True
    timer.start()
    return timer
