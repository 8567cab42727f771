"""Tell the threads of this process that a stream of events has grown: at once for its own, soon for those of others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .inotify import Changes

EAGER, CALM = 0.005, 0.025
"""Seconds between two looks for events of other processes: while they come, and when none has come for a while."""
WHILE = 2.0
"""Seconds after an event for which the looks are eager."""
PATROL = 0.1
"""Seconds between two looks where the system tells of changes: on a network folder it knows only those of this side."""
LINGER = 1.0
"""Seconds that the thread which looks outlives the last who waits: the next wait is often near."""


class Doorbell:
    """One stream's bell. ``look`` finds what other processes have added, and rings; without it nobody else can add.

    The thread that looks is there only while somebody waits or watches. A look takes some 5 us, and the system says
    when there is something new in ``folder``, where it can.
    """

    def __init__(
        self, look: Callable[[], bool] | None = None, folder: str = "", pauses: tuple[float, float] = (EAGER, CALM)
    ) -> None:
        self._look = look
        self._folder = folder
        self._eager, self._calm = pauses
        self._changed = threading.Condition()
        self._end = 0
        self._rings: dict[object, Callable[[int], None]] = {}
        self._waiting = 0
        self._lookout: threading.Thread | None = None

    def ring(self, end: int) -> None:
        """Say that all events below ``end`` are there."""
        with self._changed:
            if end <= self._end:
                return
            self._end = end
            self._changed.notify_all()
            rings = [*self._rings.values()]
        for ring in rings:
            ring(end)

    def wait(self, offset: int, timeout: float) -> bool:
        """Return True once the event of an offset is there, False after ``timeout`` seconds."""
        with self._changed:
            if self._end > offset:
                return True
            self._waiting += 1
            self._start_looking()
            try:
                return self._changed.wait_for(lambda: self._end > offset, timeout)
            finally:
                self._waiting -= 1

    def watch(self, ring: Callable[[int], None]) -> Callable[[], None]:
        """Call ``ring`` with the new end whenever the stream has grown, in some thread; return what ends that."""
        token = object()
        with self._changed:
            self._rings[token] = ring
            self._start_looking()

        def end() -> None:
            with self._changed:
                self._rings.pop(token, None)

        return end

    def _start_looking(self) -> None:
        if self._look is not None and self._lookout is None:
            self._lookout = threading.Thread(target=self._keep_looking, name="nbflow-events", daemon=True)
            self._lookout.start()

    def _keep_looking(self) -> None:
        needed = grown = time.monotonic()
        changes: Changes | None = None
        try:
            while True:
                changes = changes or self._changes()
                now = time.monotonic()
                grown = now if self._found() else grown
                with self._changed:
                    needed = now if self._rings or self._waiting else needed
                    if now - needed > LINGER:
                        self._lookout = None
                        return
                if changes is not None:
                    changes.wait(PATROL)
                else:
                    time.sleep(self._eager if now - grown < WHILE else self._calm)
        finally:
            if changes is not None:
                changes.close()

    def _found(self) -> bool:
        assert self._look is not None
        try:
            return self._look()
        except Exception:
            return False  # the disk is away for a moment, or for good: who reads or sends is told

    def _changes(self) -> Changes | None:
        if not self._folder:
            return None
        try:
            return Changes(self._folder)
        except (OSError, AttributeError):
            return None  # not this system, or not yet: the folder is made with the first event
