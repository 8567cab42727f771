"""The thread of a dashboard: looks at the storage while somebody watches, and does what the browser asks for."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

PAUSE = 1.0
"""Seconds between two looks."""
HURRY = 0.25
"""Seconds between two looks just after a person did something."""
HURRIED = 4.0
"""So many seconds after it."""
SHARE = 20
"""At least so many times as long as a look takes is the pause after it: 5 % of a core at most."""
DROWSY, ASLEEP = 30.0, 600.0
"""Seconds without a word from any page after which looks become rare, and end: a closed page says no goodbye."""
RARELY = 10.0
"""Seconds between two rare looks."""


class Worker:
    """Calls ``look`` while it is watched, and what was submitted, one at a time. Its thread starts when needed."""

    def __init__(self, look: Callable[[], None], failed: Callable[[BaseException], None]) -> None:
        self._look, self._failed = look, failed
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = False
        self._heard = self._looked = self._cost = self._acted = 0.0
        self.watched = False

    def heard(self, watched: bool) -> None:
        """Note that a page has said something, and whether any page is there."""
        self.watched, self._heard = watched, time.monotonic()
        self.post(lambda: None)  # the pause may be shorter now

    def hurry(self) -> None:
        """Look soon, and more often for a while: something was done and its effect is waited for."""
        self._acted = time.monotonic()
        self._looked = min(self._looked, self._acted - PAUSE)
        self.post(lambda: None)

    def post(self, job: Callable[[], None]) -> None:
        """Have a job done soon; what it raises goes to ``failed``."""
        with self._lock:
            if self._thread is None and not self._ended:
                self._thread = threading.Thread(target=self._main, name="nbflow-dashboard", daemon=True)
                self._thread.start()
        self._jobs.put(job)

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Have a call made soon; return the future of its result. Raises RuntimeError after ``end``."""
        if self._ended:
            raise RuntimeError("This dashboard was closed: nbflow.dashboard() gives a new one.")
        future: Future[Any] = Future()

        def job() -> None:
            try:
                future.set_result(call())
            except Exception as wrong:
                future.set_exception(wrong)

        self.post(job)
        return future

    def end(self) -> None:
        """End the thread after what it is doing, and wait for that. Idempotent."""
        with self._lock:
            self._ended, thread = True, self._thread
        self._jobs.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join(5)

    def left(self) -> float | None:
        """Return how many seconds are left to the next look; None when nobody watches."""
        now = time.monotonic()
        silence = now - self._heard
        if not self.watched or silence > ASLEEP:
            return None
        pause = HURRY if now - self._acted < HURRIED else PAUSE if silence < DROWSY else RARELY
        return max(0.0, self._looked + max(pause, SHARE * self._cost) - now)

    def _main(self) -> None:
        while not self._ended:
            try:
                job = self._jobs.get(timeout=self.left())
            except queue.Empty:
                job = self._timed
            if job is None:
                return
            try:
                job()
            except Exception as wrong:
                self._failed(wrong)

    def _timed(self) -> None:
        self._looked = time.monotonic()
        try:
            self._look()
        finally:
            self._cost = time.monotonic() - self._looked
